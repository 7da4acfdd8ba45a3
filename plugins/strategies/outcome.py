"""The outcome of a trial: the result that a strategy is told, and what it learns from that."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from numbers import Real
from typing import Any, NamedTuple

import numpy as np

from cellwright.plugins.strategies.arrays import Array
from cellwright.search_spaces import INFEASIBLE, Params

# A reward of this size, or above, may be a penalty ("return 1e9", "return sys.float_info.max") and
# no measurement; `Range` says when it is taken for one. No reward below it ever is.
_LARGE = 1e6
_LARGEST = 1e100  # what can still be squared and added up

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

    0 if `INFEASIBLE` is not among them, or is no number, negative, or not finite.
    """
    excess = metrics.get(INFEASIBLE, 0.0)
    number = float(excess) if isinstance(excess, Real) else math.nan
    return number if 0 <= number < math.inf else 0.0


def is_large(told: Told) -> bool:
    """Whether a reward may be a penalty, so that `Range` must look at all rewards together."""
    return told.reward is not None and max(map(abs, _values(told.reward))) >= _LARGE


class Range(NamedTuple):
    """The worst and the best value of each objective among some results; empty without rewards.

    Penalties are left out: rewards of a million or above, up or down, that are also a million times
    the lower quartile of all sizes. They say that a child is bad, and not how bad, and one of them
    would drown all differences between the others. `lesson` says what is learned from them.
    """

    worst: tuple[float, ...] = ()
    best: tuple[float, ...] = ()

    def over(self, results: Iterable[Told]) -> Range:
        """This range, extended by the rewards of ``results``.

        If one of all the results `is_large`, extend an empty range by all of them instead: what
        counts as a penalty depends on all rewards.
        """
        found = [_values(told.reward) for told in results if told.reward is not None]
        if not found:
            return self
        columns = [_without_penalties(column) for column in np.array(found).T]
        if self.worst:
            ends = zip(columns, self.worst, self.best, strict=True)
            columns = [np.append(column, [worst, best]) for column, worst, best in ends]
        return Range(
            tuple(float(column.min()) for column in columns),
            tuple(float(column.max()) for column in columns),
        )


def _without_penalties(values: Array) -> Array:
    """The ordinary ones among the rewards of one objective; a 0 if there are none."""
    sizes = np.abs(values)
    if sizes.max() < _LARGE:
        return values
    usual = float(np.quantile(sizes, 0.25, method="lower"))
    kept = values[sizes < min(_LARGE * max(1.0, usual), _LARGEST)]
    return kept if len(kept) else np.zeros(1)


def lesson(told: Told, seen: Range, objectives: int = 1) -> Rewards | None:
    """What a strategy learns from a result, in the unit of its rewards; None if it learns nothing.

    That is the reward, where there is one and it is no penalty. A child beyond a limit has none. It
    counts as worse than the worst reward ``seen``, and the further it is beyond the limit, the
    worse (Deb, "An efficient constraint handling method for genetic algorithms", 2000, equation 4):
    a search in which hardly any child is within the limit is led towards it. It is below the worst
    reward by less than the worst is below the best, so that children beyond the limit do not drown
    the differences between those within it. A penalty (`Range`) counts as worse than the worst in
    the same way, and the larger it is, the worse. A value that is as far off on the other side
    counts as better than the best.

    Args:
        told: A result.
        seen: The range of all results that the strategy knows.
        objectives: How many numbers a reward has.
    """
    if told.reward is None and not told.excess:
        return None
    nothing = (0.0,) * objectives
    ends = list(zip(seen.worst or nothing, seen.best or nothing, strict=True))
    if told.reward is None:
        share = told.excess / (1 + told.excess)
        found = [worst - share * _unit(worst, best) for worst, best in ends]
    else:
        rewards = zip(_values(told.reward), ends, strict=True)
        found = [_within(value, *end) for value, end in rewards]
    return tuple(found) if objectives > 1 else found[0]


def _within(value: float, worst: float, best: float) -> float:
    """``value``; a penalty is moved to less than a range's length beyond the range."""
    if worst <= value <= best or abs(value) < _LARGE:
        return value
    size = math.log10(max(abs(value), 10.0))  # 6 to 308
    share = size / (1 + size)
    return (
        worst - share * _unit(worst, best) if value < worst else best + share * _unit(worst, best)
    )


def _values(reward: Rewards) -> tuple[float, ...]:
    return reward if isinstance(reward, tuple) else (reward,)


def _unit(worst: float, best: float) -> float:
    return best - worst or abs(worst) or 1.0
