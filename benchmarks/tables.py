"""Tabular benchmarks: every architecture trained once and for all, in a CSV or JSON file.

A CSV file has a header; a JSON file is a list of objects; either may be compressed (``.gz``). One
row is one training run of one architecture. Rows of the same architecture are repeated runs: an
evaluation draws one of them, and the report is their mean.
"""

from __future__ import annotations

import csv
import fnmatch
import functools
import gzip
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.problems import Best, Outcome
from cellwright.search_spaces import Decision, Params, SearchSpace, Value

MOST_CHOICES = 64  # a text column with more values describes an architecture; it is no decision

Row = Mapping[str, Any]


class Entry(NamedTuple):
    """One architecture: what the search may see of each run, and the mean of what is reported."""

    values: tuple[float | None, ...]
    report: float


@dataclass(frozen=True)
class TableSource:
    """A table on disk.

    Args:
        path: ``.csv``, ``.json``, or one of these with ``.gz``.
        search_on: Column that the search is told; an empty cell is a failed child.
        report: Column that is reported.
        decisions: Columns to decide on, or patterns such as ``"op_*"``; by default all columns of
            text with at most `MOST_CHOICES` different values.
        minimise: Whether lower values are better, in both columns.
        missing: How an architecture without a row is treated: ``"refuse"`` (the table must be
            complete) or ``"fail"`` (it is a failed child).
    """

    path: Path
    search_on: str
    report: str
    decisions: tuple[str, ...] = ()
    minimise: bool = False
    missing: str = "refuse"

    @property
    def name(self) -> str:
        return f"{self.path.name.split('.')[0]}, {self.search_on} to {self.report}"

    @property
    def unit(self) -> str:
        return self.report

    def load(self, seed: int) -> TableProblem:
        """The table with the noise of ``seed``.

        Raises:
            ValueError: If the file, a column or a row cannot be used.
        """
        space, entries = _read(self)
        return TableProblem(space, entries, -1.0 if self.minimise else 1.0, seed)

    def standing(self) -> Best:
        return Best()


@dataclass(frozen=True)
class TableProblem:
    space: SearchSpace
    entries: Mapping[tuple[int, ...], Entry]
    sign: float
    seed: int

    def evaluate(self, params: Params, number: int) -> Outcome:
        entry = self.entries.get(self.space.encode(params))
        if entry is None:
            return Outcome(None, float("nan"))
        drawn = 0
        if len(entry.values) > 1:
            drawn = int(np.random.default_rng((self.seed, number)).integers(len(entry.values)))
        value = entry.values[drawn]
        return Outcome(None if value is None else self.sign * value, entry.report)


@functools.cache
def _read(source: TableSource) -> tuple[SearchSpace, dict[tuple[int, ...], Entry]]:
    rows = read_rows(source.path)
    for column in (source.search_on, source.report):
        _check(column in rows[0], source, f"no column {column!r}; there are {list(rows[0])}")
    space = SearchSpace(_decisions(source, rows))
    runs: dict[tuple[int, ...], list[Row]] = {}
    kinds = {d.name: type(d.choices[0]) for d in space.decisions}
    for row in rows:
        key = space.encode({name: kind(row[name]) for name, kind in kinds.items()})
        runs.setdefault(key, []).append(row)
    lost = space.size - len(runs)
    _check(
        lost == 0 or source.missing == "fail",
        source,
        f"{lost} of {space.size} architectures have no row; count them as failed children with "
        "missing='fail' (--missing fail), or name other decisions",
    )
    entries = {key: _entry(source, found) for key, found in runs.items()}
    return space, entries


def read_rows(path: Path) -> list[Row]:
    """All rows of a table.

    Raises:
        ValueError: If the file is empty, or of an unknown kind.
    """
    packed = path.suffix == ".gz"
    with gzip.open(path, "rt") if packed else path.open() as file:
        match path.name.removesuffix(".gz").rsplit(".", 1)[-1]:
            case "csv":
                rows: list[Row] = list(csv.DictReader(file))
            case "json":
                rows = json.load(file)
            case other:
                raise ValueError(f"{path}: expected .csv or .json, or .gz of these; got .{other}")
    if not rows:
        raise ValueError(f"{path} holds no rows")
    return rows


def _decisions(source: TableSource, rows: Sequence[Row]) -> list[Decision]:
    columns = [c for c in rows[0] if c not in (source.search_on, source.report)]
    if source.decisions:
        for pattern in source.decisions:
            _check(bool(fnmatch.filter(columns, pattern)), source, f"no column fits {pattern!r}")
        columns = [c for c in columns if any(fnmatch.fnmatch(c, p) for p in source.decisions)]
    found = {column: _choices([row[column] for row in rows]) for column in columns}
    if not source.decisions:
        found = {
            column: choices
            for column, choices in found.items()
            if isinstance(choices[0], str) and len(choices) <= MOST_CHOICES
        }
        _check(bool(found), source, f"no column of text to decide on; name some of {columns}")
    return [Decision(column, choices) for column, choices in found.items()]


def _choices(cells: Sequence[Any]) -> tuple[Value, ...]:
    """The different values of a column, of the narrowest type that all of them share."""
    distinct = set(cells)
    for kind in (int, float):
        try:
            return tuple(sorted({kind(cell) for cell in distinct}))
        except ValueError:
            pass
    return tuple(sorted({str(cell) for cell in distinct}))


def _entry(source: TableSource, runs: Sequence[Row]) -> Entry:
    values = tuple(_number(source, row[source.search_on]) for row in runs)
    reports = [_number(source, row[source.report]) for row in runs]
    return Entry(values, float(np.mean([np.nan if r is None else r for r in reports])))


def _number(source: TableSource, cell: Any) -> float | None:
    if cell is None or cell == "":
        return None
    try:
        return float(cell)
    except ValueError:
        raise ValueError(f"{source.path}: {cell!r} is not a number") from None


def _check(right: bool, source: TableSource, message: str) -> None:
    if not right:
        raise ValueError(f"{source.path}: {message}")
