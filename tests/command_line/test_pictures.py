"""The picture of a search shows what happened; its files are whole, valid and repeatable."""

import hashlib
import math
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import imread
from matplotlib.lines import Line2D

from cellwright.command_line.pictures.charts import (
    best_so_far,
    draw_search,
    rolling_mean,
    save_figures,
)
from cellwright.command_line.pictures.report_pictures import (
    draw_distribution,
    draw_importances,
    draw_predictions,
)

NAN = math.nan


def search(trials: int, failing: float = 0.1, scale: float = 1.0) -> list[float | None]:
    rng = np.random.default_rng(trials)
    rewards = scale * (0.8 - 0.5 * np.exp(-np.arange(trials) / 60) + 0.1 * rng.random(trials))
    failed = rng.random(trials) < failing
    return [None if bad else float(reward) for bad, reward in zip(failed, rewards, strict=True)]


CASES: dict[str, list[float | None]] = {
    "none": [],
    **{f"{trials} trials": search(trials) for trials in (5, 20, 150, 1000)},
    "1 trial": [0.5],
    "all failed": [None] * 12,
    "one failed": [None],
    "not finite": [0.5, math.nan, math.inf, -math.inf, 0.7],
    "equal": [0.5] * 8,
    "zeros": [0.0] * 8,
    "negative": search(60, scale=-3.7e4),
    "large": search(60, scale=2.3e12),
    "small": search(60, scale=1e-9),
    "largest": [1.7e308, -1.7e308, None, 1e308],
    "close together": [1000 + 1e-5 * k for k in range(30)],
    "best first": [0.9, 0.1, 0.2, None] * 5,
    "best last": [k / 30 for k in range(30)],
    "numpy": list(np.linspace(0.1, 0.9, 7, dtype=np.float32)),
}
each_case = pytest.mark.parametrize("rewards", CASES.values(), ids=CASES.keys())


def line(figure: Figure, label: str) -> Line2D | None:
    lines = [artist for artist in figure.axes[0].lines if str(artist.get_label()).startswith(label)]
    assert len(lines) < 2
    return lines[0] if lines else None


def finished(rewards: Sequence[float | None]) -> list[int]:
    return [k for k, reward in enumerate(rewards) if reward is not None and math.isfinite(reward)]


@each_case
def test_points_and_crosses_are_the_trials(rewards: list[float | None]) -> None:
    figure = draw_search(rewards, title="a search")
    points, crosses = line(figure, "one trial"), line(figure, "failed")
    good = finished(rewards)
    if good:
        assert points is not None
        x, y = np.asarray(points.get_xdata()), np.asarray(points.get_ydata())
        assert list(x[np.isfinite(y)]) == good
        assert np.allclose(y[good], np.clip([float(rewards[k]) for k in good], -1e300, 1e300))
    else:
        assert points is None
    failed = sorted(set(range(len(rewards))) - set(good))
    if failed:
        assert crosses is not None
        assert list(crosses.get_xdata()) == failed
        assert set(crosses.get_ydata()) == {0.0}  # the bottom axis
        assert crosses.get_label() == f"failed ({len(failed)} of {len(rewards)})"
    else:
        assert crosses is None


@each_case
def test_all_that_is_drawn_is_within_the_picture(rewards: list[float | None]) -> None:
    figure = draw_search(rewards, title="a search " * 30, label="a reward of some kind " * 6)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    renderer, axes = canvas.get_renderer(), figure.axes[0]
    assert canvas.get_width_height() == (1600, 810)
    everything = figure.get_tightbbox(renderer)  # in inches
    assert everything.min.min() > 0
    assert (everything.max < figure.get_size_inches()).all()
    title = axes.title.get_window_extent(renderer)
    assert all(text.get_window_extent(renderer).y1 < title.y0 for text in axes.texts)
    low, high = axes.get_xlim()
    points = line(figure, "one trial")
    if points is not None:
        shown = np.asarray(points.get_ydata())
        bottom, top = axes.get_ylim()
        assert bottom < np.nanmin(shown) <= np.nanmax(shown) < top
        assert low < 0 <= len(rewards) - 1 < high


