"""What is known to be beyond a limit is not proposed: every strategy, real networks."""

import numpy as np
import pytest

from cellwright.plugins import Auto, ParetoPredictor, RandomSearch, make_strategy
from cellwright.plugins.registry import names
from cellwright.search_spaces import Decision, NASNetSpace, SearchSpace, Skeleton
from cellwright.search_spaces.piece_costs import PieceCosts

SPACE = SearchSpace(Decision(f"layer_{n}", (4, 8, 16, 32, 64)) for n in range(6))
MOST = 60  # of the sum; a random architecture has 149 on average


def excess(params):
    return sum(params.values()) / MOST - 1


def told(strategy, trials, score):
    """What is proposed in a search of so many trials."""
    asked = []
    for number in range(trials):
        params = strategy.ask(number)
        asked.append(params)
        strategy.tell(number, params, score(params))
    return asked


def score_of(strategy):
    """More units are better, so that every search is drawn beyond the limit."""

    def score(params):
        total = float(sum(params.values()))
        return total if strategy.objectives == 1 else (total, -total)[: strategy.objectives]

    return score


@pytest.mark.parametrize("name", names("strategies"))
def test_no_strategy_proposes_what_is_known_to_be_beyond_a_limit(name):
    strategy = make_strategy(name, SPACE, seed=1, within=excess)
    asked = told(strategy, 40, score_of(strategy))
    within = [excess(params) <= 0 for params in asked]
    assert all(within), f"{within.count(False)} of 40 are beyond the limit"
    keys = {SPACE.key(params) for params in asked}
    assert len(keys) == 40, "no network is paid for twice"
    without = make_strategy(name, SPACE, seed=1)
    assert not all(excess(p) <= 0 for p in told(without, 40, score_of(without)))


def test_a_limit_finds_better_architectures_within_it_than_chance():
    strategy = Auto(SPACE, seed=1).keep_within(excess)
    random = RandomSearch(SPACE, seed=1).keep_within(excess)
    weights = np.arange(6)

    def score(params):
        return float(weights @ np.log2(list(params.values())))

    late, chance = (
        np.mean([score(p) for p in told(s, 40, score)][20:]) for s in (strategy, random)
    )
    assert late > chance


def test_the_limit_is_kept_beside_what_is_fixed_and_what_runs():
    strategy = Auto(SPACE, seed=3).keep_within(excess)
    told(strategy, 15, score_of(strategy))
    running = []
    for number in range(15, 25):
        asked = strategy.ask(number, running, {"layer_2": 32})
        assert asked["layer_2"] == 32
        assert excess(asked) <= 0
        running.append(asked)


def test_where_nothing_is_within_the_limit_the_nearest_that_was_found_is_proposed():
    strategy = Auto(SPACE, seed=0).keep_within(lambda params: sum(params.values()) / 20 - 1)
    sums = [sum(params.values()) for params in told(strategy, 15, score_of(strategy))]
    assert np.mean(sums) < 80, sums


def test_an_architecture_to_start_from_is_tried_though_it_is_beyond():
    large = dict.fromkeys(SPACE.names, 64)
    strategy = make_strategy("auto", SPACE, seed=0, start=[large], within=excess)
    assert strategy.ask(0) == large
    assert excess(strategy.ask(1)) <= 0


@pytest.mark.parametrize("kind", [Auto, ParetoPredictor])
def test_parameters_are_counted_before_a_network_is_built(kind):
    space = NASNetSpace(blocks=1, skeleton=Skeleton.book(reductions=0))
    how = {"input_shape": [8, 8, 1], "classes": 3, "options": {"filters": 4}}
    cost = PieceCosts(space, "parameters", **how)
    rng = np.random.default_rng(0)
    most = float(np.median([cost(space.sample(rng)) for _ in range(40)]))
    computed = {} if kind is Auto else {"computed": [None, {"metric": "parameters", **how}]}
    strategy = kind(space, seed=0, **computed).keep_within(
        {"metric": "parameters", "at_most": most, **how}
    )

    def score(params):
        value = float(np.log(cost(params)))
        return value if kind is Auto else (value, -cost(params))

    asked = told(strategy, 25, score)
    assert all(cost(params) <= most for params in asked)
    assert space.build(asked[0], (8, 8, 1), 3, filters=4).count_params() == cost(asked[0])


@pytest.mark.parametrize(
    ("within", "words"),
    [
        (3, "within must be a function of the parameters, or a dictionary of at_most"),
        ({"metric": "parameters"}, "within must be a function of the parameters, or a dictionary"),
        ({"at_most": -1, "metric": "parameters"}, "at_most must be"),
        ({"at_most": 9, "metric": "parameters"}, "within has at_most, metric .*input_shape"),
        ({"at_most": 9, "metric": "parameters", "input_shape": [4], "classes": 2}, "does not say"),
    ],
)
def test_what_is_no_limit_is_refused(within, words):
    with pytest.raises(ValueError, match=words):
        make_strategy("auto", SPACE, within=within)


def test_without_a_limit_nothing_changes_and_with_one_it_is_told():
    strategy = Auto(SPACE, seed=1)
    before = told(strategy, 20, score_of(strategy))
    again = Auto(SPACE, seed=1).keep_within(None)
    assert told(again, 20, score_of(again)) == before
    assert "keep_within" not in repr(again)
    assert "keep_within(" in repr(again.keep_within(excess))
