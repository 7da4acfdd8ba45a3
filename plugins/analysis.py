"""What finished trials tell: which decisions mattered, and how good the predictions were."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellwright.search_spaces import SearchSpace, Value

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Importance:
    """What one decision did to the reward.

    Args:
        decision: Its name.
        share: Of the rewards' variance, from 0 to 1: omega squared (Hays, Statistics for
            Psychologists, 1963), whose mean is about 0 for a decision that does nothing, however
            many choices it has; below 0 counts as 0.
        best: The choice of the highest mean reward.
        mean: Mean reward of the trials that took it.
        others: Mean reward of those that took another.
        trials: How many took it.
    """

    decision: str
    share: float
    best: Value
    mean: float
    others: float
    trials: int


def importances(
    space: SearchSpace, trials: Sequence[tuple[Mapping[str, Any], float]]
) -> list[Importance]:
    """How much each decision mattered by itself, the most important first.

    A trial counts for the decisions that have an effect in it (`SearchSpace.active`). A decision of
    which fewer than two choices were tried twice or more is left out. What decisions do only
    together is not told here. A search that prefers good choices tries the others rarely, and so
    shows less of a difference than uniform draws would.

    Args:
        space: Of the decisions.
        trials: Parameters and a finite reward of each finished trial.

    Raises:
        InvalidArchitecture: If a trial is none of ``space``.
    """
    shape = (len(trials), len(space.decisions))
    codes = np.array([space.encode(params) for params, _ in trials], np.int64).reshape(shape)
    live = np.array([space.active(params) for params, _ in trials], bool).reshape(shape)
    rewards = np.array([reward for _, reward in trials])
    found = [
        _importance(space, position, codes[rows, position], rewards[rows])
        for position in range(len(space.decisions))
        if (rows := live[:, position]).any()
    ]
    return sorted((f for f in found if f is not None), key=lambda f: -f.share)


def _importance(
    space: SearchSpace, position: int, codes: NDArray[np.int64], rewards: Array
) -> Importance | None:
    groups = {code: rewards[codes == code] for code in np.unique(codes)}
    repeated = {code: group for code, group in groups.items() if len(group) > 1}
    if len(repeated) < 2:
        return None
    decision = space.decisions[position]
    best = max(repeated, key=lambda code: repeated[code].mean())
    return Importance(
        decision.name,
        _omega_squared(list(repeated.values())),
        decision.choices[int(best)],
        float(repeated[best].mean()),
        float(rewards[codes != best].mean()),
        len(repeated[best]),
    )


def _omega_squared(groups: Sequence[Array]) -> float:
    together = np.concatenate(groups)
    total = float(((together - together.mean()) ** 2).sum())
    within = float(sum(((group - group.mean()) ** 2).sum() for group in groups))
    error = within / (len(together) - len(groups))
    if total + error <= 0:
        return 0.0
    return max(0.0, (total - within - (len(groups) - 1) * error) / (total + error))


def rank_correlation(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Spearman's, from -1 to 1; None for fewer than 3 pairs, or where one side never changes."""
    if len(first) < 3 or min(np.ptp(first), np.ptp(second)) == 0:
        return None
    return float(np.corrcoef(_ranks(first), _ranks(second))[0, 1])


def _ranks(values: Sequence[float]) -> Array:
    """From 0; equal values share the mean of their ranks."""
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    mean_ranks: Array = np.cumsum(counts) - (counts + 1) / 2
    return mean_ranks[places]
