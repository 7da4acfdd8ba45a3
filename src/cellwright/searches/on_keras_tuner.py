"""A search driven by Keras Tuner, in a project folder of its own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import keras_tuner as kt

from cellwright.adapters.keras_decisions import read_params
from cellwright.adapters.keras_oracle import StrategyOracle
from cellwright.adapters.keras_schedule import AFTER, EPOCHS
from cellwright.adapters.keras_trial import EvaluationTuner
from cellwright.plugins import Evaluation, make_space
from cellwright.plugins.metrics import find_metric
from cellwright.plugins.training.best_child import keep_best
from cellwright.search_spaces import INFEASIBLE, Params
from cellwright.searches.hosts import OnEpoch, OnTrial
from cellwright.searches.settings import Settings
from cellwright.searches.trial import Run, Trial, run_of

PROJECT = "keras_tuner"
_STATES = {"COMPLETED": "complete", "FAILED": "failed", "INVALID": "failed"}


def read(folder: Path, settings: Settings) -> list[Trial]:
    """The finished trials of the search in ``folder``, in the order of their numbers."""
    if not (folder / PROJECT / "oracle.json").exists():
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
        _oracle(settings),
        keep=keep_best(folder),
        report=on_epoch,
        directory=str(folder),
        project_name=PROJECT,
    )
    tuner.search(verbose=0)


def _oracle(settings: Settings) -> StrategyOracle:
    objectives = [kt.Objective(name, way[:3]) for name, way in settings.goals.items()]
    return StrategyOracle(
        objectives if len(objectives) > 1 else objectives[0],
        settings.trials,
        strategy=settings.make_strategy(),
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
    )


def open_run(what: str, space: str | None, study: str | None) -> Run:
    """A project of any tuner and oracle.

    Raises:
        CellwrightError: If its trials are of another space.
    """
    folder, found, higher = Path(what), [], set[str]()
    for file in sorted(folder.glob("trial_*/trial.json")):
        trial = kt.engine.trial.Trial.load(str(file))
        told = trial_of(trial, dict(trial.hyperparameters.values))
        if told.state == "complete":
            reward = _keras_reward(trial, told.metrics)
            told = replace(told, metrics={**told.metrics, "reward": reward})
        # Keras Tuner writes "min" also of a metric that it knows nothing about.
        higher |= {n for n, kept in trial.metrics.metrics.items() if kept.direction == "max"}
        found.append(told)
    declared = [find_metric(f"{name}:max") for name in sorted(higher)]
    return run_of(folder.name, make_space(space), found, declared)


def _keras_reward(trial: Any, metrics: dict[str, float]) -> float:
    """The score, of the sign of the metric that it is; the project does not say which that is."""
    for name, value in metrics.items():
        if value == trial.score:
            return value if trial.metrics.metrics[name].direction != "min" else -value
    return float(trial.score)
