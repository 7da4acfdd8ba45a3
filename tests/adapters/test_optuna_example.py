"""The example for Optuna, as a user runs it."""

from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "optuna" / "search.py"


def test_example_finds_a_cell(run_script):
    pytest.importorskip("tensorflow")
    printed = run_script(EXAMPLE)
    accuracy = float(printed.split("best validation accuracy: ")[1].split()[0])
    assert accuracy > 0.3
    assert "Cell(blocks=(Block(input_1=" in printed
