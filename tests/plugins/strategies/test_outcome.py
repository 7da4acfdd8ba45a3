"""What strategies make of children beyond a limit, and of penalties."""

import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cellwright.plugins import (
    PPO,
    Auto,
    LocalSearch,
    ParetoEvolution,
    ParetoPredictor,
    PredictorGuided,
    RandomSearch,
    RegularizedEvolution,
    Reinforce,
    Told,
)
from cellwright.plugins.strategies.outcome import Range, excess_of, lesson
from cellwright.search_spaces import Decision, SearchSpace

NARROW = SearchSpace(Decision(f"layer/{i}", (1, 2, 4, 8)) for i in range(12))
ALLOWED = 22  # of a sum that is 45 on average and 12 at least: one draw in 1,900 is within it


def sizes(params):
    return sum(params.values())


def told_of(strategy, trials, *, graded=True):
    """A search for the one wide layer that pays, in a space where most is too wide."""
    for number in range(trials):
        params = strategy.ask(number)
        excess = sizes(params) / ALLOWED - 1
        if excess > 0:
            strategy.tell(number, params, None, excess if graded else 0.0)
        else:
            reward, several = 0.1 * params["layer/3"], strategy.objectives > 1
            strategy.tell(number, params, (reward, reward) if several else reward)
    return strategy.history


@pytest.mark.parametrize(
    "make",
    [Auto, PredictorGuided, RegularizedEvolution, ParetoEvolution, ParetoPredictor, LocalSearch],
)
def test_a_search_finds_what_is_within_a_narrow_limit(make):
    history = told_of(make(NARROW, seed=1), 120)
    assert sum(t.reward is not None for t in history) >= 10


@pytest.mark.parametrize("make", [ParetoEvolution, ParetoPredictor])
def test_the_first_child_may_be_beyond_the_limit_with_several_objectives(make):
    strategy = make(NARROW, seed=0)
    for number in range(30):
        strategy.tell(number, strategy.ask(number), None, 0.5 + number / 10)
    NARROW.validate(strategy.ask(30))


@pytest.mark.parametrize("make", [Reinforce, PPO])
def test_a_controller_comes_closer_to_a_narrow_limit(make):
    history = told_of(make(NARROW, seed=1), 300)
    first, last = ([sizes(t.params) for t in part] for part in (history[:60], history[-60:]))
    assert np.mean(last) < 0.8 * np.mean(first)


def test_without_the_excess_it_would_not():
    history = told_of(Auto(NARROW, seed=1), 120, graded=False)
    assert sum(t.reward is not None for t in history) < 3


def test_what_is_beyond_counts_less_than_the_worst_by_how_far_it_is_beyond():
    seen = Range().over([Told(0, {}, 0.5), Told(1, {}, 0.9), Told(2, {}, None)])
    assert seen == ((0.5,), (0.9,))
    learned = [lesson(Told(3, {}, None, excess), seen) for excess in (0.01, 1, 3, 1e9)]
    assert learned == pytest.approx([0.5 - 0.4 * 0.01 / 1.01, 0.3, 0.2, 0.1])
    assert lesson(Told(4, {}, 0.7), seen) == 0.7
    assert lesson(Told(5, {}, None), seen) is None


def test_of_several_objectives_each_counts_less():
    seen = Range().over([Told(0, {}, (0.5, -40.0)), Told(1, {}, (0.9, -80.0))])
    assert lesson(Told(2, {}, None, 1.0), seen, 2) == pytest.approx((0.3, -100.0))
    assert lesson(Told(2, {}, None, 1.0), Range(), 2) == (-0.5, -0.5)


def test_without_any_reward_the_excess_alone_orders():
    learned = [lesson(Told(0, {}, None, excess), Range()) for excess in (0.1, 0.2, 5.0)]
    assert learned == sorted(learned, reverse=True)
    alone = Range().over([Told(0, {}, -3.0)])
    assert lesson(Told(1, {}, None, 1.0), alone) == -4.5, "one reward has no range; its size serves"


RESULTS = st.lists(
    st.one_of(
        st.floats(-5, 5).map(lambda reward: (reward, 0.0)),
        st.floats(0.01, 10).map(lambda excess: (None, excess)),
        st.just((None, 0.0)),
    ),
    min_size=1,
    max_size=40,
)


@pytest.mark.parametrize("make", [RegularizedEvolution, LocalSearch, RandomSearch])
@settings(max_examples=25, deadline=None)
@given(results=RESULTS, cut=st.integers(0, 40))
def test_told_one_by_one_or_all_at_once_a_strategy_stands_at_the_same_place(make, results, cut):
    rng = np.random.default_rng(0)
    record = [Told(n, NARROW.sample(rng), *result) for n, result in enumerate(results)]
    one_by_one, at_once, in_two = (make(NARROW, seed=2) for _ in range(3))
    for told in record:
        one_by_one.tell(*told)
    at_once.follow(record)
    in_two.follow(record[:cut])
    in_two.follow(record)
    assert one_by_one.history == at_once.history == in_two.history == tuple(record)
    assert one_by_one.ask(50) == at_once.ask(50) == in_two.ask(50)


