"""When two cells are the same network: a form that does not depend on how a graph is written down.

The value of a node is a sum of terms: the cell's input, what a pool makes of a value, or what a
convolution does. A skip is no term: it hands on its source's. Pools of one value are one term, for
they have no weights; two convolutions are two terms even where they read the same value, and one
that is read twice is not two that are alike, so terms of convolutions carry a number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import permutations, product
from typing import Any

from cellwright.search_spaces.edge_cell.graph import KERNELS, SKIP, Edge, Edges, wire

Value = tuple[Any, ...]  # terms in order: ("input",), or (operation, number, value)


def normal_form(cell: Edges) -> Value:
    """What a cell computes, as terms; equal for two cells that differ only in how they are written.

    Convolutions are numbered among those that would be alike without numbers, in the order of all
    that comes out smallest. Dead edges do not occur: a cell without a path is an empty sum.
    """
    alike: dict[Value, list[Edge]] = {}
    plain = _value(cell, {}, alike)
    groups = [edges for edges in alike.values() if len(edges) > 1]
    if not groups:
        return plain
    orders = product(*(permutations(edges) for edges in groups))
    return min(_value(cell, _numbers(order)) for order in orders)


def _numbers(order: Sequence[Sequence[Edge]]) -> dict[Edge, int]:
    return {edge: number for edges in order for number, edge in enumerate(edges)}


def _value(
    cell: Edges,
    numbers: Mapping[Edge, int],
    alike: dict[Value, list[Edge]] | None = None,
) -> Value:
    """The output's terms, where convolutions have these numbers, or 0.

    ``alike`` gathers the edges of the convolutions by what they are and read.
    """

    def apply(operation: str, read: Value, edge: Edge) -> Value:
        if operation == SKIP:
            return read
        if alike is not None and operation in KERNELS:
            alike.setdefault((operation, read), []).append(edge)
        return ((operation, numbers.get(edge, 0), read),)

    def join(parts: list[Value], node: int) -> Value:
        return tuple(sorted(term for part in parts for term in part))

    return wire(cell, (("input",),), apply, join) or ()


@lru_cache(16)
def first_of_each(
    nodes: int, operations: tuple[str, ...]
) -> dict[tuple[int, ...], tuple[int, ...]]:
    """For every cell, as positions in ``operations`` by `edges_of`: the first that is the same."""
    sizes = range(1, nodes)
    first: dict[Value, tuple[int, ...]] = {}
    found = {}
    for indices in product(range(len(operations)), repeat=sum(sizes)):
        chosen = iter([operations[index] for index in indices])
        cell = tuple(tuple(next(chosen) for _ in range(size)) for size in sizes)
        found[indices] = first.setdefault(normal_form(cell), indices)
    return found
