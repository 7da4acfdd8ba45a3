"""The pictures of a report: the distribution of rewards, what mattered, how predictions did."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import MaxNLocator

from cellwright.command_line.pictures.charts import BEST, DPI, FONT, INK, MEAN, POINTS, SIZE
from cellwright.plugins.metrics import plain_number


def draw_distribution(
    rewards: Sequence[float],
    *,
    label: str = "reward",
    title: str = "Distribution of the rewards",
    minimise: bool = False,
) -> Figure:
    """Draw how many trials reached which reward, with the median and the best.

    Args:
        rewards: Of the finished trials, all finite.
        label: Name of the reward, with its unit if it has one, for the axis.
        title: Text above the picture.
        minimise: Whether lower is better; otherwise higher is.

    Raises:
        ValueError: If there are no rewards.
    """
    if not rewards:
        raise ValueError("rewards must hold at least one value")
    figure, axes = _plain(title, label, "number of trials")
    counts, _, _ = axes.hist(rewards, bins=min(40, max(5, len(rewards) // 5)), color=POINTS)
    for value, name, colour in (
        (float(np.median(rewards)), "median", MEAN),
        (min(rewards) if minimise else max(rewards), "best", BEST),
    ):
        axes.axvline(value, color=colour, linewidth=2, label=f"{name} {plain_number(value)}")
    axes.set_ylim(0, 1.1 * float(np.max(counts)))
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    _legend(figure)
    return figure


def draw_importances(
    shares: Sequence[tuple[str, float]], *, most: int = 20, title: str = "What mattered"
) -> Figure:
    """Draw the decisions' shares of the rewards' variance as bars, the largest on top.

    Args:
        shares: Names and shares, the largest first; those after ``most`` are left out.
        most: Number of bars at most, at least 1.
        title: Text above the picture.

    Raises:
        ValueError: If there are no shares.
    """
    if not shares:
        raise ValueError("shares must hold at least one decision")
    shown = shares[:most]
    more = f" (the first {most} of {len(shares)} decisions)" if len(shares) > most else ""
    figure, axes = _plain(title, f"share of the rewards' variance, in per cent{more}", "")
    figure.set_size_inches(SIZE[0], 1.7 + 0.24 * len(shown))
    places = range(len(shown))
    axes.barh(places, [100 * share for _, share in shown], color=MEAN)
    axes.set_yticks(places, [name for name, _ in shown], family=FONT, size=9)
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    axes.set_xlim(0, max(1.0, 105 * max(share for _, share in shown)))
    return figure


def draw_predictions(
    pairs: Sequence[tuple[float, float]],
    correlation: float | None,
    *,
    label: str = "reward",
    title: str = "Predicted and measured rewards",
) -> Figure:
    """Draw predicted against measured rewards, a point for each trial.

    Args:
        pairs: Predicted and measured reward of each trial, at least one.
        correlation: Spearman's, which follows the title; None leaves it out.
        label: Name of the reward, with its unit if it has one, for the axes.
        title: Text above the picture.

    Raises:
        ValueError: If there are no pairs.
    """
    if not pairs:
        raise ValueError("pairs must hold at least one prediction")
    predicted, measured = np.array(pairs).T
    known = "" if correlation is None else f" (Spearman's rank correlation {correlation:.2f})"
    figure, axes = _plain(title + known, f"predicted {label}", f"measured {label}")
    axes.plot(predicted, measured, "o", color=POINTS, alpha=0.7, markeredgewidth=0)
    ends = [float(np.min(pairs)), float(np.max(pairs))]
    axes.plot(ends, ends, "--", color=INK, linewidth=1, label="predicted = measured")
    _legend(figure)
    return figure


def _plain(title: str, x_label: str, y_label: str) -> tuple[Figure, Axes]:
    layout = ConstrainedLayoutEngine(w_pad=0.15, h_pad=0.08)
    figure = Figure(figsize=SIZE, dpi=DPI, facecolor="white", layout=layout)
    axes = figure.add_subplot()
    heading = textwrap.fill(title, 90)
    axes.set_title(heading, size=13, weight="bold", pad=12, family=FONT, parse_math=False)
    axes.set_xlabel(x_label, size=11, family=FONT, parse_math=False)
    axes.set_ylabel(y_label, size=11, family=FONT, parse_math=False)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#E4E4E4", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=10, labelfontfamily=FONT, colors=INK)
    return figure, axes


def _legend(figure: Figure) -> None:
    figure.legend(
        loc="outside lower center", ncols=3, frameon=False, prop={"family": FONT, "size": 10}
    )
