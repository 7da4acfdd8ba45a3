"""A part of a space: what is left where someone fixes decisions or takes choices away."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cellwright.search_spaces.decision import Decision, Float, Int, Params, Value
from cellwright.search_spaces.joint import JointSpace
from cellwright.search_spaces.pieces import Piece
from cellwright.search_spaces.space import SearchSpace

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def narrowed(space: SearchSpace, left: Iterable[Decision]) -> SearchSpace:
    """The part of ``space`` in which the decisions ``left`` take the place of its own.

    Its points are points of ``space``, and describe the same networks.

    Args:
        space: The whole.
        left: Decisions by the names of some of those of ``space``, whose choices and ranges lie
            within theirs; see `part_of`.

    Returns:
        ``space`` itself if ``left`` is empty. A part of a `JointSpace` is one.

    Raises:
        ValueError: On a name that is not in ``space``.
    """
    instead = {decision.name: decision for decision in left}
    if unknown := sorted(instead.keys() - set(space.names)):
        raise ValueError(f"{space!r} has no decisions {unknown}")
    if not instead:
        return space
    decisions: list[Decision] = []
    for decision in space.decisions:
        decisions.append(_within_reach(instead.get(decision.name, decision), decisions))
    if not isinstance(space, JointSpace):
        return _Part(space, decisions)
    inner = len(space.architecture.decisions)
    architecture = narrowed(space.architecture, [d for d in decisions[:inner] if d.name in instead])
    return JointSpace(architecture, *decisions[inner:])


def part_of(decision: Decision, values: Iterable[Value]) -> Decision:
    """The decision among those of its choices, or numbers of its range, that are ``values``.

    Choices keep the order that they have in ``decision``, and numbers of a range are sorted.

    Raises:
        InvalidArchitecture: If one of the values is not allowed.
        ValueError: If there are none.
    """
    read = [decision.read(value) for value in values]
    if isinstance(decision, Float | Int):
        kept = tuple(sorted(set(read)))
    else:
        kept = tuple(value for value in decision.choices if value in read)
    return Decision(decision.name, kept, decision.kind, decision.when)


def fixed_in(decision: Decision) -> Decision:
    """The decision at its first choice, or a number in the middle of its range."""
    middle = len(decision.choices) // 2 if isinstance(decision, Float | Int) else 0
    return part_of(decision, [decision.choices[middle]])


class _Part(SearchSpace):
    """See `narrowed`."""

    def __init__(self, whole: SearchSpace, decisions: Iterable[Decision]) -> None:
        super().__init__(decisions)
        self.whole = whole
        self.options = whole.options
        self._ranged = [isinstance(decision, Float | Int) for decision in whole.decisions]
        pairs = zip(self.decisions, whole.decisions, strict=True)
        same = all(mine.choices == theirs.choices for mine, theirs in pairs)
        # An anchor point takes a (False, True) decision for each earlier one, all or nothing.
        self.anchors = whole.anchors if same else ()

    def scheduled(self, number: int) -> Params:
        """What the whole space schedules, as far as it is left."""
        wanted = self.whole.scheduled(number)
        left = {decision.name: decision.choices for decision in self.decisions}
        return {name: value for name, value in wanted.items() if value in left[name]}

    def active(self, params: Mapping[str, Any]) -> tuple[bool, ...]:
        """As in the whole space."""
        return self.whole.active(params)

    def canonical(self, params: Mapping[str, Any]) -> Params:
        """The form of the whole space where that is a point of this part, else ``params``.

        So two names of one network may stay apart, where decisions that could be exchanged have
        different choices left. Numbers count by this part's levels of their ranges.
        """
        plain = self.decode(self.encode(params))
        active = self.active(plain)
        found = self.whole.canonical(plain)
        for mine, on, ranged in zip(self.decisions, active, self._ranged, strict=True):
            if not on:
                plain[mine.name] = mine.choices[0]
            if ranged or not on:
                found[mine.name] = plain[mine.name]
        inside = all(found[mine.name] in mine.choices for mine in self.decisions)
        return found if inside else plain

    def graph_features(self, indices: NDArray[np.intp]) -> NDArray[np.float64]:
        """As in the whole space."""
        rows = [self.whole.encode(self.decode(row.tolist())) for row in indices]
        return self.whole.graph_features(np.array(rows).reshape(indices.shape))

    @property
    def has_pieces(self) -> bool:
        """As in the whole space."""
        return self.whole.has_pieces

    def pieces(
        self, params: Mapping[str, Any], input_shape: Any, classes: int | None, **options: Any
    ) -> Counter[Piece]:
        """As in the whole space."""
        return self.whole.pieces(params, input_shape, classes, **options)

    def build_piece(self, piece: Piece, **options: Any) -> Any:
        """As in the whole space."""
        return self.whole.build_piece(piece, **options)

    def build(
        self, params: Mapping[str, Any], input_shape: Any, classes: int | None, **options: Any
    ) -> Any:
        """As in the whole space."""
        return self.whole.build(params, input_shape, classes, **options)

    def describe(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """As in the whole space."""
        return self.whole.describe(params)

    def words(self, params: Mapping[str, Any]) -> list[str]:
        """As in the whole space."""
        return self.whole.words(params)

    def figures(self, params: Mapping[str, Any], model: Any = None) -> dict[str, Figure]:
        """As in the whole space."""
        return self.whole.figures(params, model)


def _within_reach(decision: Decision, before: Iterable[Decision]) -> Decision:
    """The decision with conditions on what is left of those before it.

    One whose conditions can no longer hold is fixed, since it has no effect.
    """
    left = {earlier.name: earlier.choices for earlier in before}
    when = {
        name: tuple(value for value in values if value in left[name])
        for name, values in decision.when
    }
    if not all(when.values()):
        fixed = fixed_in(decision)
        return Decision(fixed.name, fixed.choices, fixed.kind)
    if when == dict(decision.when):
        return decision
    if isinstance(decision, Float | Int):
        return decision.between(decision.low, decision.high, when)
    return Decision(decision.name, decision.choices, decision.kind, when)
