"""What the trials of a run show together: the best, the front, what mattered, the predictions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from cellwright.plugins.metrics import Metric
from cellwright.searches.analysis import (
    Array,
    Importance,
    importances,
    rank_correlation,
    why_none,
)
from cellwright.searches.front import not_beaten
from cellwright.searches.run import Run
from cellwright.searches.trial import Trial, ranked

_ENOUGH = 3  # trials for each parameter, below which the order of shares is a hint
_FAR = 10  # times the quartiles' distance


@dataclass(frozen=True)
class Findings:
    """What a run has found.

    Args:
        judges: The metrics that trials are judged by: one, or each of several objectives.
        best: The complete trials, the best first; of several objectives the front's alone, in the
            order of the first objective.
        front: The trials that no other beats in all objectives, if there are several.
        importances: What mattered, by the metric's name; effects are in the metric's own sign.
        why_none: Why a metric has no importances; empty if it has some.
        hints: What to make of a metric's importances; empty if they need no word.
        predicted: The best trials of which a strategy had predicted the result.
        correlation: Spearman's, of predicted and measured; None if there are too few.
    """

    judges: Sequence[Metric]
    best: Sequence[Trial]
    front: Sequence[Trial]
    importances: Mapping[str, Sequence[Importance]]
    why_none: Mapping[str, str]
    hints: Mapping[str, str]
    predicted: Sequence[Trial]
    correlation: float | None


def find(run: Run) -> Findings:
    """Look at the trials of a run."""
    judges = list(run.objectives) if run.judge is None else [run.judge]
    front = []
    if len(run.objectives) > 1:
        front = ranked(not_beaten(run.trials, run.objectives), run.objectives[0])
    best = front if run.judge is None else ranked(run.trials, run.judge)
    mattered, why, hints = {}, {}, {}
    for metric in judges:
        name = metric.name
        mattered[name], why[name], hints[name] = _importances(run, metric)
    predicted = [trial for trial in best if run.judge is not None and "predicted" in trial.metrics]
    correlation = None
    if run.judge is not None:
        measured = [trial.metrics[run.judge.name] for trial in predicted]
        correlation = rank_correlation([t.metrics["predicted"] for t in predicted], measured)
    return Findings(judges, best, front, mattered, why, hints, predicted, correlation)


def _importances(run: Run, metric: Metric) -> tuple[list[Importance], str, str]:
    """What mattered for a metric; why, if nothing is known of it; what to make of it otherwise."""
    trials = ranked(run.trials, metric)
    values = np.array([trial.metrics[metric.name] for trial in trials], float)
    rewards, far = _bounded(metric.sign * values)
    params = [(trial.params, float(x)) for trial, x in zip(trials, rewards, strict=True)]
    found = importances(run.space, params, [trial.others for trial in trials])
    if not found:
        return [], why_none(values) or "no choice mattered: no parameter was varied", ""
    hints = []
    if len(trials) < _ENOUGH * len(found):
        hints.append(
            f"{len(trials)} trials are few for {len(found)} parameters: the order of the shares is "
            "a hint, not a finding"
        )
    if far:
        hints.append(
            f"{far} trial{'' if far == 1 else 's'} with a value far from all others count"
            f"{'s' if far == 1 else ''} as no further than {_FAR} times the quartiles' distance"
        )
    return [replace(one, effect=metric.sign * one.effect) for one in found], "", "\n".join(hints)


def _bounded(rewards: Array) -> tuple[Array, int]:
    """Rewards without penalties beside which nothing else would count, and how many were bounded.

    Those that are further from the quartiles than `_FAR` times the quartiles' distance are moved
    to there.
    """
    finite = rewards[np.isfinite(rewards)]
    if len(finite) == 0:
        return rewards[:0], len(rewards)
    low, high = np.quantile(finite, (0.25, 0.75), method="nearest")
    reach = _FAR * (high - low)
    if not np.isfinite(reach) or reach == 0:
        return np.clip(rewards, finite.min(), finite.max()), int(np.sum(~np.isfinite(rewards)))
    bounded = np.clip(rewards, low - reach, high + reach)
    return bounded, int(np.sum(bounded != rewards))
