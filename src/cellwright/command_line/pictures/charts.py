"""The picture of how a search went, and the files of any figures.

Matplotlib is imported here, so import this module only when a picture is drawn. Nothing uses
pyplot: there is no global figure, and no display is needed.
"""

from __future__ import annotations

import io
import math
import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import MaxNLocator

from cellwright.plugins.files import atomic_write_bytes

DPI = 150
SIZE = (1600 / DPI, 5.4)  # inches
FONT = "DejaVu Sans"  # comes with matplotlib, so pictures are the same on every machine
# Paul Tol's high-contrast scheme, whose colours also differ when printed in grey.
POINTS, MEAN, BEST, INK = "#7A869A", "#004488", "#DDAA33", "#333333"
FAILED = "#BB5566"
LARGEST = 1e300
KINDS = ("png", "svg")


def draw_search(
    rewards: Sequence[float | None],
    *,
    pruned: Sequence[float | None] = (),
    window: int = 20,
    label: str = "validation accuracy",
    title: str = "",
    best: int | None = None,
    minimise: bool = False,
) -> Figure:
    """Draw the rewards of a search by trial, their rolling mean and the best so far.

    Failed trials are crosses on the bottom axis, and pruned ones are hollow points. The rolling
    mean at a trial is taken over the finished ones among the last ``window`` trials, including this
    one.

    Args:
        rewards: The reward of each trial, from trial 0. None, or a number that is not finite,
            stands for a failed trial.
        pruned: For each trial that was pruned, what it had reached; None for the others. Empty if
            none was.
        window: Number of trials that the rolling mean looks back on, at least 1.
        label: Name of the reward, for the axis.
        title: Text above the picture.
        best: The trial to point out; by default the first with the best reward.
        minimise: Whether lower is better, as for a loss; otherwise higher is.

    Returns:
        A figure of 1600 x 810 pixels at 150 dpi, on white.

    Raises:
        ValueError: If ``window`` is below 1 or ``best`` is not a trial that finished.
    """
    if window < 1:
        raise ValueError(f"window must be at least 1, got {window}")
    values = [_finite(reward) for reward in rewards]
    finished = [trial for trial, value in enumerate(values) if not math.isnan(value)]
    if best is None:
        sign = -1 if minimise else 1
        best = max(finished, key=lambda trial: sign * values[trial], default=None)
    elif best not in finished:
        raise ValueError(
            f"best must be the number of a trial that finished, got {best}; "
            f"{len(finished)} of {len(values)} trials finished"
        )
    layout = ConstrainedLayoutEngine(w_pad=0.15, h_pad=0.08)
    figure = Figure(figsize=SIZE, dpi=DPI, facecolor="white", layout=layout)
    axes = figure.add_subplot()
    _frame(axes, len(values), label, title)
    if finished:
        _curves(axes, [_height(value) for value in values], window, minimise)
    else:
        axes.set(ylim=(0, 1), yticks=[])
        text = "no trial has finished" if values else "no trials yet"
        axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", size=12, family=FONT)
    reached = [_finite(value) for value in pruned]
    _pruned(axes, reached, len(values))
    _failures(axes, values, reached)
    if best is not None:
        _point_out(axes, best, values)
    if axes.get_legend_handles_labels()[0]:
        figure.legend(
            loc="outside lower center", ncols=4, frameon=False, prop={"family": FONT, "size": 10}
        )
    return figure


def rolling_mean(values: Sequence[float], window: int) -> list[float]:
    """At each value, the mean of the last ``window`` without NaN; NaN if nothing is left."""
    means = []
    for end in range(1, len(values) + 1):
        recent = [v for v in values[max(0, end - window) : end] if not math.isnan(v)]
        # Divide first, as the sum of large rewards may overflow.
        means.append(sum(v / len(recent) for v in recent) if recent else math.nan)
    return means


def best_so_far(values: Sequence[float], minimise: bool = False) -> list[float]:
    """At each value, the highest so far, or the lowest; NaN before the first that is not NaN."""
    best, record = math.nan, []
    for value in values:
        better = value < best if minimise else value > best
        best = value if math.isnan(best) or better else best
        record.append(best)
    return record


def save_figures(figures: Mapping[str, Figure], folder: Path) -> list[Path]:
    """Write each figure as a PNG of 150 dpi and as an SVG.

    A file appears whole or not at all. Neither kind holds a date or a random name, so the same
    figures give the same bytes (with the same release of matplotlib).

    Args:
        figures: Figures by name; ``"normal cell"`` is written as ``normal_cell.png`` and
            ``normal_cell.svg``.
        folder: Folder for the files, created if it does not exist.

    Returns:
        The files, in the order of ``figures``, the PNG before the SVG.

    Raises:
        ValueError: If a name holds no letter or digit, or two names give the same file.
    """
    files = picture_files(figures, folder)
    folder.mkdir(parents=True, exist_ok=True)
    twice = [figure for figure in figures.values() for _ in KINDS]
    return [
        _write(_bytes(figure, file.suffix[1:]), file)
        for file, figure in zip(files, twice, strict=True)
    ]


def picture_files(names: Iterable[str], folder: Path) -> list[Path]:
    """The files that `save_figures` writes for figures of these names.

    Raises:
        ValueError: If a name holds no letter or digit, or two names give the same file.
    """
    stems = [_stem(name) for name in names]
    if len(set(stems)) < len(stems):
        raise ValueError(f"the names {list(names)} give the files {stems}; make them differ")
    return [folder / f"{stem}.{kind}" for stem in stems for kind in KINDS]


