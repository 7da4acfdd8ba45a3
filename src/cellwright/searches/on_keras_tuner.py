"""A search driven by Keras Tuner, in a project folder of its own."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras_tuner as kt
import numpy as np

from cellwright.adapters.keras_decisions import read_params
from cellwright.adapters.keras_oracle import StrategyOracle
from cellwright.adapters.keras_project import read_trial
from cellwright.adapters.keras_schedule import AFTER, EPOCHS
from cellwright.adapters.keras_trial import EvaluationTuner
from cellwright.plugins import Evaluation
from cellwright.plugins.metrics import Metric, find_metric
from cellwright.plugins.training.best_child import keep_best
from cellwright.search_spaces import INFEASIBLE, Params
from cellwright.searches.hosts import OnEpoch, OnTrial
from cellwright.searches.run import Run, name_of_values, split_params
from cellwright.searches.settings import Settings
from cellwright.searches.trial import Trial, read_curves

PROJECT = "keras_tuner"
_MOST = 8  # metrics among which the objectives of a project are looked for
_STATES = {"COMPLETED": "complete", "FAILED": "failed", "INVALID": "failed"}


def read(folder: Path, settings: Settings) -> list[Trial]:
    """The finished trials of the search in ``folder``, in the order of their numbers."""
    project = folder / PROJECT
    if not (project / "oracle.json").exists() and not any(project.glob("trial_*/trial.json")):
        return []
    oracle = _oracle(settings)
    oracle._set_project_dir(str(folder), PROJECT)
    oracle.reload()
    ended = sorted(set(oracle.end_order))
    return [_trial(oracle.trials[trial_id], oracle) for trial_id in ended]


def search(
    folder: Path,
    settings: Settings,
    evaluation: Evaluation,
    on_trial: OnTrial,
    on_epoch: OnEpoch,
) -> None:
    """Run trials until there are ``settings.trials``; one that was interrupted is run again."""

    class Tuner(EvaluationTuner):
        def on_trial_end(self, trial: Any) -> None:
            super().on_trial_end(trial)
            on_trial(_trial(self.oracle.get_trial(trial.trial_id), self.oracle))

    tuner = Tuner(
        evaluation,
        _oracle(settings, evaluation),
        keep=keep_best(folder),
        report=on_epoch,
        directory=str(folder),
        project_name=PROJECT,
    )
    tuner.search(verbose=0)


def _oracle(settings: Settings, evaluation: Evaluation | None = None) -> StrategyOracle:
    objectives = [kt.Objective(name, way[:3]) for name, way in settings.goals.items()]
    return StrategyOracle(
        objectives if len(objectives) > 1 else objectives[0],
        settings.trials,
        strategy=settings.make_strategy(evaluation),
        schedule=settings.make_schedule(),
        max_consecutive_failed_trials=settings.trials + 1,
    )


def _trial(trial: Any, oracle: StrategyOracle) -> Trial:
    return trial_of(trial, read_params(trial.hyperparameters.values, oracle.space))


def trial_of(trial: Any, params: Params) -> Trial:
    """A trial of any project, with the parameters that it decides on."""
    names = set(trial.metrics.metrics) - {"multi_objective"}  # Keras Tuner's own sum of several
    kind, colon, words = (trial.message or "").strip().rpartition("\n")[2].partition(":")
    state = _STATES.get(trial.status, "interrupted")
    last = {name: trial.metrics.get_last_value(name) for name in names}
    metrics = {name: float(value) for name, value in last.items() if value is not None}
    values = trial.hyperparameters.values
    if EPOCHS in values:
        metrics["epochs"] = float(values[EPOCHS])
    return Trial(
        int(trial.trial_id),
        params,
        "infeasible" if INFEASIBLE in names else state,
        metrics,
        kind.rpartition(".")[2] + colon + words,  # an exception without its module
        values.get(AFTER),
        curves=read_curves({name: _by_step(trial, name) for name in names}),
    )


def _by_step(trial: Any, name: str) -> list[tuple[int, float]]:
    """A metric by the step, which is an epoch, as the mean of the trial's executions."""
    return [(one.step, float(one.mean())) for one in trial.metrics.get_history(name)]


def open_run(what: str, space: str | None, study: str | None) -> Run:
    """A project of any tuner and oracle.

    Raises:
        CellwrightError: If its trials are of another space.
        CorruptedState: If the record of a trial cannot be read.
    """
    folder, found, scores, higher = Path(what), [], [], set[str]()
    for file in sorted(folder.glob("trial_*/trial.json")):
        trial = read_trial(str(file))
        if trial.status not in _STATES:  # still running
            continue
        told = trial_of(trial, _decided(trial))
        if told.state == "complete" and trial.score is not None:
            scores.append((told, float(trial.score)))
        # Keras Tuner writes "min" also of a metric that it knows nothing about.
        higher |= {n for n, kept in trial.metrics.metrics.items() if kept.direction == "max"}
        found.append(told)
    found.sort(key=lambda trial: trial.number)
    declared = [find_metric(f"{name}:max") for name in sorted(higher)]
    objectives = _objectives(scores, declared)
    made, trials = split_params(folder.name, space, found)
    judge = objectives[0] if len(objectives) == 1 else None
    return Run(folder.name, made, trials, declared, objectives, judge)


def _decided(trial: Any) -> dict[str, Any]:
    """The hyperparameters of a trial, without what Keras Tuner keeps there for its own use."""
    values = trial.hyperparameters.values
    return {name: value for name, value in values.items() if not name.startswith("tuner/")}


def _objectives(scores: Sequence[tuple[Trial, float]], declared: Sequence[Metric]) -> list[Metric]:
    """What was searched for, which a project does not say: the metric that is equal to the score in
    every trial, or those of which the score is the sum; none if there are no such metrics."""
    trials, values = [trial for trial, _ in scores], [score for _, score in scores]
    name = name_of_values(values, trials, "")
    upward = {metric.name for metric in declared}
    if name:
        return [find_metric(f"{name}:{'max' if name in upward else 'min'}")]
    names = sorted(set.intersection(*(set(trial.metrics) for trial in trials))) if trials else []
    if not 2 <= len(names) <= _MOST or len(trials) < len(names):
        return []
    table = np.array([[trial.metrics[name] for name in names] for trial in trials])
    # What is maximised counts negatively in Keras Tuner's sum of several objectives.
    fits = [
        signs
        for signs in itertools.product((0, 1, -1), repeat=len(names))
        if np.allclose(table @ signs, values, rtol=1e-9)
    ]
    if len(fits) != 1:
        return []
    pairs = zip(names, fits[0], strict=True)
    return [find_metric(f"{name}:{'min' if sign > 0 else 'max'}") for name, sign in pairs if sign]
