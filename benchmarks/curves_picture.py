"""The picture of `learning_curves.py`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.ticker
from learning_curves import NOISE, RECENT, Row
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cellwright.command_line.pictures import DPI, FONT, INK

# Okabe and Ito's colours. Ours are solid lines and Optuna's broken ones, so that the picture also
# reads in print without colour.
STYLES = {
    "Reinforce (NASCell)": ("#0072B2", "-"),
    "Reinforce (LSTM)": ("#56B4E9", "-"),
    "RegularizedEvolution": ("#009E73", "-"),
    "RandomSearch": ("#7F7F7F", "-"),
    "Optuna TPESampler": ("#D55E00", "--"),
    "Optuna NSGAIISampler": ("#CC79A7", "--"),
    "Optuna RandomSampler": ("#000000", ":"),
}
GAP = 0.047  # between two labels, as a share of the axes' height


def draw(rows: Sequence[Row]) -> Figure:
    """Median and quartile band over the seeds, by trial: the best so far, and what is proposed.

    Returns:
        A figure of 1600 x 900 pixels at 150 dpi, on white.
    """
    figure = Figure(figsize=(1600 / DPI, 6.0), dpi=DPI, facecolor="white")
    figure.subplots_adjust(left=0.062, right=0.838, top=0.83, bottom=0.1, wspace=0.63)
    left, right = figure.subplots(1, 2, sharey=True)
    last = max(row.trials for row in rows)
    ends = [_curves(left, rows, "best"), _curves(right, rows, "recent")]
    for axes, heights in ((left, ends[0]), (right, ends[1])):
        _frame(axes, last)
        _label(axes, heights, last)  # after both panels have set the height that they share
    left.set_title("Best found so far", loc="left", size=12, family=FONT, color=INK)
    title = f"What is proposed: mean of the last {RECENT} trials"
    right.set_title(title, loc="left", size=12, family=FONT, color=INK)
    left.set_ylabel("true score (1 = best architecture)", size=11, family=FONT, color=INK)
    right.tick_params(labelleft=True)
    _heading(figure, rows)
    return figure


def _curves(axes: Axes, rows: Sequence[Row], field: str) -> dict[str, float]:
    """Draw every search, and give the height at which each ends."""
    names = dict.fromkeys(row.search for row in rows)
    return {name: _curve(axes, [r for r in rows if r.search == name], field) for name in names}


def _curve(axes: Axes, rows: Sequence[Row], field: str) -> float:
    colour, dashes = STYLES[rows[0].search]
    trials = [row.trials for row in rows]
    lower, median, upper = zip(*(getattr(row, field) for row in rows), strict=True)
    axes.fill_between(trials, lower, upper, color=colour, alpha=0.18, linewidth=0)
    axes.plot(trials, median, color=colour, linestyle=dashes, linewidth=2)
    return float(median[-1])


def _frame(axes: Axes, last: int) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#E4E4E4", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.set_xlim(0, last)
    axes.set_xlabel("trials", size=11, family=FONT, color=INK)
    axes.yaxis.set_major_locator(matplotlib.ticker.MultipleLocator(0.1))
    axes.xaxis.set_major_locator(matplotlib.ticker.MaxNLocator(5, integer=True))
    axes.tick_params(labelsize=10, labelfontfamily=FONT, colors=INK)


def _label(axes: Axes, ends: Mapping[str, float], last: int) -> None:
    """Write each curve's name at its end, moved apart where two curves end alike."""
    bottom, top = axes.get_ylim()
    gap = GAP * (top - bottom)
    names = sorted(ends, key=lambda name: ends[name])
    for name, height in zip(names, _spread([ends[n] for n in names], gap), strict=True):
        axes.annotate(
            name.removeprefix("Optuna "),
            xy=(last, ends[name]),
            xytext=(1.05, (height - bottom) / (top - bottom)),
            textcoords="axes fraction",
            va="center",
            size=10,
            family=FONT,
            color=INK,
            arrowprops={
                "arrowstyle": "-",
                "color": STYLES[name][0],
                "linewidth": 1.8,
                "relpos": (0, 0.5),
                "shrinkA": 0,
                "shrinkB": 0,
            },
            annotation_clip=False,
        )


def _spread(heights: Sequence[float], gap: float) -> list[float]:
    """Rising heights, moved as little as needed to stand ``gap`` apart."""
    groups: list[list[float]] = []  # of heights that share a stack, each [sum, count]
    for height in heights:
        groups.append([height, 1])
        while len(groups) > 1 and _reach(groups[-1], -gap) - _reach(groups[-2], gap) < gap:
            total, count = groups.pop()
            groups[-1] = [groups[-1][0] + total, groups[-1][1] + count]
    return [
        total / count + gap * (place - (count - 1) / 2)
        for total, count in groups
        for place in range(int(count))
    ]


def _reach(group: Sequence[float], gap: float) -> float:
    """The highest place of a stack, or with a negative ``gap`` the lowest."""
    total, count = group
    return total / count + gap * (count - 1) / 2


def _heading(figure: Figure, rows: Sequence[Row]) -> None:
    figure.text(
        0.012,
        0.955,
        "Searching 50 categorical decisions with a known best architecture",
        size=14,
        weight="bold",
        family=FONT,
        color=INK,
    )
    text = (
        f"Median and quartile band of {rows[0].seeds} seeds, noise of sd {NOISE} in the rewards. "
        "Solid: Cellwright's strategies. Broken: Optuna's own samplers."
    )
    figure.text(0.012, 0.912, text, size=10.5, family=FONT, color=INK)
