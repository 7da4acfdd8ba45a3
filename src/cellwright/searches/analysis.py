"""What finished trials show: which decisions mattered, and how good the predictions were."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellwright.search_spaces import SearchSpace, Value

Array = NDArray[np.float64]

FEWEST = 10  # trials from which effects are estimated
_RANGES = 5  # of a number with more values than that


@dataclass(frozen=True)
class Importance:
    """How one decision, or one hyperparameter beside the architecture, affected the reward.

    Args:
        decision: Name of the decision.
        share: Its share of the rewards' variance, from 0 to 1. The shares of all decisions together
            are what the additive model of `importances` explains.
        best: The choice with the highest effect; for numbers of many values, the range of them.
        effect: What ``best`` adds to the reward of the average trial, other things being equal.
        trials: Number of trials that took ``best``.
    """

    decision: str
    share: float
    best: Value
    effect: float
    trials: int


@dataclass(frozen=True)
class _Taken:
    """Which trials took which choice: ``table`` has the shape ``(trials, choices)``."""

    name: str
    choices: Sequence[Value]
    table: NDArray[np.bool_]


def importances(
    space: SearchSpace | None,
    trials: Sequence[tuple[Mapping[str, Any], float]],
    others: Sequence[Mapping[str, Any]] = (),
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
        space: The space of the decisions; None if there is no architecture.
        trials: Parameters and a finite reward of each finished trial. Empty parameters are those of
            a trial without an architecture. The list is empty for fewer than 10 trials, or if all
            rewards are equal (`why_none`).
        others: The other hyperparameters of each trial. Numbers of more than 5 different values are
            taken in 5 ranges with as many trials each.

    Raises:
        InvalidArchitecture: If a trial is not of ``space``.
    """
    rewards = np.array([reward for _, reward in trials])
    taken = [] if space is None else _decisions(space, [params for params, _ in trials])
    if why_none(rewards):
        return []
    taken = [one for one in [*taken, *_others(others)] if len(one.choices) > 1]
    if not taken:
        return []
    largest = float(np.abs(rewards).max())  # the sum of large rewards may overflow
    scaled = rewards / largest
    effects = _effects(np.hstack([one.table for one in taken]), scaled)
    ends = np.cumsum([len(one.choices) for one in taken])[:-1]
    found = [
        _importance(one, part, scaled, largest)
        for one, part in zip(taken, np.split(effects, ends), strict=True)
    ]
    return sorted(found, key=lambda one: -one.share)


def why_none(rewards: Sequence[float] | Array) -> str:
    """Why `importances` finds nothing for these rewards, in words; empty if it may."""
    if len(rewards) < FEWEST:
        number = f"{len(rewards)} complete trial" + ("" if len(rewards) == 1 else "s")
        return f"too few to tell which choices mattered: {number}, and it takes {FEWEST}"
    if np.min(rewards) == np.max(rewards):
        return "no choice mattered: all complete trials are equally good"
    return ""


def _decisions(space: SearchSpace, params: Sequence[Mapping[str, Any]]) -> list[_Taken]:
    """What was taken of the decisions of a space, where it has an effect."""
    shape = (len(params), len(space.decisions))
    codes, live = np.zeros(shape, np.int64), np.zeros(shape, bool)
    for row, each in enumerate(params):
        if each:
            codes[row], live[row] = space.encode(each), space.active(each)
    return [
        _Taken(
            one.name,
            one.choices,
            live[:, [d]] & (codes[:, [d]] == np.arange(len(one.choices))),
        )
        for d, one in enumerate(space.decisions)
    ]


def _others(others: Sequence[Mapping[str, Any]]) -> list[_Taken]:
    """What was taken of other hyperparameters, which a trial may lack."""
    names = dict.fromkeys(name for each in others for name in each)
    return [_other(name, others) for name in names]


def _other(name: str, others: Sequence[Mapping[str, Any]]) -> _Taken:
    there = np.array([name in each for each in others])
    held = [each[name] for each in others if name in each]
    if {type(value) for value in held} <= {int, float} and len(set(held)) > _RANGES:
        numbers = [float(each.get(name, np.nan)) for each in others]
        return _numbers(name, np.array(numbers), there)
    plain = [_plain(each[name]) if name in each else None for each in others]
    choices = sorted({value for value in plain if value is not None}, key=_order)
    table = np.array([[value == choice for choice in choices] for value in plain], bool)
    return _Taken(name, choices, table)


def _plain(value: Any) -> Value:
    return value if isinstance(value, str | int | float | bool) else repr(value)


def _order(value: Value) -> tuple[bool, float, str]:
    """Numbers by size, before words."""
    number = isinstance(value, int | float)
    return not number, float(value) if number else 0.0, str(value)


def _numbers(name: str, values: Array, there: NDArray[np.bool_]) -> _Taken:
    """Numbers in ranges with as many trials each, called by the lowest and the highest number."""
    inner = np.unique(np.quantile(values[there], np.linspace(0, 1, _RANGES + 1)[1:-1]))
    codes = np.searchsorted(inner, values, side="right")
    table = (codes[:, np.newaxis] == np.arange(len(inner) + 1)) & there[:, np.newaxis]
    table = table[:, table.any(axis=0)]
    parts = [values[column] for column in table.T]
    return _Taken(name, [f"{part.min():.3g} to {part.max():.3g}" for part in parts], table)


def _effects(taken: NDArray[np.bool_], rewards: Array) -> Array:
    """The effect of each column, shape ``(columns,)``."""
    from sklearn.linear_model import RidgeCV

    scaled = (rewards - rewards.mean()) / rewards.std()
    model = RidgeCV(alphas=np.logspace(-1, 4, 21)).fit(taken.astype(float), scaled)
    return np.asarray(model.coef_ * rewards.std())


def _importance(taken: _Taken, effects: Array, rewards: Array, unit: float) -> Importance:
    """From the effects of its choices, (choices,), and rewards in ``unit``, (trials,)."""
    parts = taken.table @ effects  # (trials,)
    share = float(np.mean((parts - parts.mean()) * (rewards - rewards.mean())) / rewards.var())
    tried = np.where(taken.table.any(axis=0), effects, -np.inf)
    best = int(tried.argmax())
    return Importance(
        taken.name,
        max(0.0, share),
        taken.choices[best],
        float(effects[best] - parts.mean()) * unit,
        int(taken.table[:, best].sum()),
    )


def rank_correlation(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Spearman's, from -1 to 1; None for fewer than 3 pairs, or if one side never changes."""
    if len(first) < 3 or min(np.ptp(first), np.ptp(second)) == 0:
        return None
    return float(np.corrcoef(_ranks(first), _ranks(second))[0, 1])


def kendall_tau(first: Sequence[float], second: Sequence[float]) -> float:
    """How alike two numbers order things (Kendall 1938): the share of pairs of them that both put
    in the same order, less the share that they put in the opposite one; ties count for neither.

    Args:
        first, second: Both numbers of each of at least two things.
    """
    order = [
        float(np.sign(a - c) * np.sign(b - d))
        for (a, b), (c, d) in itertools.combinations(zip(first, second, strict=True), 2)
    ]
    return sum(order) / len(order)


def _ranks(values: Sequence[float]) -> Array:
    """Ranks from 0; equal values share the mean of their ranks."""
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    mean_ranks: Array = np.cumsum(counts) - (counts + 1) / 2
    return mean_ranks[places]
