"""How the columns of a table become inputs of a network: medians, scales and categories.

These are plain numbers and text, so that they can be stored as JSON beside a model; what
scikit-learn fits can only be pickled. A test compares the results with those of its
``SimpleImputer``, ``StandardScaler`` and ``OneHotEncoder``.
"""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cellwright.search_spaces import CorruptedState, InvalidData

MISSING = frozenset({"", "na", "n/a", "nan", "null", "none", "?"})  # as text, in any case
_CATEGORIES = 64  # most categories of a column; rarer ones are read as unknown
_FEW = 8  # categories that a column may always have, however few its rows
_FAR = 20.0  # standard deviations; a number farther out would drown the others


class Table(NamedTuple):
    """Columns by name: float64, or text (dtype object); a missing value is NaN or None."""

    names: tuple[str, ...]
    columns: tuple[NDArray[Any], ...]

    @property
    def number(self) -> int:
        """Number of rows."""
        return len(self.columns[0])

    def rows(self, index: NDArray[Any]) -> Table:
        return Table(self.names, tuple(column[index] for column in self.columns))


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
    """

    name: str
    position: int
    categories: tuple[str | None, ...] | None = None
    fill: float = 0.0
    mean: float = 0.0
    scale: float = 1.0
    indicator: bool = False

    def transform(self, values: NDArray[Any]) -> NDArray[np.float32]:
        """Turn values of shape (rows,) into features of shape (rows, features)."""
        if self.categories is not None:
            known = np.array(self.categories, dtype=object)
            found: NDArray[np.bool_] = values[:, None] == known[None, :]
            return found.astype(np.float32)
        missing = np.isnan(values)
        scaled = (np.where(missing, self.fill, values) - self.mean) / self.scale
        scaled = np.clip(scaled, -_FAR, _FAR)
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

    @classmethod
    def fit(cls, table: Table) -> Preparation:
        """Find the medians, scales and categories of ``table``.

        A column with one value or none is left out, and so is text with more values than 8 and
        than half of the rows.

        Raises:
            InvalidData: If no column is left, or numbers are too large to scale.
        """
        columns: list[Column] = []
        notes: list[str] = []
        for position, (name, values) in enumerate(zip(table.names, table.columns, strict=True)):
            made = _number_column if values.dtype.kind == "f" else _text_column
            column, note = made(name, position, values)
            if column is not None:
                columns.append(column)
            if note:
                notes.append(f"column {name!r} {note}")
        if not columns:
            raise InvalidData(
                f"no column is left to learn from: {'; '.join(notes) or 'the table has none'}"
            )
        return cls(table.names, tuple(columns), tuple(notes))

    def read(self, x: Any) -> Table:
        """Read a table of the same columns, whose kinds are known.

        Raises:
            InvalidData: If the number of columns differs, or a number column holds text.
        """
        number = {column.position: column.categories is None for column in self.columns}
        return read_table(x, self.names, [number.get(i) for i in range(len(self.names))])

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
        try:
            columns = [
                Column(**{**column, "categories": _tuple(column["categories"])})
                for column in data["columns"]
            ]
            return cls(tuple(data["names"]), tuple(columns), tuple(data["notes"]))
        except (KeyError, TypeError) as error:
            raise CorruptedState(f"this is not a preparation of a table: {error!r}") from error


def read_table(
    x: Any, names: Sequence[str] | None = None, numbers: Sequence[bool | None] | None = None
) -> Table:
    """Read a table from an array (rows, columns), rows of values, or a pandas or polars DataFrame.

    A column holds numbers if all values present are numbers, or text that reads as numbers. If only
    most of them are, the column is refused; otherwise its values are categories.

    Args:
        x: The table.
        names: Names of the columns. None takes the DataFrame's, or ``x0``, ``x1``, ...
        numbers: For each column, whether it is known to hold numbers; None finds out.

    Raises:
        InvalidData: If a column mixes numbers and text, or holds an infinite number or decimal
            commas; or if the names are not as many as the columns, or a name is given twice.
    """
    if hasattr(x, "columns") and hasattr(x, "shape"):
        found = tuple(str(name) for name in x.columns)
        columns = [x[name] for name in x.columns] if len(set(found)) == len(found) else []
        given = [np.asarray(c, dtype=_dtype(c)) for c in columns]
    else:
        array = x if isinstance(x, np.ndarray) else _rows(x)
        found = tuple(f"x{i}" for i in range(array.shape[1]))
        given = list(array.T)
    names = tuple(names or found)
    if len(given) != len(names):
        raise InvalidData(
            f"the table has {len(found)} columns ({', '.join(found[:4])}, ...); "
            f"{len(names)} columns with different names are expected"
        )
    kinds = numbers or [None] * len(given)
    parsed = [
        _column(name, values, kind) for name, values, kind in zip(names, given, kinds, strict=True)
    ]
    return Table(names, tuple(parsed))


def _rows(x: Any) -> NDArray[Any]:
    array = np.array([list(row) for row in x], dtype=object)
    return array if array.ndim == 2 else array.reshape(len(array), -1)


def _dtype(series: Any) -> Any:
    kind = str(series.dtype)
    return object if not kind.startswith(("float", "int", "uint", "bool")) else None


def _column(name: str, values: NDArray[Any], number: bool | None) -> NDArray[Any]:
    if values.dtype.kind in "fiub" and number is not False:
        numbers = values.astype(np.float64)
        there = ~np.isnan(numbers)
    else:
        there = ~np.array([_missing(value) for value in values], dtype=bool)
        numbers = np.full(len(values), np.nan)
        if number is False or not _fill(name, numbers, values, there, certain=number is True):
            texts = np.full(len(values), None, dtype=object)
            texts[there] = [_text(value) for value in values[there]]
            return texts
    if np.isinf(numbers).any():
        raise InvalidData(
            f"column {name!r} holds an infinite number in row {int(np.isinf(numbers).argmax()) + 1}"
            "; correct it, or leave the cell empty"
        )
    return numbers


def _fill(
    name: str, numbers: NDArray[Any], values: NDArray[Any], there: NDArray[Any], *, certain: bool
) -> bool:
    """Write the values present into ``numbers``; False if the column holds categories."""
    try:
        numbers[there] = values[there].astype(np.float64)
        return True
    except (ValueError, TypeError):
        good = np.array([_is_number(value) for value in values[there]], dtype=bool)
    if not certain and good.mean() <= 0.5:
        _refuse_decimal_commas(name, values[there])
        return False
    row = int(np.flatnonzero(there)[np.flatnonzero(~good)[0]])
    raise InvalidData(
        f"column {name!r} holds numbers, but {values[row]!r} in row {row + 1}; correct it, leave "
        "the cell empty if the number is unknown, or leave the column out"
    )


def _refuse_decimal_commas(name: str, values: NDArray[Any]) -> None:
    commas = [_is_number(str(v).replace(",", ".", 1)) and "," in str(v) for v in values]
    if any(commas) and np.mean(commas) > 0.5:
        raise InvalidData(
            f"column {name!r} holds numbers with a decimal comma, such as {values[0]!r}; write "
            "them with a decimal point"
        )


def _missing(value: Any) -> bool:
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    if isinstance(value, str):
        return value.strip().lower() in MISSING
    return isinstance(value, float | np.floating) and bool(np.isnan(value))


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (ValueError, TypeError):
        return False
    return True


def _text(value: Any) -> str:
    """1.0 and 1 are one category, since a missing value turns a column of integers to floats."""
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    return str(value).strip()


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


def _tuple(values: Sequence[Any] | None) -> tuple[Any, ...] | None:
    return None if values is None else tuple(values)
