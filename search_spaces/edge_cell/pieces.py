"""What a network of edge cells consists of: its pieces, and each as a small network to be timed.

The walk is that of `child`, in numbers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from cellwright.search_spaces.edge_cell.graph import (
    KERNELS,
    NONE,
    OPERATIONS,
    SKIP,
    Edge,
    Edges,
    wire,
)
from cellwright.search_spaces.errors import InvalidArchitecture
from cellwright.search_spaces.pieces import Node, Piece, PieceGraph

if TYPE_CHECKING:
    from cellwright.search_spaces.context import Context, Tensor


def count_pieces(
    cell: Edges,
    input_shape: Sequence[int],
    classes: int | None,
    *,
    repeats: int = 5,
    filters: int = 16,
    reductions: int = 2,
    dead_edges: bool = False,
    **training: Any,
) -> Counter[Piece]:
    """The pieces of what `child.build_edge_cells` makes; what only training needs has none."""
    graph = PieceGraph(input_shape)

    def apply(operation: str, x: Node, edge: Edge) -> Node:
        if operation == SKIP:
            return x
        piece = Piece(operation, x.shape, x.shape[2])
        return graph.add(piece, x, weights=operation in KERNELS)

    def join(parts: list[Node], node: int) -> Node:
        shape = parts[0].shape
        # A sum does not depend on the order, so equal sums are computed once.
        return graph.add(Piece(f"add_{len(parts)}", shape, shape[2]), *sorted(parts), weights=False)

    x = graph.add(Piece("stem", graph.image.shape, filters), graph.image)
    for stack in range(reductions + 1):
        if stack:
            x = graph.add(Piece("reduction", x.shape, filters * 2**stack, 2), x)
        for _ in range(repeats):
            made = wire(cell, x, apply, join, dead_edges=dead_edges)
            x = apply(NONE, x, (0, 0)) if made is None else made
    return graph.count(graph.add(Piece("head", x.shape, classes or 1), x))


def build_piece(piece: Piece) -> Any:
    """A piece as a ``keras.Model`` of one input and one output.

    Raises:
        InvalidArchitecture: If a network of edge cells has no such piece.
    """
    import keras

    from cellwright.search_spaces.context import Context
    from cellwright.search_spaces.keras_settings import channels_last

    with channels_last():
        x = keras.Input(piece.shape, name="image")
        at = Context("piece", 0, epsilon=1e-5)
        return keras.Model(x, _output(piece, x, at), name="piece")


def _output(piece: Piece, x: Tensor, at: Context) -> Tensor:
    import keras

    from cellwright.search_spaces.edge_cell import child

    name, filters = piece.operation, piece.filters
    if name == "stem":
        return child.stem(x, filters, at)
    if name == "reduction":
        return child.reduction(x, filters, at)
    if name == "head":
        return child.head(x, filters if filters > 1 else None, at)
    if name.startswith("add_"):
        return keras.layers.Add()([x] * int(name.removeprefix("add_")))
    if name in OPERATIONS and name != SKIP:
        return child.edge_operation(name, x, at)
    raise InvalidArchitecture(f"a network of edge cells has no piece {name!r}")
