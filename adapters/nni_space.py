"""The search space as NNI writes it, and the entries that are the user's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from cellwright.adapters.nni_narrowed import entry_of, left_of
from cellwright.adapters.nni_numbers import in_numbers
from cellwright.search_spaces import SearchSpace, SpaceMismatch


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
    return {decision.name: entry_of(decision) for decision in space.decisions}


def other_entries(space: SearchSpace, search_space: Any) -> dict[str, Any]:
    """The entries that are not decisions of ``space``, such as a learning rate.

    Args:
        space: What the tuner searches.
        search_space: What the experiment sends: the decisions of ``space``, or what the user left
            of them (`nni_narrowed.left_of`); other entries may be of any type that NNI knows.

    Raises:
        SpaceMismatch: If it holds none of the decisions, or what the space has not, or if another
            entry is malformed.
    """
    from nni.common.hpo_utils import validate_search_space

    if not isinstance(search_space, Mapping):
        raise SpaceMismatch(
            f"the search space must be an object of names, got {search_space!r}; "
            "`cellwright nni-init DIR` writes one"
        )
    left_of(space, search_space)
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
    """One value for each of `other_entries`, as NNI's own random tuner draws it, but whole numbers
    as ints (`whole_numbers`)."""
    if not entries:
        return {}
    from nni.algorithms.hpo.random_tuner import suggest
    from nni.common.hpo_utils import deformat_parameters, format_search_space

    formatted = format_search_space(dict(entries))
    drawn: dict[str, Any] = deformat_parameters(suggest(rng, formatted), formatted)
    return {name: whole_numbers(value) for name, value in drawn.items()}


def whole_numbers(value: Any) -> Any:
    """``value`` with every float that is a whole number as an int.

    NNI's ``quniform`` gives 32.0, while 1.0 in a ``choice`` has become 1 on its way through NNI.
    """
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, Mapping):
        return {name: whole_numbers(part) for name, part in value.items()}
    return [whole_numbers(part) for part in value] if isinstance(value, list) else value
