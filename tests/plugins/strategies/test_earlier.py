"""Searches that learn from earlier ones of the same space."""

import json

import numpy as np
import pytest

from cellwright.plugins import Auto, PredictorGuided, make_strategy
from cellwright.search_spaces import Decision, SearchSpace

SPACE = SearchSpace(Decision(f"part/{place}", tuple("abcd")) for place in range(12))


def problem(seed, other=0.0):
    """Rewards that are the same for all seeds but for a share ``other``."""
    shared = np.random.default_rng(5).normal(size=(12, 4))
    tables = (1 - other) * shared + other * np.random.default_rng((seed, 9)).normal(size=(12, 4))
    return lambda params: float(tables[np.arange(12), list(SPACE.encode(params))].sum())


def run(strategy, rewards, trials):
    for number in range(trials):
        params = strategy.ask(number)
        strategy.tell(number, params, rewards(params))
    return strategy


def best(strategy):
    return max(told.reward for told in strategy.history)


def earlier(seed, other):
    return [
        (told.params, told.reward)
        for told in run(PredictorGuided(SPACE, seed=seed), problem(seed, other), 60).history
    ]


def test_a_related_search_helps_and_another_does_no_harm():
    plain, related, unrelated = [], [], []
    for seed in range(6):
        rewards = problem(100 + seed, 0.2)
        plain.append(best(run(Auto(SPACE, seed=seed), rewards, 25)))
        for found, other in ((related, 0.2), (unrelated, 1.0)):
            strategy = Auto(SPACE, seed=seed, prior=[earlier(seed, other)])
            found.append(best(run(strategy, rewards, 25)))
    assert np.mean(related) > np.mean(plain) + 0.5
    assert np.mean(unrelated) > np.mean(plain) - 0.5


def test_positions_say_what_parameters_say_and_a_replay_proposes_the_same():
    results = earlier(0, 0.2)
    plain = json.loads(json.dumps([[SPACE.encode(params), reward] for params, reward in results]))
    one = make_strategy("auto", SPACE, seed=1, prior=[results])
    other = make_strategy("auto", SPACE, seed=1, prior=[plain])
    rewards = problem(1)
    for number in range(14):
        params = one.ask(number)
        assert other.ask(number) == params
        for strategy in (one, other):
            strategy.tell(number, params, rewards(params))
    replayed = make_strategy("auto", SPACE, seed=1, prior=[plain])
    replayed.follow(one.history)
    assert replayed.ask(14) == one.ask(14)
    assert one.predict(params) is not None


@pytest.mark.parametrize(
    ("prior", "words"),
    [
        (3, "prior must be a list of earlier searches, got 3"),
        ("runs/before", "prior must be a list of earlier searches, got 'runs/before'"),
        ([{"a": 1}], "a list of pairs of an architecture and its reward"),
        ([[1, 2]], "an architecture and its reward"),
        ([[[[0] * 12, 1.0]]], "at least 2 results"),
        ([[[[9] * 12, 1.0], [[0] * 12, 2.0]]], "position 9 is not in"),
    ],
)
def test_says_what_is_no_earlier_search(prior, words):
    with pytest.raises(ValueError, match=words):
        PredictorGuided(SPACE, prior=prior)
