"""How the columns of a table become inputs of a network: medians, scales and categories.

These are plain numbers and text, so that they can be stored as JSON beside a model; what
scikit-learn fits can only be pickled. A test compares the results with those of its
``SimpleImputer``, ``StandardScaler`` and ``OneHotEncoder``.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellwright.plugins.checked import as_kind
from cellwright.plugins.data.columns import TEXT, UNUSED, is_style
from cellwright.plugins.data.numbers import PLAIN
from cellwright.plugins.data.table import Table, read_table
from cellwright.search_spaces import CorruptedState, InvalidData

_CATEGORIES = 64  # most categories of a column; rarer ones are read as unknown
_FEW = 8  # categories that a column may always have, however few its rows
FAR = 20.0  # standard deviations; a number farther out would drown the others


@dataclass(frozen=True)
class Column:
    """How one column is read, as fitted.

    Args:
        name: Name of the column.
        position: Its position in the table, from 0.
        categories: Its texts, the most frequent first, and None among them if any was missing. None
            instead of the tuple for a column of numbers.
        fill: The median, which replaces missing numbers.
        mean: Mean of the column once it is filled.
        scale: Standard deviation of the column once it is filled.
        indicator: Whether a second feature marks the missing numbers.
        style: How its numbers or dates are written (`columns.Reading`).
    """

    name: str
    position: int
    categories: tuple[str | None, ...] | None = None
    fill: float = 0.0
    mean: float = 0.0
    scale: float = 1.0
    indicator: bool = False
    style: str = PLAIN

    @property
    def features(self) -> int:
        """How many features the column becomes."""
        return 1 + self.indicator if self.categories is None else len(self.categories)

    def transform(self, values: NDArray[Any]) -> NDArray[np.float32]:
        """Turn values of shape (rows,) into features of shape (rows, features)."""
        if self.categories is not None:
            codes = {text: code for code, text in enumerate(self.categories)}
            code = np.fromiter(map(codes.get, values.tolist(), itertools.repeat(-1)), np.int64)
            found = np.zeros((len(values), len(codes)), dtype=np.float32)
            known = np.flatnonzero(code >= 0)
            found[known, code[known]] = 1
            return found
        missing = np.isnan(values)
        scaled = (np.where(missing, self.fill, values) - self.mean) / self.scale
        scaled = np.clip(scaled, -FAR, FAR)
        features = [scaled, missing] if self.indicator else [scaled]
        stacked: NDArray[np.float32] = np.stack(features, axis=1).astype(np.float32)
        return stacked


@dataclass(frozen=True)
class Preparation:
    """How a table becomes features.

    Args:
        names: Names of all columns of the table.
        columns: The columns that are read.
        notes: What was left out, and why.
    """

    names: tuple[str, ...]
    columns: tuple[Column, ...]
    notes: tuple[str, ...] = ()

    @property
    def features(self) -> int:
        """How many features a row becomes."""
        return sum(column.features for column in self.columns)

    @property
    def left_out(self) -> tuple[str, ...]:
        """For each column that is not read, the note that says why."""
        used = {column.name for column in self.columns}
        starts = tuple(f"column {name!r} " for name in self.names if name not in used)
        return tuple(note for note in self.notes if note.startswith(starts)) if starts else ()

    @classmethod
    def fit(cls, table: Table) -> Preparation:
        """Find the medians, scales and categories of ``table``.

        A column with one value or none is left out, and so is text with more values than 8 and
        than half of the rows, and what `read_table` could not use.

        Raises:
            InvalidData: If no column is left, or numbers are too large to scale.
        """
        columns: list[Column] = []
        notes = list(table.notes)
        for position, name in enumerate(table.names):
            values, style = table.columns[position], table.styles[position]
            if style == UNUSED:
                continue
            made = _number_column if values.dtype.kind == "f" else _text_column
            column, note = made(name, position, values)
            if column is not None:
                columns.append(dataclasses.replace(column, style=style))
            if note:
                notes.append(f"column {name!r} {note}")
        if not columns:
            raise InvalidData(
                f"no column is left to learn from: {'; '.join(notes) or 'the table has none'}"
            )
        return cls(table.names, tuple(columns), tuple(notes))

    def read(self, x: Any) -> Table:
        """Read a table of the same columns, as they were written in fitting.

        Columns that were left out are not looked at.

        Raises:
            InvalidData: If the number of columns differs, or a cell is written in another style.
        """
        styles = [UNUSED] * len(self.names)
        for column in self.columns:
            styles[column.position] = TEXT if column.categories is not None else column.style
        return read_table(x, self.names, styles)

    def transform(self, table: Table) -> NDArray[np.float32]:
        """Features of shape (rows, features).

        Numbers are scaled to mean 0 and variance 1 and clipped at 20 standard deviations;
        categories become 0 and 1.
        """
        parts = [column.transform(table.columns[column.position]) for column in self.columns]
        return np.concatenate(parts, axis=1)

    def to_json(self) -> dict[str, Any]:
        """The whole preparation as plain JSON data."""
        data: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(self)))
        return data

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Preparation:
        """Rebuild a preparation from what `to_json` gave.

        Raises:
            CorruptedState: If ``data`` is anything else.
        """
        found = as_kind(data, cls, "the preparation of a table", "Take it from a backup")
        if not found.columns:
            raise CorruptedState("the preparation of a table has no columns")
        for number, column in enumerate(found.columns):
            _check(column, f"columns[{number}]", found.names)
        return found


def _number_column(
    name: str, position: int, values: NDArray[Any]
) -> tuple[Column | None, str | None]:
    missing = np.isnan(values)
    if missing.all():
        return None, "holds no value, and is left out"
    fill = float(np.median(values[~missing]))
    filled = np.where(missing, fill, values)
    with np.errstate(over="ignore"):
        mean, scale = float(filled.mean()), float(filled.std())
    if not np.isfinite(scale):
        raise InvalidData(f"column {name!r} holds numbers too large to scale, such as {fill:g}")
    # Rounding leaves a constant column a standard deviation that is not quite 0.
    if scale <= 1e-12 * max(abs(mean), 1e-300):
        if not missing.any():
            return None, f"holds only {fill:g}, and is left out"
        scale = 1.0
    return Column(name, position, None, fill, mean, scale, bool(missing.any())), None


def _text_column(
    name: str, position: int, values: NDArray[Any]
) -> tuple[Column | None, str | None]:
    counts = Counter(values.tolist())
    if len(counts) == 1:
        only = next(iter(counts))
        return (
            None,
            f"holds {'no value' if only is None else 'only ' + repr(only)}, and is left out",
        )
    if len(counts) > max(len(values) / 2, _FEW):
        return None, f"is text that differs in most rows ({len(counts)} values), and is left out"
    ranked = sorted(counts, key=lambda text: (-counts[text], text is not None, text or ""))
    note = None
    if len(counts) > _CATEGORIES:
        note = f"has {len(counts)} categories; only the {_CATEGORIES} most frequent are used"
    return Column(name, position, tuple(ranked[:_CATEGORIES])), note


def _check(column: Column, place: str, names: Sequence[str]) -> None:
    """Refuse a column that was read from JSON and can be none.

    Raises:
        CorruptedState: Naming the place, and what is wrong there.
    """
    if not is_style(column.style):
        raise CorruptedState(f"this version knows no style {column.style!r} of columns")
    for name in ("fill", "mean", "scale"):
        value = getattr(column, name)
        if not math.isfinite(value):
            raise CorruptedState(f"{place}.{name} is {value!r}, and must be a finite number")
    at, categories = column.position, column.categories
    wrong = None
    if not 0 <= at < len(names) or names[at] != column.name:
        wrong = f"position is {at!r}, where names have no {column.name!r}"
    elif column.scale <= 0:
        wrong = f"scale is {column.scale!r}, and must be above 0"
    elif categories is None and column.style in (TEXT, UNUSED):
        wrong = (
            f"style is {column.style!r}, and that of numbers is expected where categories are null"
        )
    elif categories is not None and (not categories or len({*categories}) < len(categories)):
        wrong = "categories must be different texts, at least one"
    if wrong:
        raise CorruptedState(f"{place}.{wrong}")
