"""The contract of a strategy, as plain functions that need no test framework::

check_strategy(lambda space, seed: MyStrategy(space, seed=seed))
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np

from cellwright.plugins.strategies.outcome import Rewards, Told
from cellwright.plugins.strategies.strategy import Strategy
from cellwright.search_spaces import Decision, InvalidArchitecture, Params, SearchSpace

MakeStrategy = Callable[[SearchSpace, int], Strategy]


def check_strategy(make: MakeStrategy, space: SearchSpace | None = None) -> None:
    """Run every check of this module.

    Args:
        make: ``make(space, seed)`` returns a new strategy.
        space: The space to try it on; by default one with 12 decisions of different kinds.

    Raises:
        AssertionError: If a check fails; the message says what the strategy does wrong.
    """
    space = space or _twelve_decisions()
    for check in (
        check_same_answers,
        check_follow,
        check_strangers,
        check_failures,
        check_bad_results,
        check_no_network_twice,
        check_what_runs,
        check_what_is_fixed,
        check_penalties,
        check_small_space,
    ):
        check(make, space)


def check_same_answers(make: MakeStrategy, space: SearchSpace) -> None:
    """The same seed and results give the same proposals, asking has no effect, and another seed
    gives others."""
    first = list(_run(make(space, 3), space, 40))
    second = make(space, 3)
    for told in first:
        second.ask(told.number + 1)
        _require(second.ask(told.number) == told.params, f"trial {told.number} depends on asking")
        second.tell(*told)
    other = list(_run(make(space, 4), space, 40))
    _require([t.params for t in first] != [t.params for t in other], "the seed has no effect")


def check_follow(make: MakeStrategy, space: SearchSpace) -> None:
    """Following a history, from any point or after a wrong one, continues it exactly."""
    told = list(_run(make(space, 0), space, 60))
    for end in (1, 7, 33):
        resumed = make(space, 0)
        resumed.follow(told[:end])
        _require(resumed.ask(end) == told[end].params, f"resumed after {end} trials it differs")
        strayed = make(space, 0)
        strayed.follow(told[end:])
        strayed.follow(told[:end])
        _require(
            strayed.ask(end) == told[end].params, "a history that was given up has an effect later"
        )


def check_strangers(make: MakeStrategy, space: SearchSpace) -> None:
    """It takes architectures that it never proposed, and trial numbers in any order."""
    rng = np.random.default_rng(0)
    strategy = make(space, 0)
    for number in (70, 3, 41, *range(100, 140)):
        params = space.sample(rng)
        strategy.tell(number, params, _reward(strategy, space, params))
    space.validate(strategy.ask(4))


def check_failures(make: MakeStrategy, space: SearchSpace) -> None:
    """It goes on after any number of failed children, and keeps them in its history."""
    strategy = make(space, 0)
    for number in range(30):
        strategy.tell(number, strategy.ask(number), None)
    _require(len(strategy.history) == 30, "failed children are missing in the history")
    space.validate(strategy.ask(30))


def check_bad_results(make: MakeStrategy, space: SearchSpace) -> None:
    """It refuses rewards that are not finite, rewards of too few or too many numbers, and
    parameters of another space, and is then as it was before."""
    strategy = make(space, 0)
    params = strategy.ask(0)
    good = _reward(strategy, space, params)
    values = good if isinstance(good, tuple) else (good,)
    for bad in (math.nan, math.inf, -math.inf):
        reward = (*values[1:], bad) if isinstance(good, tuple) else bad
        _require_refused(strategy, params, reward, ValueError)
    _require_refused(strategy, params, (*values, 0.5), ValueError)
    _require_refused(strategy, {"stranger": 1}, good, InvalidArchitecture)
    _require(not strategy.history, "a refused result is in the history")
    _require(strategy.ask(0) == params, "a refused result has an effect")


def check_no_network_twice(make: MakeStrategy, space: SearchSpace) -> None:
    """It proposes no network twice while there are others."""
    keys = [space.key(told.params) for told in _run(make(space, 1), space, 120)]
    _require(len(set(keys)) == len(keys), "a network was proposed twice")


def check_what_runs(make: MakeStrategy, space: SearchSpace) -> None:
    """It proposes a different network to each of 16 workers, and forgets what was running."""
    strategy = make(space, 1)
    for told in _run(make(space, 1), space, 40):
        strategy.tell(*told)
    running: list[Params] = []
    for number in range(40, 56):
        alone = strategy.ask(number)
        running.append(strategy.ask(number, running))
        _require(
            strategy.ask(number) == alone, "an architecture that was running has an effect later"
        )
    keys = {space.key(params) for params in running}
    _require(len(keys) == len(running), "two workers were given the same network")


_ROOM = 1000  # among so many networks there is always a new one for 50 trials


def check_what_is_fixed(make: MakeStrategy, space: SearchSpace) -> None:
    """It proposes new networks that have what is fixed in one trial, and forgets that again."""
    strategy = make(space, 1)
    for told in _run(make(space, 1), space, 40):
        strategy.tell(*told)
    rng = np.random.default_rng(0)
    fixed = {name: value for name, value in space.sample(rng).items() if rng.random() < 0.5}
    free = math.prod(len(d.choices) for d in space.decisions if d.name not in fixed)
    for number in range(40, 50):
        alone = strategy.ask(number)
        params = strategy.ask(number, fixed=fixed)
        _require(fixed.items() <= params.items(), f"{params} lacks what is fixed: {fixed}")
        known = free > _ROOM and strategy.knows(params)
        _require(not known, "a known network was proposed where a part is fixed")
        _require(strategy.ask(number) == alone, "what was fixed has an effect later")
        strategy.tell(number, params, _reward(strategy, space, params))


def check_penalties(make: MakeStrategy, space: SearchSpace) -> None:
    """A value that stands for a bad child, however large, overflows nothing."""
    penalties = (-1.7e308, -1e300, -1e9, 1.7e308)
    with np.errstate(over="raise", invalid="raise"):
        strategy = make(space, 0)
        for number in range(30):
            params = strategy.ask(number)
            reward = _reward(strategy, space, params)
            if number % 3 == 0:
                penalty = penalties[number // 3 % len(penalties)]
                several = isinstance(reward, tuple)
                reward = (penalty,) * strategy.objectives if several else penalty
            strategy.tell(number, params, reward)
        expected = strategy.predict(params)
        _require(
            expected is None or bool(np.isfinite(expected).all()),
            f"after a penalty it expects {expected}",
        )


def check_small_space(make: MakeStrategy, space: SearchSpace) -> None:
    """It finds every point of a tiny space, and still answers when the space is used up."""
    tiny = SearchSpace([Decision("one", (1, 2, 3)), Decision("two", (True, False))])
    keys = {tiny.key(told.params) for told in _run(make(tiny, 0), tiny, 12)}
    _require(len(keys) == tiny.size, f"only {len(keys)} of {tiny.size} points were tried")


def _run(strategy: Strategy, space: SearchSpace, trials: int) -> Iterator[Told]:
    for number in range(trials):
        params = strategy.ask(number)
        space.validate(params)
        reward = None if number % 9 in (5, 7) else _reward(strategy, space, params)
        excess = 0.5 + number % 2 if number % 9 == 7 else 0.0
        strategy.tell(number, params, reward, excess)
        yield Told(number, params, reward, excess)


def _reward(strategy: Strategy, space: SearchSpace, params: Params) -> Rewards:
    """A reward for each of the strategy's objectives, which disagree about every decision."""
    if strategy.objectives == 1:
        return _score(space, params)
    return tuple(_score(space, params, 0.9 * place) for place in range(strategy.objectives))


def _score(space: SearchSpace, params: Params, shift: float = 0.0) -> float:
    """A score in [0, 1], without order among the choices, so that no rule about positions helps."""
    indices = space.encode(params)
    return sum(math.sin(7 * i + 5 * position + shift) + 1 for position, i in enumerate(indices)) / (
        2 * len(indices)
    )


def _twelve_decisions() -> SearchSpace:
    choices = (("a", "b", "c", "d"), (0, 1), (0.25, 0.5, 1.0), (True, False))
    return SearchSpace(Decision(f"cell/{i}/part", choices[i % 4]) for i in range(12))


def _require(holds: bool, message: str) -> None:
    if not holds:
        raise AssertionError(message)


def _require_refused(
    strategy: Strategy, params: Params, reward: Rewards, kind: type[Exception]
) -> None:
    try:
        strategy.tell(0, params, reward)
    except kind:
        return
    raise AssertionError(f"{params} with reward {reward} was not refused by a {kind.__name__}")