def test_the_best_trial_is_pointed_out() -> None:
    figure = draw_search([0.1, 0.75, None, 0.75, 0.3], title="")
    (text,) = figure.axes[0].texts
    assert text.get_text() == "best: 0.75 (trial 1)"
    assert text.xy == (1, 0.75)  # type: ignore[attr-defined]


def test_the_caller_may_say_which_is_best() -> None:
    figure = draw_search([0.1, 0.75, None, 0.75, 0.3], title="", best=3)
    assert figure.axes[0].texts[0].get_text() == "best: 0.75 (trial 3)"
    for wrong in (2, 5, -1):
        with pytest.raises(ValueError, match=f"best must be .* got {wrong}; 4 of 5 trials"):
            draw_search([0.1, 0.75, None, 0.75, 0.3], title="", best=wrong)


def test_the_best_reward_is_written_as_exactly_as_it_differs() -> None:
    figure = draw_search(CASES["close together"], title="")
    assert figure.axes[0].texts[0].get_text() == "best: 1000.00029 (trial 29)"
    figure = draw_search([1e308, -1.7e308, 1.7e308], title="")
    assert figure.axes[0].texts[0].get_text() == "best: 1.7e+308 (trial 2)"
    assert (
        draw_search([2 / 3, 0.1], title="").axes[0].texts[0].get_text().startswith("best: 0.6667")
    )


@pytest.mark.parametrize("name", ["none", "all failed", "one failed"])
def test_a_search_without_a_result_says_so(name: str) -> None:
    figure = draw_search(CASES[name], title="")
    (text,) = figure.axes[0].texts
    assert text.get_text() == ("no trials yet" if name == "none" else "no trial has finished")
    assert line(figure, "mean") is None


@pytest.mark.parametrize(
    ("trials", "words"),
    [(2, "mean so far"), (20, "mean so far"), (21, "mean of the last 20 trials")],
)
def test_the_legend_claims_no_more_trials_than_there_are(trials: int, words: str) -> None:
    figure = draw_search([k / trials for k in range(trials)])
    mean = line(figure, "mean")
    assert mean is not None
    assert mean.get_label() == words


def test_every_picture_of_a_report_has_a_title_and_names_its_axes() -> None:
    pairs = [(0.1, 0.2), (0.3, 0.25), (0.4, 0.6)]
    figures = [
        draw_distribution([0.1, 0.2, 0.9], label="val_loss"),
        draw_importances([("width", 0.7), ("depth", 0.2)]),
        draw_predictions(pairs, 1.0, label="latency (ms)"),
        draw_predictions(pairs, None, title="$5 predicted"),
    ]
    titles = [figure.axes[0].get_title() for figure in figures]
    assert titles == [
        "Distribution of the rewards",
        "What mattered",
        "Predicted and measured rewards (Spearman's rank correlation 1.00)",
        "$5 predicted",
    ]
    labels = [(f.axes[0].get_xlabel(), f.axes[0].get_ylabel()) for f in figures]
    assert labels == [
        ("val_loss", "number of trials"),
        ("share of the rewards' variance, in per cent", ""),
        ("predicted latency (ms)", "measured latency (ms)"),
        ("predicted reward", "measured reward"),
    ]
    for figure in figures:
        figure.draw_without_rendering()
        box = figure.axes[0].title.get_window_extent()
        assert figure.bbox.y0 <= box.y0 < box.y1 <= figure.bbox.y1


def test_the_curves_are_those_of_the_rewards() -> None:
    rewards = [0.2, None, 0.4, 0.1, 0.9]
    figure = draw_search(rewards, title="", window=2)
    mean, record = line(figure, "mean of the last 2 trials"), line(figure, "best so far")
    assert mean is not None
    assert record is not None
    assert np.allclose(mean.get_ydata(), [0.2, 0.2, 0.4, 0.25, 0.5])
    assert np.allclose(record.get_ydata(), [0.2, 0.2, 0.4, 0.4, 0.9])
    assert record.get_drawstyle() == "steps-post"


