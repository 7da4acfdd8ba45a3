"""A table in memory, read from an array, rows of values, or a data frame."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cellwright.plugins.data.columns import (
    UNUSED,
    Cells,
    Reading,
    read_together,
)
from cellwright.plugins.data.numbers import PLAIN
from cellwright.plugins.data.values import Given, known, look, nothing, series_of
from cellwright.search_spaces import InvalidData


@dataclass(frozen=True)
class OnDemand:
    """Columns of which each is read whenever it is asked for, so that one at a time is in memory.

    Args:
        read: Gives all rows of the column at a position.
        number: How many columns there are.
        kept: Positions of the rows that count; None for all.
    """

    read: Callable[[int], NDArray[Any]]
    number: int
    kept: NDArray[Any] | None = None

    def __len__(self) -> int:
        return self.number

    def __getitem__(self, position: int) -> NDArray[Any]:
        values = self.read(position)
        return values if self.kept is None else values[self.kept]

    def __iter__(self) -> Iterator[NDArray[Any]]:
        return (self[position] for position in range(self.number))

    def rows(self, index: NDArray[Any]) -> OnDemand:
        """The rows at the positions ``index``."""
        kept = index if self.kept is None else self.kept[index]
        return OnDemand(self.read, self.number, kept)


class Table(NamedTuple):
    """Columns by name: float64, or text (dtype object); a missing value is NaN or None.

    ``styles`` tells how the cells of each column were written (`columns.Reading`), ``notes`` what a
    user should know about that, and ``decimals`` what stands before decimals in its text.
    """

    names: tuple[str, ...]
    columns: tuple[NDArray[Any], ...] | OnDemand
    styles: tuple[str, ...]
    notes: tuple[str, ...] = ()
    decimals: tuple[str, ...] = ()

    @property
    def number(self) -> int:
        """Number of rows."""
        return len(self.columns[0])

    def rows(self, index: NDArray[Any]) -> Table:
        """The rows at the positions ``index``."""
        if isinstance(self.columns, OnDemand):
            return self._replace(columns=self.columns.rows(index))
        return self._replace(columns=tuple(column[index] for column in self.columns))


def read_table(
    x: Any, names: Sequence[str] | None = None, styles: Sequence[str | None] | None = None
) -> Table:
    """Read a table from an array (rows, columns), rows of values, or a pandas or polars DataFrame.

    A declared type counts more than contents: a ``category`` of whole numbers is text. Text is read
    by the grammar of `numbers` and `moments`. A column in which only most values are numbers is
    refused; one of lists, dictionaries or complex numbers is left out, with a note.

    Args:
        x: The table.
        names: Names of the columns. None takes the DataFrame's, or ``x0``, ``x1``, ...
        styles: For each column, the style in which it is known to be written; None finds out, and
            `UNUSED` does not look at it.

    Raises:
        InvalidData: If a column mixes numbers and text, holds an infinite number, or is not in its
            style; or if the names are not as many as the columns, or a name is given twice.
    """
    found, given = _given(x)
    names = tuple(names or found)
    if len(given) != len(names):
        raise InvalidData(
            f"the table has {len(found)} columns ({', '.join(found[:4])}, ...); "
            f"{len(names)} columns with different names are expected"
        )
    if styles is None:
        return table_of(names, [look(n, g) for n, g in zip(names, given, strict=True)])
    columns = []
    for name, (values, _), style in zip(names, given, styles, strict=True):
        if style == UNUSED:
            columns.append(nothing(len(values)))
        else:
            columns.append(known(name, values, style or PLAIN))
    return Table(names, tuple(columns), tuple(style or PLAIN for style in styles))


def table_of(names: Sequence[str], columns: Sequence[Reading | Cells]) -> Table:
    """A table of columns, of which some have yet to be read; each may tell about the others."""
    looked = [column for column in columns if isinstance(column, Cells)]
    read = iter(read_together(looked))
    readings = [next(read) if isinstance(column, Cells) else column for column in columns]
    return Table(
        tuple(names),
        tuple(reading.values for reading in readings),
        tuple(reading.style for reading in readings),
        tuple(f"column {n!r} {r.note}" for n, r in zip(names, readings, strict=True) if r.note),
        tuple(sorted({column.decimal for column in looked if column.decimal})),
    )


def _given(x: Any) -> tuple[tuple[str, ...], list[Given]]:
    if hasattr(x, "columns") and hasattr(x, "shape"):
        found = tuple(str(name) for name in x.columns)
        twice = len(set(found)) < len(found)
        return found, [] if twice else [series_of(x[name]) for name in x.columns]
    array = x if isinstance(x, np.ndarray) else _rows(x)
    return tuple(f"x{i}" for i in range(array.shape[1])), [Given(column) for column in array.T]


def _rows(x: Any) -> NDArray[Any]:
    rows = [list(row) for row in x]
    width = len(rows[0]) if rows else 0
    if any(len(row) != width for row in rows):
        raise InvalidData("the rows of a table must have equally many values")
    array = np.empty((len(rows), width), dtype=object)
    for position, row in enumerate(rows):
        for column, value in enumerate(row):
            array[position, column] = value
    return array
