"""Reads a CSV file into columns of text, and knows what programs write beside the data."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from cellwright.plugins.data.columns import Cells, as_objects
from cellwright.plugins.data.csv_columns import (
    Packed,
    is_total,
    named,
    refuse_data,
    units_of,
    without_name,
)
from cellwright.plugins.data.csv_text import Layout, find_layout
from cellwright.plugins.data.values import Given
from cellwright.search_spaces import InvalidData

_CHUNK = 1_000  # rows that are held as lists at a time; more are slower


_SAMPLE = 50  # rows by which a line of units is told from data


@dataclass
class CsvFile:
    """A CSV file in memory.

    Args:
        columns: The columns by name.
        notes: What a user should know about how it was read.
        layout, separator: How it was read.
        units: Whether the first line below the names is no row.
    """

    columns: dict[str, Packed]
    notes: list[str]
    layout: Layout
    separator: str
    units: bool

    @property
    def names(self) -> list[str]:
        """Names of the columns."""
        return list(self.columns)

    def column(self, name: str) -> Cells:
        """What the column ``name`` may be."""
        return Cells(name, self.columns[name].cells, self.where).look()

    def values(self, name: str) -> Given:
        """The cells of the column ``name`` as text."""
        return Given(as_objects(self.columns[name].cells()))

    def where(self, row: int) -> str:
        """Names a row, counted from 0, as the file's own lines are counted.

        It reads the file again, which takes less than noting the lines of all rows.
        """
        with self.layout.open() as file:
            rows = _rows(file, self.layout, self.separator)
            line, _ = next(itertools.islice(rows, row + 1 + self.units, None))
        return f"row {row + 1} (line {line} of the file)"


def is_csv(path: Path) -> bool:
    """Whether the name of a file is that of a CSV file, which may be gzipped."""
    return path.name.lower().removesuffix(".gz").endswith((".csv", ".tsv"))


def read_csv(path: Path) -> CsvFile:
    """Read a CSV file with a line of names.

    The separator is the one among comma, semicolon, tab and bar under which all lines have equally
    many cells. Left out, with a note: comments before the names, a first column that numbers or
    names the rows and has no name, a line of units below the names, and a last line of totals.

    Raises:
        InvalidData: If the file cannot be read, a line has too few or too many cells, a name is
            given twice, the first line looks like data, or there are no rows.
    """
    layout = find_layout(path)
    errors: list[InvalidData] = []
    for separator in layout.separators:
        try:
            return _read(layout, separator)
        except InvalidData as error:
            errors.append(error)
    raise errors[0]


def _read(layout: Layout, separator: str) -> CsvFile:
    try:
        with layout.open() as file:
            return _collect(file, layout, separator)
    except (csv.Error, UnicodeError, OSError, EOFError) as error:
        raise InvalidData(
            f"the file cannot be read as CSV: {error}; a cell with quotes or line ends must be in "
            "quotes, and a quote inside it doubled"
        ) from error


def _rows(file: IO[str], layout: Layout, separator: str) -> Iterator[tuple[int, list[str]]]:
    """The rows that are not blank, each with the number of its line, the names first."""
    if layout.names is not None:
        yield layout.skipped, next(csv.reader([layout.names], delimiter=separator))
    lines = itertools.islice(file, layout.skipped, None)
    reader = csv.reader(lines, delimiter=separator, strict=True)
    for row in reader:
        if not _is_blank(row):
            yield layout.skipped + reader.line_num, row


def _is_blank(row: list[str]) -> bool:
    return not row or not (row[0].strip() or "".join(row).strip())


def _collect(file: IO[str], layout: Layout, separator: str) -> CsvFile:
    notes = list(layout.notes)
    rows = _rows(file, layout, separator)
    _, first = next(rows, (0, []))
    names = [name.strip() for name in first]
    head = list(itertools.islice(rows, _SAMPLE))
    if not head:
        raise InvalidData("the table has a header line but no rows")
    width = len(head[0][1])
    if len(names) < 2 and width < 2:
        raise InvalidData(
            "a table needs a header line and at least two columns, separated by comma, "
            f"semicolon, tab or bar; the file begins with {separator.join(first)[:60]!r}"
        )
    units = units_of([row for _, row in head])
    if units:
        notes.append(f"line {head[0][0]} ({units!r}) holds units, not values, and is left out")
    if len(names) == width + 1 and not names[-1]:
        names.pop()  # a separator at the end of the names alone
    if len(names) not in (width, width - 1):
        raise InvalidData(
            f"line {head[0][0]} has {width} cells, the header {len(names)}: "
            f"{separator.join(first)[:60]!r}. If lines before the names are no part of the table, "
            "put a # in front of each"
        )
    columns = [Packed() for _ in range(width)]
    buffer = [row for _, row in head[bool(units) :]]
    # From here on rows are read without their line numbers, which takes half the time.
    rest = csv.reader(file, delimiter=separator, strict=True)
    while True:
        if set(map(len, buffer)) - {width}:
            _refuse_ragged(layout, separator, width, len(names))
        chunk = list(itertools.islice(rest, _CHUNK))
        if not chunk:
            break
        if chunk := [row for row in chunk if (row and row[0].strip()) or not _is_blank(row)]:
            _pack(columns, buffer)
            buffer = chunk
    if is_total(columns, buffer):
        notes.append(
            f"the last line, {separator.join(buffer[-1])[:60]!r}, holds totals, and is left out"
        )
        buffer.pop()
    _pack(columns, buffer)
    if len(names) < width:
        names, columns = without_name(names, columns, head[0][0], width, notes)
    elif not names[-1] and not any(chunk.strip("\0") for chunk in columns[-1].chunks):
        names, columns = names[:-1], columns[:-1]  # a separator at the end of all lines
    refuse_data(names, columns, separator)
    return CsvFile(named(names, columns, notes), notes, layout, separator, bool(units))


def _refuse_ragged(layout: Layout, separator: str, width: int, names: int) -> None:
    with layout.open() as file:
        for line, row in itertools.islice(_rows(file, layout, separator), 1, None):
            if len(row) != width:
                raise InvalidData(f"line {line} has {len(row)} cells, the header {names}")


def _pack(columns: list[Packed], rows: list[list[str]]) -> None:
    if rows:
        for column, cells in zip(columns, zip(*rows, strict=True), strict=True):
            column.add(cells)
