"""Searches with and without shared weights are compared by what they found in the same time."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.supernet import How
from benchmarks.supernet import read as read_table
from benchmarks.supernet_picture import curve, draw
from benchmarks.supernet_records import CONTENDERS, Anew, Plan, Trained, in_the_end, table
from cellwright import NASNetSpace

ROOT = Path(__file__).parents[2]


def test_the_table_has_the_best_child_that_was_trained_to_its_end_in_time() -> None:
    plan = Plan(How("nasnet", "images.npz", 4, 2, 3, 32, 0.003), 100, 5, 10)
    children = [
        Trained("plain", 0, 0, 20, 3, 0.5, [0], 0.45),
        Trained("plain", 0, 1, 60, 3, 0.75, [0], 0.7),
        Trained("plain", 0, 2, 120, 3, 0.875, [0], 0.8),  # too late
        Trained("plain", 1, 0, 25, 3, 0.625, [0], 0.65),
        Trained("hyperband", 0, 0, 10, 1, 0.875, [0]),  # a rung below the last
        Trained("hyperband", 0, 1, 90, 3, 0.25, [0], 0.2),
    ]
    anew = [
        Anew("plain", 0, 1, 100, 0.5),
        Anew("plain", 0, 1, 101, 0.75),
        Anew("plain", 0, 2, 100, 1.0),  # was too late
        Anew("plain", 1, 0, 100, 0.375),
    ]
    _, _, plain, hyperband = table(children, anew, plan).splitlines()
    assert plain == (
        "| plain | 0.5625 ± 0.0625 | 0.5500 ± 0.1000 | 0.5625 ± 0.0625 | 0.5500 ± 0.1000 "
        "| 0.6875 ± 0.0625 | 0.6750 ± 0.0250 | 0.6875 ± 0.0625 | 0.6750 ± 0.0250 "
        "| 0.5000 ± 0.1250 | 2 |"
    )
    assert hyperband == "| hyperband |  |  |  |  |  |  | 0.2500 | 0.2000 |  | 1 |"


def test_the_first_and_the_last_ten_are_of_the_children_that_ended_in_time() -> None:
    plan = Plan(How("nasnet", "images.npz", 4, 2, 3, 32, 0.003), 100, 5, 10)
    children = [Trained("plain", 0, n, 5 + n, 3, 0.25 if n < 10 else 0.5, [0]) for n in range(20)]
    children += [Trained("plain", 0, 20, 101, 3, 1.0, [0])]  # too late
    children += [Trained("hyperband", 0, 0, 10, 1, 1.0, [0])]  # a rung below the last
    children += [Trained("hyperband", 0, 1, 20, 3, 0.75, [0])]
    _, _, plain, hyperband = in_the_end(children, plan).splitlines()
    assert plain == "| plain | 20.0 | 0.2500 | 0.5000 |"
    assert hyperband == "| hyperband | 1.0 | 0.7500 | 0.7500 |"


def test_a_curve_is_of_what_each_seed_had_found_by_then() -> None:
    plan = Plan(How("nasnet", "images.npz", 4, 2, 3, 32, 0.003), 200, 5, 10)
    children = [
        Trained("plain", 0, 0, 20.5, 3, 0.5, [0], 0.25),
        Trained("plain", 0, 1, 60.5, 3, 0.75, [0], 0.5),
        Trained("plain", 0, 2, 90.5, 3, 0.625, [0]),  # not better, so it saw no test image
        Trained("plain", 1, 0, 40.5, 3, 0.5, [0], 0.75),
        Trained("hyperband", 0, 0, 10, 1, 0.5, [0]),  # nothing was trained to the end
    ]
    times, validation, test = curve(children, plan, "plain")
    assert times == pytest.approx(np.arange(41, 201))
    assert [list(row) for row in validation[[0, 19, 20, -1]]] == [[0.5, 0.5]] * 2 + [
        [0.75, 0.5]
    ] * 2
    assert [list(row) for row in test[[19, 20]]] == [[0.25, 0.75], [0.5, 0.75]]
    assert not len(curve(children, plan, "hyperband")[0])
    figure = draw(children, plan)
    assert (figure.get_size_inches() * figure.dpi).round().tolist() == [1600, 900]
    left, right = figure.axes
    assert len(left.lines) == len(right.lines) == 1


@pytest.mark.slow
def test_all_searches_run_and_go_on(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    y = np.arange(80) % 2
    x = (rng.integers(0, 128, (80, 8, 8)) + 120 * y[:, None, None]).astype(np.uint8)
    images, out = tmp_path / "images.npz", tmp_path / "out"
    np.savez(images, x_train=x, y_train=y, x_test=x[:20], y_test=y[:20])

    def run(seconds: str) -> subprocess.CompletedProcess[str]:
        how = ["--side", "4", "--filters", "2", "--epochs", "3", "--batch-size", "32"]
        how += ["--supernet-epochs", "2", "--scored", "4", "--seeds", "1", "--seconds", seconds]
        how += ["--examples", "8", "--schedule", "cosine", "--anew", "2"]
        words = [sys.executable, "-m", "benchmarks.supernet_search", str(images), "--out", str(out)]
        return subprocess.run([*words, *how], cwd=ROOT, capture_output=True, text=True, check=False)

    done = run("25")
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in (out / "children.jsonl").read_text().splitlines()]
    assert {one["contender"] for one in found} == set(CONTENDERS)
    for name in CONTENDERS:
        own = [one for one in found if one["contender"] == name]
        assert [one["number"] for one in own] == list(range(len(own)))
        assert sorted(one["spent"] for one in own) == [one["spent"] for one in own]
        assert own[-1]["spent"] >= 25 or len(own) == 4  # all that were scored
    anew = [json.loads(line) for line in (out / "anew.jsonl").read_text().splitlines()]
    ended = {
        one["contender"] for one in found if one["epochs"] == 3 and one["spent"] <= 25
    }  # on a busy machine not all have trained a child to its end in time
    assert "plain" in ended
    assert sorted(one["contender"] for one in anew) == sorted([*ended, *ended])
    assert (out / "best_so_far.png").stat().st_size > 0
    table = tmp_path / "table.jsonl"
    words = [sys.executable, "-m", "benchmarks.supernet_records", str(out)]
    words += ["--images", str(images), "--table", str(table)]
    written = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert written.returncode == 0, written.stderr
    how, trained = read_table(table)
    plain = [one for one in found if one["contender"] == "plain"]
    assert (how.side, how.epochs, how.schedule) == (4, 3, "cosine")
    assert [one.choices for one in trained] == [one["choices"] for one in plain]
    assert [one.accuracies for one in trained] == [[one["val_accuracy"]] for one in plain]
    child = NASNetSpace().build(NASNetSpace().decode(trained[0].choices), (4, 4, 1), 2, filters=2)
    assert trained[0].parameters == child.count_params()
    again = run("25")
    assert again.returncode == 0, again.stderr
    assert "after" not in again.stderr  # nothing was trained
    assert "anew" not in again.stderr
    assert again.stdout == done.stdout
    other = run("30")
    assert other.returncode != 0
    assert "another plan" in " ".join(other.stderr.replace("│", " ").split())
