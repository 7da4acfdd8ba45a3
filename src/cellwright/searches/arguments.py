"""``--strategy-arg``: the arguments of a strategy, as a user writes them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from cellwright.search_spaces import CellwrightError, read_value

# Arguments that every strategy has and that options of their own set.
_BY_OPTION = {
    "seed": "--seed",
    "space": "--space",
    "objectives": "--objectives",
    "start": "--start",
    "prior": "--after",
    "within": "--limit",
}


def read_arguments(texts: Sequence[str]) -> dict[str, Any]:
    """Each ``NAME=VALUE``, the value as JSON where it is some, as a number, or as text.

    Raises:
        CellwrightError: If one is not written so, is given twice, or belongs to another option.
    """
    arguments: dict[str, Any] = {}
    for text in texts:
        name, equals, value = (part.strip() for part in text.partition("="))
        if not name.isidentifier() or not equals or not value:
            raise CellwrightError(
                "--strategy-arg is NAME=VALUE, such as units=32 or baseline=rolling-window, got "
                f"{text!r}"
            )
        if name in _BY_OPTION:
            raise CellwrightError(f"--strategy-arg cannot set {name}: give {_BY_OPTION[name]}")
        if name in arguments:
            raise CellwrightError(f"--strategy-arg gives {name} twice: {texts}")
        arguments[name] = _read(value)
    return arguments


def _read(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return read_value(text)
