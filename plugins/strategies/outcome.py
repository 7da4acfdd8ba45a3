"""What a trial comes to: the result that a strategy is told, and what the strategy learns of it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from cellwright.search_spaces import INFEASIBLE, Params

Rewards = float | tuple[float, ...]  # of one child: a number, or one for each of the objectives


class Told(NamedTuple):
    """One result in a strategy's history.

    Attributes:
        number: The trial's.
        params: Its architecture.
        reward: None for a child that failed.
        excess: Of a child that failed because it is beyond a limit: by what share of the limit, 1
            for twice as much as is allowed. 0 for any other.
    """

    number: int
    params: Params
    reward: Rewards | None
    excess: float = 0.0


def excess_of(metrics: Mapping[str, Any]) -> float:
    """The ``excess`` of `Told` for a trial without a reward, from the metrics that its host stored.

    0 if `INFEASIBLE` is not among them, or is negative or not finite.
    """
    excess = float(metrics.get(INFEASIBLE, 0.0))
    return excess if 0 <= excess < math.inf else 0.0


class Range(NamedTuple):
    """The worst and the best reward of each objective among some results; empty without any."""

    worst: tuple[float, ...] = ()
    best: tuple[float, ...] = ()

    def over(self, results: Iterable[Told]) -> Range:
        """This range and what ``results`` add to it."""
        found = [np.atleast_1d(told.reward) for told in results if told.reward is not None]
        if not found:
            return self
        rows = np.array([*filter(len, self), *found])
        return Range(tuple(rows.min(axis=0).tolist()), tuple(rows.max(axis=0).tolist()))


def lesson(told: Told, seen: Range, objectives: int = 1) -> Rewards | None:
    """What a strategy learns from a result, in the unit of its rewards; None for nothing.

    That is the reward. A child beyond a limit has none: it counts as worse than the worst reward
    ``seen``, and the worse the further it is beyond (Deb, "An efficient constraint handling method
    for genetic algorithms", 2000, equation 4), so that a search in which hardly a child is within
    the limit is led towards it. It lies below the worst by at most as much as that lies below the
    best, so that what is beyond the limit does not drown the differences within it.

    Args:
        told: A result.
        seen: Of all results that the strategy knows.
        objectives: Numbers in a reward.
    """
    if told.reward is not None or not told.excess:
        return told.reward
    share = told.excess / (1 + told.excess)
    nothing = (0.0,) * objectives
    ends = zip(seen.worst or nothing, seen.best or nothing, strict=True)
    found = tuple(worst - share * (best - worst or abs(worst) or 1.0) for worst, best in ends)
    return found if objectives > 1 else found[0]
