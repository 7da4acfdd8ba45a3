"""A cell as a picture, in the manner of the NASNet paper (Zoph et al. 2018, figure 4).

Drawn upwards, inputs at the bottom.
"""

from __future__ import annotations

import re

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import Patch

from cellwright.search_spaces.nasnet.genotype import Cell
from cellwright.search_spaces.nasnet.layout import Hop, Item, used_states
from cellwright.search_spaces.nasnet.page import (
    CAPTION,
    INPUT,
    JOIN,
    MARGIN,
    NODE,
    PAD,
    Page,
    arrange,
    frame_width,
    label_of,
    operations,
)
from cellwright.search_spaces.pen import (
    FONT,
    INK,
    SMALL,
    TEXT,
    TITLE,
    Pen,
    blank_page,
    text_width,
    wrapped,
)

# Paul Tol's light scheme, made for dark text and for every kind of colour vision.
FAMILIES = {
    "separable": "#77AADD",
    "pooling": "#EEDD88",
    "identity": "#DDDDDD",
    "convolution": "#EE8866",
    "other": "#BBCC33",
}
_PATTERNS = {
    "separable": r"(^|_)sep",
    "pooling": r"(^|_)(avg|max)(_|$)|pool",
    "identity": r"^(identity|skip|none)",
    "convolution": r"conv|dil|\dx\d",
}
# His high-contrast blue and red tell the two inputs apart.
INPUT_COLOURS = ("#004488", "#BB5566")
INPUTS = ("current input", "input from the cell before")
FRAME, PANEL, PALE = "#BBBBBB", "#F6F6F6", 0.35


def draw_cell(cell: Cell, *, title: str, repair: bool = False) -> Figure:
    """Draw a cell as a graph: inputs at the bottom, blocks above them, the output at the top.

    A block is a frame with two operations and the combination that joins them; one whose output
    reaches nothing is pale. Every part has a ``gid`` by which it is found, in an SVG file too:
    ``input-0``, ``operation-3-1`` (block 3, its first operation), ``combination-3``, ``output``,
    ``edge-0-to-operation-3-1``, ``edge-4-to-output``, and where an edge passes a layer,
    ``edge-0-past-layer-1``.

    Args:
        cell: The cell; any number of blocks, each reading the inputs or earlier blocks.
        title: Stands above the graph.
        repair: Whether a 1x1 convolution follows every concatenation (`Genotype.repair`).

    Returns:
        A figure 1600 pixels wide at 150 dpi (wider only where a layer of blocks needs it), as
        tall as its layers need, on white.
    """
    page = arrange(cell)
    heading = wrapped(title, page.width - 2 * MARGIN, TITLE, "bold")
    height = page.levels[-1][1] + 0.5 + 0.21 * heading.count("\n")
    figure, axes = blank_page(page.width, height)
    middle = height - 0.25 - 0.1 * heading.count("\n")
    Pen(axes).text((page.width / 2, middle), heading, TITLE, weight="bold")
    _legend(axes, cell)

    used = used_states(cell)
    for item, x in page.x.items():
        _paint_item(Pen(axes, _strength(item, used)), cell, page, item, x, repair)
    for hop, x in page.ends.items():
        pen = Pen(axes, min(_strength(hop.lower, used), _strength(hop.upper, used)))
        _paint_hop(pen, page, hop, x)
        if hop.upper.kind == "block":
            _paint_operation(Pen(axes, _strength(hop.upper, used)), cell, page, hop, x)
    return figure


def family_of(operation: str) -> str:
    """Which of `FAMILIES` an operation belongs to, by the words of its name."""
    for family, pattern in _PATTERNS.items():
        if re.search(pattern, operation.lower()):
            return family
    return "other"


