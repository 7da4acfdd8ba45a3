"""Pictures of a trained model: how it learned, and what it takes for what."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from cellwright.command_line.pictures.charts import BEST, DPI, FONT, INK, MEAN, POINTS, SIZE

_COUNTED = 20  # classes up to which each cell of a confusion matrix has its number
_NAMED = 60  # classes up to which they are named
_PLAIN: dict[str, Any] = {"family": FONT, "parse_math": False}


def draw_curves(histories: Mapping[int, Mapping[str, Sequence[float]]], title: str = "") -> Figure:
    """Draw the loss, and beside it the accuracy or the error, by epoch.

    Args:
        histories: The metrics by epoch, for each seed.
        title: Text above the picture.

    Returns:
        A figure of 1600 x 810 pixels at 150 dpi, on white.
    """
    known = {name for history in histories.values() for name in history}
    second = "accuracy" if "accuracy" in known else "mae"
    figure = _figure(title, SIZE)
    words = {"loss": "loss", "accuracy": "accuracy", "mae": "mean absolute error, scaled"}
    for place, name in enumerate(("loss", second), start=1):
        axes = figure.add_subplot(1, 2, place)
        for number, history in enumerate(histories.values()):
            parts = ((name, POINTS, "training"), (f"val_{name}", MEAN, "held out"))
            for key, colour, label in parts:
                if values := history.get(key):
                    axes.plot(
                        range(1, len(values) + 1), values, color=colour, linewidth=1.8,
                        marker="o" if len(values) == 1 else None,
                        label=label if number == 0 and place == 1 else None,
                    )  # fmt: skip
        _axes(axes, "epoch", words[name])
        axes.xaxis.set_major_locator(MaxNLocator(8, integer=True, min_n_ticks=1))
        axes.grid(axis="y", color="#E4E4E4", linewidth=0.8)
    figure.legend(
        loc="outside lower center", ncols=2, frameon=False, prop={"family": FONT, "size": 10}
    )
    return figure


def draw_confusion(confusion: NDArray[np.int64], names: Sequence[str], title: str = "") -> Figure:
    """Draw how many examples of each class (rows) are taken for each (columns).

    The colour is the share of the row, so that rare classes are seen as well.

    Args:
        confusion: Counts of shape (classes, classes).
        names: Names of the classes.
        title: Text above the picture.
    """
    number = len(names)
    side = min(max(5.0, 0.42 * number + 2.5), 16.0)
    figure = _figure(title, (side + 1.0, side))
    axes = figure.add_subplot()
    totals = confusion.sum(axis=1, keepdims=True)
    shares = np.divide(confusion, totals, out=np.zeros(confusion.shape), where=totals > 0)
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    figure.colorbar(image, ax=axes, shrink=0.8, label="share of the class")
    if number <= _NAMED:
        short = [textwrap.shorten(name, 24, placeholder="...") or name[:24] for name in names]
        turned: dict[str, Any] = {"rotation": 45, "ha": "right"} if number > 4 else {}
        axes.set_xticks(range(number), short, **turned, **_PLAIN)
        axes.set_yticks(range(number), short, **_PLAIN)
    if number <= _COUNTED:
        for row in range(number):
            for column in range(number):
                dark = shares[row, column] > 0.5
                axes.text(
                    column, row, f"{confusion[row, column]}", ha="center", va="center", size=9,
                    family=FONT, color="white" if dark else INK,
                )  # fmt: skip
    axes.set_xlabel("predicted", size=11, **_PLAIN)
    axes.set_ylabel("true", size=11, **_PLAIN)
    axes.tick_params(labelsize=9, colors=INK)
    return figure


def draw_predicted(
    truth: NDArray[np.float64], predicted: NDArray[np.float64], label: str, title: str = ""
) -> Figure:
    """Draw predicted numbers against the true ones, with the line on which both are equal.

    Args:
        truth, predicted: Numbers of shape (examples,).
        label: What is predicted.
        title: Text above the picture.
    """
    figure = _figure(title, (7.0, 6.5))
    axes = figure.add_subplot()
    low = float(min(truth.min(), predicted.min()))
    high = float(max(truth.max(), predicted.max()))
    axes.plot([low, high], [low, high], color=BEST, linewidth=1.6, zorder=1)
    axes.plot(truth, predicted, "o", color=MEAN, alpha=0.5, markersize=4, markeredgewidth=0)
    _axes(axes, f"true {label}", f"predicted {label}")
    return figure


def _figure(title: str, size: tuple[float, float]) -> Figure:
    layout = ConstrainedLayoutEngine(w_pad=0.15, h_pad=0.08)
    figure = Figure(figsize=size, dpi=DPI, facecolor="white", layout=layout)
    if title:
        wide = max(20, int(size[0] * 8))
        figure.suptitle(textwrap.fill(title, wide), size=13, weight="bold", **_PLAIN)
    return figure


def _axes(axes: Axes, across: str, up: str) -> None:
    axes.set_xlabel(textwrap.fill(across, 60), size=11, **_PLAIN)
    axes.set_ylabel(textwrap.fill(up, 48), size=11, **_PLAIN)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=10, labelfontfamily=FONT, colors=INK)
