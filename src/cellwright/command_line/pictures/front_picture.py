"""The picture of what accuracy costs: all trials of a search, and the front among them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from cellwright.command_line.pictures.charts import BEST, DPI, FAILED, FONT, INK, MEAN, POINTS, SIZE
from cellwright.plugins.metrics import METRICS, Metric
from cellwright.searches.front import front, measured
from cellwright.searches.trial import Trial

_WIDE = 30  # the axis is logarithmic if the highest cost is more than so many times the lowest
_TEXT: dict[str, Any] = {"family": FONT, "color": INK}


def draw_front(
    trials: Sequence[Trial],
    *,
    quality: Metric = METRICS["val_accuracy"],
    cost: Metric = METRICS["latency_ms"],
    target: float | None = None,
    best: Trial | None = None,
    title: str = "",
) -> Figure:
    """Draw two metrics of a search against each other, and its front with the trials' numbers.

    Trials that were not trained because of a limit are crosses at their cost.

    Args:
        trials: Trials of a search.
        quality: Metric on the vertical axis.
        cost: Metric on the horizontal axis.
        target: Value of ``cost`` to mark with a dashed line.
        best: Trial to mark with a ring.
        title: Text above the picture.

    Returns:
        A figure of 1600 x 810 pixels at 150 dpi, on white.
    """
    layout = ConstrainedLayoutEngine(w_pad=0.15, h_pad=0.08)
    figure = Figure(figsize=SIZE, dpi=DPI, facecolor="white", layout=layout)
    axes = figure.add_subplot()
    x, y = cost.name, quality.name
    found, chosen = measured(trials, y, x), front(trials, quality, cost)
    beyond = [t.metrics[x] for t in trials if t.state == "infeasible" and x in t.metrics]
    _frame(axes, quality, cost, title)
    places = [(t.metrics[x], t.metrics[y]) for t in found]
    costs = [place[0] for place in places] + beyond
    if costs and min(costs) > 0 and max(costs) > _WIDE * min(costs):
        axes.set_xscale("log")
    if places:
        axes.plot(
            *zip(*places, strict=True), "o", color=POINTS, alpha=0.6, markersize=6,
            markeredgewidth=0, label="one trial", zorder=2.1,
        )  # fmt: skip
    if chosen:
        _draw_chosen(axes, chosen, quality, cost)
    if best in found and best is not None:
        axes.plot(
            [best.metrics[x]], [best.metrics[y]], "o", markersize=13,
            markerfacecolor="none", color=INK, zorder=6, label=f"best reward (trial {best.number})",
        )  # fmt: skip
    if beyond:
        axes.plot(
            beyond, [0.0] * len(beyond), transform=axes.get_xaxis_transform(), clip_on=False,
            linestyle="none", marker="x", markersize=6, markeredgewidth=1.6, color=FAILED, zorder=5,
            label=f"beyond the limit, not trained ({len(beyond)})",
        )  # fmt: skip
    if target is not None:
        axes.axvline(
            target, color=FAILED, linestyle=(0, (5, 3)), linewidth=1.6, zorder=2,
            label=f"target {cost.write(target)}",
        )  # fmt: skip
    if not places:
        axes.text(
            0.5, 0.5, "no trial has both metrics", transform=axes.transAxes, ha="center", **_TEXT
        )
    if axes.get_legend_handles_labels()[0]:
        figure.legend(
            loc="outside lower center", ncols=5, frameon=False, prop={"family": FONT, "size": 10}
        )
    return figure


def _frame(axes: Axes, quality: Metric, cost: Metric, title: str) -> None:
    plain: dict[str, Any] = {"family": FONT, "parse_math": False}
    axes.set_title(title, size=13, weight="bold", pad=12, **plain)
    axes.set_xlabel(cost.label, size=11, **plain)
    axes.set_ylabel(quality.label, size=11, **plain)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#E4E4E4", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.margins(0.08, 0.14)
    axes.tick_params(labelsize=10, labelfontfamily=FONT, colors=INK)


def _draw_chosen(axes: Axes, chosen: Sequence[Trial], quality: Metric, cost: Metric) -> None:
    """The front in steps: between two of its trials nothing better was found."""
    x, y = [t.metrics[cost.name] for t in chosen], [t.metrics[quality.name] for t in chosen]
    axes.step(
        x, y, where="post", color=BEST, linewidth=2, marker="o", markersize=7.5,
        markerfacecolor=MEAN, markeredgewidth=0, zorder=4, label="front",
    )  # fmt: skip
    # The numbers stand where both metrics are better: beyond a front there is no trial.
    right, up = cost.sign, quality.sign
    for trial, across, height in zip(chosen, x, y, strict=True):
        axes.annotate(
            str(trial.number), (across, height), xytext=(5 * right, 6 * up),
            textcoords="offset points", ha="left" if right > 0 else "right",
            va="bottom" if up > 0 else "top", size=11, weight="bold", zorder=7, **_TEXT,
        )  # fmt: skip
