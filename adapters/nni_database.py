"""The trials that NNI itself keeps of an experiment, whichever tuner proposed them."""

from __future__ import annotations

import json
import math
import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cellwright.adapters.nni_record import ARCHITECTURE, DECISIONS
from cellwright.search_spaces import CorruptedState

DATABASE = Path("db", "nni.sqlite")
# NNI's words for how a trial ends; it writes the third or the fourth one if an assessor stops it.
_ENDS = {"SUCCEEDED": "complete", "FAILED": "failed", "EARLY_STOPPED": "pruned",
         "USER_CANCELED": "interrupted", "SYS_CANCELED": "interrupted"}  # fmt: skip


@dataclass
class Job:
    """A trial that has ended.

    Args:
        number: 0, 1, 2, ... as NNI started them.
        params: What the tuner proposed. NNI may show those of another trial where several run at a
            time (microsoft/nni#5726).
        state: ``"complete"``, ``"pruned"``, ``"failed"`` or ``"interrupted"``.
        metrics: The numbers of its last report: ``default``, and what stood beside it.
        curves: The numbers of its reports on the way, by the name of each: (1, 2, ..., number).
        echo: The architecture that the trial itself says it is of; empty if it says none.
    """

    number: int
    params: dict[str, Any] = field(default_factory=dict)
    state: str = ""
    metrics: dict[str, float] = field(default_factory=dict)
    curves: dict[str, list[tuple[int, float]]] = field(default_factory=dict)
    echo: dict[str, Any] = field(default_factory=dict)


def read_jobs(experiment: Path) -> tuple[list[Job], dict[str, Any]]:
    """The trials that have ended, in the order of their numbers, and the configuration.

    Args:
        experiment: The folder that NNI made, with `DATABASE` in it.

    Raises:
        CorruptedState: If the database cannot be read.
    """
    file = experiment / DATABASE
    try:
        with closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)) as opened:
            jobs = _jobs(opened)
            [profile, *_] = [
                *opened.execute("select params from ExperimentProfile order by revision desc"),
                ("{}",),
            ]
        config: dict[str, Any] = dict(json.loads(profile[0]))
    except (sqlite3.Error, ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
        raise CorruptedState(f"{file} is damaged and cannot be read: {error!r}") from error
    for job in jobs:
        if job.state == "interrupted" and "assessor" in config and job.metrics:
            job.state = "pruned"
    return sorted(jobs, key=lambda job: job.number), config


def _jobs(opened: sqlite3.Connection) -> list[Job]:
    jobs: dict[str, Job] = {}
    events = "select trialJobId, event, data, sequenceId from TrialJobEvent order by timestamp"
    for name, event, data, number in opened.execute(events):
        job = jobs.setdefault(name, Job(-1))
        job.number = job.number if number is None else int(number)
        if data:
            job.params = dict(json.loads(data)["parameters"])
        job.state = _ENDS.get(event, job.state)
    # A final report comes last; a trial that was stopped early may have none.
    reports = (
        "select trialJobId, data, type, sequence from MetricData "
        "order by type = 'FINAL', timestamp, sequence"
    )
    for name, data, kind, sequence in opened.execute(reports):
        if name not in jobs:
            continue
        job, told = jobs[name], json.loads(json.loads(data))
        job.metrics = _numbers(told)
        if kind == "PERIODICAL":
            for metric, value in job.metrics.items():
                job.curves.setdefault(metric, []).append((int(sequence) + 1, value))
        elif isinstance(told, dict) and DECISIONS in told:
            job.echo = dict(json.loads(told[DECISIONS]))
        elif isinstance(told, dict) and isinstance(told.get(ARCHITECTURE), dict):
            job.echo = told[ARCHITECTURE]  # as an earlier version wrote it
    return [job for job in jobs.values() if job.state]


def _numbers(report: Any) -> dict[str, float]:
    """The finite numbers of a report, which may be a number alone."""
    told = report if isinstance(report, dict) else {"default": report}
    return {
        name: float(value)
        for name, value in told.items()
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    }
