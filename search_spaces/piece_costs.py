"""What children cost, added up over their pieces: exact, and no child is built."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from cellwright.search_spaces.arguments import check_integer, check_kind
from cellwright.search_spaces.costs import Costs, costs
from cellwright.search_spaces.joint import architecture_of
from cellwright.search_spaces.pieces import Piece
from cellwright.search_spaces.space import SearchSpace

COSTS = ("parameters", "trainable", "multiply_adds")


def costs_from(
    space: SearchSpace, given: Mapping[str, Any], told: str, beside: Collection[str] = ()
) -> PieceCosts:
    """A `PieceCosts` from its arguments as a dictionary.

    Args:
        space: Its space.
        given: Its other arguments, by name.
        told: Begins the message of an error: what has these arguments, ``"a computed objective
            has"``.
        beside: Names in ``given`` that are no arguments of a `PieceCosts`.

    Raises:
        ValueError: If an argument is missing, unknown, or refused.
    """
    try:
        return PieceCosts(space, **{n: value for n, value in given.items() if n not in beside})
    except TypeError as error:
        raise ValueError(
            f"{told} metric ({', '.join(COSTS)}), input_shape, classes and options, "
            f"got {dict(given)!r:.200}: {error}"
        ) from error


class PieceCosts:
    """The parameters or multiply-adds of any child of a space.

    Each piece is built and counted once, when it first occurs, which takes some 0.1 s. From then on
    the costs of a child take about a millisecond, where to build it takes a thousand times as long.
    They are those that `costs` counts in the child itself, to the last digit.

    Args:
        space: A space that says what its networks consist of (`SearchSpace.pieces`). Of a
            `JointSpace`, the hyperparameters that are options of the child builder count.
        metric: One of `COSTS`.
        input_shape: Of one example, as for ``space.build``.
        classes: As for ``space.build``.
        options: As for ``space.build``, such as ``{"filters": 16}``.

    Raises:
        ValueError: If the metric is none of them, or the space does not say what its networks
            consist of.
    """

    def __init__(
        self,
        space: SearchSpace,
        metric: str,
        input_shape: Sequence[int],
        classes: int | None,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        check_kind("space", space, SearchSpace, "a SearchSpace")
        check_kind("input_shape", input_shape, Sequence, "the shape of an example")
        check_kind("options", {} if options is None else options, Mapping, "a dictionary, or None")
        if classes is not None:
            check_integer("classes", classes, 2)
        self._network = architecture_of(space)
        if not isinstance(metric, str) or metric not in COSTS:
            raise ValueError(f"metric must be one of {', '.join(COSTS)}, got {metric!r}")
        if not space.has_pieces:
            raise ValueError(
                f"{self._network!r} does not say what its networks consist of, and so their "
                f"{metric} can only be counted by building them: leave the computed objective out"
            )
        self._space, self._metric = space, metric
        self._shape, self._classes = tuple(input_shape), classes
        self._options = dict(options or {})
        self._known: dict[Piece, Costs] = {}

    def __call__(self, params: Mapping[str, Any]) -> float:
        """The cost of the child of ``params``."""
        network, others = self._space.split(params)
        of_builder = self._network.options or frozenset()
        options = self._options | {n: x for n, x in others.items() if n in of_builder}
        pieces = self._network.pieces(network, self._shape, self._classes, **options)
        return float(sum(count * self._cost(piece, options) for piece, count in pieces.items()))

    def _cost(self, piece: Piece, options: Mapping[str, Any]) -> int:
        if piece not in self._known:
            self._known[piece] = costs(self._network.build_piece(piece, **options))
        cost: int = getattr(self._known[piece], self._metric)
        return cost
