"""The trials of any run of any host, made by this command line or by a script of the user's."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cellwright.command_line.results import Trial
from cellwright.command_line.settings import FILE, read_settings
from cellwright.command_line.startup import driver_of
from cellwright.plugins import make_space
from cellwright.search_spaces import CellwrightError, InvalidArchitecture, SearchSpace


@dataclass(frozen=True)
class Run:
    """Trials and what they are of; each reward is the larger the better."""

    name: str
    space: SearchSpace
    trials: Sequence[Trial]


def open_run(
    what: str, *, space: str | None = None, study: str | None = None, metric: str | None = None
) -> Run:
    """Read a run.

    Args:
        what: Folder of a ``cellwright search``, of a Keras Tuner project (with ``oracle.json``) or
            of an NNI experiment (with ``config.yml``), an Optuna journal file or storage URL.
        space: Name of the space; the run's own if it says so, else the book's.
        study: Name of the Optuna study; not needed if the storage holds one.
        metric: What to judge by; the objective if None.

    Raises:
        CellwrightError: If there is no run, or its trials are of another space.
    """
    folder = Path(what)
    if (folder / FILE).is_file():
        settings = read_settings(folder)
        trials = driver_of(settings.host).read(folder, settings)
        run = Run(folder.name, settings.make_space(), trials)
    elif (folder / "oracle.json").is_file():
        run = _keras_tuner_project(folder, make_space(space))
    elif (folder / "config.yml").is_file():
        run = _nni_experiment(folder)
    elif "://" in what or folder.is_file():
        run = _optuna_study(what, study, make_space(space))
    else:
        raise CellwrightError(
            f"{what} is no run: give the folder of a `cellwright search`, of a Keras Tuner project "
            "or of an NNI experiment, or an Optuna journal file or storage URL"
        )
    if metric is not None:
        return Run(run.name, run.space, _judged(run.trials, metric))
    several = next((t for t in run.trials if t.state == "complete" and t.reward is None), None)
    if several is not None:
        raise CellwrightError(
            f"{what} has several objectives; give --metric, one of {sorted(several.metrics)}"
        )
    return run


def _judged(trials: Sequence[Trial], metric: str) -> list[Trial]:
    """The trials with ``metric`` as their reward; a loss is the smaller the better."""
    measured = sorted({name for trial in trials for name in trial.metrics})
    if metric not in measured:
        raise CellwrightError(f"no trial has the metric {metric!r}; there are {measured}")
    sign = -1.0 if "loss" in metric else 1.0
    return [
        Trial(t.number, t.params, t.state, {**t.metrics, "reward": sign * t.metrics[metric]})
        if t.state == "complete" and metric in t.metrics
        else Trial(t.number, t.params, "failed", t.metrics, t.error or f"has no {metric}")
        for t in trials
    ]


def _optuna_study(what: str, name: str | None, space: SearchSpace) -> Run:
    driver_of("optuna")  # says which extra to install
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    storage = what if "://" in what else JournalStorage(JournalFileBackend(what))
    names = optuna.get_all_study_names(storage)
    if name is None and len(names) == 1:
        name = names[0]
    if name not in names:
        raise CellwrightError(f"give --study, one of {', '.join(names) or '(there is none)'}")
    study = optuna.load_study(study_name=name, storage=storage)
    minimised = [direction.name == "MINIMIZE" for direction in study.directions]
    ended = [trial for trial in study.trials if trial.state.is_finished()]
    return _run(name, space, [_optuna_trial(trial, minimised) for trial in ended])


def _optuna_trial(trial: Any, minimised: Sequence[bool]) -> Trial:
    attributes = dict(trial.user_attrs)
    numbers = {k: float(v) for k, v in attributes.items() if isinstance(v, int | float)}
    error = str(attributes.get("error", ""))
    if trial.state.name != "COMPLETE":
        return Trial(trial.number, dict(trial.params), "failed", numbers, error)
    if len(minimised) > 1:
        metrics = numbers | {f"value_{k}": v for k, v in enumerate(trial.values)}
    else:
        metrics = {**numbers, "reward": -trial.value if minimised[0] else trial.value}
    return Trial(trial.number, dict(trial.params), "complete", metrics)


def _keras_tuner_project(folder: Path, space: SearchSpace) -> Run:
    driver_of("keras-tuner")
    import keras_tuner

    found = []
    for file in sorted(folder.glob("trial_*/trial.json")):
        trial = keras_tuner.engine.trial.Trial.load(str(file))
        metrics = {
            name: float(trial.metrics.get_best_value(name)) for name in trial.metrics.metrics
        }
        state = "complete" if trial.score is not None and math.isfinite(trial.score) else "failed"
        if state == "complete":
            metrics["reward"] = _keras_reward(trial, metrics)
        message = (trial.message or "").strip().splitlines()
        error = message[-1] if message else ""
        values = dict(trial.hyperparameters.values)
        found.append(Trial(int(trial.trial_id), values, state, metrics, error))
    return _run(folder.name, space, found)


def _keras_reward(trial: Any, metrics: dict[str, float]) -> float:
    """The score, of the sign of the metric that it is; the project does not say which that is."""
    for name, value in metrics.items():
        if value == trial.score:
            return value if trial.metrics.metrics[name].direction != "min" else -value
    return float(trial.score)


def _nni_experiment(folder: Path) -> Run:
    driver_of("nni")
    import yaml

    from cellwright.adapters import nni_experiment
    from cellwright.command_line.on_nni import trial_of

    config = yaml.safe_load((folder / "config.yml").read_text(encoding="utf-8"))
    arguments = (config.get("tuner") or {}).get("classArgs") or {}
    sign = -1.0 if arguments.get("optimize_mode") == "minimize" else 1.0
    trials = [trial_of(trial, sign) for trial in nni_experiment.read_trials(folder)]
    return Run(folder.name, make_space(arguments.get("space")), trials)


def _run(name: str, space: SearchSpace, trials: Sequence[Trial]) -> Run:
    """Trials of ``space`` alone; what else they decide on is a metric if it is a number."""
    mine = []
    for trial in trials:
        held = {key: value for key, value in trial.params.items() if key in space.names}
        others = {
            key: float(value)
            for key, value in trial.params.items()
            if key not in space.names and isinstance(value, int | float)
        }
        try:
            params = space.decode(space.encode(held))
        except InvalidArchitecture as error:
            if trial.state == "complete":
                raise CellwrightError(
                    f"trial {trial.number} of {name} is of another search space: {error}. Give "
                    "--space, the name of the one that was searched"
                ) from None
            continue
        mine.append(
            Trial(trial.number, params, trial.state, {**others, **trial.metrics}, trial.error)
        )
    return Run(name, space, mine)
