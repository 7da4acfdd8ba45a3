"""The decisions of a space as Keras Tuner's hyperparameters."""

from __future__ import annotations

import functools
import logging
from collections.abc import Mapping
from typing import Any

import keras_tuner as kt

from cellwright.plugins import make_space
from cellwright.search_spaces import (
    Decision,
    Float,
    Int,
    JointSpace,
    Params,
    SearchSpace,
    SpaceMismatch,
)
from cellwright.search_spaces.arguments import check_kind
from cellwright.search_spaces.identity import compare

_log = logging.getLogger(__name__)


def architecture(hp: Any, space: SearchSpace | str | None = None) -> Params:
    """Declare every decision of ``space`` on ``hp``, and read what this trial decided.

    Call it in a ``build(hp)`` of your own, which may declare other hyperparameters as well::

        def build(hp):
            model = space.build(architecture(hp, space), (8, 8, 1), 10, filters=8)
            model.compile(keras.optimizers.Adam(hp.Float("learning_rate", 1e-4, 1e-2)), ...)
            return model

    Args:
        hp: Keras Tuner's ``HyperParameters``.
        space: A space or its name; the book's if None.

    Returns:
        Plain values by decision name, of the types that the space gives (Keras Tuner keeps a
        bool as an int).

    Raises:
        SpaceMismatch: If the oracle searches another space, or ``hp`` holds other choices.
        ValueError: Inside a ``name_scope`` or ``conditional_scope``, where the decisions would
            have other names than in the oracle.
    """
    check_kind("hp", hp, kt.HyperParameters, "Keras Tuner's HyperParameters")
    space = make_space(space)
    oracle = getattr(hp, "searched_by", None)
    if oracle is not None:
        check_searched(oracle.space, space)
    if hp._name_scopes or hp._conditions:
        raise ValueError("declare the architecture outside any name_scope and conditional_scope")
    declare(hp, space)
    return read_params(hp.values, space)


def check_searched(searched: SearchSpace, built: SearchSpace) -> None:
    """Check that an oracle decides on what a tuner builds.

    Where a `JointSpace` is built, an oracle may decide on its architecture alone, and leave the
    rest to Keras Tuner.

    Raises:
        SpaceMismatch: If they are different spaces.
    """
    if isinstance(built, JointSpace) and searched.names == built.architecture.names:
        built = built.architecture
    if searched is built:
        return
    found = compare(built, searched.identity())
    if found.different:
        raise SpaceMismatch(
            f"the oracle searches {searched!r}, and {built!r} is built: {found.different}; give "
            "both the same space"
        )
    if found.doubtful:
        _warn(f"the oracle may search another space than {built!r}: {found.doubtful}")


@functools.cache
def _warn(text: str) -> None:
    """Say something once, and not for every child."""
    _log.warning("%s", text)


def declare(hp: Any, space: SearchSpace) -> None:
    """Declare the decisions that ``hp`` does not hold yet.

    Decisions with conditions are declared without them; `read_params` leaves out those that have
    no effect.

    Raises:
        SpaceMismatch: If ``hp`` holds one with other choices.
    """
    held = {parameter.name: parameter for parameter in hp.space}
    for decision in space.decisions:
        fresh = kt.HyperParameters()
        for target in (fresh, hp) if decision.name not in held else (fresh,):
            _declare(target, decision)
        [wanted] = fresh.space
        found = held.get(decision.name, wanted)
        if content(found) != content(wanted):
            raise SpaceMismatch(
                f"{decision.name} is declared as {found!r}, and the space gives it {wanted!r}; to "
                "fix a decision, use a space with that one choice"
            )


def _declare(hp: Any, decision: Decision) -> None:
    if isinstance(decision, Float | Int):
        kind = hp.Float if isinstance(decision, Float) else hp.Int
        scale = "log" if decision.log else "linear"
        kind(decision.name, decision.low, decision.high, sampling=scale)
    else:
        hp.Choice(decision.name, list(decision.choices))


def content(parameter: Any) -> Any:
    """The values that a hyperparameter can take; its default does not count."""
    config = parameter.get_config()
    return type(parameter), [
        config.get(x) for x in ("values", "min_value", "max_value", "sampling")
    ]


def read_params(values: Mapping[str, Any], space: SearchSpace) -> Params:
    """The decisions with an effect among a trial's values, in the types of the space.

    Raises:
        InvalidArchitecture: If one is missing or is not allowed.
    """
    return space.read({name: values[name] for name in space.names if name in values})
