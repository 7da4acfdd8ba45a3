"""The best results that a policy imitates: which they are, what they add to its gradient, and that
a search learns early from them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cellwright.plugins import PPO, RandomSearch, Reinforce
from cellwright.plugins.strategies.imitation import BEST, drawn_from, with_result
from cellwright.search_spaces import Decision, SearchSpace

SPACE = SearchSpace([Decision(f"d{k}", tuple("abcd")) for k in range(12)])
FIFTY = SearchSpace([Decision(f"d{k}", tuple("abcd")) for k in range(50)])


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 60), st.integers(-5, 5)), min_size=1, max_size=120))
def test_the_best_results_are_kept_one_for_each_architecture(told):
    best = []
    for number, reward in told:
        best = with_result(best, (number,), float(reward))
    assert len({indices for _, indices in best}) == len(best) <= BEST
    rewards = [reward for reward, _ in best]
    assert rewards == sorted(rewards, reverse=True)
    last = dict(told)
    if len(last) <= BEST:  # nothing was ever left out
        assert {indices[0]: reward for reward, indices in best} == last


def test_better_results_have_larger_shares():
    best = [(float(-k), (k, k + 1)) for k in range(BEST)]
    found = drawn_from(best, np.random.default_rng(0))
    assert found.actions.shape == (16, 2)
    assert found.shares.sum() == pytest.approx(1)
    weights = BEST - found.actions[:, 0]  # the place is the first action
    np.testing.assert_allclose(found.shares, weights / weights.sum())
    few = drawn_from(best[:3], np.random.default_rng(0))
    assert sorted(few.actions[:, 0]) == [0, 1, 2]
    assert sorted(few.shares) == pytest.approx([1 / 6, 2 / 6, 3 / 6])


@pytest.mark.parametrize("make", [Reinforce, PPO])
def test_a_step_is_along_the_sum_of_both_gradients(make):
    """Those of the policy alone, and of the log-likelihood of what is imitated."""
    options = {"units": 6, "batch": 4, "epochs": 1, "entropy_weight": 0.0}
    plain = make(SPACE, seed=1, imitation=0, **options)
    both = make(SPACE, seed=1, imitation=0.7, **options)
    before = make(SPACE, seed=1, **options).controller
    for strategy in (plain, both):
        for number in range(4):
            params = strategy.ask(number)
            strategy.tell(number, params, float(SPACE.encode(params)[0]))
    assert plain.history == both.history
    actions, shares = drawn_from(both._best, both._stream(4, 3))
    before.accumulate(actions, 0.7 * shares * len(shares))
    expected = plain.controller.gradient + before.gradient
    np.testing.assert_allclose(both.controller.gradient, expected, atol=1e-14)


def score(params):
    return float(np.mean([index == k % 4 for k, index in enumerate(FIFTY.encode(params))]))


@pytest.mark.parametrize("make", [Reinforce, PPO])
def test_finished_trials_from_elsewhere_are_a_warm_start(make):
    """Forty results of another search move the first proposals towards the best of them."""
    rng = np.random.default_rng(0)
    warm, cold = make(FIFTY, seed=2), make(FIFTY, seed=2)
    for number in range(1000, 1040):
        good = [k % 4 if rng.random() < 0.2 + 0.01 * (number - 1000) else 3 for k in range(50)]
        params = FIFTY.decode(good)
        warm.tell(number, params, score(params))
    first, usual = ([score(one.ask(k)) for k in range(20)] for one in (warm, cold))
    assert np.mean(first) > np.mean(usual) + 0.05


@pytest.mark.parametrize("make", [Reinforce.book, Reinforce.layerwise, PPO.nasnet])
def test_published_settings_do_not_imitate(make):
    strategy = make(FIFTY, seed=0)
    assert (strategy.imitation, strategy.entropy_rise) == (0, 0)
    assert strategy.entropy_weight in (0, 1e-5, 1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("make", [Reinforce, PPO])
def test_fifty_decisions_are_learned_within_a_hundred_trials(make):
    rng = np.random.default_rng(1)

    def run(strategy):
        for number in range(100):
            params = strategy.ask(number)
            strategy.tell(number, params, score(params) + 0.03 * float(rng.normal()))
        return np.mean([score(told.params) for told in strategy.history[80:]])

    for seed in range(3):
        imitating = run(make(FIFTY, seed=seed))
        drawn = run(RandomSearch(FIFTY, seed=seed))
        assert imitating > drawn + 0.15
