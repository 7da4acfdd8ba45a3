"""A strategy whose record changes in its past stands where one stands that never saw another."""

import numpy as np
import pytest

from cellwright.plugins import PPO, HybridReinforce, Reinforce
from cellwright.plugins.strategies.outcome import Told
from cellwright.search_spaces import NASNetSpace

SPACE = NASNetSpace(blocks=1)
MAKE = {
    "Reinforce": lambda: Reinforce(SPACE, seed=1, units=4),
    "Reinforce.book": lambda: Reinforce.book(SPACE, seed=1, units=4, batch=4),
    "PPO": lambda: PPO(SPACE, seed=1, units=4),
    "HybridReinforce": lambda: HybridReinforce(SPACE, seed=1, units=4, epochs=1, memory=9),
}


def record(count, seed=0):
    rng = np.random.default_rng(seed)
    return [Told(k, SPACE.sample(rng), float(rng.random())) for k in range(count)]


def counting(strategy):
    """How many results the strategy learns from, from now on."""
    learned, learn = [], strategy._learn
    strategy._learn = lambda indices, reward: (learned.append(indices), learn(indices, reward))
    return learned


@pytest.mark.parametrize("name", MAKE)
def test_a_result_that_comes_late_costs_no_full_replay(name):
    told = record(120)
    rng = np.random.default_rng(1)
    strategy = MAKE[name]()
    strategy.follow(told[:110])
    for turn in range(2):  # as between two machines whose clocks differ
        place = int(rng.integers(80, 105))
        late = [*told[:place], told[110 + turn], *told[place:110]]
        learned = counting(strategy)
        strategy.follow(late)
        assert len(learned) < 111 - place + 32
        fresh = MAKE[name]()
        fresh.follow(late)
        assert strategy.history == fresh.history
        assert np.array_equal(strategy.controller.weights, fresh.controller.weights)
        assert [strategy.ask(k) for k in (111, 300)] == [fresh.ask(k) for k in (111, 300)]
        told = [*late[:110], *told[110:]]


@pytest.mark.parametrize("name", MAKE)
def test_any_past_may_change(name):
    told, rng, strategy = record(80), np.random.default_rng(2), MAKE[name]()
    for _ in range(3):
        part = told[: int(rng.integers(20, 80))]
        if rng.random() < 0.5:
            del part[int(rng.integers(len(part)))]
        if rng.random() < 0.3:  # what is learned of it depends on all others
            place = int(rng.integers(len(part)))
            part[place] = part[place]._replace(reward=None, excess=0.5)
        strategy.follow(part)
        fresh = MAKE[name]()
        fresh.follow(part)
        assert np.array_equal(strategy.controller.weights, fresh.controller.weights)
        assert strategy.ask(300) == fresh.ask(300)


def test_few_states_are_kept_however_many_results_there_are():
    strategy = Reinforce(SPACE, seed=1, units=4)
    strategy.follow(record(700))
    counts = [count for count, _ in strategy._states]
    assert len(counts) <= 16
    assert counts == sorted(counts)
    assert counts[-1] == 672
    assert counts[-4:] == [576, 608, 640, 672]


def test_a_strategy_that_learns_more_is_replayed_unless_it_says_so():
    class Counted(Reinforce):
        def _learn(self, indices, reward):
            self.count = getattr(self, "count", 0) + 1
            super()._learn(indices, reward)

        def _forget(self):
            super()._forget()
            self.count = 0

    class Declared(Counted):
        _learned = (*Reinforce._learned, "count")

    told = record(100)
    for kind, kept in ((Counted, 0), (Declared, 3)):
        strategy = kind(SPACE, seed=1, units=4)
        strategy.follow(told)
        assert len(strategy._states) == kept
        strategy.follow([*told[:70], *told[71:]])
        assert strategy.count == 99
