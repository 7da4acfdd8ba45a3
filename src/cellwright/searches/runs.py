"""The trials of any run of any host, made by our command line or by a user's script."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from cellwright.plugins.metrics import Metric, find_metric, split_direction
from cellwright.search_spaces import CellwrightError
from cellwright.searches.folder import read_settings
from cellwright.searches.hosts import HOSTS, Driver, driver_of
from cellwright.searches.settings import FILE, Settings
from cellwright.searches.trial import Run, Trial

if TYPE_CHECKING:  # where a type checker compares each driver with the protocol
    from cellwright.searches import on_keras_tuner, on_nni, on_optuna

    _DRIVERS: tuple[Driver, ...] = (on_optuna, on_nni, on_keras_tuner)


def open_run(
    what: str, *, space: str | None = None, study: str | None = None, metric: str | None = None
) -> Run:
    """Read a run.

    Args:
        what: Folder of a ``cellwright search``, of a Keras Tuner project (with ``oracle.json``) or
            of an NNI experiment (with ``config.yml``), an Optuna journal file or storage URL.
        space: Name of the space; None for the run's own, or the book's if the run does not say.
        study: Name of the Optuna study; not needed if the storage holds one.
        metric: What to judge by, as `find_metric` takes it; the objective if None.

    Raises:
        CellwrightError: If there is no run, its trials are of another space or have no such metric,
            or nothing says which way the metric is better.
    """
    folder = Path(what)
    if (folder / FILE).is_file():
        settings = read_settings(folder)
        trials = driver_of(settings.host).read(folder, settings)
        declared = () if metric is None else _declared(settings)
        run = Run(folder.name, settings.make_space(), trials, declared)
    else:
        host = next((name for name, host in HOSTS.items() if host.holds_run(what)), None)
        if host is None:
            raise CellwrightError(
                f"{what} is no run: give the folder of a `cellwright search`, "
                + ", or ".join(host.run for host in HOSTS.values())
            )
        run = driver_of(host).open_run(what, space, study)
    if metric is not None:
        return replace(run, trials=_judged(run, metric))
    several = next((t for t in run.trials if t.state == "complete" and t.reward is None), None)
    if several is not None:
        raise CellwrightError(
            f"{what} has several objectives; give --metric, one of {sorted(several.metrics)}"
        )
    return run


def _declared(settings: Settings) -> Sequence[Metric]:
    """The metrics that the search declares; those of its objectives alone if its meter is gone."""
    try:
        return settings.declared
    except ValueError:
        return replace(settings, meter=None).declared


def _judged(run: Run, text: str) -> list[Trial]:
    """The trials with a metric as their reward, its sign turned if less of it is better."""
    measured = sorted({name for trial in run.trials for name in trial.metrics})
    name, _ = split_direction(text)
    if name not in measured:
        raise CellwrightError(f"no trial has the metric {name!r}; there are {measured}")
    sign = find_metric(text, run.declared).sign

    def judged(trial: Trial) -> Trial:
        if trial.state not in ("complete", "pruned"):
            return trial
        if name not in trial.metrics and trial.state == "pruned":
            return replace(trial, metrics={n: x for n, x in trial.metrics.items() if n != "reward"})
        if name not in trial.metrics:
            return replace(trial, state="failed", error=f"has no {name}")
        return replace(trial, metrics={**trial.metrics, "reward": sign * trial.metrics[name]})

    return [judged(trial) for trial in run.trials]
