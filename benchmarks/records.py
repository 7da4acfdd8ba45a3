"""Raw results: a line of JSON for each search, so that the next run only adds what is missing."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.contenders import Plan

FILE = "raw.jsonl"
SHOWN = (50, 100, 200, 500, 1000)  # evaluations in the table
STEPS = 20  # points of a curve


def points(evaluations: int) -> tuple[int, ...]:
    """The evaluations after which a search's standing is kept: STEPS of them, and SHOWN."""
    steps = range(evaluations, 0, -max(1, evaluations // STEPS))
    return tuple(sorted({*steps, *(n for n in SHOWN if n < evaluations)}))


class Record(NamedTuple):
    """How one search stood after each of `points` evaluations."""

    problem: str
    contender: str
    version: str
    plan: Plan
    best: tuple[float, ...]  # the standing: report of the best value so far; NaN: none yet
    seconds: tuple[float, ...]  # processor time of all suggestions so far

    @property
    def key(self) -> tuple[str, str, Plan]:
        """What identifies a search; no two records share it."""
        return self.problem, self.contender, self.plan

    @property
    def points(self) -> tuple[int, ...]:
        return points(self.plan.evaluations)

    def at(self, point: int) -> tuple[float, float]:
        """Best and seconds after ``point`` evaluations."""
        place = self.points.index(point)
        return self.best[place], self.seconds[place]


def read(folder: Path) -> list[Record]:
    """All records of a folder, none if there is no file yet."""
    path = folder / FILE
    lines = path.read_text().splitlines() if path.exists() else []
    return [_record(json.loads(line)) for line in lines]


def append(folder: Path, record: Record) -> None:
    """Add a record, in one piece, so that several runs may write to one file."""
    with (folder / FILE).open("a") as file:
        file.write(_line(record))


def forget(folder: Path, unwanted: Callable[[Record], bool]) -> None:
    """Drop the records that are unwanted."""
    kept = [record for record in read(folder) if not unwanted(record)]
    (folder / FILE).write_text("".join(map(_line, kept)))


def _line(record: Record) -> str:
    fields: dict[str, Any] = {
        "problem": record.problem,
        "contender": record.contender,
        "version": record.version,
        **record.plan._asdict(),
        "best": [None if math.isnan(best) else round(best, 3) for best in record.best],
        "seconds": [float(f"{seconds:.2g}") for seconds in record.seconds],
    }
    return json.dumps(fields, separators=(",", ":")) + "\n"


def _record(fields: dict[str, Any]) -> Record:
    return Record(
        fields["problem"],
        fields["contender"],
        fields["version"],
        Plan(*(fields[name] for name in Plan._fields if name in fields)),
        tuple(math.nan if best is None else best for best in fields["best"]),
        tuple(fields["seconds"]),
    )
