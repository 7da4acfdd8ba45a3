"""A network as a stack of its parts, drawn upwards: the image below, the classifier on top."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure

from cellwright.search_spaces.layer_table import Row
from cellwright.search_spaces.pen import INK, SMALL, TEXT, TITLE, Pen, blank_page, wrapped

WIDTH = 6.4
BOX = (2.5, 0.38)
GAP = 0.36  # between boxes, where the shape of what goes up is written
MARGIN = 0.3


@dataclass(frozen=True)
class Part:
    """A box of the stack.

    Attributes:
        label: What it is.
        colour: Colour of the box.
        times: How many of it follow one another.
        aside: Written to its left, such as which cells or block it is.
        output: What it hands on, written above it; see `shape_text`.
    """

    label: str
    colour: str = "white"
    times: int = 1
    aside: str = ""
    output: str = ""


def output_part(rows: Mapping[str, Row]) -> Part:
    """The output layer, by the parts of the built network (`layer_table.by_part`) if there is one.

    See `classifier.main_output`.
    """
    if "value" in rows:
        return Part("dense", aside="one number")
    classes = rows.get("classes")
    return Part("softmax", aside=f"{classes.shape[0]} classes" if classes else "")


def shape_text(shape: Sequence[int | None]) -> str:
    """``(28, 28, 264)`` as it is written beside an arrow: 28 × 28 × 264."""
    return " × ".join(map(str, shape))


def draw_stack(parts: Sequence[Part], *, title: str) -> Figure:
    """Draw the parts of a network, the first at the bottom.

    Every part has a ``gid`` by which it is found, in an SVG file too: ``part-1``, ``part-2``, ...
    from the bottom, and the arrows between them ``edge-1``, ``edge-2``, ...

    Args:
        parts: From the image to the classifier.
        title: Stands above the stack.

    Returns:
        A figure 960 pixels wide at 150 dpi, as tall as its parts need, on white.
    """
    heading = wrapped(title, WIDTH - 2 * MARGIN, TITLE, "bold")
    lines = 1 + heading.count("\n")
    top = MARGIN + len(parts) * (BOX[1] + GAP) - GAP / 2
    figure, axes = blank_page(WIDTH, top + 0.21 * lines + 0.2)
    pen = Pen(axes)
    pen.text((WIDTH / 2, top + 0.105 * lines), heading, TITLE, weight="bold")
    for number, part in enumerate(parts, start=1):
        bottom = MARGIN + (number - 1) * (BOX[1] + GAP)
        _paint(pen, part, bottom, f"part-{number}")
        if number < len(parts):
            middle, start, end = WIDTH / 2, bottom + BOX[1], bottom + BOX[1] + GAP
            pen.line((middle, start), (middle, end), (0, 0), INK, f"edge-{number}")
            pen.arrow((middle, end), INK)
    return figure


def _paint(pen: Pen, part: Part, bottom: float, gid: str) -> None:
    middle, left, right = WIDTH / 2, (WIDTH - BOX[0]) / 2, (WIDTH + BOX[0]) / 2
    pen.box((middle, bottom), BOX, part.colour, INK, gid)
    height = bottom + BOX[1] / 2
    pen.text((middle, height), part.label, TEXT)
    pen.text((left - 0.12, height), part.aside, SMALL, ha="right", color=INK)
    if part.times > 1:
        pen.text((right + 0.12, height), f"× {part.times}", TEXT + 2, ha="left", weight="bold")
    pen.text((middle + 0.12, bottom + BOX[1] + GAP / 2), part.output, SMALL, ha="left", color=INK)
