"""Rows of a table that a network has not seen: read as the table of the training was."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellwright.plugins.data.columns import TEXT, UNUSED
from cellwright.plugins.data.csv_file import CsvFile, is_csv, read_csv
from cellwright.plugins.data.frame_file import FrameFile, read_frame
from cellwright.plugins.data.preparation import FAR, Column, Preparation
from cellwright.plugins.data.table import Table
from cellwright.plugins.data.values import known, nothing
from cellwright.search_spaces import InvalidData

TableFile = CsvFile | FrameFile
_NAMED = 8  # how many columns a note names


def open_table(path: Path) -> TableFile:
    """Read a CSV, Parquet or Feather file.

    Raises:
        InvalidData: If it cannot be read.
    """
    return read_csv(path) if is_csv(path) else read_frame(path)


def new_rows(
    preparation: Preparation, source: TableFile, label: str | None, *, strict: bool = False
) -> tuple[Table, list[str]]:
    """The rows of a file as a table of the training's columns, and notes for the user.

    A column that the file lacks is read as if all its cells were empty. Other columns, the label
    among them, are not read.

    Args:
        preparation: What was learned in training.
        source: The file.
        label: Name of the column that was predicted, if it is known.
        strict: Whether a column that the file lacks is refused.

    Raises:
        InvalidData: If the file lacks all columns, or a cell is not written as the cells of its
            column were in training.
    """
    notes = list(source.notes)
    there, places = source.names, _places(preparation, source.names, label, notes)
    rows = len(source.values(there[0]).values)
    columns: list[NDArray[Any]] = [nothing(rows)] * len(preparation.names)
    lacking = [column.name for column in preparation.columns if column.name not in places]
    if lacking:
        _tell_lacking(preparation, lacking, there, label, strict, notes)
    for column in preparation.columns:
        if column.name not in places:
            empty = column.categories is None
            columns[column.position] = np.full(rows, np.nan) if empty else nothing(rows)
            continue
        style = column.style if column.categories is None else TEXT
        given = source.values(places[column.name]).values
        where = source.where if isinstance(source, CsvFile) else lambda row: f"row {row + 1}"
        columns[column.position] = known(column.name, given, style, where)
    if label is not None and label in there:
        notes.append(f"the column {label!r} is what this model predicts, and is not read")
    others = [name for name in there if name not in (*places.values(), label)]
    others = [name for name in others if name not in preparation.names]
    if others:
        notes.append(f"{_columns(others)} not known to the model and not read: {_named(others)}")
    styles = tuple(
        next((c.style for c in preparation.columns if c.position == position), UNUSED)
        for position in range(len(preparation.names))
    )
    table = Table(preparation.names, tuple(columns), styles)
    return table, notes + told(preparation, table, lacking)


def told(preparation: Preparation, table: Table, lacking: Sequence[str] = ()) -> list[str]:
    """What became of values that the training did not have, by column and count.

    Columns that are ``lacking`` are not counted.
    """
    unknown, filled, clipped = [], [], []
    for column in preparation.columns:
        values = table.columns[column.position]
        if column.name in lacking:
            continue
        if column.categories is not None:
            unknown += _unknown(column, values)
            continue
        missing = np.isnan(values)
        if missing.any():
            filled.append(f"{column.name!r} ({missing.sum()}, by {column.fill:g})")
        scaled = (values[~missing] - column.mean) / column.scale
        if far := int((np.abs(scaled) > FAR).sum()):
            clipped.append(f"{column.name!r} ({far})")
    notes = []
    if unknown:
        notes.append(
            "categories that the training did not have, or too rarely, count as none of the "
            f"known ones: {_some(unknown)}"
        )
    if filled:
        notes.append(f"missing numbers are replaced by the training's median: {_some(filled)}")
    if clipped:
        notes.append(
            f"numbers more than {FAR:g} standard deviations from the training's mean are cut off "
            f"there: {_some(clipped)}"
        )
    return notes


def _places(
    preparation: Preparation, there: list[str], label: str | None, notes: list[str]
) -> dict[str, str]:
    """The file's column for each of the training's."""
    found = {name: name for name in preparation.names if name in there}
    nameless = tuple(f"x{number}" for number in range(len(preparation.names)))
    others = [name for name in there if name != label]
    if not found and preparation.names == nameless and len(others) == len(nameless):
        notes.append(
            "the model was trained on an array, whose columns have no names: the file's columns "
            "are taken in their order"
        )
        return dict(zip(nameless, others, strict=True))
    return found


def _tell_lacking(
    preparation: Preparation,
    lacking: list[str],
    there: list[str],
    label: str | None,
    strict: bool,
    notes: list[str],
) -> None:
    free = [name for name in there if name not in preparation.names and name != label]
    near = {name: difflib.get_close_matches(name, free, n=1) for name in lacking}
    meant = "".join(
        f"; is {given[0]!r} meant for {name!r}?" for name, given in near.items() if given
    )
    if len(lacking) == len(preparation.columns):
        raise InvalidData(
            f"the file has none of the columns that the model reads ({_named(lacking)}); it has "
            f"{_named(there)}{meant}"
        )
    if strict:
        raise InvalidData(
            f"the file lacks {_columns(lacking)} that the model reads: {_named(lacking)}{meant}"
        )
    notes.append(
        f"the file lacks {_columns(lacking)} that the model reads, as if all cells were empty: "
        f"{_named(lacking)}{meant}"
    )


def _unknown(column: Column, values: NDArray[Any]) -> list[str]:
    known_ones = set(column.categories or ())
    strange = [value for value in values.tolist() if value not in known_ones]
    if not strange:
        return []
    example = next((value for value in strange if value is not None), None)
    such = "missing" if example is None else f"such as {example!r:.40}"
    return [f"{column.name!r} ({len(strange)}, {such})"]


def _columns(names: list[str]) -> str:
    return f"{len(names)} column{'' if len(names) == 1 else 's'}"


def _named(names: list[str]) -> str:
    return _some([repr(name) for name in names])


def _some(parts: list[str]) -> str:
    more = len(parts) - _NAMED
    return ", ".join(parts[:_NAMED]) + (f" and {more} more" if more > 0 else "")
