"""Which decisions mattered, and how predictions correlate with what was measured."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cellwright.plugins.analysis import importances, rank_correlation
from cellwright.search_spaces import Decision, InvalidArchitecture, MLPSpace, SearchSpace

SPACE = SearchSpace(
    [Decision("much", ("a", "b", "c")), Decision("little", (1, 2)), Decision("nothing", (0, 1, 2))]
)


def trials(number, seed=0):
    rng = np.random.default_rng(seed)
    drawn = [SPACE.sample(rng) for _ in range(number)]
    effect = {"a": 0.0, "b": 3.0, "c": 1.0}
    return [
        (params, effect[params["much"]] + 0.5 * params["little"] + rng.normal(0, 0.5))
        for params in drawn
    ]


def test_shares_are_those_of_the_analysis_of_variance():
    found = {one.decision: one for one in importances(SPACE, trials(20_000))}
    variances = {"much": np.var([0.0, 3.0, 1.0]), "little": np.var([0.5, 1.0]), "nothing": 0.0}
    total = sum(variances.values()) + 0.25
    for name, variance in variances.items():
        assert found[name].share == pytest.approx(variance / total, abs=0.01)
    assert importances(SPACE, trials(20_000))[0].decision == "much"
    assert (found["much"].best, found["little"].best) == ("b", 2)
    assert found["much"].mean == pytest.approx(3.75, abs=0.05)
    assert found["much"].others == pytest.approx(1.25, abs=0.05)


def test_a_decision_without_effect_has_none_on_average():
    """The plain share of explained variance would be 2 / 29 with 30 trials."""
    shares = []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        noise = [(SPACE.sample(rng), rng.normal()) for _ in range(30)]
        shares += [one.share for one in importances(SPACE, noise) if one.decision == "nothing"]
    assert np.mean(shares) < 0.04


def test_decisions_without_effect_in_a_trial_do_not_count_there():
    space = MLPSpace(nodes=(8, 16), activations=("relu",))
    ended = {"layer/1": "8 relu", "layer/2": "output"}
    longer = {"layer/1": "8 relu", "layer/2": "16 relu"}
    found = importances(space, [(ended, 0.1), (ended, 0.2), (longer, 0.8), (longer, 0.9)])
    assert [(one.decision, one.best, one.trials) for one in found] == [("layer/2", "16 relu", 2)]


def test_few_trials_give_no_importances():
    assert importances(SPACE, []) == []
    assert importances(SPACE, trials(1)) == []


def test_equal_rewards_give_no_share():
    constant = [(params, 1.0) for params, _ in trials(30)]
    assert {one.share for one in importances(SPACE, constant)} == {0.0}


def test_trials_of_another_space_are_refused():
    with pytest.raises(InvalidArchitecture, match="much"):
        importances(SPACE, [({"other": 1}, 0.5)])


NUMBERS = st.lists(st.tuples(st.integers(-5, 5), st.integers(-5, 5)), min_size=3, max_size=30)


@given(NUMBERS)
def test_rank_correlation_is_scipys(pairs):
    from scipy.stats import spearmanr

    first, second = zip(*pairs, strict=True)
    mine = rank_correlation(first, second)
    if len(set(first)) == 1 or len(set(second)) == 1:
        assert mine is None
    else:
        assert mine == pytest.approx(spearmanr(first, second).statistic)
