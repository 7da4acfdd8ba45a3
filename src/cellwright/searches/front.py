"""The front of a search: the trials that no other beats in two metrics."""

from __future__ import annotations

from collections.abc import Sequence

from cellwright.plugins.metrics import is_maximised
from cellwright.plugins.strategies.pareto import non_dominated
from cellwright.searches.trial import Trial

QUALITY = "val_accuracy"


def measured(trials: Sequence[Trial], *names: str) -> list[Trial]:
    """The complete trials that have all these metrics."""
    return [t for t in trials if t.reward is not None and all(n in t.metrics for n in names)]


def quality_of(trials: Sequence[Trial]) -> str:
    """The metric that a front shows: accuracy, or the loss where a number is predicted."""
    return QUALITY if measured(trials, QUALITY) or not measured(trials, "val_loss") else "val_loss"


def front(trials: Sequence[Trial], quality: str, cost: str) -> list[Trial]:
    """The complete trials that no other dominates, the cheapest first.

    Of trials that are equal in both metrics, the first one stands for all.

    Args:
        trials: Of a search.
        quality: A metric, such as ``"val_accuracy"``.
        cost: Another; which way each is better, `is_maximised` says.
    """
    found = measured(trials, quality, cost)
    names = (quality, cost)
    values = [
        [t.metrics[name] * (1 if is_maximised(name) else -1) for name in names] for t in found
    ]
    best = [found[index] for index in non_dominated(values)] if found else []
    distinct = {(t.metrics[quality], t.metrics[cost]): t for t in reversed(best)}
    return sorted(distinct.values(), key=lambda t: t.metrics[cost])