@pytest.mark.parametrize("excess", [-0.1, float("nan"), float("inf")])
def test_an_excess_that_is_none_is_refused(excess):
    strategy = RandomSearch(NARROW, seed=0)
    with pytest.raises(ValueError, match="excess of trial 0 must be finite, at least 0"):
        strategy.tell(0, strategy.ask(0), None, excess)
    with pytest.raises(ValueError, match="0 beside a reward"):
        strategy.tell(0, strategy.ask(0), 0.5, 0.5)
    assert not strategy.history


# --- Penalties ---------------------------------------------------------------------------------


def seen_of(*rewards):
    return Range().over([Told(n, {}, reward) for n, reward in enumerate(rewards)])


@pytest.mark.parametrize("penalty", [-1e6, -1e9, -1e300, -sys.float_info.max])
def test_a_penalty_is_no_part_of_the_range_and_counts_as_a_little_worse_than_the_worst(penalty):
    seen = seen_of(0.5, penalty, 0.9, 0.7)
    assert seen == ((0.5,), (0.9,))
    assert 0.1 < lesson(Told(1, {}, penalty), seen) < 0.5
    assert lesson(Told(0, {}, 0.5), seen) == 0.5


def test_larger_penalties_count_as_worse():
    penalties = [-1e6, -1e7, -1e9, -1e100, -1e300]
    seen = seen_of(0.5, 0.7, 0.8, 0.9, *penalties)
    learned = [lesson(Told(0, {}, penalty), seen) for penalty in penalties]
    assert learned == sorted(learned, reverse=True)
    assert len(set(learned)) == len(learned)


def test_a_value_that_is_as_far_off_above_counts_as_a_little_better_than_the_best():
    assert 0.9 < lesson(Told(0, {}, 1e300), seen_of(0.5, 1e300, 0.9, 0.6)) < 1.3


@pytest.mark.parametrize(
    "rewards",
    [
        (0.1, -999_999.0, 0.9),  # below a million
        (-2e6, -5e6, -9e9, -3e7),  # parameters, of which some networks have many
        (1e8, 1e8, 1e13),
        (1e-9, 1e5),
    ],
)
def test_ordinary_rewards_are_learned_as_they_are(rewards):
    seen = seen_of(*rewards)
    assert seen == ((min(rewards),), (max(rewards),))
    assert [lesson(Told(0, {}, reward), seen) for reward in rewards] == list(rewards)


def test_of_several_objectives_each_has_its_own_penalties():
    seen = seen_of((0.5, -1e300), (0.9, -3.0), (-1e9, -4.0), (0.8, -3.5))
    assert seen == ((0.5, -4.0), (0.9, -3.0))
    first, second = lesson(Told(0, {}, (0.5, -1e300)), seen, 2)
    assert first == 0.5
    assert -5 < second < -4


def test_where_there_are_penalties_only_they_are_small_numbers():
    seen = seen_of(-1e300, -1e301)
    assert -1 < lesson(Told(0, {}, -1e301), seen) < lesson(Told(0, {}, -1e300), seen) < 0


def test_penalties_do_not_end_the_learning():
    """A controller that met penalties of a billion learns as it would without them. Before they
    were bounded, the last ones were no better than random ones."""
    space = SearchSpace([Decision(f"d{i}", ("a", "b", "c")) for i in range(20)])

    def share(penalty):
        found = []
        for seed in range(2):
            strategy = Reinforce(space, seed=seed)
            for number in range(240):
                params = strategy.ask(number)
                score = sum(value == "a" for value in params.values()) / 20
                strategy.tell(number, params, penalty if number in (5, 60) else score)
                found += [score] * (number >= 200)
        return np.mean(found)

    assert share(-1e9) > 0.9 * share(None)


@settings(max_examples=25, deadline=None)
@given(
    rewards=st.lists(
        st.one_of(st.floats(-5, 5), st.sampled_from([-1e300, -1e9, 2e6, -3e7])), max_size=30
    ),
    cut=st.integers(0, 30),
)
def test_with_penalties_too_a_strategy_stands_at_the_same_place(rewards, cut):
    rng = np.random.default_rng(0)
    record = [Told(n, NARROW.sample(rng), reward) for n, reward in enumerate(rewards)]
    one_by_one, in_two = (Reinforce(NARROW, seed=2, batch=3, units=4) for _ in range(2))
    for told in record:
        one_by_one.tell(*told)
    in_two.follow(record[:cut])
    in_two.follow(record)
    assert one_by_one.ask(50) == in_two.ask(50)


@pytest.mark.parametrize("given", ["much", None, [1], float("nan"), -1, float("inf")])
def test_an_excess_that_a_record_holds_damaged_is_none(given):
    assert excess_of({"infeasible": given}) == 0.0
