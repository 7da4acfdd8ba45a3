"""A network of layers as a picture, in the manner of Zoph and Le 2016, figure 7."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch, Polygon
from matplotlib.path import Path

from cellwright.search_spaces.convnet.genotype import ConvLayer, ConvNetGenotype
from cellwright.search_spaces.layer_table import by_part, layer_table
from cellwright.search_spaces.pen import (
    DPI,
    INK,
    SMALL,
    TEXT,
    TITLE,
    Pen,
    Point,
    blank_page,
    wrapped,
)
from cellwright.search_spaces.stack import shape_text

# Paul Tol's bright scheme, made for every kind of colour vision: one for each layer in turn, for
# its box and for the edges that leave it.
COLOURS = ("#4477AA", "#EE6677", "#228833", "#AA3377", "#997700", "#0099BB", "#DD5500")
WIDTH = 1600 / DPI
MARGIN = 0.3
BOX = (2.5, 0.44)
GAP = 0.3  # between boxes
TINT = 0.12  # how much of a box's colour there is in its fill


def draw_network(genotype: ConvNetGenotype, model: Any = None, *, title: str = "network") -> Figure:
    """Draw the layers one above the other, with an edge for each connection.

    The image is at the bottom, the classifier at the top. Edges between neighbours run straight up,
    the others around: on the right from layers of odd number, on the left from the rest and the
    image. Every part has a ``gid`` by which it is found, in an SVG file too: ``image``,
    ``layer-3``, ``classifier``, ``edge-1-to-layer-3``, ``edge-image-to-layer-2``,
    ``edge-3-to-classifier``.

    Args:
        genotype: The network; any number of layers.
        model: What was built from it, whose shapes are written in the boxes.
        title: Stands above the graph.

    Returns:
        A figure 1600 pixels wide at 150 dpi, as tall as its layers need, on white.
    """
    heading = wrapped(title, WIDTH - 2 * MARGIN, TITLE, "bold")
    last = len(genotype.layers) + 1
    top = _bottom(last) + BOX[1] + 0.17
    lines = 1 + heading.count("\n")
    figure, axes = blank_page(WIDTH, top + 0.21 * lines + 0.2)
    pen = Pen(axes)
    pen.text((WIDTH / 2, top + 0.105 * lines), heading, TITLE, weight="bold")
    rows = [] if model is None else by_part(layer_table(model))
    shapes = {row.name: shape_text(row.shape) for row in rows}

    _box(pen, 0, "image", "image", shapes.get("image", ""))
    for number, layer in enumerate(genotype.layers, start=1):
        words, shape = f"{number}:  {label_of(layer)}", shapes.get(f"layer_{number}", "")
        _box(pen, number, words, f"layer-{number}", shape)
    end = "value" if "value" in shapes else "classes"
    label = f"global average pooling, {'dense' if end == 'value' else 'softmax'}"
    _box(pen, last, label, "classifier", shapes.get(end, ""))
    read = [*(layer.reads or (0,) for layer in genotype.layers), genotype.outputs]
    for target, sources in enumerate(read, start=1):
        for edge in _edges(target, sources):
            to = "classifier" if target == last else f"layer-{target}"
            _paint(pen, edge, f"edge-{edge.source or 'image'}-to-{to}")
    return figure


def label_of(layer: ConvLayer) -> str:
    """Height by width of the kernel, filters, and the strides if there are any."""
    strides = (layer.stride_height, layer.stride_width)
    words = f"{layer.height}×{layer.width} conv, {layer.filters}"
    return words if strides == (1, 1) else f"{words}, stride {strides[0]}×{strides[1]}"


@dataclass(frozen=True)
class _Edge:
    """An edge between two boxes; ``side`` is -1, 0 or 1, and ``port`` a height from 0 to 1 on the
    target's side."""

    source: int
    target: int
    side: int
    port: float


def _edges(target: int, sources: tuple[int, ...]) -> list[_Edge]:
    """The edges into one box. Those that come from further below arrive higher, around the rest."""
    edges = []
    for side in (-1, 1):
        around = [n for n in sources if n < target - 1 and (1 if n % 2 else -1) == side]
        for rank, source in enumerate(sorted(around, reverse=True), start=1):
            edges.append(_Edge(source, target, side, 0.75 * rank / (len(around) + 1)))
    if target - 1 in sources:
        edges.append(_Edge(target - 1, target, 0, 0.0))
    return edges


def _paint(pen: Pen, edge: _Edge, gid: str) -> None:
    bottom, top = _bottom(edge.target), _bottom(edge.source) + BOX[1]
    colour = _colour(edge.source)
    if edge.side == 0:
        pen.line((WIDTH / 2, top), (WIDTH / 2, bottom), (0, 0), colour, gid)
        pen.arrow((WIDTH / 2, bottom), colour)
        return
    x = WIDTH / 2 + edge.side * BOX[0] / 2
    out = x + edge.side * (0.35 + 0.21 * (edge.target - edge.source))
    start, end = (x, top - 0.12 * BOX[1]), (x, bottom + edge.port * BOX[1])
    path = Path([start, (out, start[1]), (out, end[1]), end], [Path.MOVETO, *[Path.CURVE4] * 3])
    line = PathPatch(path, fill=False, edgecolor=colour, linewidth=1.2, zorder=1, gid=gid)
    pen.axes.add_patch(line)
    back = x + edge.side * 0.085
    head: list[Point] = [end, (back, end[1] - 0.035), (back, end[1] + 0.035)]
    pen.axes.add_patch(Polygon(head, facecolor=colour, linewidth=0, zorder=3))


def _box(pen: Pen, place: int, words: str, gid: str, shape: str) -> None:
    colour = INK if gid == "classifier" else _colour(place)
    red, green, blue = (1 - TINT * (1 - part) for part in to_rgb(colour))
    bottom = _bottom(place)
    pen.box((WIDTH / 2, bottom), BOX, to_hex((red, green, blue)), colour, gid)
    pen.text((WIDTH / 2, bottom + BOX[1] * (0.66 if shape else 0.5)), words, TEXT)
    pen.text((WIDTH / 2, bottom + BOX[1] * 0.27), shape, SMALL, color=INK)


def _bottom(place: int) -> float:
    return MARGIN + place * (BOX[1] + GAP)


def _colour(number: int) -> str:
    return COLOURS[(number - 1) % len(COLOURS)] if number else INK
