"""Checks of arguments: what is refused is named, with what is allowed."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Sequence
from numbers import Integral, Real
from os import PathLike
from typing import Any

import numpy as np


def check_integer(name: str, value: Any, least: int = 1, most: int | None = None) -> None:
    """Refuse what is no integer, below ``least``, or above ``most``.

    Raises:
        ValueError: Naming the argument, the rule and the value.
    """
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise ValueError(f"{name} must be an integer, at least {least}, got {value!r:.200}")
    if int(value) < least:
        raise ValueError(f"{name} must be at least {least}, got {value}")
    if most is not None and int(value) > most:
        raise ValueError(f"{name} must be at most {most:,}, got {int(value):,}")


LARGEST = 65_536  # channels or nodes of a layer; published networks have at most some thousands


def wrong_sizes(given: Any, most: int = LARGEST, **least: int) -> list[str]:
    """What is wrong with the attributes of ``given`` that are to be whole numbers from ``least`` to
    ``most``, in words."""
    found = []
    for name, bound in least.items():
        try:
            check_integer(name, getattr(given, name), bound, most)
        except ValueError as error:
            found.append(str(error))
    return found


def check_number(
    name: str,
    value: Any,
    *,
    least: float | None = None,
    above: float | None = None,
    most: float | None = None,
    below: float | None = None,
) -> None:
    """Refuse what is no finite number, or outside of a range whose ends are ``least`` or ``above``
    and ``most`` or ``below``.

    Raises:
        ValueError: Naming the argument, the rule and the value.
    """
    bounds = {"at least": least, "above": above, "at most": most, "below": below}
    rule = " and ".join(f"{word} {bound:g}" for word, bound in bounds.items() if bound is not None)
    if isinstance(value, bool) or not isinstance(value, Real) or not math.isfinite(value):
        raise ValueError(
            f"{name} must be a finite number{rule and f', {rule}'}, got {value!r}{_of_yaml(value)}"
        )
    number = float(value)
    if (
        (least is not None and number < least)
        or (above is not None and number <= above)
        or (most is not None and number > most)
        or (below is not None and number >= below)
    ):
        raise ValueError(f"{name} must be {rule}, got {value}")


def _of_yaml(value: Any) -> str:
    """What to do about 1e-4, which YAML takes for text."""
    found = re.fullmatch(r"([+-]?\d+)([eE][+-]?\d+)", value) if isinstance(value, str) else None
    return f"; in YAML, write {found[1]}.0{found[2]}" if found else ""


def check_flag(name: str, value: Any) -> None:
    """Refuse what is neither True nor False.

    Raises:
        ValueError: Naming the argument and the value.
    """
    if not isinstance(value, bool | np.bool_):
        raise ValueError(f"{name} must be true or false, got {value!r}")


def check_text(name: str, value: Any) -> None:
    """Refuse what is no text, or empty.

    Raises:
        ValueError: Naming the argument and the value.
    """
    if not isinstance(value, str) or not value:
        raise ValueError(f"{name} must be a non-empty string, got {value!r}")


def check_kind(name: str, value: Any, kind: Any, what: str) -> None:
    """Refuse what is not of a ``kind``, in words ``what``.

    Raises:
        TypeError: Naming the argument and what was given.
    """
    if not isinstance(value, kind):
        raise TypeError(f"{name} must be {what}, got {value!r:.200}")


def check_path(name: str, value: Any) -> None:
    """Refuse what is no path of a file or folder.

    Raises:
        TypeError: Naming the argument and what was given.
    """
    if not isinstance(value, str | PathLike):
        raise TypeError(f"{name} must be a path, got {value!r:.200}")


def check_parts(name: str, value: Any, *kinds: type) -> None:
    """Refuse what is no sequence, or holds a part of another kind than ``kinds``.

    Raises:
        TypeError: Naming the argument, the kinds and what was given.
    """
    if not isinstance(value, Sequence) or not all(isinstance(part, kinds) for part in value):
        words = " or ".join(kind.__name__ for kind in kinds)
        raise TypeError(f"{name} must be several of {words}, got {value!r:.200}")


def check_model(value: Any) -> None:
    """Refuse a ``model`` that is none of Keras's.

    Raises:
        TypeError: Saying what was given.
    """
    import keras

    check_kind("model", value, keras.Model, "a keras.Model")


def check_choice(name: str, value: Any, allowed: Collection[str]) -> None:
    """Refuse what is none of the words ``allowed``.

    Raises:
        ValueError: Naming the argument, the words and the value.
    """
    if not isinstance(value, str) or value not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(sorted(allowed))}, got {value!r}")


def check_signal(value: Any) -> None:
    """Refuse a ``signal`` that cannot be called.

    Raises:
        ValueError: Naming the value.
    """
    if value is not None and not callable(value):
        raise ValueError(
            f"signal must be a function of an architecture's parameters, or None, got {value!r}; "
            "no text stands for one"
        )
