"""Words, boxes and lines on a page in inches: what the drawings of all spaces share.

Only matplotlib's objects are used, never pyplot: there is no global figure, and no display is
needed.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import FancyBboxPatch, PathPatch, Polygon
from matplotlib.path import Path
from matplotlib.textpath import TextPath

DPI = 150
FONT = "DejaVu Sans"  # comes with matplotlib, so pictures agree on every machine
TEXT, SMALL, TITLE = 9.0, 7.5, 13.0  # points
INK = "#444444"

Point = tuple[float, float]


def blank_page(width: float, height: float) -> tuple[Figure, Axes]:
    """A white figure of this size, and axes without frame whose unit is one inch."""
    figure = Figure(figsize=(width, height), dpi=DPI, facecolor="white")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(0, height))
    axes.set_axis_off()
    return figure, axes


@lru_cache(4096)  # labels recur, and an outline is slow to make
def text_width(words: str, size: float, weight: str = "normal") -> float:
    """The width in inches of one line of text of ``size`` points."""
    if not words.strip():
        return 0.0
    plain = words.replace("$", r"\$")  # two dollars would make a formula
    outline = TextPath((0, 0), plain, size=size, prop=FontProperties(family=FONT, weight=weight))
    return float(outline.get_extents().width) / 72


def wrapped(words: str, width: float, size: float, weight: str = "normal") -> str:
    """The words in lines no wider than ``width`` inches, unless a single word is."""
    lines: list[str] = []
    for word in words.split():
        if lines and text_width(f"{lines[-1]} {word}", size, weight) <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return "\n".join(lines)


@dataclass(frozen=True)
class Pen:
    """Puts words, boxes and lines on the axes, all in one strength (opacity)."""

    axes: Axes
    strength: float = 1.0

    def text(self, at: Point, words: str, size: float, **options: str) -> None:
        """Words around a height; their baselines agree, so that ``max`` and ``sep`` line up."""
        if not words:
            return
        y = at[1] - (0.36 + 0.54 * words.count("\n")) * size / 72
        given = {"ha": "center", "va": "baseline", "color": "black", "family": FONT} | options
        plain: dict[str, Any] = {"parse_math": False, "linespacing": 1.1} | given
        self.axes.text(at[0], y, words, size=size, alpha=self.strength, **plain)

    def box(self, foot: Point, size: Point, fill: str, edge: str, gid: str) -> None:
        """A rounded box that stands on the point ``foot``."""
        patch = FancyBboxPatch((foot[0] - size[0] / 2, foot[1]), *size)
        patch.set_boxstyle("round", pad=0, rounding_size=0.06)
        patch.set(facecolor=fill, edgecolor=edge, linewidth=1, zorder=2, gid=gid)
        patch.set_alpha(self.strength)
        self.axes.add_patch(patch)

    def line(self, start: Point, end: Point, leads: Point, colour: str, gid: str) -> None:
        """A curve upwards that leaves and arrives upright, straight over ``leads``."""
        low, high = start[1] + leads[0], end[1] - leads[1]
        bends = [(start[0], low), (start[0], (low + high) / 2), (end[0], (low + high) / 2)]
        codes = [Path.MOVETO, Path.LINETO, *[Path.CURVE4] * 3, Path.LINETO]
        patch = PathPatch(Path([start, *bends, (end[0], high), end], codes), fill=False)
        patch.set(edgecolor=colour, linewidth=1.2, zorder=3, gid=gid)
        patch.set_alpha(self.strength)
        self.axes.add_patch(patch)

    def arrow(self, tip: Point, colour: str) -> None:
        """The head of an arrow upwards."""
        corners = [tip, (tip[0] - 0.035, tip[1] - 0.085), (tip[0] + 0.035, tip[1] - 0.085)]
        self.axes.add_patch(
            Polygon(corners, facecolor=colour, linewidth=0, zorder=3, alpha=self.strength)
        )
