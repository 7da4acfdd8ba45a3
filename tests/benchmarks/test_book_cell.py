"""What the benchmark of the book's cell makes of children that are there."""

import json

import pytest

from benchmarks import book_cell


def children(folder, accuracies):
    """Two children each way, as a run leaves them."""
    lines = [
        book_cell.Child(number, way, 6, 4, 1000 * (number + 1), 2.0, 0.9, accuracy)
        for number, pair in enumerate(accuracies)
        for way, accuracy in zip(("repaired", "wide"), pair, strict=True)
    ]
    text = "".join(json.dumps(child._asdict()) + "\n" for child in lines)
    (folder / book_cell.FILE).write_text(text)
    return lines


def test_a_finished_run_trains_nothing_and_makes_the_table(tmp_path, capsys):
    made = children(tmp_path, [(0.8, 0.9), (0.9, 0.8), (0.7, 0.9)])
    book_cell.main(tmp_path, children=3, epochs=6, filters=4)
    assert book_cell.read(tmp_path) == made
    table = (tmp_path / "table.md").read_text()
    assert "| repaired | 3 | 2,000 | 2 | 0.900 ± 0.000 | 0.800 ± 0.058 |" in table
    assert "| wide | 3 | 2,000 | 2 | 0.900 ± 0.000 | 0.867 ± 0.033 |" in table
    assert "Repaired less wide, by pairs: -0.067 ± 0.088; 1 of 3 are better repaired." in table
    assert table in capsys.readouterr().out


@pytest.mark.parametrize(("way", "repair"), [("repaired", True), ("wide", False)])
def test_both_ways_build_the_same_parameters(way, repair):
    assert book_cell.SPACES[way].repair == repair
    assert book_cell.SPACES[way].decisions == book_cell.SPACES["wide"].decisions
