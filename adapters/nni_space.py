"""The search space as NNI writes it, and the entries that are the user's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from cellwright.adapters.nni_numbers import in_numbers
from cellwright.search_spaces import Decision, Float, Int, SearchSpace, SpaceMismatch


def search_space_of(space: SearchSpace, numeric: bool = False) -> dict[str, dict[str, Any]]:
    """The content of ``search_space.json``: ranges in NNI's types, other decisions as ``choice``.

    Conditions are left out, since NNI has none like them; a trial ignores a decision without
    effect.

    Args:
        space: Its decisions are written.
        numeric: Write them in numbers alone, for those of NNI's tuners that take nothing else; see
            `nni_numbers`. Our own tuners do not take this form.

    Raises:
        ValueError: If names are the same in numbers as without them.
    """
    if numeric:
        return in_numbers(space)
    return {decision.name: _entry(decision) for decision in space.decisions}


def _entry(decision: Decision) -> dict[str, Any]:
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


def other_entries(space: SearchSpace, search_space: Any) -> dict[str, Any]:
    """The entries that are not decisions of ``space``, such as a learning rate.

    Args:
        space: What the tuner searches.
        search_space: What the experiment sends. It must hold every decision of ``space`` as
            `search_space_of` writes it, choices in any order; other entries may be of any type that
            NNI knows.

    Raises:
        SpaceMismatch: If a decision is missing or differs, or another entry is malformed.
    """
    from nni.common.hpo_utils import validate_search_space

    if not isinstance(search_space, Mapping):
        raise SpaceMismatch(
            f"the search space must be an object of names, got {search_space!r}; "
            "`cellwright nni-init DIR` writes one"
        )
    wrong = [
        text
        for name, entry in search_space_of(space).items()
        if (text := _difference(name, entry, search_space.get(name)))
    ]
    if wrong:
        more = f", and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        raise SpaceMismatch(
            f"the experiment's search space does not fit {space!r}: {'; '.join(wrong[:3])}{more}. "
            "Write search_space.json with `cellwright nni-init DIR`, or name the space that it "
            "was written for in the tuner's classArgs"
        )
    names = set(space.names)
    others = {name: entry for name, entry in search_space.items() if name not in names}
    try:
        validate_search_space(others, raise_exception=True)
        draw(others, np.random.default_rng(0))
    except (ValueError, TypeError, LookupError, AssertionError) as error:
        raise SpaceMismatch(
            "the experiment's search space holds an entry that NNI cannot draw: "
            f"{str(error) or others}"
        ) from error
    return others


def draw(entries: Mapping[str, Any], rng: np.random.Generator) -> dict[str, Any]:
    """One value for each of `other_entries`, as NNI's own random tuner draws it."""
    if not entries:
        return {}
    from nni.algorithms.hpo.random_tuner import suggest
    from nni.common.hpo_utils import deformat_parameters, format_search_space

    formatted = format_search_space(dict(entries))
    drawn: dict[str, Any] = deformat_parameters(suggest(rng, formatted), formatted)
    return drawn


def _difference(name: str, wanted: Mapping[str, Any], entry: Any) -> str:
    if entry is None:
        return f"{name!r} is missing"
    kind, values = wanted["_type"], wanted["_value"]
    found: Any = None
    if isinstance(entry, Mapping) and entry.get("_type") == kind:
        found = entry.get("_value")
    # Compared by ==, as JSON may turn 1.0 into 1 on its way through NNI.
    alike = isinstance(found, list) and len(found) == len(values)
    if alike and (all(x in found for x in values) if kind == "choice" else found == values):
        return ""
    return f"{name!r} must be a {kind} of {values}, got {entry!r}"
