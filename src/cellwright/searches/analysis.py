"""What finished trials tell: which decisions mattered, and how good the predictions were."""

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
    """What one decision did to the reward.

    Args:
        decision: Its name.
        share: Of the rewards' variance, from 0 to 1. All decisions' shares together are what the
            additive model of `importances` explains.
        best: The choice of the highest effect.
        effect: What ``best`` adds to the reward of the average trial, all else equal.
        trials: How many took it.
    """

    decision: str
    share: float
    best: Value
    effect: float
    trials: int


def importances(
    space: SearchSpace, trials: Sequence[tuple[Mapping[str, Any], float]]
) -> list[Importance]:
    """How much each decision mattered by itself, the most important first.

    A search that learns takes good choices together, so that the mean reward of a choice tells
    little about it. So all choices' effects are estimated at once: ridge regression (Hoerl and
    Kennard 1970) of the rewards on one-hot choices, its penalty found by leaving one out. A
    decision's share is the covariance of its effects with the rewards over their variance (Pratt
    1987; below 0 counts as 0). A trial counts for the decisions that have an effect in it
    (`SearchSpace.active`). What decisions do only together is not told here.

    Args:
        space: Of the decisions.
        trials: Parameters and a finite reward of each finished trial; fewer than 10, or equal
            rewards, tell nothing.

    Raises:
        InvalidArchitecture: If a trial is none of ``space``.
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
    """What each column adds, shape ``(columns,)``."""
    from sklearn.linear_model import RidgeCV

    scaled = (rewards - rewards.mean()) / rewards.std()
    model = RidgeCV(alphas=np.logspace(-1, 4, 21)).fit(taken.astype(float), scaled)
    return np.asarray(model.coef_ * rewards.std())


def _importance(
    decision: Decision, effects: Array, taken: NDArray[np.bool_], rewards: Array
) -> Importance:
    """From the effects of its choices, shape ``(choices,)``, and who took them."""
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
    """Spearman's, from -1 to 1; None for fewer than 3 pairs, or where one side never changes."""
    if len(first) < 3 or min(np.ptp(first), np.ptp(second)) == 0:
        return None
    return float(np.corrcoef(_ranks(first), _ranks(second))[0, 1])


def _ranks(values: Sequence[float]) -> Array:
    """From 0; equal values share the mean of their ranks."""
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    mean_ranks: Array = np.cumsum(counts) - (counts + 1) / 2
    return mean_ranks[places]
