"""The benchmark of a supernet's ranks trains children, goes on with its table, and ranks them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.supernet import drawn
from cellwright import NASNetSpace

ROOT = Path(__file__).parents[2]


def test_children_that_are_spread_prefer_some_operations() -> None:
    space = NASNetSpace()

    def most(child: int, spread: float) -> int:
        values = [value for value in drawn(space, child, spread).values() if isinstance(value, str)]
        found = [value for value in values if value not in ("add", "concat")]
        return max(map(found.count, found))

    for child in range(20):
        space.validate(drawn(space, child, 0.5))
    assert np.mean([most(child, 0.1) for child in range(20)]) > 1.3 * np.mean(
        [most(child, 0.5) for child in range(20)]
    )
    assert np.mean([most(child, 0.5) for child in range(20)]) > 1.3 * np.mean(
        [most(child, 0.0) for child in range(20)]
    )
    assert drawn(space, 3, 0.5) == drawn(space, 3, 0.5) != drawn(space, 4, 0.5)
    assert drawn(space, 3, 0.0) == space.sample(np.random.default_rng(3))


@pytest.mark.slow
def test_children_are_trained_once_and_ranked(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    images, table = tmp_path / "images.npz", tmp_path / "table.jsonl"
    y = np.arange(80) % 2
    x = rng.integers(0, 128, (80, 8, 8)) + 120 * y[:, None, None]
    np.savez(images, x_train=x.astype(np.uint8), y_train=y)

    def run(command: str, *options: str) -> subprocess.CompletedProcess[str]:
        words = [sys.executable, "-m", "benchmarks.supernet", command, str(images), "--table"]
        return subprocess.run(
            [*words, str(table), *options], cwd=ROOT, capture_output=True, text=True, check=False
        )

    how = ["--side", "4", "--filters", "2", "--epochs", "2", "--batch-size", "32"]
    how += ["--schedule", "cosine", "--held-out", "0.5"]
    refused = run("children", *how, "--first", "3", "--number", "3")
    assert refused.returncode != 0
    assert "--first 3 must be below --number 3" in " ".join(refused.stderr.split())
    assert not table.exists()
    for number in ("2", "3"):
        done = run("children", *how, "--number", number)
        assert done.returncode == 0, done.stderr
    assert done.stderr.count("child ") == 2  # the third, with two seeds: the others are known
    lines = [json.loads(line) for line in table.read_text().splitlines()]
    assert {"side": 4, "schedule": "cosine", "held_out": 0.5}.items() <= lines[0].items()
    assert [(line["child"], line["seed"]) for line in lines[1:]] == [
        (child, seed) for child in range(3) for seed in (0, 1)
    ]
    assert all(len(line["accuracies"]) == 2 for line in lines[1:])
    other = run("children", *how, "--spread", "0.5", "--number", "2")
    assert other.returncode != 0
    assert "give another table" in " ".join(other.stderr.replace("│", " ").split())

    folder = ["--folder", str(tmp_path / "supernet")]
    done = run(
        "rank", *folder, "--epochs", "1", "--epochs", "2", "--batch-size", "16", "--scored", "3"
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("3 children after 2 epochs: accuracy ")
    rows = [line for line in done.stdout.splitlines() if line.startswith("|")][2:]
    assert [row.split(" | ")[0] for row in rows] == ["| 1", "| 2"]
    assert done.stdout.splitlines()[-1].startswith("3 others scored: ")