def _paint_item(pen: Pen, cell: Cell, page: Page, item: Item, x: float, repair: bool) -> None:
    bottom, top = page.levels[item.layer]
    unused = "unused" if pen.strength < 1 else ""
    repaired = ", 1x1" if repair else ""
    if item.kind == "output":
        pen.box((x, bottom), page.output, "white", INK, "output")
        several = repaired if len(cell.concatenation) > 1 else ""
        pen.text((x, bottom + 0.32), f"concatenation{several}", TEXT)
        pen.text((x, bottom + 0.14), "output of the cell", SMALL, color=INK)
    elif item.kind == "block":
        number, width = item.number + 1, frame_width(page.box[0])
        pen.box((x, bottom), (width, top - bottom), PANEL, FRAME, f"block-{number}")
        side = width / 2 - 0.06
        pen.text((x - side, top - 0.1), f"block {number}", SMALL, ha="left", color=INK)
        pen.text((x + side, top - 0.1), unused, SMALL, ha="right", color=INK)
        foot = top - CAPTION - NODE[1]
        combination = cell.blocks[item.number].combination
        words = combination + (repaired if combination == "concat" else "")
        node = (max(NODE[0], text_width(words, TEXT) + 0.14), NODE[1])
        pen.box((x, foot), node, "white", INK, f"combination-{number}")
        pen.text((x, foot + NODE[1] / 2), words, TEXT)
    elif item.layer == 0:
        colour = INPUT_COLOURS[item.number]
        pen.box((x, bottom), INPUT, "white", colour, f"input-{item.number}")
        pen.text((x, bottom + 0.32), INPUTS[item.number], TEXT)
        name = f"hidden state {item.number}" + (unused and f", {unused}")
        pen.text((x, bottom + 0.14), name, SMALL, color=colour)


def _paint_operation(pen: Pen, cell: Cell, page: Page, hop: Hop, x: float) -> None:
    """The operation that a hop leads into, and the line from it up to the combination."""
    operation = operations(cell)[2 * hop.upper.number + hop.part]
    name = f"operation-{hop.upper.number + 1}-{hop.part + 1}"
    bottom = page.levels[hop.upper.layer][0] + PAD
    pen.box((x, bottom), page.box, FAMILIES[family_of(operation)], INK, name)
    words = wrapped(label_of(operation), page.box[0] - 0.1, TEXT)
    pen.text((x, bottom + page.box[1] / 2), words, TEXT)
    top = bottom + page.box[1]
    middle = page.x[hop.upper]
    end = (middle + (0.13 if x > middle else -0.13), top + JOIN)
    pen.line((x, top), end, (0, 0), INK, f"edge-{name}-to-combination")
    pen.arrow(end, INK)


def _paint_hop(pen: Pen, page: Page, hop: Hop, x: float) -> None:
    """An edge from one layer to the next; a line that passes goes on to the top of its layer."""
    colour = INPUT_COLOURS[hop.state] if hop.state < 2 else INK
    below = CAPTION if hop.lower.kind == "block" else 0.0
    start = (page.x[hop.lower], page.levels[hop.lower.layer][1] - below)
    bottom, top = page.levels[hop.upper.layer]
    above, to = {
        "state": (top - bottom, f"past-layer-{hop.upper.layer}"),
        "block": (PAD, f"to-operation-{hop.upper.number + 1}-{hop.part + 1}"),
        "output": (0.0, "to-output"),
    }[hop.upper.kind]
    end = (x, bottom + above)
    pen.line(start, end, (below, above), colour, f"edge-{hop.state}-{to}")
    if hop.upper.kind != "state":
        pen.arrow(end, colour)


def _strength(item: Item, used: set[int]) -> float:
    state = item.number + 2 if item.kind == "block" else item.number
    return 1.0 if item.kind == "output" or state in used else PALE


def _legend(axes: Axes, cell: Cell) -> None:
    """The families of the operations that the cell has, in one row at the bottom."""
    present = {family_of(name) for name in operations(cell)}
    handles = [
        Patch(facecolor=colour, edgecolor=INK, label=family)
        for family, colour in FAMILIES.items()
        if family in present
    ]
    axes.legend(
        handles=handles,
        loc="lower center",
        ncols=len(handles),
        frameon=False,
        handlelength=1.4,
        prop=FontProperties(family=FONT, size=TEXT),
    )
