"""The plot of a benchmark: best so far, against evaluations and against seconds of suggestions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.contenders import is_ours
from benchmarks.summary import Standing
from cellwright.command_line.pictures.charts import DPI, FONT, INK

# Ours are solid lines in Okabe and Ito's colours; peers are thinner broken ones, dashed by project.
OURS = ("#0072B2", "#009E73", "#D55E00", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
PEERS = ("#8C6D31", "#637939", "#7B4173", "#843C39", "#5254A3", "#6B6B6B", "#3B8686", "#A55194")
DASHES = ("--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 1)))
GAP = 0.047  # between two labels, as a share of the axes' height
MOST = 8  # lines in one picture
HEAD = 0.05  # share of the evaluations at the start that may leave the picture at the bottom

Style = dict[str, Any]


def draw(found: Sequence[Standing], *, title: str, unit: str) -> Figure:
    """Draw mean and standard error over the seeds, by contender.

    Of many contenders the best of ours and of the others are drawn, and random search (`shown`).

    Args:
        found: Where each contender stood at each of its points.
        title: What was searched.
        unit: Of the values.

    Returns:
        A figure of 1600 x 1050 pixels at 150 dpi, on white.
    """
    curves: dict[str, list[Standing]] = {}
    for standing in found:
        curves.setdefault(standing.contender, []).append(standing)
    left_out = len(curves)
    curves = {name: curves[name] for name in shown(curves)}
    left_out -= len(curves)
    found = [standing for curve in curves.values() for standing in curve]
    styles = _styles(list(curves))
    figure = Figure(figsize=(1600 / DPI, 7.0), dpi=DPI, facecolor="white")
    figure.subplots_adjust(left=0.07, right=0.985, top=0.87, bottom=0.085, wspace=0.58)
    left, right = figure.subplots(1, 2, sharey=True)
    for name, curve in curves.items():
        _curve(left, [s.evaluations for s in curve], curve, styles[name])
        _curve(right, [s.seconds for s in curve], curve, styles[name])
    frame(left, "evaluations")
    frame(right, "processor seconds of all suggestions so far")
    right.set_xscale("log")
    right.tick_params(labelleft=True)
    left.set_xlim(0, max(s.evaluations for s in found))
    left.set_ylim(_limits(found))
    left.set_ylabel(unit, size=11, family=FONT, color=INK)
    label_ends(left, {name: curve[-1].mean for name, curve in curves.items()}, styles)
    figure.text(0.012, 0.955, title, size=13, weight="bold", family=FONT, color=INK)
    seeds = sorted({s.seeds for s in found})
    text = f"Mean and standard error of {' to '.join(map(str, {*seeds[:1], *seeds[-1:]}))} seeds. "
    text += "Solid: Cellwright's strategies. Broken: other projects' searches."
    text += f" {left_out} more are in the table." if left_out else ""
    figure.text(0.012, 0.912, text, size=10.5, family=FONT, color=INK)
    return figure


def shown(curves: Mapping[str, Sequence[Standing]]) -> list[str]:
    """The names of at most `MOST` contenders: random search, four more of ours, and three others,
    each the best of their kind in the end, without those whose curve another has."""
    different: dict[tuple[float, ...], str] = {}
    for name in sorted(curves, key=lambda name: curves[name][-1].rank):
        different.setdefault(tuple(standing.mean for standing in curves[name]), name)
    names = list(different.values())
    if len(names) <= MOST:
        return names
    ours = [name for name in names if is_ours(name) and name != "random"][: MOST // 2]
    chosen = {*ours, *(["random"] if "random" in names else [])}
    chosen |= {*[name for name in names if not is_ours(name)][: MOST - len(chosen)]}
    return [name for name in names if name in chosen]


def _styles(names: Sequence[str]) -> dict[str, Style]:
    styles: dict[str, Style] = {}
    peers = [name for name in names if not is_ours(name)]
    projects = list(dict.fromkeys(name.split("-")[0] for name in peers))
    for place, name in enumerate(sorted(set(names) - set(peers))):
        styles[name] = {"color": OURS[place % len(OURS)], "linestyle": "-", "linewidth": 2.2}
    for place, name in enumerate(peers):
        dash = DASHES[projects.index(name.split("-")[0]) % len(DASHES)]
        styles[name] = {"color": PEERS[place % len(PEERS)], "linestyle": dash, "linewidth": 1.3}
    return styles


def _curve(axes: Axes, across: Sequence[float], curve: Sequence[Standing], style: Style) -> None:
    mean = np.array([s.mean for s in curve])
    error = np.nan_to_num([s.error for s in curve])
    axes.fill_between(
        across, mean - error, mean + error, color=style["color"], alpha=0.1, linewidth=0
    )
    axes.plot(across, mean, **style)


def _limits(found: Sequence[Standing]) -> tuple[float, float]:
    """The range of the means, without those of the first evaluations."""
    last = max(s.evaluations for s in found)
    means = [s.mean for s in found if s.evaluations > HEAD * last and np.isfinite(s.mean)]
    low, high = min(means), max(means)
    return low - 0.03 * (high - low), high + 0.05 * (high - low)


def frame(axes: Axes, across: str) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#E4E4E4", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.set_xlabel(across, size=11, family=FONT, color=INK)
    axes.tick_params(labelsize=10, labelfontfamily=FONT, colors=INK)


def label_ends(axes: Axes, ends: Mapping[str, float], styles: Mapping[str, Style]) -> None:
    """Write each curve's name at its end, moved apart where two curves end alike."""
    bottom, top = axes.get_ylim()
    gap = min(GAP, 1 / len(ends))
    names = sorted((name for name in ends if np.isfinite(ends[name])), key=lambda n: ends[n])
    heights = _spread([(ends[name] - bottom) / (top - bottom) for name in names], gap)
    for name, height in zip(names, heights, strict=True):
        axes.annotate(
            name,
            xy=(axes.get_xlim()[1], ends[name]),
            xytext=(1.06, height),
            textcoords="axes fraction",
            va="center",
            size=9.5,
            family=FONT,
            color=styles[name]["color"],
            arrowprops={
                "arrowstyle": "-",
                "color": styles[name]["color"],
                "linewidth": 1,
                "relpos": (0, 0.5),
                "shrinkA": 0,
                "shrinkB": 0,
            },
            annotation_clip=False,
        )


def _spread(heights: Sequence[float], gap: float) -> list[float]:
    """Rising heights in [0, 1], moved as little as needed to stand ``gap`` apart."""
    groups: list[list[float]] = []  # of heights that share a stack, each [sum, count]
    for height in heights:
        groups.append([height, 1])
        while len(groups) > 1 and _reach(groups[-1], -gap) - _reach(groups[-2], gap) < gap:
            total, count = groups.pop()
            groups[-1] = [groups[-1][0] + total, groups[-1][1] + count]
    moved = [
        total / count + gap * (place - (count - 1) / 2)
        for total, count in groups
        for place in range(int(count))
    ]
    last = len(moved) - 1  # all places within the axes
    return [max(place * gap, min(h, 1 - (last - place) * gap)) for place, h in enumerate(moved)]


def _reach(group: Sequence[float], gap: float) -> float:
    """The highest place of a stack, or with a negative ``gap`` the lowest."""
    total, count = group
    return total / count + gap * (count - 1) / 2
