"""A column of values of any type, of an array or a data frame: what it holds, how it is read."""

from __future__ import annotations

import decimal
import fractions
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cellwright.plugins.data import moments
from cellwright.plugins.data.columns import (
    TEXT,
    UNUSED,
    Cells,
    Reading,
    Where,
    as_objects,
    read_known,
    refuse_infinite,
)
from cellwright.plugins.data.numbers import PLAIN, is_missing
from cellwright.search_spaces import InvalidData

_NUMBERS = (int, float, np.integer, np.floating, np.bool_, decimal.Decimal, fractions.Fraction)


_DECLARED = ("category", "string", "Categorical", "Enum")  # how types of text begin


class Given(NamedTuple):
    """A column as it came: its values, and whether their type declares them to be text."""

    values: NDArray[Any]
    text: bool = False


def is_absent(value: Any) -> bool:
    """Whether one value of a table is missing."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    if isinstance(value, str):
        return is_missing(value.strip())
    try:
        return bool(value != value)  # NaN and NaT
    except (TypeError, ValueError, decimal.InvalidOperation):
        return False


def absent(values: NDArray[Any]) -> NDArray[np.bool_]:
    """Which values are missing."""
    listed = values.tolist() if values.dtype.kind not in "mM" else list(values)
    try:
        known = {value: is_absent(value) for value in set(listed)}
    except TypeError:  # lists and other values without a hash
        return np.array([is_absent(value) for value in listed], dtype=bool)
    return np.array([known[value] for value in listed], dtype=bool)


def as_text(value: Any) -> str:
    """A value as a cell: 1.0 and 1 are one, since a missing value turns integers to floats."""
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace").strip()
    return str(value).strip()


def series_of(series: Any) -> Given:
    """A column of a pandas or polars DataFrame."""
    kind = str(series.dtype)
    if kind.startswith(_DECLARED):
        return Given(_objects(series), text=True)
    if kind.startswith("period"):
        series, kind = series.dt.to_timestamp(), "datetime64"
    if kind.startswith("datetime64"):
        return Given(series.to_numpy(dtype="datetime64[us]"))
    if kind.startswith(("float", "int", "uint", "bool", "timedelta64", "complex")) and not (
        kind == "boolean" or kind.endswith("[pyarrow]")
    ):
        return Given(np.asarray(series))
    if kind.startswith(("Date", "Duration")):  # of polars
        return Given(series.to_numpy())
    return Given(_objects(series))


def _objects(series: Any) -> NDArray[Any]:
    return as_objects(series.to_list())


def _where(position: int) -> str:
    return f"row {position + 1}"


def look(name: str, given: Given, where: Where = _where) -> Reading | Cells:
    """Find out what a column holds."""
    values = given.values
    if given.text:
        return Reading(known(name, values, TEXT), TEXT)
    if values.dtype.kind in "fiub":
        numbers = values.astype(np.float64)
        refuse_infinite(name, numbers, where)
        return Reading(numbers, PLAIN)
    if values.dtype.kind in "mM":
        return _moments(values.dtype.kind, _days_or_seconds(values), values)
    present = [value for value in values.tolist() if not is_absent(value)]
    if what := _unusable(present):
        return Reading(nothing(len(values)), UNUSED, f"holds {what}, and is left out")
    if all(isinstance(value, _NUMBERS) for value in present) and present:
        return Reading(_floats(name, values, where), PLAIN)
    if all(moments.of_object(value) is not None for value in present) and present:
        kind = "M" if all(hasattr(value, "year") for value in present) else "m"
        same = kind == "M" or not any(hasattr(value, "year") for value in present)
        if same:
            return _moments(kind, _of_objects(values), values)
    cells = ["" if is_absent(value) else as_text(value) for value in values.tolist()]
    return Cells(name, lambda: cells, where).look()


def known(name: str, values: NDArray[Any], style: str, where: Where = _where) -> NDArray[Any]:
    """Read a column in a style that was found before."""
    listed = values.tolist() if values.dtype.kind not in "mM" else []
    if style in moments.MOMENTS:
        if values.dtype.kind in "mM":
            return _days_or_seconds(values)
        if all(is_absent(v) or moments.of_object(v) is not None for v in listed):
            return _of_objects(values)
    elif style != TEXT:
        if values.dtype.kind in "fiub":
            numbers = values.astype(np.float64)
            refuse_infinite(name, numbers, where)
            return numbers
        if all(is_absent(value) or isinstance(value, _NUMBERS) for value in listed):
            return _floats(name, values, where)
    listed = listed or list(values.astype(str))
    return read_known(
        name, ["" if is_absent(value) else as_text(value) for value in listed], style, where
    )


def _unusable(present: Sequence[Any]) -> str | None:
    """What no network of ours reads, in words."""
    for value in present:
        if isinstance(value, complex | np.complexfloating):
            return "complex numbers"
        if hasattr(value, "__len__") and not isinstance(value, str | bytes):
            return f"values of the type {type(value).__name__}"
    return None


def _floats(name: str, values: NDArray[Any], where: Where) -> NDArray[np.float64]:
    numbers = np.full(len(values), np.nan)
    for position, value in enumerate(values.tolist()):
        if not is_absent(value):
            try:
                numbers[position] = float(value)
            except (OverflowError, ValueError) as error:
                raise InvalidData(
                    f"column {name!r} holds a number too large for a float in {where(position)}"
                ) from error
    refuse_infinite(name, numbers, where)
    return numbers


def _days_or_seconds(values: NDArray[Any]) -> NDArray[np.float64]:
    """Days since 1970 of dates, seconds of durations."""
    unit = np.timedelta64(1, "D") if values.dtype.kind == "M" else np.timedelta64(1, "s")
    spans = values - np.datetime64(0, "D") if values.dtype.kind == "M" else values
    found: NDArray[np.float64] = spans / unit
    return found


def _of_objects(values: NDArray[Any]) -> NDArray[np.float64]:
    found = [None if is_absent(value) else moments.of_object(value) for value in values.tolist()]
    return np.array(found, dtype=np.float64)


def _shown(value: Any) -> str:
    return str(value.item() if isinstance(value, np.generic) else value)


def _moments(kind: str, numbers: NDArray[np.float64], values: NDArray[Any]) -> Reading:
    there = np.flatnonzero(~np.isnan(numbers))
    example = (
        f": {_shown(values[there[0]])} is read as {numbers[there[0]]:.12g}" if len(there) else ""
    )
    if kind == "M":
        return Reading(numbers, moments.DATES[0], f"holds dates, read as days since 1970{example}")
    note = f"holds times or durations, read as seconds{example}"
    return Reading(numbers, moments.TIMES[1], note)


def nothing(rows: int) -> NDArray[Any]:
    """A column that nobody reads."""
    return np.full(rows, None, dtype=object)
