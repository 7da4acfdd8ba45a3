"""A network of layers as a picture, with its connections in lanes beside the layers.

Zoph and Le 2016, figure 7, draw the same graph with curves, which nobody can follow at 15 layers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Circle, PathPatch, Polygon
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
BOX = (2.5, 0.46)
GAP = 0.3  # between boxes
LANE = 0.24  # between lanes, and from a box to the nearest one
ROUND = 0.07  # radius of an edge's corners
TINT = 0.12  # how much of a box's colour there is in its fill


def draw_network(genotype: ConvNetGenotype, model: Any = None, *, title: str = "network") -> Figure:
    """Draw the layers one above the other, with an edge for each connection.

    The image is at the bottom, the classifier at the top. Edges between neighbours run straight up.
    All others run in lanes on the right: a lane for each layer whose output is read further up, the
    highest layer's nearest, with a dot wherever an edge leaves it. What a layer reads is written on
    its left, too. Every part has a ``gid`` by which it is found, in an SVG file too: ``image``,
    ``layer-3``, ``classifier``, ``edge-1-to-layer-3``, ``edge-image-to-layer-2``,
    ``edge-3-to-classifier``.

    Args:
        genotype: The network; any number of layers.
        model: What was built from it, whose shapes are written in the boxes.
        title: Stands above the graph.

    Returns:
        A figure 1600 pixels wide at 150 dpi (wider only where the lanes need it), as tall as its
        layers need, on white.
    """
    last = len(genotype.layers) + 1
    layers = [layer.reads or (0,) for layer in genotype.layers]
    read = dict(enumerate([*layers, genotype.outputs], start=1))
    lanes = _lanes(read)
    reach = BOX[0] / 2 + LANE * (len(lanes) + 1) + MARGIN
    width = max(WIDTH, 2 * reach)
    heading = wrapped(title, width - 2 * MARGIN, TITLE, "bold")
    top = _bottom(last) + BOX[1] + 0.17
    lines = 1 + heading.count("\n")
    figure, axes = blank_page(width, top + 0.21 * lines + 0.2)
    pen = Pen(axes)
    middle = width / 2
    pen.text((middle, top + 0.105 * lines), heading, TITLE, weight="bold")
    rows = [] if model is None else by_part(layer_table(model))
    shapes = {row.name: shape_text(row.shape) for row in rows}

    _box(pen, (middle, 0), "image", "image", shapes.get("image", ""))
    for number, layer in enumerate(genotype.layers, start=1):
        words, shape = f"{number}:  {label_of(layer)}", shapes.get(f"layer_{number}", "")
        _box(pen, (middle, number), words, f"layer-{number}", shape)
    end = "value" if "value" in shapes else "classes"
    label = f"global average pooling, {'dense' if end == 'value' else 'softmax'}"
    _box(pen, (middle, last), label, "classifier", shapes.get(end, ""))
    for target, sources in read.items():
        _note(pen, middle, target, sources)
        to = "classifier" if target == last else f"layer-{target}"
        for edge in _edges(target, sources, lanes):
            ends = _last_reader(read, edge.source) == target
            _paint(pen, middle, edge, f"edge-{edge.source or 'image'}-to-{to}", ends=ends)
    return figure


def label_of(layer: ConvLayer) -> str:
    """Height by width of the kernel, filters, and the strides if there are any."""
    strides = (layer.stride_height, layer.stride_width)
    words = f"{layer.height}×{layer.width} conv, {layer.filters} filters"
    return words if strides == (1, 1) else f"{words}, stride {strides[0]}×{strides[1]}"


def _last_reader(read: dict[int, tuple[int, ...]], source: int) -> int:
    """The highest layer that reads ``source``."""
    return max(target for target, sources in read.items() if source in sources)


@dataclass(frozen=True)
class _Edge:
    """An edge between two boxes.

    Attributes:
        source: Number of the box below; 0 is the image.
        target: Number of the box above.
        lane: Which lane it runs in, the nearest being 1; 0 for an edge straight up.
        port: How high it arrives at the target's side, from 0 to 1.
    """

    source: int
    target: int
    lane: int
    port: float


def _lanes(read: dict[int, tuple[int, ...]]) -> dict[int, int]:
    """Each source that somebody reads from further up, with its lane.

    The highest source lies nearest, so no edge crosses a lane on its way from a box to its own.
    """
    sources = {n for target, below in read.items() for n in below if n < target - 1}
    return {source: rank for rank, source in enumerate(sorted(sources, reverse=True), start=1)}


def _edges(target: int, sources: tuple[int, ...], lanes: dict[int, int]) -> list[_Edge]:
    """The edges into one box. Those from further below arrive higher, beyond the nearer lanes."""
    around = sorted((n for n in sources if n < target - 1), reverse=True)
    edges = [
        _Edge(source, target, lanes[source], 0.8 * rank / (len(around) + 1))
        for rank, source in enumerate(around, start=1)
    ]
    return edges + [_Edge(n, target, 0, 0.0) for n in sources if n == target - 1]


def _note(pen: Pen, middle: float, target: int, sources: tuple[int, ...]) -> None:
    names = ", ".join(str(n) if n else "image" for n in sorted(sources))
    words = wrapped(f"reads {names}", middle - BOX[0] / 2 - MARGIN - 0.12, SMALL)
    at = (middle - BOX[0] / 2 - 0.12, _bottom(target) + BOX[1] / 2)
    pen.text(at, words, SMALL, ha="right", color=INK)


def _paint(pen: Pen, middle: float, edge: _Edge, gid: str, *, ends: bool) -> None:
    bottom, colour = _bottom(edge.target), _colour(edge.source)
    if edge.lane == 0:
        below = _bottom(edge.source) + BOX[1]
        pen.line((middle, below), (middle, bottom), (0, 0), colour, gid)
        pen.arrow((middle, bottom), colour)
        return
    side = middle + BOX[0] / 2
    lane = side + LANE * edge.lane
    start = (side, _bottom(edge.source) + 0.9 * BOX[1])
    end = (side, bottom + edge.port * BOX[1])
    corners = [
        (lane - ROUND, start[1]), (lane, start[1]), (lane, start[1] + ROUND),
        (lane, end[1] - ROUND), (lane, end[1]), (lane - ROUND, end[1]),
    ]  # fmt: skip
    curve = [Path.LINETO, Path.CURVE3, Path.CURVE3]
    path = Path([start, *corners, end], [Path.MOVETO, *curve, *curve, Path.LINETO])
    line = PathPatch(path, fill=False, edgecolor=colour, linewidth=1.2, zorder=1, gid=gid)
    pen.axes.add_patch(line)
    if not ends:
        dot = Circle((lane, end[1] - ROUND), 0.028, facecolor=colour, linewidth=0, zorder=3)
        pen.axes.add_patch(dot)
    back = side + 0.085
    head: list[Point] = [end, (back, end[1] - 0.035), (back, end[1] + 0.035)]
    pen.axes.add_patch(Polygon(head, facecolor=colour, linewidth=0, zorder=3))


def _box(pen: Pen, place: tuple[float, int], words: str, gid: str, shape: str) -> None:
    middle, number = place
    colour = INK if gid == "classifier" else _colour(number)
    red, green, blue = (1 - TINT * (1 - part) for part in to_rgb(colour))
    bottom = _bottom(number)
    pen.box((middle, bottom), BOX, to_hex((red, green, blue)), colour, gid)
    pen.text((middle, bottom + BOX[1] * (0.66 if shape else 0.5)), words, TEXT)
    pen.text((middle, bottom + BOX[1] * 0.27), shape, SMALL, color=INK)


def _bottom(place: int) -> float:
    return MARGIN + place * (BOX[1] + GAP)


def _colour(number: int) -> str:
    return COLOURS[(number - 1) % len(COLOURS)] if number else INK
