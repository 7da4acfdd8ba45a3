"""A picture to choose from: the networks of a front's trials, with two metrics of each."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from cellwright.plugins.metrics import Metric
from cellwright.search_spaces import SearchSpace
from cellwright.search_spaces.pen import DPI, TITLE, Pen, blank_page, text_width
from cellwright.searches.trial import Trial

MOST = 12  # trials on one page
_WIDTH = 2400 / DPI  # inches, like all lengths below
_SCALE = 0.72  # of a drawing, so that two cells stand side by side
_GAP, _HEAD = 0.3, 0.5

Pixels = np.ndarray[Any, Any]


def draw_children(
    space: SearchSpace, chosen: Sequence[Trial], *, quality: Metric, cost: Metric
) -> Figure | None:
    """Draw the networks of a front's trials on one page, in their order.

    Args:
        space: Draws the networks (`SearchSpace.figures`).
        chosen: The front. If it has more than `MOST` trials, so many are drawn, evenly spread and
            including both ends.
        quality: The first metric that is written above each network.
        cost: The second one.

    Returns:
        A figure 2400 pixels wide at 150 dpi (wider if one trial's drawings are), as tall as they
        need; None if there is nothing to draw.
    """
    if len(chosen) > MOST:
        chosen = [chosen[int(place)] for place in np.linspace(0, len(chosen) - 1, MOST).round()]
    heads = [
        f"trial {t.number}: {', '.join(m.write(t.metrics[m.name]) for m in (quality, cost))}"
        for t in chosen
    ]
    tiles = [[_pixels(each) for each in space.figures(t.params).values()] for t in chosen]
    if not any(tiles):
        return None
    sizes = [[_inches(image) for image in tile] for tile in tiles]
    # The drawings of all trials stand in the same columns.
    columns = [max(wide for wide, _ in each) for each in zip_longest(*sizes, fillvalue=(0.0, 0.0))]
    across = sum(columns) + _GAP * (len(columns) - 1)
    across = max(across, *(text_width(head, TITLE, "bold") for head in heads))
    width = max(_WIDTH, across + 2 * _GAP)
    each_line = int((width - _GAP + 1e-9) // (across + _GAP))
    talls = [_HEAD + max((tall for _, tall in each), default=0.0) for each in sizes]
    lines = [max(talls[k : k + each_line]) + _GAP for k in range(0, len(talls), each_line)]
    figure, axes = blank_page(width, sum(lines) + _GAP)
    for number, (head, tile) in enumerate(zip(heads, tiles, strict=True)):
        line, place = divmod(number, each_line)
        x, top = _GAP + place * (across + _GAP), sum(lines[line:])
        Pen(axes).text((x, top - _HEAD / 3), head, TITLE, ha="left", weight="bold")
        for image, (wide, tall), column in zip(tile, sizes[number], columns, strict=False):
            left, foot = x + (column - wide) / 2, top - _HEAD - tall
            axes.imshow(image, extent=(left, left + wide, foot, foot + tall), aspect="auto")
            x += column + _GAP
    axes.set(xlim=(0, width), ylim=(0, sum(lines) + _GAP))
    return figure


def _pixels(figure: Figure) -> Pixels:
    """A drawing without the white around it."""
    canvas: Any = FigureCanvasAgg(figure)
    canvas.draw()
    image: Pixels = np.array(canvas.buffer_rgba())
    drawn: Pixels = np.any(image[..., :3] < 255, axis=2)
    if not drawn.any():
        return image
    down, right = np.flatnonzero(drawn.any(axis=1)), np.flatnonzero(drawn.any(axis=0))
    return image[down[0] : down[-1] + 1, right[0] : right[-1] + 1]


def _inches(image: Pixels) -> tuple[float, float]:
    """Width and height on the page."""
    tall, wide = image.shape[:2]
    return wide / DPI * _SCALE, tall / DPI * _SCALE
