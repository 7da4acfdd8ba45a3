"""The examples for Optuna, as a user runs them."""

import difflib
import functools
from pathlib import Path

import pytest

import cellwright

EXAMPLES = Path(__file__).parents[2] / "examples" / "optuna"
BEFORE, AFTER = EXAMPLES / "before.py", EXAMPLES / "after.py"


@pytest.mark.slow
def test_example_finds_a_cell(run_script):
    pytest.importorskip("tensorflow")
    printed = run_script(EXAMPLES / "search.py")
    accuracy = float(printed.split("best validation accuracy: ")[1].split()[0])
    assert accuracy > 0.3
    assert "Cell(blocks=(Block(input_1=" in printed


@pytest.mark.parametrize("script", [BEFORE, AFTER])
def test_a_script_of_a_users_own_runs_before_and_after(script, run_script, monkeypatch):
    """With cells of one block, to be quick."""
    pytest.importorskip("tensorflow")
    small = functools.partial(cellwright.NASNetSpace, blocks=1)
    for module in (cellwright, cellwright.search_spaces):
        monkeypatch.setattr(module, "NASNetSpace", small)
    printed = run_script(script, 1)
    assert 0 < float(printed.split("best validation accuracy: ")[1].split()[0]) <= 1


def test_three_lines_make_it_a_search():
    before, after = (path.read_text(encoding="utf-8").splitlines() for path in (BEFORE, AFTER))
    changed = difflib.ndiff(before, after)
    new = [line[2:] for line in changed if line.startswith("+ ") and line[2:].strip()]
    assert len(new) == 3
    assert len(before) <= 50
    page = (EXAMPLES.parents[1] / "docs" / "optuna.md").read_text(encoding="utf-8")
    assert all(line in page for line in new)
