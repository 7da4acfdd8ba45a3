"""What finished trials show: which decisions mattered, and how good the predictions were."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellwright.search_spaces import Decision, SearchSpace, Value

Array = NDArray[np.float64]

FEWEST = 10  # trials from which effects are estimated


@dataclass(frozen=True)
class Importance:
    """How one decision affected the reward.

    Args:
        decision: Name of the decision.
        share: Its share of the rewards' variance, from 0 to 1. The shares of all decisions together
            are what the additive model of `importances` explains.
        best: The choice with the highest effect.
        effect: What ``best`` adds to the reward of the average trial, other things being equal.
        trials: Number of trials that took ``best``.
    """

    decision: str
    share: float
    best: Value
    effect: float
    trials: int


def importances(
    space: SearchSpace, trials: Sequence[tuple[Mapping[str, Any], float]]
) -> list[Importance]:
    """Estimate how much each decision mattered by itself; the most important comes first.

    A search that learns takes good choices together, so the mean reward of a choice says little
    about it. The effects of all choices are therefore estimated at once, by ridge regression (Hoerl
    and Kennard 1970) of the rewards on one-hot choices, with the penalty found by leave-one-out
    cross-validation. A decision's share is the covariance of its effects with the rewards, divided
    by the variance of the rewards (Pratt 1987); a negative share counts as 0. A trial counts for
    the decisions that have an effect in it (`SearchSpace.active`). What decisions do only in
    combination is not covered.

    Args:
        space: The space of the decisions.
        trials: Parameters and a finite reward of each finished trial. The list is empty for fewer
            than 10 trials, or if all rewards are equal.

    Raises:
        InvalidArchitecture: If a trial is not of ``space``.
    """
    shape = (len(trials), len(space.decisions))
    codes = np.array([space.encode(params) for params, _ in trials], np.int64).reshape(shape)
    live = np.array([space.active(params) for params, _ in trials], bool).reshape(shape)
    rewards = np.array([reward for _, reward in trials])
    if len(trials) < FEWEST or np.ptp(rewards) == 0:
        return []
    places = [(d, c) for d, one in enumerate(space.decisions) for c in range(len(one.choices))]
    taken = np.column_stack([live[:, d] & (codes[:, d] == c) for d, c in places])
    effects = _effects(taken, rewards)
    found = [
        _importance(one, effects[columns], taken[:, columns], rewards)
        for d, one in enumerate(space.decisions)
        if (columns := np.array([place[0] == d for place in places])).sum() > 1
    ]
    return sorted(found, key=lambda one: -one.share)


def _effects(taken: NDArray[np.bool_], rewards: Array) -> Array:
    """The effect of each column, shape ``(columns,)``."""
    from sklearn.linear_model import RidgeCV

    scaled = (rewards - rewards.mean()) / rewards.std()
    model = RidgeCV(alphas=np.logspace(-1, 4, 21)).fit(taken.astype(float), scaled)
    return np.asarray(model.coef_ * rewards.std())


def _importance(
    decision: Decision, effects: Array, taken: NDArray[np.bool_], rewards: Array
) -> Importance:
    """From the effects of its choices, (choices,), and who took them, (trials, choices)."""
    parts = taken @ effects  # (trials,)
    share = float(np.mean((parts - parts.mean()) * (rewards - rewards.mean())) / rewards.var())
    tried = np.where(taken.any(axis=0), effects, -np.inf)
    best = int(tried.argmax())
    return Importance(
        decision.name,
        max(0.0, share),
        decision.choices[best],
        float(effects[best] - parts.mean()),
        int(taken[:, best].sum()),
    )


def rank_correlation(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Spearman's, from -1 to 1; None for fewer than 3 pairs, or if one side never changes."""
    if len(first) < 3 or min(np.ptp(first), np.ptp(second)) == 0:
        return None
    return float(np.corrcoef(_ranks(first), _ranks(second))[0, 1])


def _ranks(values: Sequence[float]) -> Array:
    """Ranks from 0; equal values share the mean of their ranks."""
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    mean_ranks: Array = np.cumsum(counts) - (counts + 1) / 2
    return mean_ranks[places]
