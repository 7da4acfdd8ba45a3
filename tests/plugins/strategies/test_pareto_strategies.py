"""Strategies of several objectives."""

import numpy as np
import pytest

from cellwright.plugins import (
    ParetoEvolution,
    ParetoPredictor,
    RandomSearch,
    hypervolume,
    non_dominated,
)
from cellwright.plugins.strategies.pareto import best_first
from cellwright.search_spaces import Decision, SearchSpace

SPACE = SearchSpace(Decision(f"part/{i}", tuple("abcd")) for i in range(16))


def problem(seed):
    """Two objectives in [0, 1] that each decision sets against each other, units far apart."""
    rng = np.random.default_rng((seed, 7))
    tables = rng.random((16, 4, 2))
    tables /= tables.max(axis=1, keepdims=True)

    def rewards(params):
        values = tables[np.arange(16), list(SPACE.encode(params))].mean(axis=0)
        return float(values[0]), 1000 * float(values[1])

    return rewards


def run(strategy, rewards, trials):
    for number in range(trials):
        params = strategy.ask(number)
        strategy.tell(number, params, rewards(params))
    return [told.reward for told in strategy.history]


@pytest.mark.parametrize("strategy", [ParetoEvolution, ParetoPredictor])
def test_dominates_more_than_random_search(strategy):
    for seed in range(3):
        rewards, reference = problem(seed), (0.5, 500.0)
        drawn = run(RandomSearch(SPACE, seed=seed, objectives=2), rewards, 100)
        found = run(strategy(SPACE, seed=seed), rewards, 100)
        assert hypervolume(found, reference) > 1.1 * hypervolume(drawn, reference)


@pytest.mark.parametrize(
    ("strategy", "trials", "shift"), [(ParetoEvolution, 60, 8), (ParetoPredictor, 40, 0)]
)
def test_units_of_the_objectives_do_not_matter(strategy, trials, shift):
    """Powers of 2, so that not even rounding differs; a shift does round, to the predictor."""
    rewards = problem(0)
    one, other = strategy(SPACE, seed=1), strategy(SPACE, seed=1)
    for number in range(trials):
        params = one.ask(number)
        assert other.ask(number) == params
        values = rewards(params)
        one.tell(number, params, values)
        other.tell(number, params, (4 * values[0] - shift, values[1] / 1024))


def test_the_predictor_begins_after_many_failures():
    """Its hyperparameters are then learned from results that all failed."""
    strategy, rewards = ParetoPredictor(SPACE, seed=0), problem(0)
    for number in range(112):
        params = strategy.ask(number)
        strategy.tell(number, params, None if number < 100 else rewards(params))
    assert strategy.ask(112) not in [told.params for told in strategy.history]


def test_evolution_keeps_the_best_of_all_results_as_parents():
    rng = np.random.default_rng(0)
    strategy = ParetoEvolution(SPACE, seed=0, population=12)
    for number in range(200):
        values = rng.integers(0, 50, size=2).astype(float)
        strategy.tell(number, SPACE.sample(rng), tuple(values - values.sum() % 7))
    told = [told.reward for told in strategy.history]
    front = {told[place] for place in non_dominated(told)}
    kept = {values for _, values in strategy._members}
    assert front <= kept
    assert len(strategy._members) == 12


@pytest.mark.parametrize("objectives", [2, 3])
def test_the_predictor_dominates_more_than_evolution(objectives):
    """The third objective is a sum over all decisions."""
    reference = (0.5, 500.0, -30.0)[:objectives]

    def volume(strategy, seed):
        two = problem(seed)

        def rewards(params):
            return (*two(params), -float(sum(SPACE.encode(params))))[:objectives]

        searcher = strategy(SPACE, seed=seed, objectives=objectives)
        return hypervolume(run(searcher, rewards, 70), reference)

    predicted, evolved = (
        sum(volume(strategy, seed) for seed in range(2))
        for strategy in (ParetoPredictor, ParetoEvolution)
    )
    assert predicted > 1.1 * evolved


def test_the_predictor_fits_what_is_on_the_front_and_what_is_recent():
    strategy = ParetoPredictor(SPACE, seed=0, initial=4, most=20)
    rng = np.random.default_rng(0)
    for number in range(60):
        strategy.tell(number, SPACE.sample(rng), tuple(rng.random(2).tolist()))
    rewards = [told.reward for told in strategy.history]
    _, kept = strategy._training_set(60)
    assert len(kept) == 20
    best = {rewards[place] for place in best_first(rewards)[:10]}
    assert best <= {*map(tuple, kept.tolist())}
    assert {*rewards[-5:]} <= {*map(tuple, kept.tolist())}


def test_beside_what_runs_the_predictor_proposes_something_else():
    strategy, rewards = ParetoPredictor(SPACE, seed=0), problem(0)
    run(strategy, rewards, 20)
    running = []
    for number in range(20, 26):
        running.append(strategy.ask(number, running))
    assert len({SPACE.key(params) for params in running}) == 6


def test_objectives_that_are_all_the_same_are_no_obstacle():
    strategy = ParetoPredictor(SPACE, seed=0, initial=3)
    run(strategy, lambda params: (0.5, 2.0), 12)
    strategy = ParetoPredictor(SPACE, seed=0, initial=3, objectives=3)
    run(strategy, lambda params: (0.5, float(SPACE.encode(params)[0]), 2.0), 12)


def gain(strategy, rewards, trials=60):
    return hypervolume(run(strategy, rewards, trials), (0.5, 500.0))


def test_a_computed_objective_helps():
    """Nothing has to be learned of it, and the first architectures differ in it."""
    learned, computed = [], []
    for seed in range(4):
        rewards = problem(seed)

        def cost(params, rewards=rewards):
            return rewards(params)[1]

        learned.append(gain(ParetoPredictor(SPACE, seed=seed), rewards))
        strategy = ParetoPredictor(SPACE, seed=seed, computed=[None, cost])
        computed.append(gain(strategy, rewards))
        spread = [told.reward[1] for told in strategy.history[:10]]
        drawn = [rewards(SPACE.sample(np.random.default_rng(n)))[1] for n in range(10)]
        assert np.std(spread) > np.std(drawn)
    assert np.mean(computed) > np.mean(learned)


@pytest.mark.parametrize(
    ("computed", "words"),
    [
        ([None], "an entry for each of the 2 objectives"),
        (5, "an entry for each of the 2 objectives"),
        ([None, 3], "a function of the parameters"),
        ([len, len], "no objective to be learned"),
        ([None, {"metric": "parameters"}], "input_shape"),
        (
            [None, {"metric": "bytes", "input_shape": (8, 8, 1), "classes": 10}],
            "parameters, trainable, multiply_adds",
        ),
        (
            [None, {"metric": "parameters", "input_shape": (8, 8, 1), "classes": 10}],
            "does not say what its networks consist of",
        ),
    ],
)
def test_refuses_what_cannot_be_computed(computed, words):
    with pytest.raises(ValueError, match=words):
        ParetoPredictor(SPACE, computed=computed)
