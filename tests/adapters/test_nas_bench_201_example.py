"""examples/nas_bench_201, which docs/edge_cell.md shows: a search on a table, and on children."""

import csv
import re
import runpy
import sys
from itertools import product
from pathlib import Path

import pytest

from cellwright.search_spaces import EdgeCellSpace

pytest.importorskip("optuna")
EXAMPLE = Path(__file__).parents[2] / "examples" / "nas_bench_201" / "search.py"
README = EXAMPLE.with_name("README.md")
SPACE = EdgeCellSpace()


def best_of(*arguments, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["search.py", *map(str, arguments)])
    runpy.run_path(str(EXAMPLE), run_name="__main__")
    return re.search(r"the best of (\d+): ([\d.]+), (\S+)", capsys.readouterr().out).groups()


def test_a_table_is_searched(tmp_path, monkeypatch, capsys):
    """The table has all cells; the more 3x3 convolutions one has, the better it is said to be."""
    names = list(SPACE.names)
    with (tmp_path / "table.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*names, "good"])
        for cell in product(SPACE.decisions[0].choices, repeat=len(names)):
            writer.writerow([*cell, 10 + 10 * cell.count("nor_conv_3x3")])
    given = ("--table", "table.csv", "--column", "good", "--trials", 40, "--strategy", "evolution")
    trials, value, text = best_of(*given, monkeypatch=monkeypatch, capsys=capsys)
    assert trials == "40"
    assert float(value) == 10 + 10 * text.count("nor_conv_3x3") >= 50
    assert all(option in README.read_text("utf-8") for option in ("--table", "--column"))


def test_children_train(monkeypatch, capsys, untraced):
    pytest.importorskip("keras")
    small = ("--epochs", 1, "--filters", 2, "--trials", 2, "--strategy", "random")
    trials, value, text = best_of(*small, monkeypatch=monkeypatch, capsys=capsys)
    assert trials == "2"
    assert 0 <= float(value) <= 100
    assert text.count("~") == 6
