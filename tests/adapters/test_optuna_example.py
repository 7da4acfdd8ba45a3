"""The example for Optuna, as a user runs it."""

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "optuna" / "search.py"


def test_example_finds_a_cell():
    pytest.importorskip("tensorflow")
    done = subprocess.run(
        [sys.executable, str(EXAMPLE)], capture_output=True, text=True, check=False, timeout=500
    )
    assert done.returncode == 0, done.stderr
    accuracy = float(done.stdout.split("best validation accuracy: ")[1].split()[0])
    assert accuracy > 0.3
    assert "Cell(blocks=(Block(input_1=" in done.stdout
