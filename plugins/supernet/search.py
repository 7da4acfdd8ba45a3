"""A search among the children of a supernet: each evaluation is a validation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from cellwright.plugins.interrupts import check
from cellwright.plugins.strategies.strategy import Strategy
from cellwright.plugins.supernet.supernet import Supernet
from cellwright.search_spaces import Params, SearchSpace
from cellwright.search_spaces.arguments import check_integer, check_kind, check_number, check_parts

Judge = Callable[[Params, float], float | None]
Report = Callable[[int, float | None], None]


@dataclass(frozen=True)
class SharedScore:
    """What shared weights say of a child.

    Attributes:
        params: Its architecture.
        score: `Supernet.reward`: the accuracy with shared weights, or minus the squared error.
        reward: By which children were ranked; None if it is beyond a limit.
    """

    params: Params
    score: float
    reward: float | None

    def __post_init__(self) -> None:
        check_kind("params", self.params, Mapping, "an architecture's parameters")
        check_number("score", self.score)
        if self.reward is not None:
            check_number("reward", self.reward)


def search_shared(
    supernet: Supernet,
    strategy: Strategy,
    number: int,
    judge: Judge = lambda params, score: score,
    report: Report | None = None,
) -> list[SharedScore]:
    """Let a strategy search on the rewards of shared weights.

    Args:
        supernet: A trained one.
        strategy: A new one, of one objective, on the supernet's space.
        number: How many children it proposes, at least 1. One that it proposes again is not scored
            again.
        judge: Given the architecture and its score, returns the reward, of which more is better,
            or None for a child that is not wanted.
        report: Called with the number of each proposal, from 0, and its reward.

    Returns:
        The children, each once, in the order in which they were proposed.

    Raises:
        TypeError, ValueError: If an argument is of the wrong kind or out of range.
        KeyboardInterrupt: After a child, if a signal was held back.
    """
    check_kind("supernet", supernet, Supernet, "a Supernet")
    check_kind("strategy", strategy, Strategy, "a Strategy")
    check_integer("number", number)
    found: dict[tuple[int, ...], SharedScore] = {}
    for trial in range(number):
        params = strategy.ask(trial)
        key = supernet.space.key(params)
        if key not in found:
            score = supernet.reward(params)
            found[key] = SharedScore(params, score, judge(params, score))
        reward = found[key].reward
        strategy.tell(trial, params, reward)
        if report is not None:
            report(trial, reward)
        check()
    return list(found.values())


def best_shared(found: Sequence[SharedScore], number: int) -> list[SharedScore]:
    """The ``number`` children of the highest rewards, the best one first; fewer if there are.

    Raises:
        TypeError, ValueError: If an argument is of the wrong kind or out of range.
    """
    check_parts("found", found, SharedScore)
    check_integer("number", number, 0)
    wanted = [one for one in found if one.reward is not None]
    return sorted(wanted, key=lambda one: -(one.reward or 0.0))[:number]


class SharedScores:
    """Looks up the score that shared weights gave a child.

    Args:
        space: That was searched.
        scores: The positions of the choices (`SearchSpace.encode`) and the score of each child.

    Raises:
        TypeError: If an argument is of the wrong kind.
        InvalidArchitecture: If there are no such positions.
    """

    def __init__(self, space: SearchSpace, scores: Sequence[tuple[Sequence[int], float]]) -> None:
        check_kind("space", space, SearchSpace, "a SearchSpace")
        self.space = space
        self._found = {space.key(space.decode(list(at))): score for at, score in scores}

    def __call__(self, params: Params) -> float | None:
        """The score of the child of ``params``; None if it was not scored."""
        return self._found.get(self.space.key(params))
