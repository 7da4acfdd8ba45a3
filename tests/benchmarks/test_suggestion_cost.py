"""The cost of suggestions is measured; how long anything takes is never asserted."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("optuna", reason="Optuna is not installed")

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "suggestion_cost.py"


def test_suggestion_cost(tmp_path: Path) -> None:
    small = ("--imports", "1", "--suggestions", "10", "--at", "4", "--windows", "1", "--seeds", "1")
    done = subprocess.run(
        [sys.executable, str(SCRIPT), *small, "--out", str(tmp_path)],
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "suggestion_cost.md").read_text()
    assert text.strip() == done.stdout.strip()
    assert "After the import: none\n" in text
    assert "After 10 suggestions: none\n" in text
    ratios = re.findall(r"(\d+\.\d+) \(", text.split("| ratio of a pair |")[1].split("\n")[0])
    assert len(ratios) == 3
    assert all(float(ratio) > 0 for ratio in ratios)
    for name in ("RandomSampler", "evolution", "reinforce", "ppo", "predictor", "auto"):
        line = next(x for x in text.splitlines() if x.startswith(f"| 4 | {name} "))
        assert float(line.split("|")[3]) > 0
