"""A search driven by NNI, as an experiment in a folder of its own."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, cast

from cellwright.adapters import nni_experiment, nni_trial
from cellwright.adapters.nni_config import read_config, tuner_arguments
from cellwright.adapters.nni_init import as_python, call, trial_script, write_experiment
from cellwright.adapters.nni_record import AFTER, BUDGET
from cellwright.plugins import Evaluation, make_space
from cellwright.plugins.metrics import find_metric
from cellwright.plugins.training.best_child import keep_best
from cellwright.search_spaces import INFEASIBLE, CellwrightError
from cellwright.searches.folder import read_settings
from cellwright.searches.hosts import OnEpoch, OnTrial
from cellwright.searches.reward import split_reward
from cellwright.searches.settings import CHECKPOINTS, WEIGHTS, Settings
from cellwright.searches.trial import Run, Trial

EXPERIMENT = "experiment"

_TRIAL = '''\
"""One trial of the search whose settings are in {folder!r}."""

from cellwright.searches.on_nni import run_trial

if __name__ == "__main__":
    run_trial({folder!r})
'''


def read(folder: Path, settings: Settings) -> list[Trial]:
    """The finished trials of the search in ``folder``, in the order of their numbers."""
    experiment = folder / EXPERIMENT
    if not experiment.exists():
        return []
    return [trial_of(trial) for trial in nni_experiment.read_trials(experiment)]


def search(
    folder: Path,
    settings: Settings,
    evaluation: Evaluation,
    on_trial: OnTrial,
    on_epoch: OnEpoch,
) -> None:
    """Run the experiment until there are ``settings.trials`` trials, each its own process."""
    if len(read(folder, settings)) >= settings.trials:
        return
    if not isinstance(settings.space, str):
        raise CellwrightError(
            "NNI's trials are processes of their own and need the space by name, or as "
            f"module:attribute; got {settings.space!r}"
        )
    experiment = folder / EXPERIMENT
    _write(
        experiment,
        settings,
        name=f"cellwright {folder.resolve().name}",
        script=_TRIAL.format(folder=str(folder.resolve())),
        overwrite=True,
    )
    # NNI's processes start in the experiment's folder; a space of the user's is found from here.
    here = [os.environ.get("PYTHONPATH"), str(Path.cwd())]
    os.environ["PYTHONPATH"] = os.pathsep.join(path for path in here if path)
    nni_experiment.run_experiment(
        experiment, trials=settings.trials, on_trial=lambda trial: on_trial(trial_of(trial))
    )


def write(
    folder: Path,
    settings: Settings,
    evaluation: Evaluation,
    *,
    overwrite: bool,
    numeric: bool = False,
) -> list[Path]:
    """Write the experiment of ``settings`` with a trial script that stands for itself.

    Args:
        numeric: See `write_experiment`.

    Raises:
        CellwrightError: If a part of ``evaluation`` cannot be written as Python.
        FileExistsError: If one of its files is there and ``overwrite`` is False.
    """
    tune = {"tune": list(settings.tune)} if settings.tune else {}
    made = {
        "space": call("make_space", settings.meant_space, **tune),
        "data": call("load_dataset", settings.data, **settings.data_options),
        "meter": settings.meter_name and call("make_meter", settings.meter_name),
        "checkpoints": settings.schedule and as_python(CHECKPOINTS),
        **({"weights": call("WeightBank", WEIGHTS)} if settings.one_shot else {}),
    }
    if settings.reward is not None:
        name, arguments = split_reward(settings.reward)
        made["reward"] = call("make_reward", name, **arguments)
    script = trial_script(**_arguments_of(evaluation, made))
    return _write(folder, settings, script=script, overwrite=overwrite, numeric=numeric)


def _arguments_of(evaluation: Evaluation, made: Mapping[str, str | None]) -> dict[str, str]:
    """The arguments of ``evaluation`` as Python.

    Args:
        evaluation: All its fields are written, but for those that have their default.
        made: The calls that make what cannot be read off an object; None leaves an argument out.

    Raises:
        CellwrightError: If another field cannot be written.
    """
    texts = {name: text for name, text in made.items() if text is not None}
    for field in fields(Evaluation):
        value = getattr(evaluation, field.name)
        default = field.default_factory() if callable(field.default_factory) else field.default
        if field.name in made or value == default:
            continue
        texts[field.name] = as_python(value)
        if "<" in texts[field.name]:  # the representation of an object that says no constructor
            raise CellwrightError(
                f"a trial script cannot hold {field.name}={value!r}: write the experiment without "
                "it, and add it to trial.py by hand"
            )
    return texts


def _write(experiment: Path, settings: Settings, **more: Any) -> list[Path]:
    schedule = settings.make_schedule()
    return write_experiment(
        experiment,
        strategy=settings.strategy,
        arguments=settings.strategy_arguments,
        space=str(settings.meant_space),
        tune=settings.tune,
        seed=settings.seed,
        data=settings.data,
        trials=settings.trials,
        concurrency=settings.concurrency,
        objectives=settings.goals if settings.objectives else None,
        schedule=None if schedule is None else asdict(cast(Any, schedule)),
        **more,
    )


def run_trial(folder: str) -> None:
    """Be one trial of the search in ``folder``; NNI starts it."""
    settings = read_settings(Path(folder))
    evaluation = settings.make_evaluation(
        checkpoints=Path(folder, CHECKPOINTS),
        weights=Path(folder, WEIGHTS),
        tracked=Path(folder),
    )
    nni_trial.run(evaluation, keep=keep_best(folder))


def trial_of(trial: nni_experiment.Trial, sign: float = 1.0) -> Trial:
    """A trial of an experiment, whose value is the reward times ``sign``."""
    metrics = dict(trial.metrics)
    if BUDGET in trial.others:
        metrics["epochs"] = float(trial.others[BUDGET])
    after = trial.others.get(AFTER)
    if trial.value is None:
        state = "infeasible" if INFEASIBLE in metrics else "failed"
        return Trial(trial.number, trial.params, state, metrics, trial.error, after)
    metrics["reward"] = sign * trial.value
    return Trial(trial.number, trial.params, "complete", metrics, after=after)


def open_run(what: str, space: str | None, study: str | None) -> Run:
    """An experiment whose tuner is one of ours; its configuration names the space."""
    folder = Path(what)
    arguments = tuner_arguments(read_config(folder / "config.yml"))
    sign = -1.0 if arguments.get("optimize_mode") == "minimize" else 1.0
    objectives = arguments.get("objectives") or {}
    declared = [find_metric(f"{name}:{direction}") for name, direction in objectives.items()]
    trials = [trial_of(trial, sign) for trial in nni_experiment.read_trials(folder)]
    made = make_space(arguments.get("space"), arguments.get("tune", ()))
    return Run(folder.name, made, trials, declared)
