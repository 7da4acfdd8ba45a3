"""Hyperparameters as a user writes them on a command line or in a config file."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from cellwright.search_spaces.decision import Decision, Float, Int, Value

_FORMS = "NAME=LOW..HIGH, NAME=LOW..HIGH:log or NAME=A,B,C"
_BOOLEANS = {"true": True, "false": False}


def read_hyperparameter(text: str) -> Decision:
    """A range or some choices, such as ``learning_rate=1e-4..1e-2:log``, ``batch_size=16..256``,
    ``batch_size=32,64,128``, ``augmentation=none,shift``.

    A range with whole bounds is an `Int`, any other a `Float`. Choices are whole numbers, numbers,
    ``true`` and ``false``, or words: the first of these that fits them all.

    Raises:
        ValueError: On text of another form, and on ranges and choices that `Float`, `Int` or
            `Decision` refuse.
    """
    name, equals, values = "".join(text.split()).partition("=")
    if not (name and equals and values):
        raise ValueError(f"a hyperparameter is written {_FORMS}; got {text!r}")
    found = re.fullmatch(r"(.+?)\.\.(.+?)(:log)?", values)
    if found is None:
        if ":" in values:
            raise ValueError(f"a hyperparameter is written {_FORMS}; got {text!r}")
        return Decision(name, _alike(values.split(",")))
    low, high, log = found.groups()
    try:
        bounds = _number(low), _number(high)
    except ValueError:
        raise ValueError(f"the bounds of {name!r} must be numbers, got {values!r}") from None
    kind: Any = Int if all(isinstance(bound, int) for bound in bounds) else Float
    made: Decision = kind(name, *bounds, log=log is not None)
    return made


def read_value(text: str) -> Value:
    """A whole number, a number, ``true`` or ``false``, or a word; the first of these that fits.

    Raises:
        ValueError: If ``text`` is empty.
    """
    return _alike([text])[0]


def _alike(words: list[str]) -> tuple[Value, ...]:
    """Words as values of one type."""
    kinds: list[Callable[[str], Any]] = [int, float, lambda word: _BOOLEANS[word.lower()]]
    for kind in kinds:
        try:
            return tuple(kind(word) for word in words)
        except (ValueError, KeyError):
            continue
    if "" in words:
        raise ValueError(f"choices must not be empty, got {','.join(words)!r}")
    return tuple(words)


def _number(word: str) -> int | float:
    try:
        return int(word)
    except ValueError:
        return float(word)
