"""A search driven by Keras Tuner, in a project folder of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras_tuner as kt

from cellwright.adapters.keras_decisions import read_params
from cellwright.adapters.keras_oracle import StrategyOracle
from cellwright.adapters.keras_trial import EvaluationTuner
from cellwright.command_line.results import Trial
from cellwright.command_line.settings import Settings
from cellwright.plugins import Evaluation
from cellwright.plugins.best_child import keep_best
from cellwright.search_spaces import INFEASIBLE, Params

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
    on_trial: Callable[[Trial], None],
    on_epoch: Callable[[int, int, dict[str, float]], None],
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
        strategy=settings.strategy,
        space=settings.make_space(),
        seed=settings.seed,
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
    if "tuner/epochs" in values:
        metrics["epochs"] = float(values["tuner/epochs"])
    return Trial(
        int(trial.trial_id),
        params,
        "infeasible" if INFEASIBLE in names else state,
        metrics,
        kind.rpartition(".")[2] + colon + words,  # an exception without its module
    )
