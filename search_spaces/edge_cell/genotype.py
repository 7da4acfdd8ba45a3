"""What a cell with operations on its edges is, apart from the space it was found in."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cellwright.search_spaces.edge_cell.graph import (
    MOST_NODES,
    OPERATIONS,
    Edges,
    edges_of,
    live_edges,
)
from cellwright.search_spaces.errors import InvalidArchitecture

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class EdgeCellGenotype:
    """A cell of NAS-Bench-201's kind (Dong and Yang 2020, section 2.1).

    Args:
        edges: For each node but the input, the operations on the edges that lead to it, from node 0
            on: ``(("nor_conv_3x3",), ("none", "skip_connect"), ...)``. The last node is the output.
        name: What the genotype is called; may be empty.

    Raises:
        InvalidArchitecture: If a node has too few or too many edges, or an operation is unknown.
    """

    edges: Edges
    name: str = ""

    def __post_init__(self) -> None:
        if not isinstance(self.edges, Sequence) or not isinstance(self.name, str):
            raise InvalidArchitecture(
                f"edges must be lists of operations and name text, got {self.edges!r:.200} and "
                f"{self.name!r:.200}"
            )
        if not 1 <= len(self.edges) < MOST_NODES:
            raise InvalidArchitecture(
                f"a cell has 2 to {MOST_NODES} nodes, the input included, got edges to "
                f"{len(self.edges)} others"
            )
        given: Sequence[Any] = self.edges
        for target, operations in enumerate(given, start=1):
            if isinstance(operations, str) or not isinstance(operations, Sequence):
                raise InvalidArchitecture(
                    f"edges: node {target} needs a list, got {operations!r:.200}"
                )
            if len(operations) != target:
                raise InvalidArchitecture(
                    f"node {target} needs an operation from each of the {target} nodes before it, "
                    f"got {len(operations)}"
                )
            for operation in operations:
                if operation not in OPERATIONS:
                    raise InvalidArchitecture(
                        f"node {target} has the operation {operation!r}; known are "
                        f"{', '.join(OPERATIONS)}"
                    )
        object.__setattr__(self, "edges", tuple(map(tuple, self.edges)))

    @classmethod
    def parse(cls, text: str, name: str = "") -> EdgeCellGenotype:
        """A cell as NAS-Bench-201 writes it: ``"|none~0|+|skip_connect~0|nor_conv_3x3~1|"``.

        Raises:
            InvalidArchitecture: If ``text`` is not of this form.
        """
        nodes = text.replace(" ", "").split("+")
        if not all(re.fullmatch(r"\|(\w+~\d\|)+", node) for node in nodes):
            raise InvalidArchitecture(
                f"{text!r:.200} is not a cell such as '|none~0|+|skip_connect~0|nor_conv_3x3~1|'"
            )
        found = [re.findall(r"(\w+)~(\d)", node) for node in nodes]
        for target, edges in enumerate(found, start=1):
            if [int(source) for _, source in edges] != list(range(target)):
                raise InvalidArchitecture(
                    f"node {target} of {text!r:.200} must read the nodes 0 to {target - 1} in order"
                )
        return cls(tuple(tuple(operation for operation, _ in edges) for edges in found), name)

    def in_short(self) -> str:
        """The cell as NAS-Bench-201 writes it; the inverse of `parse`."""
        nodes = (
            "".join(f"{operation}~{source}|" for source, operation in enumerate(operations))
            for operations in self.edges
        )
        return "+".join(f"|{node}" for node in nodes)

    def to_dict(self) -> dict[str, Any]:
        """Plain lists, dictionaries and strings, ready for JSON."""
        return {"edges": [list(operations) for operations in self.edges], "name": self.name}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> EdgeCellGenotype:
        """The inverse of `to_dict`.

        Raises:
            InvalidArchitecture: If a node or an operation is missing or unfit.
        """
        try:
            return cls(data["edges"], data.get("name", ""))
        except (KeyError, TypeError, AttributeError) as error:
            raise InvalidArchitecture(f"not a cell of edges: {error}") from None

    def words(self) -> list[str]:
        """A line for each node, and the edges that change nothing."""
        last, live = len(self.edges), live_edges(self.edges)
        lines = []
        for target, operations in enumerate(self.edges, start=1):
            read = [f"{operation} of node {source}" for source, operation in enumerate(operations)]
            lines.append(f"{'output' if target == last else f'node {target}'}: {' + '.join(read)}")
        dead = [
            f"{source} to {target}"
            for (source, target), operation in edges_of(self.edges)
            if (source, target) not in live and operation != "none"
        ]
        if dead:
            lines.append(f"without effect: {', '.join(dead)}")
        return lines

    def build(
        self,
        input_shape: Sequence[int],
        classes: int | None,
        *,
        seed: int | None = None,
        **options: Any,
    ) -> Any:
        """Make a network of such cells; ``options`` are those of `child.build_edge_cells`.

        Raises:
            UnbuildableChild: If the network cannot be made for this input.
        """
        from cellwright.search_spaces.edge_cell.child import build_edge_cells

        name = self.name or "child"
        return build_edge_cells(self.edges, input_shape, classes, name, seed=seed, **options)

    def figures(self, model: Any = None) -> dict[str, Figure]:
        """The ``"cell"`` as a graph; with a ``model`` that was built from it also the
        ``"skeleton"``, with its shapes."""
        from cellwright.search_spaces.edge_cell.drawing import draw_edge_cell, draw_edge_skeleton

        prefix = f"{self.name}: " if self.name else ""
        figures = {"cell": draw_edge_cell(self.edges, title=f"{prefix}cell")}
        if model is not None:
            figures["skeleton"] = draw_edge_skeleton(model, title=f"{prefix}skeleton")
        return figures
