"""The trials of any run of any host, made by our command line or by a user's script."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from cellwright.plugins.metrics import METRICS, Metric, find_metric, split_direction
from cellwright.plugins.passwords import keep
from cellwright.plugins.registry import make_space
from cellwright.search_spaces import INFEASIBLE, CellwrightError
from cellwright.searches.confirmation import read_trials
from cellwright.searches.folder import read_settings
from cellwright.searches.hosts import HOSTS, Driver, driver_of
from cellwright.searches.run import Run
from cellwright.searches.settings import FILE, Settings
from cellwright.searches.trial import Trial

if TYPE_CHECKING:  # where a type checker compares each driver with the protocol
    from cellwright.searches import on_keras_tuner, on_nni, on_optuna, on_ray

    _DRIVERS: tuple[Driver, ...] = (on_optuna, on_nni, on_keras_tuner, on_ray)

REPORT = "report"  # the folder of a report, in the run's own


def open_run(
    what: str, *, space: str | None = None, study: str | None = None, metric: str | None = None
) -> Run:
    """Read a run.

    Args:
        what: Folder of a ``cellwright search``, of a Keras Tuner project (with ``oracle.json``),
            of an NNI experiment (with ``config.yml``) or of a Ray Tune experiment, an Optuna
            journal file or storage URL.
        space: Name of the space; None for the run's own, or the book's if the run does not say.
        study: Name of the Optuna study; not needed if the storage holds one.
        metric: What to judge by, as `find_metric` takes it; the objective if None.

    Raises:
        CellwrightError: If there is no run, its trials are of another space or have no such metric,
            or nothing says which way the metric is better.
    """
    what = keep(what)  # whose password is in no message
    folder = Path(what)
    ours = (folder / FILE).is_file()
    host = next((name for name, host in HOSTS.items() if host.holds_run(what)), None)
    if study is not None and (ours or host not in (None, "optuna")):
        raise CellwrightError(f"--study {study} is for an Optuna storage, and {what} is none")
    if ours:
        if space is not None:
            raise CellwrightError(
                f"--space {space}: {what} says itself what it searches; leave --space out"
            )
        run = _search(folder, metric)
    else:
        if space is not None:
            make_space(space)  # a wrong name is told before the run is read
        if host is None:
            raise CellwrightError(
                f"{what} is no run: give the folder of a `cellwright search`, "
                + ", or ".join(host.run for host in HOSTS.values())
            )
        run = driver_of(host).open_run(what, space, study)
    if folder.is_dir():
        run = replace(run, folder=folder / REPORT)
    if metric is not None:
        run = replace(run, judge=_metric(run, metric))
    if run.judge is None and not run.objectives and metrics_of(run):
        raise CellwrightError(
            f"{what} does not say what was searched for: give --metric, one of {metrics_of(run)}"
        )
    judges = run.objectives if run.judge is None else [run.judge]
    return replace(run, trials=[_judged(trial, judges) for trial in run.trials])


def metrics_of(run: Run) -> list[str]:
    """The names of the metrics that trials can be judged by."""
    measured = {name for t in run.trials if t.state in ("complete", "pruned") for name in t.metrics}
    return sorted(measured - {INFEASIBLE})


def _search(folder: Path, metric: str | None) -> Run:
    """The run of a ``cellwright search``."""
    settings = read_settings(folder)
    trials = read_trials(folder, settings)
    declared = () if metric is None and not settings.objectives else _declared(settings)
    reward = METRICS["reward"]
    objectives = [find_metric(text, declared) for text in settings.objectives] or [reward]
    return Run(folder.name, settings.make_space(), trials, declared, objectives, reward)


def _declared(settings: Settings) -> Sequence[Metric]:
    """The metrics that the search declares; those of its objectives alone if its meter is gone."""
    try:
        return settings.declared
    except ValueError:
        return replace(settings, meter=()).declared


def _metric(run: Run, text: str) -> Metric:
    name, _ = split_direction(text)
    if name not in metrics_of(run):
        chosen = {key for trial in run.trials for key in (*trial.params, *trial.others)}
        known = ", ".join(metrics_of(run)) or "none"
        raise CellwrightError(
            f"--metric {text}: no trial has the metric {name!r}; there are {known}"
            + (
                f". {name!r} is a hyperparameter, and the report says how much it mattered"
                if name in chosen
                else ""
            )
        )
    return find_metric(text, [*run.declared, *run.objectives])


def _judged(trial: Trial, judges: Sequence[Metric]) -> Trial:
    """A trial, which has failed if it does not have all that it is judged by."""
    if trial.state != "complete":
        return trial
    lacks = [metric.name for metric in judges if metric.name not in trial.metrics]
    if lacks:
        return replace(trial, state="failed", error=f"has no {', '.join(lacks)}")
    wrong = [metric.name for metric in judges if math.isnan(trial.metrics[metric.name])]
    if wrong:
        return replace(trial, state="failed", error=f"its {', '.join(wrong)} is not a number")
    return trial
