"""Checks of a strategy's arguments: what is refused is named, with what is allowed."""

from __future__ import annotations

import math
import re
from collections.abc import Collection
from numbers import Integral, Real
from typing import Any

import numpy as np


def check_integer(name: str, value: Any, least: int = 1) -> None:
    """Refuse what is no integer, or below ``least``.

    Raises:
        ValueError: Naming the argument, the rule and the value.
    """
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise ValueError(f"{name} must be an integer, at least {least}, got {value!r}")
    if value < least:
        raise ValueError(f"{name} must be at least {least}, got {value}")


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