@pytest.mark.parametrize(
    ("values", "window", "means"),
    [
        ([], 3, []),
        ([1.0], 20, [1.0]),
        ([1.0, 2.0, 3.0, 4.0], 2, [1.0, 1.5, 2.5, 3.5]),
        ([NAN, 2.0, NAN, NAN, 4.0], 2, [NAN, 2.0, 2.0, NAN, 4.0]),
        ([1e308, 1e308], 2, [1e308, 1e308]),
    ],
)
def test_rolling_mean(values: list[float], window: int, means: list[float]) -> None:
    assert rolling_mean(values, window) == pytest.approx(means, nan_ok=True)


def test_best_so_far() -> None:
    assert best_so_far([NAN, -2.0, NAN, -3.0, 1.0]) == pytest.approx(
        [NAN, -2.0, -2.0, -2.0, 1.0], nan_ok=True
    )


def test_a_window_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="window must be at least 1, got 0"):
        draw_search([0.5], title="", window=0)


def test_dollars_and_underscores_are_no_formulas(tmp_path: Path) -> None:
    figure = draw_search([0.5, 0.6], title="$5 and $x_{", label="$\\frac{")
    assert len(save_figures({"search": figure}, tmp_path)) == 2
    assert figure.axes[0].get_title() == "$5 and $x_{"


def test_files_are_whole_and_valid(tmp_path: Path) -> None:
    folder = tmp_path / "made" / "here"
    figures = {
        name: draw_search(CASES["20 trials"], title=name) for name in ("Accuracy (%)", "b/c")
    }
    files = save_figures(figures, folder)
    names = ["accuracy.png", "accuracy.svg", "b_c.png", "b_c.svg"]
    assert files == [folder / name for name in names]
    assert sorted(path.name for path in folder.iterdir()) == names  # nothing half-written is left
    for path in files:
        if path.suffix == ".png":
            assert imread(path).shape[:2] == (810, 1600)
        else:
            root = ElementTree.parse(path).getroot()
            assert root.tag == "{http://www.w3.org/2000/svg}svg"
            assert "<dc:date>" not in path.read_text(encoding="utf-8")


def test_files_are_replaced_and_keep_to_the_umask(tmp_path: Path) -> None:
    old = tmp_path / "search.png"
    old.write_bytes(b"old")
    save_figures({"search": draw_search([0.5], title="")}, tmp_path)
    assert imread(old).shape[:2] == (810, 1600)
    other = tmp_path / "other"
    other.touch()
    assert (tmp_path / "search.svg").stat().st_mode == other.stat().st_mode


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "search.png").mkdir()  # cannot be replaced by a file
    with pytest.raises(OSError):
        save_figures({"search": draw_search([0.5], title="")}, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["search.png"]


@pytest.mark.parametrize("names", [["a b", "a_b"], ["A", "a"], ["..."], [""]])
def test_names_that_give_no_file_of_their_own_are_refused(names: list[str], tmp_path: Path) -> None:
    figure = draw_search([0.5], title="")
    with pytest.raises(ValueError, match="name"):
        save_figures(dict.fromkeys(names, figure), tmp_path / "folder")
    assert not (tmp_path / "folder").exists()


def test_another_process_writes_the_same_bytes_and_needs_no_pyplot(tmp_path: Path) -> None:
    script = """
import sys
from pathlib import Path
from cellwright.command_line.pictures.charts import draw_search, save_figures
save_figures({"search": draw_search([0.5, None, 0.7], title="a search")}, Path(sys.argv[1]))
assert "matplotlib.pyplot" not in sys.modules
"""
    environment = os.environ | {"PYTHONHASHSEED": "1", "SOURCE_DATE_EPOCH": "0"}
    arguments = [sys.executable, "-c", script, str(tmp_path / "other")]
    subprocess.run(arguments, check=True, env=environment)
    figure = draw_search([0.5, None, 0.7], title="a search")
    for path in save_figures({"search": figure}, tmp_path / "this"):
        here, there = path.read_bytes(), (tmp_path / "other" / path.name).read_bytes()
        assert hashlib.sha256(here).hexdigest() == hashlib.sha256(there).hexdigest()


def test_matplotlib_is_left_as_it_was(tmp_path: Path) -> None:
    before = dict(matplotlib.rcParams)
    save_figures({"search": draw_search([0.5], title="")}, tmp_path)
    assert dict(matplotlib.rcParams) == before
