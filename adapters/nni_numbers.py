"""A search space in numbers alone, and back.

Some of NNI's tuners (GP, Metis, DNGO) take no text, and two of them no logarithmic scale. What they
all take is ``uniform`` and a ``choice`` of numbers. The name of each entry says what its number
means, so that a decision whose choices are numbers themselves is never mistaken:

- ``index:NAME`` is the position of a choice, from 0;
- ``log10:NAME`` is the decimal logarithm of a number in a range with a logarithmic scale;
- ``round:NAME`` is rounded to a whole number of a range;
- any other number in a range has its own name, and stands for itself.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from cellwright.search_spaces import Decision, Float, Int, InvalidArchitecture, SearchSpace, Value


def in_numbers(space: SearchSpace) -> dict[str, dict[str, Any]]:
    """The decisions of ``space`` as entries of NNI's search space.

    Raises:
        ValueError: If a decision has the name of another one in numbers.
    """
    names = {decision.name: name_in_numbers(decision) for decision in space.decisions}
    twice = {name for own, name in names.items() if name != own and name in names}
    if twice:
        raise ValueError(
            f"{sorted(twice)} are decisions, and names of other decisions in numbers: rename them"
        )
    return {names[decision.name]: _entry(decision) for decision in space.decisions}


def from_numbers(space: SearchSpace, given: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters of a trial with every number of `in_numbers` replaced by what it stands for.

    Raises:
        InvalidArchitecture: If a number is out of range, or a decision is given twice.
    """
    found = dict(given)
    for decision in space.decisions:
        name = name_in_numbers(decision)
        if name == decision.name or name not in found or name in space.names:
            continue
        if decision.name in found:
            raise InvalidArchitecture(f"{decision.name} is given, and as {name} too: give one")
        found[decision.name] = _value(decision, name, found.pop(name))
    return found


def name_in_numbers(decision: Decision) -> str:
    """The name of the entry that stands for ``decision``."""
    if not isinstance(decision, Float | Int):
        return f"index:{decision.name}"
    if decision.log:
        return f"log10:{decision.name}"
    return f"round:{decision.name}" if isinstance(decision, Int) else decision.name


def _entry(decision: Decision) -> dict[str, Any]:
    if not isinstance(decision, Float | Int):
        return {"_type": "choice", "_value": list(range(len(decision.choices)))}
    low, high = float(decision.low), float(decision.high)
    if decision.log:
        low, high = math.log10(low), math.log10(high)
    elif isinstance(decision, Int):
        low, high = low - 0.5, high + 0.5  # so that the ends are as likely as the rest
    return {"_type": "uniform", "_value": [low, high]}


def _value(decision: Decision, name: str, number: Any) -> Value:
    if isinstance(number, bool) or not isinstance(number, int | float) or math.isnan(number):
        raise InvalidArchitecture(f"{name} = {number!r} is not allowed; give a number")
    entry = _entry(decision)["_value"]
    if not entry[0] - 1e-6 <= number <= entry[-1] + 1e-6:
        raise InvalidArchitecture(
            f"{name} = {number!r} is not allowed; give a number from {entry[0]} to {entry[-1]}"
        )
    if not isinstance(decision, Float | Int):
        if number != round(number):
            raise InvalidArchitecture(f"{name} = {number!r} is not allowed; give a whole number")
        return decision.choices[round(number)]
    plain = 10.0**number if decision.log else number
    bounded = min(max(plain, decision.low), decision.high)
    return round(bounded) if isinstance(decision, Int) else float(bounded)
