"""Rules for what a search hands over, on a synthetic space with and without noise."""

import pytest

from benchmarks import winner
from benchmarks.synthetic import SyntheticSource, parse_sizes
from benchmarks.winner import RULES, report, winners


@pytest.fixture(autouse=True)
def _short(monkeypatch):
    monkeypatch.setattr(winner, "POINTS", (20,))


def source(noise):
    return SyntheticSource(parse_sizes("6x3"), noise=noise)


def test_without_noise_the_highest_value_is_the_best_and_measuring_again_only_costs_evaluations():
    found = winners(source(0.0), True, 0)
    assert found.keys() == {(20, rule) for rule in RULES}
    assert max(found.values()) == found[20, RULES[0]]
    for count, times in winner.REPEATED:
        both = {x for (_, rule), x in found.items() if rule.startswith(f"the {count} best {times}")}
        assert len(both) == 1


def test_with_noise_the_rules_differ_and_the_same_seed_gives_the_same():
    found = [winners(source(2.0), True, seed) for seed in range(4)]
    assert any(len(set(each.values())) > 1 for each in found)
    assert winners(source(2.0), True, 0) == found[0]
    text = report(source(2.0), found)
    assert text.startswith(f"{source(2.0).name}, 4 seeds")
    assert all(f"| {rule} |" in text for rule in RULES)


def test_what_cannot_be_measured_again_has_no_such_rows():
    found = [winners(source(1.0), False, seed) for seed in range(2)]
    assert all("more, mean" not in rule for each in found for _, rule in each)
    assert "more, mean" not in report(source(1.0), found)
