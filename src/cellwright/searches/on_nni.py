"""A search driven by NNI, as an experiment in a folder of its own."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any, cast

from cellwright.adapters import nni_experiment, nni_trial
from cellwright.adapters.nni_config import tuner_arguments
from cellwright.adapters.nni_database import DATABASE, Job, read_jobs
from cellwright.adapters.nni_init import (
    as_python,
    call,
    trial_script,
    write_experiment,
)
from cellwright.adapters.nni_record import HISTORY
from cellwright.plugins import Evaluation, make_space
from cellwright.plugins.metrics import Metric, find_metric
from cellwright.plugins.records.record import AFTER, BUDGET, without_ours
from cellwright.plugins.training.best_child import keep_best
from cellwright.search_spaces import INFEASIBLE, CellwrightError, CorruptedState
from cellwright.searches.folder import read_settings
from cellwright.searches.hosts import OnEpoch, OnTrial
from cellwright.searches.reward import split_named
from cellwright.searches.run import Run, name_of_values, split_params
from cellwright.searches.settings import CHECKPOINTS, WEIGHTS, Settings
from cellwright.searches.trial import Curves, Trial, read_curves

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
    found = nni_experiment.read_trials(experiment)
    latest = nni_experiment.latest_experiment(experiment)
    jobs: list[Job] = []
    if found and latest is not None:
        with suppress(CorruptedState):  # the record is the tuner's, and curves are not worth a stop
            jobs, _ = read_jobs(latest)
    return [replace(trial_of(trial), curves=_curves(trial, jobs)) for trial in found]


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
        evaluation,
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
        "meter": _meters(settings),
        "checkpoints": settings.schedule and as_python(CHECKPOINTS),
        **({"weights": call("WeightBank", WEIGHTS)} if settings.one_shot else {}),
    }
    if settings.reward is not None:
        name, arguments = split_named(settings.reward, "--reward")
        made["reward"] = call("make_reward", name, **arguments)
    script = trial_script(**_arguments_of(evaluation, made))
    return _write(folder, settings, evaluation, script=script, overwrite=overwrite, numeric=numeric)


def _meters(settings: Settings) -> str | None:
    """The calls that make the meters, one alone or a list; None if there are none."""
    named = [split_named(text, "--meter") for text in settings.meter_names]
    calls = [call("make_meter", name, **arguments) for name, arguments in named]
    return f"[{', '.join(calls)}]" if len(calls) > 1 else next(iter(calls), None)


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


def _write(experiment: Path, settings: Settings, evaluation: Evaluation, **more: Any) -> list[Path]:
    schedule = settings.make_schedule()
    return write_experiment(
        experiment,
        strategy=settings.strategy,
        arguments=settings.strategy_arguments(evaluation),
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


def trial_of(trial: nni_experiment.Trial) -> Trial:
    """A trial of an experiment of ours, whose value is the reward."""
    told = _told(trial)
    if told.state != "complete" or trial.value is None:
        return told
    return replace(told, metrics={**told.metrics, "reward": trial.value})


def _told(trial: nni_experiment.Trial) -> Trial:
    """A trial with the metrics that it reported beside its value."""
    metrics = dict(trial.metrics)
    if BUDGET in trial.others:
        metrics["epochs"] = float(trial.others[BUDGET])
    state = "complete"
    if trial.error or (trial.value is None and not metrics):
        state = "infeasible" if INFEASIBLE in metrics else "failed"
    return Trial(
        trial.number,
        trial.params,
        state,
        metrics,
        trial.error,
        trial.others.get(AFTER),
        without_ours(trial.others),
    )


def _curves(trial: nni_experiment.Trial, jobs: Sequence[Job]) -> Curves:
    """What a trial of ours reported on the way.

    NNI may keep it under another trial's parameters (`nni_database`), so it is found by the
    architecture and the value that the trial itself told.
    """
    for job in jobs:
        same = trial.value is not None and job.metrics.get("default") == trial.value
        if same and all(job.echo.get(name) == x for name, x in trial.params.items()):
            return read_curves(_named(job))
    return {}


def _named(job: Job) -> dict[str, list[tuple[int, float]]]:
    """The curves of a trial; ``default`` only where nothing has a name of its own."""
    named = {name: curve for name, curve in job.curves.items() if name != "default"}
    return named or job.curves


def open_run(what: str, space: str | None, study: str | None) -> Run:
    """An experiment of any tuner; the configuration of one of ours names the space.

    Raises:
        CellwrightError: If its trials are of another space, or NNI has not begun it.
        CorruptedState: If its record cannot be read.
    """
    folder = Path(what)
    experiment = (
        folder if (folder / DATABASE).is_file() else nni_experiment.latest_experiment(folder)
    )
    if experiment is None:
        raise CellwrightError(
            f"NNI has run no experiment in {folder}. It keeps others in ~/nni-experiments: give "
            f"the folder there that holds {DATABASE}"
        )
    jobs, config = read_jobs(experiment)
    arguments = tuner_arguments(config)
    mode, name = arguments.get("optimize_mode") or "maximize", folder.resolve().name
    if not (experiment / "checkpoint" / HISTORY).exists():
        given = [
            Trial(job.number, job.params, job.state, job.metrics, curves=read_curves(job.curves))
            for job in jobs
        ]
        made, trials = split_params(name, space, given)
        goal = find_metric(f"default:{mode}")
        return Run(name, made, trials, [goal], [goal], goal)
    searched = make_space(arguments.get("space"), arguments.get("tune", ()))
    found = nni_experiment.trials_of(experiment, searched)
    found.sort(key=lambda trial: trial.number)
    told = [replace(_told(trial), curves=_curves(trial, jobs)) for trial in found]
    if goals := arguments.get("objectives"):
        objectives = [find_metric(f"{each}:{direction}") for each, direction in goals.items()]
    else:
        told, objectives = _with_values(told, found, mode)
    judge = objectives[0] if len(objectives) == 1 else None
    return Run(name, searched, told, objectives, objectives, judge)


def _with_values(
    told: Sequence[Trial], found: Sequence[nni_experiment.Trial], mode: str
) -> tuple[list[Trial], list[Metric]]:
    """The trials with what they reported as ``default`` among their metrics, and that metric."""
    known = [(one, trial.value) for one, trial in zip(told, found, strict=True)
             if one.state == "complete" and trial.value is not None]  # fmt: skip
    name = name_of_values([value for _, value in known], [one for one, _ in known], "default")
    values = {one.number: value for one, value in known}
    named = [
        replace(one, metrics={**one.metrics, name: values[one.number]})
        if one.number in values
        else one
        for one in told
    ]
    return named, [find_metric(f"{name}:{mode}")]
