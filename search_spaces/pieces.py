"""A network as the pieces that take time: told from its parameters alone, without building it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

Shape = tuple[int, int, int]  # height, width, channels


class Piece(NamedTuple):
    """A part of a network that is timed by itself: an operation at a shape.

    Attributes:
        operation: What its space calls it; `SearchSpace.build_piece` knows what it means.
        shape: Shape of its input for one image: (height, width, channels).
        filters: Channels of its output.
        stride: 2 where it halves height and width.
    """

    operation: str
    shape: Shape
    filters: int
    stride: int = 1

    def __str__(self) -> str:
        shape = "x".join(map(str, self.shape))
        stride = f" stride {self.stride}" if self.stride > 1 else ""
        return f"{self.operation} {shape} -> {self.filters}{stride}"


class Node(NamedTuple):
    """The output of a piece in a `PieceGraph`, by its number, and its shape."""

    number: int
    shape: Shape


class PieceGraph:
    """Which piece reads which, so that only those count that a runtime computes.

    A piece counts if the output depends on it. Of two without weights that do the same to the same
    input only one counts, for compilers merge them.

    Args:
        input_shape: Shape of the image, whose node is `image`.
    """

    def __init__(self, input_shape: Sequence[int]) -> None:
        height, width, channels = input_shape
        self.image = Node(0, (height, width, channels))
        self._pieces: list[Piece | None] = [None]
        self._reads: list[tuple[int, ...]] = [()]
        self._alike: dict[tuple[Piece, tuple[int, ...]], Node] = {}

    def add(self, piece: Piece, *reads: Node, weights: bool = True) -> Node:
        """The output of ``piece`` on the nodes that it reads; a stride of 2 halves their size."""
        numbers = tuple(node.number for node in reads)
        if not weights and (piece, numbers) in self._alike:
            return self._alike[piece, numbers]
        height, width, _ = piece.shape
        stride = piece.stride
        node = Node(len(self._pieces), (-(-height // stride), -(-width // stride), piece.filters))
        self._pieces.append(piece)
        self._reads.append(numbers)
        if not weights:
            self._alike[piece, numbers] = node
        return node

    def count(self, output: Node) -> Counter[Piece]:
        """How often each piece is computed for ``output``."""
        needed = {output.number}
        found: list[Piece] = []
        for number in range(output.number, 0, -1):  # what a piece reads has a lower number
            piece = self._pieces[number]
            if number in needed and piece is not None:
                needed.update(self._reads[number])
                found.append(piece)
        return Counter(found)
