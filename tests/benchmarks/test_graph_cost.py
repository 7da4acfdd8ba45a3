"""The benchmark of graphs steps in both kinds of graph, and tells what each cost."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_it_steps_in_both_graphs():
    command = [sys.executable, "-m", "benchmarks.graph_cost"]
    options = ["--children", "2", "--filters", "2", "--batch-size", "8"]
    ran = subprocess.run([*command, *options], cwd=ROOT, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    rows = [line.strip("| ").split(" | ") for line in ran.stdout.splitlines()]
    children = [list(map(float, row)) for row in rows if row[0].isdigit()]
    assert [row[0] for row in children] == [0, 1]
    assert all(value > 0 for row in children for value in row[1:])
    assert children[0][3] > children[1][3]  # only the first child's step is traced
