"""The picture of searches with shared weights and without, against processor time."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from benchmarks.picture import OURS, frame, label_ends
from benchmarks.supernet_records import CONTENDERS, Plan, Trained, best_of, seeds_of
from cellwright.command_line.pictures.charts import DPI, FONT, INK

POINTS = 200  # of time, at which the searches are looked at


def draw(children: list[Trained], plan: Plan) -> Figure:
    """Draw what each search had found by when: mean and standard error over its seeds.

    Left is the best accuracy so far on the validation part, right that child's on the test images.
    A line begins when each seed has trained a child to the end.

    Args:
        children: Of all searches.
        plan: What they have in common.

    Returns:
        A figure of 1600 x 900 pixels at 150 dpi, on white.
    """
    figure = Figure(figsize=(1600 / DPI, 6.0), dpi=DPI, facecolor="white")
    figure.subplots_adjust(left=0.07, right=0.82, top=0.85, bottom=0.1, wspace=0.14)
    left, right = figure.subplots(1, 2, sharey=True)
    styles = {
        name: {"color": color, "linewidth": 2.2}
        for name, color in zip(CONTENDERS, OURS, strict=False)
    }
    ends = dict[str, float]()
    for name in CONTENDERS:
        times, validation, test = curve(children, plan, name)
        if not len(times):
            continue
        for axes, values in ((left, validation), (right, test)):
            mean, error = values.mean(axis=1), _error(values)
            color = styles[name]["color"]
            axes.fill_between(times, mean - error, mean + error, color=color, alpha=0.1, lw=0)
            axes.plot(times, mean, drawstyle="steps-post", **styles[name])
        ends[name] = float(test.mean(axis=1)[-1])
    for axes, title in ((left, "on the validation part"), (right, "of that child, on test images")):
        frame(axes, "processor seconds, with the supernet's")
        axes.set_title(title, size=11, family=FONT, color=INK, loc="left")
        axes.set_xlim(0, plan.seconds)
    left.set_ylabel("accuracy of the best child so far", size=11, family=FONT, color=INK)
    right.tick_params(labelleft=True)
    label_ends(right, ends, styles)
    figure.text(
        0.012,
        0.945,
        f"What searches find in {plan.seconds:.0f} s, with shared weights and without",
        size=13,
        weight="bold",
        family=FONT,
        color=INK,
    )
    return figure


def curve(
    children: list[Trained], plan: Plan, contender: str
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Times, and for each the validation and test accuracies of the best children by seed."""
    seeds = seeds_of(children, contender)
    rows = []
    for part in np.linspace(0, 1, POINTS + 1)[1:]:
        found = [best_of(children, plan, contender, seed, part) for seed in seeds]
        best = [one for one in found if one is not None]
        if seeds and len(best) == len(seeds):
            accuracies = [[one.val_accuracy, one.test_accuracy or np.nan] for one in best]
            rows.append((part * plan.seconds, np.array(accuracies)))
    times = np.array([time for time, _ in rows])
    values = np.array([found for _, found in rows]).reshape(len(rows), len(seeds), 2)
    return times, values[..., 0], values[..., 1]


def _error(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The standard error of the mean over the seeds, 0 for one."""
    count = values.shape[1]
    if count < 2:
        return np.zeros(len(values))
    error: NDArray[np.float64] = values.std(axis=1, ddof=1) / count**0.5
    return error
