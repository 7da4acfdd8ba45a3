"""Objectives that need no training: they are computed for each candidate, and not predicted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from cellwright.plugins.strategies.arrays import Array, Indices
from cellwright.plugins.strategies.known_limit import KnownLimit
from cellwright.search_spaces import Params, SearchSpace
from cellwright.search_spaces.piece_costs import PieceCosts, costs_from

Objective = Callable[[Params], float]  # in the unit of rewards: more is better

_POOL = 200  # random architectures among which one with a wanted cost is looked for
_MOST = 100_000  # values that are kept
_GOLDEN = (5**0.5 - 1) / 2  # its multiples spread over 0..1, however many there are (Weyl)


class ComputedObjectives:
    """Those of several objectives that are known of an architecture before it is trained.

    Args:
        space: Whose architectures they are.
        objectives: How many a reward has.
        given: For each objective None, where it is learned from what is told; a function of the
            parameters, in the unit of rewards (more is better); or the arguments of a `PieceCosts`
            beside its space, as a dictionary, whose value counts negatively. None at all: nothing
            is computed.

    Raises:
        ValueError: If there are more or fewer entries than objectives, one of them is none of
            these, or no objective is left to be learned.
    """

    def __init__(
        self, space: SearchSpace, objectives: int, given: Sequence[Any] | None = None
    ) -> None:
        if given is not None and (not isinstance(given, Sequence) or len(given) != objectives):
            raise ValueError(
                f"computed must have an entry for each of the {objectives} objectives, None where "
                f"it is measured, got {given!r:.200}"
            )
        entries = list(given or [None] * objectives)
        if objectives and all(entry is not None for entry in entries):
            raise ValueError(
                "computed leaves no objective to be learned: where all are known of a network, no "
                "search needs to train it"
            )
        self._space = space
        self._functions = {
            place: _function(space, entry)
            for place, entry in enumerate(entries)
            if entry is not None
        }
        self._values: dict[tuple[int, bytes], float] = {}

    def __contains__(self, place: int) -> bool:
        return place in self._functions

    def __len__(self) -> int:
        return len(self._functions)

    def __call__(self, place: int, candidates: Indices) -> Array:
        """The rewards of ``candidates``, (rows, decisions), in the objective at ``place``."""
        if len(self._values) > _MOST:
            self._values.clear()
        return np.array([self._value(place, candidate) for candidate in candidates], dtype=float)

    def _value(self, place: int, candidate: Indices) -> float:
        key = (place, candidate.tobytes())
        if key not in self._values:
            params = self._space.decode(candidate.tolist())
            self._values[key] = float(self._functions[place](params))
        return self._values[key]

    def spread(
        self,
        number: int,
        seed: int,
        rng: np.random.Generator,
        within: KnownLimit | None = None,
    ) -> Params:
        """A random architecture whose value is near a level that differs from trial to trial.

        Random architectures have much the same costs, and say little of the ends of a front. The
        levels of successive trials fill the range of what is drawn evenly. With several computed
        objectives they take turns.

        Args:
            number: The trial's.
            seed: The search's, from which the first level comes.
            rng: Where the draws come from.
            within: A limit, and then the range is that of what is drawn within it, if anything is.
        """
        places = sorted(self._functions)
        turn, place = number // len(places), places[number % len(places)]
        drawn = np.array([self._space.encode(self._space.sample(rng)) for _ in range(_POOL)])
        if within is not None and (holds := within.holds(drawn)).any():
            drawn = drawn[holds]
        values = self(place, drawn)
        level = (np.random.default_rng(seed).random() + turn * _GOLDEN) % 1.0
        wanted = values.min() + level * (values.max() - values.min())
        return self._space.decode(drawn[int(np.argmin(np.abs(values - wanted)))].tolist())


def _function(space: SearchSpace, entry: Any) -> Objective:
    if isinstance(entry, Mapping):
        return partial(_less_of, costs_from(space, entry, "a computed objective has"))
    if not callable(entry):
        raise ValueError(
            "a computed objective must be a function of the parameters, or a dictionary for "
            f"PieceCosts, got {entry!r:.200}"
        )
    found: Objective = entry
    return found


def _less_of(cost: PieceCosts, params: Params) -> float:
    return -cost(params)
