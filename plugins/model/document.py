"""JSON that was written by somebody: each value is checked, and an error names its place."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cellwright.plugins.files import read_json
from cellwright.search_spaces import CorruptedState

_WORDS = {str: "text", int: "a whole number", float: "a number", bool: "true or false",
          list: "a list", dict: "an object"}  # fmt: skip


@dataclass(frozen=True)
class Document:
    """An object in a JSON file.

    Args:
        data: The object.
        file: Where it was read.
        remedy: What a user can do about a damaged one.
        place: Where in the file it stands, such as ``"target."``.
    """

    data: Mapping[str, Any]
    file: Path
    remedy: str
    place: str = ""

    @classmethod
    def read(cls, file: Path, remedy: str) -> Document:
        """Read the object that a file holds.

        Raises:
            CorruptedState: If it cannot be read, or holds something else.
        """
        try:
            data = read_json(file)
        except (OSError, ValueError) as error:
            raise CorruptedState(f"{error}. {remedy}") from error
        if not isinstance(data, dict):
            raise CorruptedState(f"{file} holds no JSON object. {remedy}")
        return cls(data, file, remedy)

    def get(self, name: str, kind: type, *, optional: bool = False) -> Any:
        """The value of ``name``, which is of a ``kind``: str, int, float, bool, list or dict.

        A whole number is a float too, and no float may be infinite.

        Raises:
            CorruptedState: If there is none, or it is of another kind.
        """
        value: Any = self.data.get(name)
        if value is None and optional:
            return None
        if kind is float and isinstance(value, int | float) and _is_finite(value):
            return float(value)
        if type(value) is not kind or kind is float:
            raise self.wrong(name, f"{_WORDS[kind]} is expected, and there is {value!r:.80}")
        return value

    def texts(self, name: str, *, optional: bool = False) -> tuple[str, ...] | None:
        """A list of texts; see `get`."""
        values = self.get(name, list, optional=optional)
        for position, value in enumerate(values or ()):
            if not isinstance(value, str):
                raise self.wrong(f"{name}[{position}]", f"text is expected, not {value!r:.80}")
        return None if values is None else tuple(values)

    def inside(self, name: str) -> Document:
        """The object called ``name``."""
        return Document(self.get(name, dict), self.file, self.remedy, f"{self.place}{name}.")

    def wrong(self, name: str, what: str) -> CorruptedState:
        """An error about the value of ``name``."""
        return CorruptedState(f"{self.file}, {self.place}{name}: {what}. {self.remedy}")


def _is_finite(value: float) -> bool:
    return not isinstance(value, bool) and math.isfinite(value)
