"""A cell as a graph whose edges carry operations: which edges matter, and how they are joined.

A cell is written down node by node, its input left out: ``(("a",), ("b", "c"))`` has the edge from
node 0 to 1 with the operation a, from 0 to 2 with b and from 1 to 2 with c. Node 0 is the cell's
input, the last one its output, and every node is the sum of what its edges bring.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

Edges = tuple[tuple[str, ...], ...]
Edge = tuple[int, int]  # from a node to a later one

MOST_NODES = 4  # forms and drawings are made for as many; 5 would make ten million cells

NONE, SKIP, POOL = "none", "skip_connect", "avg_pool_3x3"
KERNELS = {"nor_conv_1x1": 1, "nor_conv_3x3": 3}
"""The operations with weights, and the sides of their kernels in pixels."""
OPERATIONS = (NONE, SKIP, *KERNELS, POOL)
"""All operations by the names of NAS-Bench-201 (Dong and Yang 2020, section 2.1)."""

Map = TypeVar("Map")


def edges_of(cell: Edges) -> Iterator[tuple[Edge, str]]:
    """Every edge with its operation, by the node that it leads to and then by its source."""
    for target, operations in enumerate(cell, start=1):
        for source, operation in enumerate(operations):
            yield (source, target), operation


def name_of(edge: Edge) -> str:
    """``(0, 2)`` as ``"02"``."""
    return f"{edge[0]}{edge[1]}"


def live_edges(cell: Edges) -> frozenset[Edge]:
    """The edges on a path from input to output that has no ``none``: the others change nothing."""
    open_edges = [edge for edge, operation in edges_of(cell) if operation != NONE]
    reached, needed = {0}, {len(cell)}
    for source, target in open_edges:  # in the order of their targets
        if source in reached:
            reached.add(target)
    for source, target in reversed(open_edges):
        if target in needed:
            needed.add(source)
    return frozenset(edge for edge in open_edges if edge[0] in reached and edge[1] in needed)


def wire(
    cell: Edges,
    image: Map,
    apply: Callable[[str, Map, Edge], Map],
    join: Callable[[list[Map], int], Map],
    *,
    dead_edges: bool = False,
) -> Map | None:
    """Follow a cell's edges from its input to its output; None where no path leads there.

    Args:
        cell: The operations.
        image: The cell's input.
        apply: Gives what an operation makes of what its source holds.
        join: Gives the sum of what several edges bring to a node.
        dead_edges: Whether to apply the operations of all edges, or of the live ones alone.
    """
    live = {edge for edge, _ in edges_of(cell)} if dead_edges else live_edges(cell)
    nodes: dict[int, Map] = {0: image}
    for target, operations in enumerate(cell, start=1):
        parts = [
            apply(operation, nodes[source], (source, target))
            for source, operation in enumerate(operations)
            if (source, target) in live
        ]
        if parts:
            nodes[target] = parts[0] if len(parts) == 1 else join(parts, target)
    return nodes.get(len(cell))
