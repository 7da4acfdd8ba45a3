"""What a user left of a space in the experiment's search space: fewer choices, shorter ranges.

A decision may be written as any of NNI's types, as long as each of its values is one of the space.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any, NamedTuple

from cellwright.adapters.nni_numbers import name_in_numbers
from cellwright.search_spaces import (
    Decision,
    Float,
    Int,
    InvalidArchitecture,
    SearchSpace,
    SpaceMismatch,
)
from cellwright.search_spaces.narrowed import fixed_in, narrowed, part_of

_MOST = 10_000  # values of one entry that are looked at one by one


class Left(NamedTuple):
    """What is left of a space.

    Attributes:
        space: It, or the whole space if nothing was taken out.
        notes: What was taken out, in words; one for each decision.
    """

    space: SearchSpace
    notes: list[str]


def left_of(space: SearchSpace, entries: Mapping[str, Any]) -> Left:
    """What the entries of an experiment's search space leave of ``space``.

    A decision that is left out is fixed: at its first choice, or a number in the middle of its
    range. Entries by other names are not looked at, unless one of them is likely to mean a decision
    that is left out.

    Args:
        space: What the tuner searches.
        entries: As NNI writes them, by name.

    Raises:
        SpaceMismatch: If there is none of the decisions, or a value that the space does not have.
    """
    wrong: list[str] = []
    instead: list[Decision] = []
    notes: list[str] = []
    others = [str(name) for name in entries if name not in space.names]
    none = not any(name in entries for name in space.names)
    for decision in space.decisions:
        if decision.name in entries:
            try:
                left = _left(decision, entries[decision.name])
            except (ValueError, TypeError, OverflowError) as error:
                wrong.append(
                    f"{decision.name!r} must be {_wanted(decision)}, or a part of it: {error}; "
                    f"got {entries[decision.name]!r}"
                )
                continue
            note = f"{decision.name} to {_in_words(left)}"
        elif none:
            wrong.append(f"{decision.name!r} is missing")
            continue
        elif near := _meant(decision, others):
            wrong.append(f"{decision.name!r} is missing, and {near!r} is no decision of the space")
            continue
        else:
            left = fixed_in(decision)
            note = f"{decision.name}, which is left out, to {left.choices[0]!r}"
        if not _same(left, decision):
            instead.append(left)
            notes.append(note)
    if wrong:
        more = f" (and {len(wrong) - 3} more)" if len(wrong) > 3 else ""
        raise SpaceMismatch(
            f"the experiment's search space does not fit {space!r}: {'; '.join(wrong[:3])}{more}. "
            "Write search_space.json with `cellwright nni-init DIR`, or name the space that it "
            "was written for in the tuner's classArgs"
        )
    return Left(narrowed(space, instead), notes)


def is_point(space: SearchSpace, given: Mapping[str, Any]) -> bool:
    """Whether the decisions among ``given`` are a point of ``space``, such as what is left."""
    try:
        space.encode({name: given[name] for name in space.names if name in given})
    except InvalidArchitecture:
        return False
    return True


def entry_of(decision: Decision) -> dict[str, Any]:
    """A decision as an entry of NNI's search space: a range in NNI's types, or a ``choice``."""
    value: list[Any]
    if isinstance(decision, Float):
        kind, value = "loguniform" if decision.log else "uniform", [decision.low, decision.high]
    elif isinstance(decision, Int) and decision.log:
        kind, value = "qloguniform", [decision.low, decision.high, 1]
    elif isinstance(decision, Int):
        kind, value = "randint", [decision.low, decision.high + 1]  # NNI leaves out the upper one
    else:
        kind, value = "choice", list(decision.choices)
    return {"_type": kind, "_value": value}


def _left(decision: Decision, entry: Any) -> Decision:
    """What ``entry`` leaves of a decision.

    Raises:
        ValueError, TypeError: If it is malformed, or holds a value that the decision has not.
    """
    if entry == entry_of(decision):
        return decision
    if not isinstance(entry, Mapping) or entry.keys() != {"_type", "_value"}:
        raise ValueError('write {"_type": "choice", "_value": [...]}')
    kind, values = entry["_type"], entry["_value"]
    if not isinstance(values, list) or not values:
        raise ValueError("_value must be a list of at least one value")
    if kind in ("uniform", "loguniform"):
        return _shorter(decision, *map(float, values))
    found = _values(kind, values)
    if found is None:
        return _shorter(decision, float(values[0]), float(values[1]))
    if isinstance(decision, Int) and kind != "choice":
        whole = [int(decision.read(value)) for value in found]
        if whole == list(range(whole[0], whole[-1] + 1)) and len(whole) > 1:
            return _shorter(decision, whole[0], whole[-1])
    return part_of(decision, found)


def _values(kind: str, values: list[Any]) -> list[Any] | None:
    """All values of an entry; None if they are too many to be looked at one by one."""
    if kind == "choice":
        if nested := next((value for value in values if not _plain(value)), None):
            raise ValueError(f"its values must be plain, not {nested!r}")
        return values
    if kind == "randint":
        low, high = values
        if high <= low:
            raise ValueError("the upper bound, which NNI leaves out, must be above the lower one")
        return list(range(int(low), int(high))) if high - low <= _MOST else None
    if kind in ("quniform", "qloguniform"):
        low, high, step = map(float, values)
        if not low < high or step <= 0:
            raise ValueError("it takes [low, high, step], with low below high and a step above 0")
        if (high - low) / step > _MOST:
            return None
        places = range(round(low / step), round(high / step) + 1)
        # NNI draws multiples of the step, and moves those beyond a bound to it.
        rounded = (float(f"{place * step:.12g}") for place in places)
        return sorted({min(max(number, low), high) for number in rounded})
    raise ValueError(f"the type {kind!r} is none of NNI's, or is one whose values have no bounds")


def _shorter(decision: Decision, low: float, high: float) -> Decision:
    if not isinstance(decision, Float | Int):
        raise ValueError("it is one of some choices, and no range")
    if not low < high:
        raise ValueError(f"the lower bound, {low}, must be below the upper one, {high}")
    if isinstance(decision, Int) and (low != round(low) or high != round(high)):
        raise ValueError("it is a whole number, and this is not")
    return decision.between(decision.read(low), decision.read(high))


def _same(left: Decision, decision: Decision) -> bool:
    if isinstance(left, Float | Int) and isinstance(decision, Float | Int):
        return (left.low, left.high) == (decision.low, decision.high)
    return left.choices == decision.choices and type(left) is type(decision)


def _wanted(decision: Decision) -> str:
    entry = entry_of(decision)
    return f"a {entry['_type']} of {entry['_value']}"


def _in_words(left: Decision) -> str:
    if isinstance(left, Float | Int):
        return f"{left.low} .. {left.high}"
    return repr(left.choices[0]) if len(left.choices) == 1 else str(list(left.choices))


def _meant(decision: Decision, others: list[str]) -> str | None:
    """The entry that stands in place of a missing decision, misspelt or as a number."""
    if (number := name_in_numbers(decision)) in others:
        return number
    near = difflib.get_close_matches(decision.name, others, n=1, cutoff=0.9)
    return near[0] if near else None


def _plain(value: Any) -> bool:
    return isinstance(value, str | int | float)
