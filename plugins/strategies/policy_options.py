"""The options of strategies with a recurrent controller."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Mapping
from typing import Any, TypedDict

from cellwright.plugins.strategies.baseline import Baseline


class ControllerOptions(TypedDict, total=False):
    """Arguments of every strategy with a controller; `PolicyGradient` says what they mean."""

    cell: str
    units: int
    learning_rate: float
    batch: int
    entropy_weight: float
    baseline: Baseline | Mapping[str, Any] | str | None
    layers: int
    initial: float


class PolicyOptions(ControllerOptions, total=False):
    """Those and the ones of the strategies whose policy alone learns, `Reinforce` and `PPO`."""

    standardise: bool
    imitation: float
    entropy_rise: int


def check_names(made: type, options: Collection[str], known: Collection[str]) -> None:
    """Refuse ``options`` that are not ``known``, with all arguments that ``made`` takes.

    Raises:
        TypeError: Naming them.
    """
    unknown = sorted(set(options) - set(known))
    if unknown:
        named = inspect.signature(made).parameters.values()
        own = {one.name for one in named if one.kind is not one.VAR_KEYWORD}
        raise TypeError(
            f"unknown argument {', '.join(map(repr, unknown))}; the arguments are "
            f"{', '.join(sorted(own.union(known)))}"
        )
