"""A result moves the policy by how probable it was where it was drawn, whoever drew it.

The independent value is the exact gradient of the expected reward, summed over all architectures of
a small space.
"""

import itertools

import numpy as np
import pytest

from cellwright.plugins import PPO, HybridReinforce, Reinforce
from cellwright.plugins.strategies.hybrid import share_of_draws
from cellwright.plugins.strategies.origins import truncated_ratio
from cellwright.search_spaces import Decision, SearchSpace

SIZES = (3, 2, 4)
SPACE = SearchSpace([Decision(f"d{k}", tuple(range(size))) for k, size in enumerate(SIZES)])
EVERY = np.array(list(itertools.product(*map(range, SIZES))))
LARGE = SearchSpace([Decision(f"d{k}", tuple("abcd")) for k in range(50)])


def decided(strategy, seed):
    """Make the policy prefer some choices clearly, as after some updates."""
    rng = np.random.default_rng(seed)
    strategy.controller["output_bias"][:3] = rng.normal(size=(3, 4))
    strategy.controller.changed()
    return strategy


def rewards(seed):
    return np.random.default_rng((seed, 1)).normal(size=len(EVERY))


def cosine(controller, weights, rewards, baseline=None):
    """Between the gradient with these weights of every architecture, and the exact one of the
    expected reward; the rewards' mean under the policy is the baseline where none is given."""
    probability = np.exp(controller.log_probability(EVERY))
    found = []
    every = np.pad(EVERY, ((0, 0), (0, len(controller.sizes) - len(SIZES))))  # for a second head
    baseline = probability @ rewards if baseline is None else baseline
    for share in (probability, weights):
        controller.accumulate(every, share * (rewards - baseline))
        found.append(controller.gradient.copy())
    return found[0] @ found[1] / np.linalg.norm(found[0]) / np.linalg.norm(found[1])


def frequencies(strategy, numbers):
    """How often each architecture is proposed, and the gradient's weight if each counts by its
    batch's."""
    asked = [SPACE.encode(strategy.ask(number)) for number in numbers]
    places = np.array([np.ravel_multi_index(one, SIZES) for one in asked])
    return np.bincount(places, minlength=len(EVERY)) / len(asked), places


def test_uniform_draws_from_elsewhere_lead_where_the_policys_own_lead():
    """As they come, they led elsewhere."""
    ratio, full = [], []
    for seed in range(20):
        strategy = decided(Reinforce(SPACE, seed=seed, units=6), seed)
        batch = strategy._with_origins(np.arange(1000, 1000 + len(EVERY)), EVERY)
        batch = batch._replace(  # a few look like its own draws, by chance
            log_drawn=np.tile(-np.log(SIZES), (len(EVERY), 1)), own=np.zeros(len(EVERY), bool)
        )
        ratio.append(cosine(strategy.controller, truncated_ratio(batch), rewards(seed)))
        full.append(cosine(strategy.controller, np.ones(len(EVERY)), rewards(seed)))
    assert np.mean(ratio) > 0.97
    assert min(ratio) > 0.8
    assert np.mean(full) < 0.8
    assert min(full) < 0.2


@pytest.mark.parametrize("make", [Reinforce, PPO])
def test_the_policy_that_drew_a_trial_is_found_however_late_it_is_told(make):
    """Eight updates lie between, of which the last four policies are kept."""
    strategy = make(LARGE, seed=2, units=6, batch=2, learning_rate=0.2)
    slow, log_p, uniform = [], [], -np.log(4)
    for update in range(8):
        slow.append(LARGE.encode(strategy.ask(100 + update)))
        policy = strategy.controller.log_policy(np.array(slow[-1:]))[0]
        log_p.append(policy[range(50), slow[-1]])
        for told in (2 * update, 2 * update + 1):
            params = strategy.ask(told)
            strategy.tell(told, params, float(LARGE.encode(params)[0]))
    batch = strategy._with_origins(np.arange(100, 108), np.array(slow))
    np.testing.assert_array_equal(batch.own, [False] * 4 + [True] * 4)
    np.testing.assert_allclose(batch.log_drawn[4:], log_p[4:], rtol=1e-12)
    np.testing.assert_array_equal(batch.log_drawn[:4], uniform)
    assert np.abs(batch.log_now - batch.log_drawn).max(axis=1).min() > 0.01  # it has moved since


@pytest.mark.parametrize("late", [False, True])
def test_ppo_compares_with_the_policy_that_drew_a_trial(late):
    """Of two alike, only what was drawn before the policy moved away is left alone."""
    strategy = PPO(LARGE, seed=0, units=6, batch=1, epochs=1, entropy_weight=0, imitation=0)
    asked = strategy.ask(7)
    actions = np.array(LARGE.encode(asked))
    strategy.tell(0, strategy.ask(0), 0.5)
    strategy.controller["output_bias"][np.arange(50), actions] -= 3.0  # what an update may do
    strategy.controller.changed()
    strategy._sampled.clear()
    params = asked if late else strategy.ask(7)
    assert (params == asked) == late
    strategy.tell(7, params, 0.4)
    assert (np.abs(strategy.controller.gradient).max() == 0) == late


