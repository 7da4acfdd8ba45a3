"""The front of a search: the trials that no other beats in two metrics or more."""

from __future__ import annotations

from collections.abc import Sequence

from cellwright.plugins.metrics import METRICS, Metric
from cellwright.plugins.strategies.pareto import non_dominated
from cellwright.searches.trial import Trial

QUALITY = METRICS["val_accuracy"]
LOSS = METRICS["val_loss"]


def measured(trials: Sequence[Trial], *names: str) -> list[Trial]:
    """The complete trials that have all these metrics."""
    return [t for t in trials if t.state == "complete" and all(n in t.metrics for n in names)]


def quality_of(trials: Sequence[Trial]) -> Metric:
    """The metric that a front shows: accuracy, or the loss where a number is predicted."""
    accurate, lossy = (measured(trials, metric.name) for metric in (QUALITY, LOSS))
    return QUALITY if accurate or not lossy else LOSS


def front(trials: Sequence[Trial], quality: Metric, cost: Metric) -> list[Trial]:
    """The complete trials that no other dominates, the best in ``cost`` first.

    Where trials are equal in both metrics, the first one stands for all.

    Args:
        trials: The trials of a search.
        quality: A metric, such as the validation accuracy.
        cost: Another, such as the latency.
    """
    found = measured(trials, quality.name, cost.name)
    values = [[m.sign * t.metrics[m.name] for m in (quality, cost)] for t in found]
    best = [found[index] for index in non_dominated(values)] if found else []
    distinct = {(t.metrics[quality.name], t.metrics[cost.name]): t for t in reversed(best)}
    return sorted(distinct.values(), key=lambda t: -cost.sign * t.metrics[cost.name])


def not_beaten(trials: Sequence[Trial], objectives: Sequence[Metric]) -> list[Trial]:
    """The complete trials that no other dominates in all objectives, in the order of ``trials``.

    Trials that are equal in all of them are all among these.
    """
    found = measured(trials, *(metric.name for metric in objectives))
    values = [[m.sign * trial.metrics[m.name] for m in objectives] for trial in found]
    return [found[index] for index in non_dominated(values)] if found else []
