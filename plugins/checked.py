"""JSON files of ours, checked against the dataclass that each of them is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from cellwright.plugins.files import read_json
from cellwright.search_spaces import CorruptedState

T = TypeVar("T")


def read_as(file: Path, kind: type[T], remedy: str) -> T:
    """Read a JSON file as a value of ``kind``.

    Args:
        file: The file.
        kind: A dataclass, a named tuple, or a type of plain data such as ``dict[str, float]``.
            Every field is checked, a whole number is a float too, and names that ``kind`` does not
            have are passed over.
        remedy: What a user can do about a damaged file; a sentence.

    Raises:
        CorruptedState: If the file cannot be read or holds anything else: naming the file, the
            place in it, what is wrong there, and the remedy.
    """
    try:
        data = read_json(file)
    except (OSError, ValueError) as error:
        raise CorruptedState(f"{error}. {remedy}") from error
    return as_kind(data, kind, file, remedy)


def as_kind(data: Any, kind: type[T], file: Path | str, remedy: str, place: str = "") -> T:
    """Plain data that stand at a ``place`` in ``file`` as a value of ``kind``; see `read_as`."""
    try:
        return msgspec.convert(data, kind)
    except (msgspec.ValidationError, RecursionError) as error:
        what, _, inside = str(error).partition(" - at ")
        at = (place + inside.strip("`").removeprefix("$")).removeprefix(".")
        raise CorruptedState(f"{file} is damaged: {at and f'{at}: '}{what}. {remedy}") from error
    except (ValueError, TypeError) as error:  # a value that the dataclass itself refuses
        raise CorruptedState(f"{file} is damaged: {error}. {remedy}") from error


def check_finite(value: Any, file: Path | str, remedy: str, place: str = "") -> None:
    """Refuse NaN and infinity anywhere in plain data, which JSON does not have and Python reads.

    Raises:
        CorruptedState: Naming the file and the place.
    """
    if isinstance(value, float) and value - value != 0:
        raise CorruptedState(
            f"{file} is damaged: {place}: a finite number is expected, got {value}. {remedy}"
        )
    parts: Sequence[tuple[str, Any]] = ()
    if isinstance(value, Mapping):
        parts = [(f"{place}.{name}" if place else str(name), x) for name, x in value.items()]
    elif isinstance(value, list | tuple):
        parts = [(f"{place}[{number}]", x) for number, x in enumerate(value)]
    for name, part in parts:
        check_finite(part, file, remedy, name)