def test_the_policys_own_draws_count_fully_and_are_told_from_others():
    strategy = Reinforce(SPACE, seed=5, units=6)
    numbers = np.arange(200)
    own = np.array([SPACE.encode(strategy.ask(number)) for number in numbers])
    batch = strategy._with_origins(numbers, own)
    assert batch.own.all()
    np.testing.assert_array_equal(truncated_ratio(batch), 1.0)
    strangers = strategy._with_origins(numbers, (own + 1) % SIZES)
    assert strangers.own.mean() < 0.5  # of eight tries, some lead there by chance


def test_a_weight_is_that_of_the_active_decisions_and_bounded():
    batch = Reinforce(SPACE, seed=5, units=6)._with_origins(np.arange(3), EVERY[:3])
    below = batch._replace(log_drawn=batch.log_now + 0.1)
    np.testing.assert_allclose(truncated_ratio(below), np.exp(-0.3))
    active = batch.active & [True, True, False]
    np.testing.assert_allclose(truncated_ratio(below._replace(active=active)), np.exp(-0.2))
    above = batch._replace(log_drawn=batch.log_now - 0.1)
    np.testing.assert_allclose(truncated_ratio(above), np.exp(0.3))
    far = batch._replace(log_drawn=batch.log_now - 9.0)
    np.testing.assert_allclose(truncated_ratio(far), 3.0)


def test_a_known_network_is_drawn_anew_from_the_policy():
    """With the most probable one known, the others are proposed in proportion to the policy."""
    strategy = decided(Reinforce(SPACE, seed=3, units=6), 3)
    probability = np.exp(strategy.controller.log_probability(EVERY))
    best = int(probability.argmax())
    strategy._known = {tuple(EVERY[best].tolist())}
    found, _ = frequencies(strategy, range(3000))
    expected = np.where(np.arange(len(EVERY)) == best, 0.0, probability)
    expected /= expected.sum()
    assert found[best] == 0
    spread = np.sqrt(expected / 3000)
    assert (np.abs(found - expected) < 4 * spread + 1e-3).all()


def hybrid(seed):
    """A hybrid controller that has learned something of a few results."""
    strategy = HybridReinforce(SPACE, seed=seed, units=8, batch=10, epochs=20, learning_rate=0.02)
    rng = np.random.default_rng(seed)
    for number in range(10):
        params = SPACE.decode(rng.integers(0, SIZES))
        strategy.tell(number, params, float(rng.normal()))
    strategy._known.clear()
    return decided(strategy, seed)


@pytest.mark.slow
def test_the_best_of_several_draws_moves_the_policy_as_plain_draws_would():
    """The exact gradient, from thousands of proposals. If each proposal were the best of four draws
    and counted as a plain one, they would lead elsewhere."""
    weighed, best = [], []
    for seed in range(4):
        strategy = hybrid(seed)
        numbers = np.arange(100, 3100)
        _, places = frequencies(strategy, numbers.tolist())
        batch = strategy._with_origins(numbers, EVERY[places])
        assert batch.own.all()
        shares = strategy._shares(batch)
        assert 0.4 <= shares.min() < 0.8 < 1.2 < shares.max() <= 2
        told = strategy._values_of([SPACE.decode(row) for row in EVERY])
        found = (told - told.mean()) / told.std() + rewards(seed)  # a predictor that has learned
        weights = np.bincount(places, shares, minlength=len(EVERY)) / len(numbers)
        mean = found[places].mean()  # a batch is normalised to mean 0
        weighed.append(cosine(strategy.controller, weights, found, mean))
        chosen = places[numbers % 2 == 1]
        weights = np.bincount(chosen, minlength=len(EVERY)) / len(chosen)
        best.append(cosine(strategy.controller, weights, found, found[chosen].mean()))
    assert min(weighed) > 0.998
    assert np.mean(best) < 0.97


def test_shares_are_the_exact_density_of_the_best_of_several_draws():
    """Of three ranks with probabilities .5, .3, .2, the best of four draws, counted in full."""
    p = np.array([0.5, 0.3, 0.2])
    best = np.zeros(3)
    for drawn in itertools.product(range(3), repeat=4):
        best[max(drawn)] += np.prod(p[list(drawn)])
    up_to = p.cumsum()
    expected = p / (0.5 * p + 0.5 * best)
    np.testing.assert_allclose(share_of_draws(up_to - p, up_to, 4), expected)
    np.testing.assert_array_equal(share_of_draws(up_to - p, up_to, 1), 1.0)


def test_half_of_the_hybrid_proposals_are_plain_draws():
    strategy = hybrid(1)
    probability = np.exp(strategy.controller.log_probability(EVERY))
    even, _ = frequencies(strategy, range(100, 4100, 2))
    assert np.abs(even - probability).max() < 4 * np.sqrt(0.25 / 2000)
    odd, _ = frequencies(strategy, range(101, 4101, 2))
    ranked = strategy._values_of([SPACE.decode(row) for row in EVERY])
    assert odd @ ranked > even @ ranked
