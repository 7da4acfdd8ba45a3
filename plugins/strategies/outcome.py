"""The outcome of a trial: the result that a strategy is told, and what it learns from that."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from cellwright.search_spaces import INFEASIBLE, Params

Rewards = float | tuple[float, ...]  # of one child: a number, or one for each of several objectives


class Told(NamedTuple):
    """One result in a strategy's history.

    Attributes:
        number: The trial's number.
        params: Its architecture.
        reward: What it scored; None if the child failed.
        excess: If the child failed because it is beyond a limit: by what share of the limit, such
            as 1 for twice as much as is allowed. Otherwise 0.
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
    """The worst and the best value of each objective among some results; empty without rewards."""

    worst: tuple[float, ...] = ()
    best: tuple[float, ...] = ()

    def over(self, results: Iterable[Told]) -> Range:
        """This range, extended by the rewards of ``results``."""
        found = [np.atleast_1d(told.reward) for told in results if told.reward is not None]
        if not found:
            return self
        rows = np.array([*filter(len, self), *found])
        return Range(tuple(rows.min(axis=0).tolist()), tuple(rows.max(axis=0).tolist()))


def lesson(told: Told, seen: Range, objectives: int = 1) -> Rewards | None:
    """What a strategy learns from a result, in the unit of its rewards; None if it learns nothing.

    That is the reward, where there is one. A child beyond a limit has none. It counts as worse than
    the worst reward ``seen``, and the further it is beyond the limit, the worse (Deb, "An efficient
    constraint handling method for genetic algorithms", 2000, equation 4): a search in which hardly
    any child is within the limit is led towards it. It is below the worst reward by less than the
    worst is below the best, so that children beyond the limit do not drown the differences between
    those within it.

    Args:
        told: A result.
        seen: The range of all results that the strategy knows.
        objectives: How many numbers a reward has.
    """
    if told.reward is not None or not told.excess:
        return told.reward
    share = told.excess / (1 + told.excess)
    nothing = (0.0,) * objectives
    ends = zip(seen.worst or nothing, seen.best or nothing, strict=True)
    found = tuple(worst - share * (best - worst or abs(worst) or 1.0) for worst, best in ends)
    return found if objectives > 1 else found[0]
