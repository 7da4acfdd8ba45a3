"""The benchmark of what a child costs runs both ways on the same children."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_both_ways_train_the_same_children():
    command = [sys.executable, "-m", "benchmarks.child_cost"]
    options = ["--children", "1", "--children", "2", "--filters", "2", "--epochs", "1"]
    ran = subprocess.run([*command, *options], cwd=ROOT, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    rows = [line.split(" | ") for line in ran.stdout.splitlines() if line.startswith("| ")][1:]
    assert [(row[0], row[1]) for row in rows] == [
        ("| 1", "keras"),
        ("| 1", "cellwright"),
        ("| 2", "keras"),
        ("| 2", "cellwright"),
    ]
    assert float(rows[2][2]) > float(rows[0][2]) > 0
    assert "Difference of accuracy:" in ran.stdout
