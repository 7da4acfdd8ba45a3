"""Which decisions mattered, and how predictions correlate with what was measured."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cellwright.search_spaces import Decision, InvalidArchitecture, MLPSpace, SearchSpace
from cellwright.searches.analysis import importances, rank_correlation

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
    found = importances(SPACE, trials(20_000))
    shares = {one.decision: one.share for one in found}
    variances = {"much": np.var([0.0, 3.0, 1.0]), "little": np.var([0.5, 1.0]), "nothing": 0.0}
    total = sum(variances.values()) + 0.25
    for name, variance in variances.items():
        assert shares[name] == pytest.approx(variance / total, abs=0.01)
    assert [one.decision for one in found] == ["much", "little", "nothing"]
    assert [(one.best, one.trials > 6000) for one in found[:2]] == [("b", True), (2, True)]
    assert found[0].effect == pytest.approx(3 - 4 / 3, abs=0.05)


def test_what_goes_along_with_a_good_choice_is_not_taken_for_it():
    """As in a search that has learned: the mean reward of `nothing` = 2 is high for no merit."""
    rng = np.random.default_rng(1)
    drawn = []
    for params, reward in trials(300):
        if params["much"] == "b" and rng.random() < 0.9:
            params = {**params, "nothing": 2}
        drawn.append((params, reward))
    shares = {one.decision: one.share for one in importances(SPACE, drawn)}
    assert shares["nothing"] < 0.1 * shares["much"]


def test_a_decision_without_effect_has_little_share():
    shares = []
    for seed in range(50):
        rng = np.random.default_rng(seed)
        noise = [(SPACE.sample(rng), rng.normal()) for _ in range(30)]
        shares += [one.share for one in importances(SPACE, noise) if one.decision == "nothing"]
    assert np.mean(shares) < 0.05


def test_decisions_without_effect_in_a_trial_do_not_count_there():
    space = MLPSpace(nodes=(8, 16), activations=("relu",))
    ended = {"layer/1": "8 relu", "layer/2": "output"}
    longer = {"layer/1": "8 relu", "layer/2": "16 relu"}
    found = importances(space, [(ended, 0.1), (longer, 0.9)] * 6)
    first = found[0]
    assert (first.decision, first.best, first.trials) == ("layer/2", "16 relu", 6)


def test_few_trials_give_no_importances():
    assert importances(SPACE, []) == []
    assert importances(SPACE, trials(9)) == []


def test_equal_rewards_give_no_share():
    constant = [(params, 1.0) for params, _ in trials(30)]
    assert importances(SPACE, constant) == []


def test_trials_of_another_space_are_refused():
    with pytest.raises(InvalidArchitecture, match="much"):
        importances(SPACE, [({"other": 1}, 0.5)] * 10)


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
