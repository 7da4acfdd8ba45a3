"""A limit on what is known of an architecture before it is trained, so that none beyond it is
proposed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from cellwright.plugins.strategies.arrays import Array, Indices
from cellwright.plugins.strategies.surrogate.candidates import Merit, best_first
from cellwright.search_spaces import Params, SearchSpace
from cellwright.search_spaces.arguments import check_number
from cellwright.search_spaces.piece_costs import costs_from

_MOST = 100_000  # values that are kept
_ENOUGH = 10  # of the most promising candidates that are within the limit
_BEYOND = -1e9  # the merit of a candidate just beyond the limit, below that of any within it


class KnownLimit:
    """The most that an architecture may have of a cost.

    Args:
        space: Whose architectures they are.
        given: The arguments of a `PieceCosts` beside its space, and ``at_most``, above 0 and in the
            unit of its metric, as a dictionary; or a function of the parameters that says by what
            share of the limit they are beyond it, 0 or less within it.

    Raises:
        ValueError: If it is neither, or `PieceCosts` refuses the arguments.
    """

    def __init__(self, space: SearchSpace, given: Any) -> None:
        self._space, self._given = space, given
        self._excess = _function(space, given)
        self._known: dict[bytes, float] = {}

    def __repr__(self) -> str:
        return repr(self._given)

    def excess(self, params: Mapping[str, Any]) -> float:
        """By what share of the limit the architecture is beyond it; 0 or less within it."""
        return self._at(np.array(self._space.encode(params), dtype=np.intp))

    def holds(self, candidates: Indices) -> Any:
        """Which of ``candidates``, (rows, decisions), are within the limit, (rows,) of bool."""
        return np.array([self._at(candidate) <= 0 for candidate in candidates], dtype=bool)

    def merits(self, merit: Merit) -> Merit:
        """``merit``, but beyond the limit candidates are worth less than any within it, and the
        less, the further they are beyond.

        A cost takes a millisecond. So only the most promising are asked for theirs, until enough of
        them are within the limit; what is proposed is asked in any case.
        """

        def limited(candidates: Indices) -> Array:
            found, within = merit(candidates).copy(), 0
            for place in best_first(found):
                beyond = self._at(candidates[place])
                if beyond > 0:
                    found[place] = _BEYOND * (1 + beyond)
                within += beyond <= 0
                if within == _ENOUGH:
                    break
            return found

        return limited

    def _at(self, candidate: Indices) -> float:
        key = candidate.tobytes()
        if key not in self._known:
            if len(self._known) > _MOST:
                self._known.clear()
            self._known[key] = float(self._excess(self._space.decode(candidate.tolist())))
        return self._known[key]


def _function(space: SearchSpace, given: Any) -> Callable[[Params], float]:
    if callable(given):
        return given  # type: ignore[no-any-return]
    if not isinstance(given, Mapping) or "at_most" not in given:
        raise ValueError(
            "within must be a function of the parameters, or a dictionary of at_most and the "
            f"arguments of PieceCosts, got {given!r:.200}"
        )
    most = given["at_most"]
    check_number("at_most", most, above=0)
    cost = costs_from(space, given, "within has at_most,", beside=["at_most"])
    return lambda params: cost(params) / most - 1
