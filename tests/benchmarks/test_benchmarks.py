"""The benchmarks run, and their figures are sane; how long anything takes is never asserted."""

from __future__ import annotations

import csv
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("optuna", reason="Optuna is not installed")

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
SEARCHES = 7


def run(script: str, *words: str, out: Path) -> str:
    done = subprocess.run(
        [sys.executable, str(BENCHMARKS / script), *words, "--out", str(out)],
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def curves(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("curves") / "new"
    run("learning_curves.py", "--seeds", "2", "--trials", "55", "--jobs", "2", out=out)
    return out


def test_learning_curves_of_every_search(curves: Path) -> None:
    rows = read(curves / "learning_curves.csv")
    assert len({row["search"] for row in rows}) == SEARCHES
    assert [int(row["trials"]) for row in rows] == [10, 20, 30, 40, 50, 55] * SEARCHES
    for row in rows:
        assert row["seeds"] == "2"
        for what in ("best", "recent"):
            quartiles = [float(row[f"{what}_{q}"]) for q in ("lower", "median", "upper")]
            assert quartiles == sorted(quartiles)
            assert 0.3 < quartiles[0] <= quartiles[2] <= 1
        assert float(row["best_median"]) > float(row["recent_median"])


def test_random_searches_learn_nothing(curves: Path) -> None:
    rows = read(curves / "learning_curves.csv")
    drawn = [row for row in rows if "Random" in row["search"] and row["trials"] == "55"]
    assert len(drawn) == 2
    for row in drawn:
        assert float(row["recent_median"]) == pytest.approx(0.5, abs=0.03)


def test_the_table_and_the_pictures_are_those_of_the_csv_file(curves: Path) -> None:
    table = (curves / "learning_curves.md").read_text()
    last = [row for row in read(curves / "learning_curves.csv") if row["trials"] == "50"]
    for row in last:
        line = next(x for x in table.splitlines() if x.startswith(f"| {row['search']} "))
        assert f"**{float(row['best_median']):.3f}**" in line
    png = (curves / "learning_curves.png").read_bytes()
    assert int.from_bytes(png[16:20], "big") == 1600  # pixels wide
    svg = (curves / "learning_curves.svg").read_text()
    assert svg.startswith("<?xml")
    before = table, png, svg
    run("learning_curves.py", "--redraw", out=curves)
    after = (curves / "learning_curves.md").read_text(), (curves / "learning_curves.png")
    assert before == (after[0], after[1].read_bytes(), (curves / "learning_curves.svg").read_text())


def test_learning_curves_are_the_same_again(curves: Path, tmp_path: Path) -> None:
    run("learning_curves.py", "--seeds", "2", "--trials", "55", "--jobs", "1", out=tmp_path)
    first, second = (read(path / "learning_curves.csv") for path in (curves, tmp_path))
    for row in first + second:
        del row["cpu_ms_per_trial"]
    assert first == second


def test_suggestion_cost(tmp_path: Path) -> None:
    small = ("--imports", "1", "--suggestions", "10", "--at", "4", "--windows", "1", "--seeds", "1")
    printed = run("suggestion_cost.py", *small, out=tmp_path)
    text = (tmp_path / "suggestion_cost.md").read_text()
    assert text.strip() == printed.strip()
    assert "After the import: none\n" in text
    assert "After 10 suggestions: none\n" in text
    ratios = re.findall(r"(\d+\.\d+) \(", text.split("| ratio of a pair |")[1].split("\n")[0])
    assert len(ratios) == 3
    assert all(float(ratio) > 0 for ratio in ratios)
    for name in ("RandomSampler", "NASNetRLSampler", "NASNetEvolutionSampler"):
        line = next(x for x in text.splitlines() if x.startswith(f"| 4 | {name} "))
        assert float(line.split("|")[3]) > 0
