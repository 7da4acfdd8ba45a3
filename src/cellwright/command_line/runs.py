"""The trials of any run of any host, made by this command line or by a script of the user's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cellwright.command_line.folder import read_settings
from cellwright.command_line.metrics import COSTS
from cellwright.command_line.results import Trial
from cellwright.command_line.settings import FILE
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
    """The trials with ``metric`` as their reward; of losses and costs less is better."""
    measured = sorted({name for trial in trials for name in trial.metrics})
    if metric not in measured:
        raise CellwrightError(f"no trial has the metric {metric!r}; there are {measured}")
    minimised = metric in COSTS or "loss" in metric or metric.endswith("mae")
    sign = -1.0 if minimised else 1.0

    def judged(trial: Trial) -> Trial:
        if trial.state != "complete":
            return trial
        if metric not in trial.metrics:
            return replace(trial, state="failed", error=f"has no {metric}")
        return replace(trial, metrics={**trial.metrics, "reward": sign * trial.metrics[metric]})

    return [judged(trial) for trial in trials]


def _optuna_study(what: str, name: str | None, space: SearchSpace) -> Run:
    driver = driver_of("optuna")  # says which extra to install
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
    told = [
        _with_values(driver.trial_of(trial), trial, minimised)
        for trial in study.trials
        if trial.state.is_finished()
    ]
    return _run(name, space, told)


def _with_values(told: Trial, trial: Any, minimised: Sequence[bool]) -> Trial:
    """A trial with the study's values among its metrics; of one objective it is the reward."""
    if told.state != "complete":
        return told
    values = {f"value_{k}": value for k, value in enumerate(trial.values)}
    if len(minimised) == 1:
        values = {"reward": -trial.value if minimised[0] else trial.value}
    return replace(told, metrics=told.metrics | values)


def _keras_tuner_project(folder: Path, space: SearchSpace) -> Run:
    driver = driver_of("keras-tuner")
    import keras_tuner

    found = []
    for file in sorted(folder.glob("trial_*/trial.json")):
        trial = keras_tuner.engine.trial.Trial.load(str(file))
        told = driver.trial_of(trial, dict(trial.hyperparameters.values))
        if told.state == "complete":
            reward = _keras_reward(trial, told.metrics)
            told = replace(told, metrics={**told.metrics, "reward": reward})
        found.append(told)
    return _run(folder.name, space, found)


def _keras_reward(trial: Any, metrics: dict[str, float]) -> float:
    """The score, of the sign of the metric that it is; the project does not say which that is."""
    for name, value in metrics.items():
        if value == trial.score:
            return value if trial.metrics.metrics[name].direction != "min" else -value
    return float(trial.score)


def _nni_experiment(folder: Path) -> Run:
    driver = driver_of("nni")
    import yaml

    from cellwright.adapters import nni_experiment

    config = yaml.safe_load((folder / "config.yml").read_text(encoding="utf-8"))
    arguments = (config.get("tuner") or {}).get("classArgs") or {}
    sign = -1.0 if arguments.get("optimize_mode") == "minimize" else 1.0
    trials = [driver.trial_of(trial, sign) for trial in nni_experiment.read_trials(folder)]
    return Run(folder.name, make_space(arguments.get("space"), arguments.get("tune", ())), trials)


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
        mine.append(replace(trial, params=params, metrics={**others, **trial.metrics}))
    return Run(name, space, mine)
