"""How large the parts of a drawn cell are, and where on the page they stand; all in inches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cellwright.search_spaces.nasnet.genotype import Cell
from cellwright.search_spaces.nasnet.layout import Hop, Item, lay_out, places
from cellwright.search_spaces.pen import DPI, TEXT, text_width, wrapped

WIDTH = 1600 / DPI
MARGIN = 0.3
LEGEND = 0.6  # below the inputs
GAP = 0.16  # between neighbours
LINE = 0.1  # the room of a line that passes a layer
BOX = (0.58, 1.15)  # the narrowest and the widest operation
PAD = 0.1  # between a block's frame and what it holds
NODE = (0.6, 0.27)  # the combination in a block
JOIN = 0.36  # from the operations up to their combination
CAPTION = 0.2  # above the combination, inside the frame
INPUT = (2.1, 0.48)
OUTPUT = 2.6  # at least


@dataclass(frozen=True)
class Page:
    """A cell, arranged.

    Attributes:
        width: Width of the page.
        box: Width and height of an operation.
        output: Width and height of the output.
        hops: The pieces of all edges.
        levels: The bottom and the top of each layer.
        x: Where across the page the middle of each item is.
        ends: Where across the page each hop arrives; an operation stands above its own.
    """

    width: float
    box: tuple[float, float]
    output: tuple[float, float]
    hops: list[Hop]
    levels: list[tuple[float, float]]
    x: dict[Item, float]
    ends: dict[Hop, float]


def arrange(cell: Cell) -> Page:
    """Find the size and the place of every part of a cell.

    Operations are as wide as the page allows, within limits; the page is wider than `WIDTH` only
    where its fullest layer does not fit.
    """
    layers, hops = lay_out(cell)
    labels = [label_of(name) for name in operations(cell)]
    output = (max(OUTPUT, 0.3 * len(cell.concatenation)), INPUT[1])
    # Short labels stay on one line, longer ones may be broken between words.
    parts = [part for label in labels for part in ([label] if len(label) < 9 else label.split())]
    least = max(BOX[0], *(text_width(part, TEXT) + 0.14 for part in parts))
    needed = [2 * MARGIN - GAP + sum(_room(i, least, output[0]) for i in layer) for layer in layers]
    page = max(WIDTH, *needed)
    blocks = [sum(item.kind == "block" for item in layer) for layer in layers]
    spare = min((page - need) / (2 * n) for need, n in zip(needed, blocks, strict=True) if n)
    width = min(max(BOX[1], least), least + spare)
    lines = 1 + max(wrapped(label, width - 0.1, TEXT).count("\n") for label in labels)
    box = (width, 0.2 + 0.15 * lines)

    inner = page - 2 * MARGIN + GAP
    found = places(layers, hops, lambda item: _room(item, width, output[0]), inner)
    x = {item: place + MARGIN - GAP / 2 for item, place in found.items()}
    return Page(
        page, box, output, hops, _levels(layers, hops, x, box), x, _ends(hops, x, box, output)
    )


def operations(cell: Cell) -> list[str]:
    """The names of all operations, block by block."""
    return [name for block in cell.blocks for name in (block.operation_1, block.operation_2)]


def label_of(operation: str) -> str:
    """An operation's name for people: ``sep_3x3`` is ``sep 3x3``."""
    return operation.replace("_", " ").strip() or operation


def frame_width(box_width: float) -> float:
    """The width of a block that holds two operations of ``box_width``."""
    return 2 * box_width + GAP + 2 * PAD


def _room(item: Item, box_width: float, output_width: float) -> float:
    """The width that an item takes up in its layer, the distance to the next included."""
    line = LINE if item.layer else INPUT[0]
    widths = {"block": frame_width(box_width), "output": output_width, "state": line}
    return widths[item.kind] + GAP


def _levels(
    layers: Sequence[Sequence[Item]],
    hops: Sequence[Hop],
    x: dict[Item, float],
    box: tuple[float, float],
) -> list[tuple[float, float]]:
    """Layers from the bottom up; the further edges go aside, the more room they get below."""
    levels = [(LEGEND, LEGEND + INPUT[1])]
    block = PAD + box[1] + JOIN + NODE[1] + CAPTION
    for number, layer in enumerate(layers[1:], start=1):
        aside = [abs(x[hop.lower] - x[hop.upper]) for hop in hops if hop.upper.layer == number]
        bottom = levels[-1][1] + min(1.3, 0.4 + 0.2 * max(aside, default=0.0))
        levels.append((bottom, bottom + (INPUT[1] if layer[0].kind == "output" else block)))
    return levels


def _ends(
    hops: Sequence[Hop],
    x: dict[Item, float],
    box: tuple[float, float],
    output: tuple[float, float],
) -> dict[Hop, float]:
    """Where each hop arrives: those that share an item keep the order in which they come."""
    ends = {}
    for hop in hops:
        arriving = sorted(
            (other for other in hops if other.upper == hop.upper),
            key=lambda other: (x[other.lower], other.state, other.part),
        )
        step = box[0] + GAP
        if hop.upper.kind == "output":
            step = (output[0] - 0.3) / max(len(arriving) - 1, 3)
        ends[hop] = x[hop.upper] + step * (arriving.index(hop) - (len(arriving) - 1) / 2)
    return ends