def _finite(reward: float | None) -> float:
    return float(reward) if reward is not None and math.isfinite(reward) else math.nan


def _height(value: float) -> float:
    """Where a value is drawn: near the largest float, matplotlib's own sums would overflow."""
    return value if math.isnan(value) else max(-LARGEST, min(value, LARGEST))


def _frame(axes: Axes, trials: int, label: str, title: str) -> None:
    plain: dict[str, Any] = {"family": FONT, "parse_math": False}
    axes.set_title(textwrap.fill(title, 90), size=13, weight="bold", pad=12, **plain)
    axes.set_xlabel("trial", size=11, **plain)
    axes.set_ylabel(textwrap.fill(label, 48), size=11, **plain)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#E4E4E4", linewidth=0.8)
    axes.set_axisbelow(True)
    aside = max(0.5, 0.015 * trials)
    axes.set_xlim(-aside, max(trials - 1, 0) + aside)
    axes.xaxis.set_visible(trials > 0)
    axes.xaxis.set_major_locator(MaxNLocator(12, integer=True, min_n_ticks=1, steps=[1, 2, 5, 10]))
    axes.tick_params(labelsize=10, labelfontfamily=FONT, colors=INK)
    axes.ticklabel_format(axis="y", useOffset=False)
    axes.margins(y=0.12)


def _curves(axes: Axes, values: Sequence[float], window: int, minimise: bool) -> None:
    trials = range(len(values))
    size = 3.5 if len(values) > 300 else 5.5
    axes.plot(
        trials,
        values,
        "o",
        zorder=2.1,
        color=POINTS,
        alpha=0.6,
        markersize=size,
        markeredgewidth=0,
        label="one trial",
    )
    if len(values) > 1:
        record = best_so_far(values, minimise)
        axes.step(trials, record, where="post", color=BEST, linewidth=2, label="best so far")
        mean = rolling_mean(values, window)
        text = f"mean of the last {window} trials" if len(values) > window else "mean so far"
        axes.plot(trials, mean, color=MEAN, linewidth=2.2, zorder=2.2, label=text)


def _pruned(axes: Axes, reached: Sequence[float], trials: int) -> None:
    places = [trial for trial, value in enumerate(reached) if not math.isnan(value)]
    if places:
        axes.plot(
            places,
            [_height(reached[trial]) for trial in places],
            linestyle="none",
            marker="o",
            markersize=5,
            markerfacecolor="none",
            color=POINTS,
            label=f"pruned ({len(places)} of {trials})",
        )


def _failures(axes: Axes, values: Sequence[float], pruned: Sequence[float]) -> None:
    failed = [
        trial
        for trial, value in enumerate(values)
        if math.isnan(value) and not (trial < len(pruned) and not math.isnan(pruned[trial]))
    ]
    if failed:
        axes.plot(
            failed,
            [0.0] * len(failed),
            transform=axes.get_xaxis_transform(),
            clip_on=False,
            linestyle="none",
            marker="x",
            markersize=6 if len(values) <= 300 else 4,
            markeredgewidth=1.6,
            color=FAILED,
            zorder=5,
            label=f"failed ({len(failed)} of {len(values)})",
        )


def _point_out(axes: Axes, best: int, values: Sequence[float]) -> None:
    """Ring the best trial and write its reward above it, on the side that has room."""
    height = _height(values[best])
    place = best / max(len(values) - 1, 1) if len(values) > 1 else 0.5
    align, shift = ("left", -6) if place < 0.2 else ("right", 6) if place > 0.8 else ("center", 0)
    axes.plot([best], [height], "o", markersize=10, markerfacecolor="none", color=INK, zorder=6)
    axes.annotate(
        f"best: {_precise(values[best], values)} (trial {best})",
        (best, height),
        xytext=(shift, 9),
        textcoords="offset points",
        ha=align,
        size=10,
        weight="bold",
        color=INK,
        family=FONT,
        bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1},
    )


def _precise(value: float, values: Sequence[float]) -> str:
    """Four digits, or as many as distinguish ``value`` from the others."""
    finished = [v for v in values if not math.isnan(v)]
    spread = max(finished) - min(finished)
    lost = math.log10(abs(value) / spread) if value and 0 < spread < math.inf else 0.0
    return f"{value:.{min(4 + max(0, int(lost)), 12)}g}"


def _stem(name: str) -> str:
    stem = re.sub(r"[^a-z0-9-]+", "_", name.lower()).strip("_-")
    if not stem:
        raise ValueError(f"a figure's name needs a letter or a digit (a-z, 0-9), got {name!r}")
    return stem


def _bytes(figure: Figure, kind: str) -> bytes:
    """The figure as a file; ids that SVG would draw at random are derived from its content."""
    buffer = io.BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": "cellwright", "svg.fonttype": "path"}):
        metadata = {"Date": None} if kind == "svg" else {}
        figure.savefig(buffer, format=kind, dpi=DPI, metadata=metadata)
    return buffer.getvalue()


def _write(content: bytes, path: Path) -> Path:
    with atomic_write_bytes(path) as file:
        file.write(content)
    return path
