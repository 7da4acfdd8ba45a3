"""The space of cells with operations on their edges."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from cellwright.search_spaces.decision import Decision, Params
from cellwright.search_spaces.edge_cell.form import first_of_each
from cellwright.search_spaces.edge_cell.genotype import EdgeCellGenotype
from cellwright.search_spaces.edge_cell.graph import MOST_NODES, OPERATIONS, edges_of, name_of
from cellwright.search_spaces.edge_cell.pieces import build_piece, count_pieces
from cellwright.search_spaces.edge_cell.skeleton import check_skeleton
from cellwright.search_spaces.errors import InvalidArchitecture
from cellwright.search_spaces.genotype_space import GenotypeSpace
from cellwright.search_spaces.pieces import Piece


class EdgeCellSpace(GenotypeSpace):
    """NAS-Bench-201's space (Dong and Yang 2020, section 2.1): one operation on each edge.

    The decisions are ``op_01``, ``op_02``, ``op_12``, ``op_03``, ``op_13`` and ``op_23``, for the
    edge from node 0 to 1, from 0 to 2 and so on; their values are the benchmark's names of its
    operations, so that a point of this space is a row of its table. See docs/edge_cell.md and
    `child.build_edge_cells`.

    Args:
        nodes: Nodes of a cell, its input and output included, 2 to 4; the benchmark's 4 have 15,625
            cells.
        operations: Those to choose from; all five by default.

    Raises:
        ValueError: If an argument is out of range.
    """

    options = frozenset({"repeats", "filters", "reductions", "dead_edges", "momentum"})
    identified_by = ("nodes",)

    def __init__(self, *, nodes: int = 4, operations: Sequence[str] = OPERATIONS) -> None:
        if isinstance(nodes, bool) or nodes not in range(2, MOST_NODES + 1):
            raise ValueError(f"nodes must be 2 to {MOST_NODES}, got {nodes!r}")
        names = tuple(operations)
        if not names or not set(names) <= set(OPERATIONS):
            raise ValueError(f"operations must be of {', '.join(OPERATIONS)}, got {operations!r}")
        self.nodes, self._operations = nodes, names
        super().__init__(
            Decision(f"op_{name_of((source, target))}", names)
            for target in range(1, nodes)
            for source in range(target)
        )

    def canonical(self, params: Mapping[str, Any]) -> Params:
        """The first of all cells of the space that are the same network without its dead edges.

        Two cells are, if their graphs are alike where a node that only hands on another is that
        one, sums are taken together, and pools that read the same are one. So far as they can be
        written with fewer edges than others, the rest are ``none``. What merely computes the same
        in another way, as a pool of a sum and a sum of pools, is not recognised.
        """
        return self.decode(self.key(params))

    def key(self, params: Mapping[str, Any]) -> tuple[int, ...]:
        """See `SearchSpace.key`."""
        return first_of_each(self.nodes, self._operations)[self.encode(params)]

    def in_short(self, params: Mapping[str, Any]) -> str:
        """The cell as NAS-Bench-201 writes it, such as ``|none~0|+|skip_connect~0|none~1|``."""
        return self.genotype(params).in_short()

    def genotype(self, params: Mapping[str, Any]) -> EdgeCellGenotype:
        """The cell that ``params`` describe."""
        self.validate(params)
        return EdgeCellGenotype(
            tuple(
                tuple(params[f"op_{name_of((source, target))}"] for source in range(target))
                for target in range(1, self.nodes)
            )
        )

    def point_of(self, genotype: Any) -> Params:
        """The parameters of the same cell.

        Raises:
            InvalidArchitecture: If it is no `EdgeCellGenotype`, or not of this space's nodes and
                operations.
        """
        if not isinstance(genotype, EdgeCellGenotype):
            raise InvalidArchitecture(
                f"{self!r} searches cells of edges, and {genotype!r:.60} is none"
            )
        cell = edges_of(genotype.edges)
        params = {f"op_{name_of(edge)}": operation for edge, operation in cell}
        return self.decode(self.encode(params))

    def check_input(self, input_shape: Sequence[int], classes: int | None, **options: Any) -> None:
        """See `SearchSpace.check_input`."""
        check_skeleton(input_shape, classes, **options)

    def shared_weights(self, params: Mapping[str, Any], model: Any) -> dict[str, str]:
        """Every layer's name, which says the cell, the edge and the operation."""
        return {layer.name: layer.name for layer in model.layers if layer.weights}

    def pieces(
        self,
        params: Mapping[str, Any],
        input_shape: Sequence[int],
        classes: int | None,
        **options: Any,
    ) -> Counter[Piece]:
        """See `SearchSpace.pieces`."""
        return count_pieces(self.genotype(params).edges, input_shape, classes, **options)

    def build_piece(self, piece: Piece, **options: Any) -> Any:
        """See `SearchSpace.build_piece`."""
        return build_piece(piece)
