"""A cell with operations on its edges as a picture, and what it is stacked into.

Drawn upwards, the input at the bottom, as in figure 1 of Dong and Yang 2020 from left to right.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import groupby
from typing import Any

from matplotlib.figure import Figure

from cellwright.search_spaces.edge_cell.graph import (
    KERNELS,
    NONE,
    POOL,
    SKIP,
    Edge,
    Edges,
    edges_of,
    live_edges,
    name_of,
)
from cellwright.search_spaces.layer_table import by_part, layer_table
from cellwright.search_spaces.pen import INK, SMALL, TEXT, TITLE, Pen, blank_page, wrapped
from cellwright.search_spaces.stack import Part, draw_stack, output_part, shape_text

# Paul Tol's light scheme, as in the drawings of the other spaces.
COLOURS = {**dict.fromkeys(KERNELS, "#EE8866"), POOL: "#EEDD88", SKIP: "#DDDDDD", NONE: "white"}
CELL, BLOCK = "#77AADD", "#EE8866"
PALE = 0.35  # strength of an edge without effect
MARGIN = 0.35
BOX = (1.15, 0.34)  # of an operation
NODE = 0.38  # height of a node
LEVEL = 1.5  # from one node to the next
COLUMN = BOX[0] + 0.3


def draw_edge_cell(cell: Edges, *, title: str) -> Figure:
    """Draw a cell as a graph: its nodes as bars, and in a box on each edge the edge's operation.

    Edges between neighbours stand in one column, longer ones in columns beside it. Edges that are
    on no path from the input to the output without a ``none`` are pale. Every part has a ``gid`` by
    which it is found, in an SVG file too: ``node-0``, ``operation-02``, ``edge-0-to-operation-02``,
    ``edge-operation-02-to-2``.

    Args:
        cell: The operations; see `graph`.
        title: Stands above the graph.

    Returns:
        A figure at 150 dpi, as wide as its columns and as tall as its nodes need, on white.
    """
    columns = _columns(cell)
    width = 2 * MARGIN + COLUMN * (max(columns.values()) + 1)
    last = len(cell)
    top = MARGIN + last * LEVEL + NODE
    heading = wrapped(title, width - 2 * MARGIN, TITLE, "bold")
    lines = 1 + heading.count("\n")
    figure, axes = blank_page(width, top + 0.21 * lines + 0.25)
    pen = Pen(axes)
    pen.text((width / 2, top + 0.12 + 0.105 * lines), heading, TITLE, weight="bold")
    live = live_edges(cell)
    for edge, operation in edges_of(cell):
        x = MARGIN + COLUMN * (columns[edge] + 0.5)
        _paint_edge(Pen(axes, 1.0 if edge in live else PALE), edge, operation, x)
    for node in range(last + 1):
        bottom = MARGIN + node * LEVEL
        words = {0: ": input", last: ": output"}.get(node, "")
        middle, size = _bar(node, columns)
        pen.box((middle, bottom), (size, NODE), "white", INK, f"node-{node}")
        pen.text((middle, bottom + NODE / 2), f"node {node}{words}", TEXT)
    return figure


def _columns(cell: Edges) -> dict[Edge, int]:
    """The column of every edge: no bar of a node lies in the way of one that passes it by."""
    by_span = {1: (1, 1), 2: (0, 2), 3: (3, 3)}  # of edges from an even node, and from an odd one
    found = {edge: by_span[edge[1] - edge[0]][edge[0] % 2] for edge, _ in edges_of(cell)}
    first = min(found.values())
    return {edge: column - first for edge, column in found.items()}


def _bar(node: int, columns: Mapping[Edge, int]) -> tuple[float, float]:
    """The middle and the width of a node, over the columns of all its edges."""
    own = [column for edge, column in columns.items() if node in edge]
    first, last = min(own), max(own)
    return MARGIN + COLUMN * (first + last + 1) / 2, COLUMN * (last - first + 1) - 0.12


def _paint_edge(pen: Pen, edge: Edge, operation: str, x: float) -> None:
    source, target = edge
    start, end = MARGIN + source * LEVEL + NODE, MARGIN + target * LEVEL
    foot = (start + end - BOX[1]) / 2
    name = f"operation-{name_of(edge)}"
    pen.line((x, start), (x, foot), (0, 0), INK, f"edge-{source}-to-{name}")
    pen.box((x, foot), BOX, COLOURS[operation], INK, name)
    pen.text((x, foot + BOX[1] / 2), label_of(operation), TEXT)
    pen.line((x, foot + BOX[1]), (x, end), (0, 0), INK, f"edge-{name}-to-{target}")
    pen.arrow((x, end), INK)
    if pen.strength < 1 and operation != NONE:
        pen.text((x + 0.08, foot - 0.12), "no effect", SMALL, ha="left", color=INK)


def label_of(operation: str) -> str:
    """An operation's name for people."""
    return {SKIP: "skip", POOL: "average 3x3"}.get(
        operation, operation.replace("nor_", "")
    ).replace("_", " ")


def draw_edge_skeleton(model: Any, *, title: str) -> Figure:
    """Draw how the cells of a network are stacked, with the shape that each group hands on.

    Args:
        model: What `child.build_edge_cells` made.
        title: Stands above the stack.

    Returns:
        See `stack.draw_stack`.
    """
    rows = {row.name: row for row in by_part(layer_table(model))}
    parts = [
        Part("image", output=shape_text(rows["image"].shape)),
        Part("convolution 3x3", "#DDDDDD", output=shape_text(rows["stem"].shape)),
    ]
    found = [
        (match, row)
        for name, row in rows.items()
        if (match := re.fullmatch(r"(cell|reduction)_(\d+)", name))
    ]
    for kind, group in groupby(found, key=lambda part: part[0][1]):
        members = list(group)
        output = shape_text(members[-1][1].shape)
        if kind == "cell":
            parts.append(Part("cell", CELL, len(members), _numbered(members), output))
        else:
            parts.append(Part("residual block, stride 2", BLOCK, output=output))
    parts.append(Part("global average pooling", "#EEDD88", output=shape_text(rows["pool"].shape)))
    parts.append(output_part(rows))
    return draw_stack(parts, title=title)


def _numbered(members: list[Any]) -> str:
    first, last = (int(match[2]) for match, _ in (members[0], members[-1]))
    return f"cell {first}" if first == last else f"cells {first} to {last}"
