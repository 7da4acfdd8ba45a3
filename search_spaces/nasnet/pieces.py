"""What a network of cells consists of: its pieces, and each as a small network to be timed.

The walk is that of `child`, in numbers: what is built there is counted here. Joins of several
feature maps are timed on one that is read several times; where they are concatenated, on one of
their mean width.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from cellwright.search_spaces.errors import InvalidArchitecture
from cellwright.search_spaces.nasnet.genotype import Block, Cell, Genotype
from cellwright.search_spaces.nasnet.operation_sets import find_operation
from cellwright.search_spaces.nasnet.skeleton import Place, Skeleton
from cellwright.search_spaces.pieces import Node, Piece, PieceGraph

if TYPE_CHECKING:
    from cellwright.search_spaces.context import Context, Tensor


def count_pieces(
    genotype: Genotype, input_shape: Sequence[int], classes: int | None, skeleton: Skeleton
) -> Counter[Piece]:
    """The pieces of what `child.build_child` makes, without what only training needs.

    Raises:
        InvalidArchitecture: On an unknown operation, or a cell that returns one of its own inputs,
            as no cell of a space does.
    """
    graph = PieceGraph(input_shape)
    outputs = _stem(graph, skeleton)
    for place in skeleton.places():
        cell = getattr(genotype, place.kind)
        before = None if place.before is None else outputs[place.before]
        walk = _CellWalk(graph, genotype, place, skeleton)
        outputs.append(walk.cell(cell, outputs[-1], before))
    last = outputs[-1]
    return graph.count(graph.add(Piece("head", last.shape, classes or 1), last))


def _stem(graph: PieceGraph, skeleton: Skeleton) -> list[Node]:
    """See `ends.stem`."""
    image = graph.image
    if skeleton.kind == "book":
        return [image]
    width = skeleton.stem_width
    if skeleton.kind == "darts-imagenet":
        early = graph.add(Piece("stem", image.shape, skeleton.filters, 4), image)
        return [early, graph.add(Piece("stem_late", early.shape, skeleton.filters, 2), early)]
    if not skeleton.has_stem_cells:
        return [graph.add(Piece("stem", image.shape, width), image)] * skeleton.stems
    node = graph.add(Piece("stem", image.shape, width, 2), image)
    height, length, _ = image.shape
    return [Node(node.number, ((height - 1) // 2, (length - 1) // 2, width))]  # without padding


class _CellWalk:
    def __init__(
        self, graph: PieceGraph, genotype: Genotype, place: Place, skeleton: Skeleton
    ) -> None:
        self.graph, self.skeleton = graph, skeleton
        self.operation_set, self.repair = genotype.operation_set, genotype.repair
        self.filters, self.stride = place.filters, place.stride

    def cell(self, cell: Cell, current: Node, before: Node | None) -> Node:
        states = [
            self.graph.add(Piece("current", current.shape, self.filters), current),
            self._before(before, current),
        ]
        for block in cell.blocks:
            states.append(self._block(block, states))
        if min(cell.concatenation) < 2:
            raise InvalidArchitecture(
                f"a cell that returns its own input, as {cell.concatenation} does, has no pieces"
            )
        return self._join([states[state] for state in cell.concatenation])

    def _before(self, before: Node | None, current: Node) -> Node:
        """See `child.match` and `child.match_always`."""
        if self.skeleton.kind != "book":
            if before is None:
                return current
            fits = before.shape == (*current.shape[:2], self.filters)
            if fits and not self.skeleton.is_darts:
                return before
        before = before or current
        stride = 1 if before.shape[:2] == current.shape[:2] else 2
        return self.graph.add(Piece("before", before.shape, self.filters, stride), before)

    def _block(self, block: Block, states: Sequence[Node]) -> Node:
        left = self._operation(block.operation_1, block.input_1, states)
        right = self._operation(block.operation_2, block.input_2, states)
        if block.combination == "concat":
            return self._join([left, right])
        piece = Piece("add", left.shape, self.filters)
        return self.graph.add(piece, left, right, weights=False)

    def _operation(self, name: str, state: int, states: Sequence[Node]) -> Node:
        x, stride = states[state], self.stride if state < 2 else 1
        fits = x.shape[2] == self.filters
        found = find_operation(self.operation_set, name)
        kind = "" if callable(found) else found[0]
        if kind in ("identity", "skip") and fits and stride == 1:
            return x
        piece = Piece(name, x.shape, self.filters, stride)
        return self.graph.add(piece, x, weights=not (kind == "pool" and fits))

    def _join(self, parts: Sequence[Node]) -> Node:
        """See `child.Operations.join`."""
        x = self._concatenate(parts)
        if not self.repair or x.shape[2] == self.filters:
            return x
        return self.graph.add(Piece("repair", x.shape, self.filters), x)

    def _concatenate(self, parts: Sequence[Node]) -> Node:
        if len(parts) == 1:
            return parts[0]
        height, width, _ = parts[0].shape
        channels = sum(part.shape[2] for part in parts)
        mean = max(1, round(channels / len(parts)))
        piece = Piece(f"concat_{len(parts)}", (height, width, mean), mean * len(parts))
        node = self.graph.add(piece, *parts, weights=False)
        return Node(node.number, (height, width, channels))


def build_piece(piece: Piece, operation_set: str, skeleton: Skeleton) -> Any:
    """A piece as a ``keras.Model`` of one input and one output.

    Raises:
        InvalidArchitecture: If ``operation_set`` has no such operation.
    """
    import keras

    from cellwright.search_spaces.context import Context
    from cellwright.search_spaces.keras_settings import channels_last

    at = Context("piece", 0, skeleton.momentum, skeleton.epsilon, skeleton.border)
    with channels_last():
        x = keras.Input(piece.shape, name="image")
        return keras.Model(x, _output(piece, x, operation_set, skeleton, at), name="piece")


def _output(piece: Piece, x: Tensor, operation_set: str, skeleton: Skeleton, at: Context) -> Tensor:
    import keras

    from cellwright.search_spaces.nasnet import child, ends, operations

    name, filters, paper = piece.operation, piece.filters, skeleton.kind != "book"
    if name in ("stem", "stem_late"):
        return ends.stem_piece(x, name, skeleton, at)
    if name == "head":
        return ends.head(x, filters if filters > 1 else None, skeleton, at)
    if name == "current":
        return child.current_input(x, filters, at, skeleton)
    if name == "before":
        height, width, _ = piece.shape
        size = (None, -(-height // piece.stride), -(-width // piece.stride), 1)
        if paper:
            return child.match(x, keras.KerasTensor(size), filters, at, skeleton)
        return child.match_always(x, keras.KerasTensor(size), filters, at)
    if name == "repair":
        return operations.pointwise(x, filters, 1, at)
    if name == "add":
        return keras.layers.Add()([x, x])
    if name.startswith("concat_"):
        return keras.layers.Concatenate()([x] * int(name.removeprefix("concat_")))
    return operations.build_operation(operation_set, name, x, filters, piece.stride, at)
