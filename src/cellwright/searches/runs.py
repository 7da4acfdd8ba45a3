"""The trials of any run of any host, made by this command line or by a script of the user's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from cellwright.plugins.metrics import COSTS
from cellwright.search_spaces import CellwrightError
from cellwright.searches.folder import read_settings
from cellwright.searches.hosts import HOSTS, Driver, driver_of
from cellwright.searches.settings import FILE
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
    else:
        host = next((name for name, host in HOSTS.items() if host.holds_run(what)), None)
        if host is None:
            raise CellwrightError(
                f"{what} is no run: give the folder of a `cellwright search`, "
                + ", or ".join(host.run for host in HOSTS.values())
            )
        run = driver_of(host).open_run(what, space, study)
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
