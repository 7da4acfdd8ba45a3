"""Strategies of several objectives."""

import numpy as np
import pytest

from cellwright.plugins import (
    ParetoEvolution,
    ParetoReinforce,
    RandomSearch,
    hypervolume,
    non_dominated,
)
from cellwright.plugins.strategies.pareto_reinforce import spread
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


@pytest.mark.parametrize("strategy", [ParetoEvolution, ParetoReinforce])
def test_dominates_more_than_random_search(strategy):
    for seed in range(3):
        rewards, reference = problem(seed), (0.5, 500.0)
        drawn = run(RandomSearch(SPACE, seed=seed, objectives=2), rewards, 200)
        found = run(strategy(SPACE, seed=seed), rewards, 200)
        assert hypervolume(found, reference) > 1.1 * hypervolume(drawn, reference)


def test_units_of_the_objectives_do_not_matter_to_evolution():
    rewards = problem(0)
    one, other = ParetoEvolution(SPACE, seed=1), ParetoEvolution(SPACE, seed=1)
    for number in range(60):
        params = one.ask(number)
        assert other.ask(number) == params
        values = rewards(params)
        one.tell(number, params, values)
        other.tell(number, params, (4 * values[0] - 8, values[1] / 1024))


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


def test_weights_are_spread_evenly_and_none_is_0():
    np.testing.assert_allclose(spread(2, 2), [[0.25, 0.75], [0.5, 0.5], [0.75, 0.25]])
    assert spread(3, 2).shape == (6, 3)
    np.testing.assert_allclose(spread(3, 2).sum(axis=1), 1.0)
    assert spread(3, 2).min() == pytest.approx(0.2)


def test_controllers_part_and_follow_their_own_weights():
    """After training, each controller's own draws lie where its weights point."""
    rewards = problem(1)
    strategy = ParetoReinforce(SPACE, seed=0, divisions=2, learning_rate=0.05, cell="lstm")
    run(strategy, rewards, 600)
    draws = np.random.default_rng(0).random((200, len(SPACE.decisions)))
    means = [
        np.mean([rewards(SPACE.decode(row.tolist())) for row in each.controller.sample(draws)], 0)
        for each in strategy._controllers
    ]
    first, second = np.array(means).T  # the weights of the first objective rise
    assert first[0] < first[1] < first[2]
    assert second[0] > second[1] > second[2]


def test_a_result_moves_only_controllers_that_could_have_proposed_it():
    """One controller is sure of "a", the other of "b": what is all "a" moves the first alone."""
    strategy = ParetoReinforce(SPACE, seed=0, divisions=1, batch=1, entropy_weight=0)
    for favourite, member in enumerate(strategy._controllers):
        member.controller["output_bias"][:, favourite] = 6.0
        member.controller.changed()
    before = [member.controller.weights.copy() for member in strategy._controllers]
    for number, values in enumerate([(1.0, 1.0), (0.0, 0.0)]):
        strategy.tell(number, dict.fromkeys(SPACE.names, "a"), values)
    gradients = [np.abs(member.controller.gradient).sum() for member in strategy._controllers]
    assert strategy._controllers[0].share == pytest.approx([2.0])
    assert strategy._controllers[1].share == pytest.approx([0.0], abs=1e-9)
    assert gradients[1] < 1e-2 * gradients[0]
    assert not np.array_equal(before[0], strategy._controllers[0].controller.weights)
