"""The benchmark of two objectives, on a table that is small enough to know its front."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("optuna", reason="Optuna is not installed")

import typer
from typer.testing import CliRunner

from benchmarks import pareto, records
from benchmarks.contenders import Plan, contender, every_name
from benchmarks.loop import search
from benchmarks.pareto import CONTENDERS, ParetoSource
from benchmarks.problems import Outcome
from benchmarks.tables import TableSource


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Four operations three times; accuracy and cost rise together, but for "waste"."""
    gains = {"none": 0, "small": 2, "large": 3, "waste": 1}
    costs = {"none": 0, "small": 1, "large": 3, "waste": 4}
    rows = [
        f"{a},{b},{c},{sum(gains[x] for x in (a, b, c))},"
        f"{sum(gains[x] for x in (a, b, c)) / 2},{sum(costs[x] for x in (a, b, c))}"
        for a in gains
        for b in gains
        for c in gains
    ]
    file = tmp_path / "table.csv"
    file.write_text("op_1,op_2,op_3,val,test,cost\n" + "\n".join(rows) + "\n")
    return file


def source(path: Path, report: str = "val", reference: str = "worst") -> ParetoSource:
    more = TableSource(path, "val", report, ("op_*",))
    return ParetoSource((more, TableSource(path, "cost", "cost", ("op_*",), True)), reference)


def test_the_whole_front_is_100_percent_by_hand(path: Path) -> None:
    # Front: small replaces none at gain 2 for cost 1, large replaces small at gain 1 for cost 2.
    front = [(0, 0), (2, 1), (4, 2), (6, 3), (7, 5), (8, 7), (9, 9)]
    for reference, area in (("worst", 9 * 3 + 8 * 2 + 7 * 2 + 6 * 2 + 4 + 2), ("front", 48)):
        standing = source(path, reference=reference).standing()
        found = [standing.add(Outcome((g, -c), (g, -c))) for g, c in front]
        assert found[-1] == pytest.approx(100)
        assert found == sorted(found)
        one = source(path, reference=reference).standing().add(Outcome((6.0, -3.0), (6.0, -3.0)))
        assert one == pytest.approx(100 * 6 * ((12 if reference == "worst" else 9) - 3) / area)


def test_the_front_is_chosen_by_what_was_told(path: Path) -> None:
    standing = source(path, report="test").standing()
    first = standing.add(Outcome((6.0, -3.0), (3.0, -3.0)))
    # Better in the report alone: a search that is told the values would not choose it.
    assert standing.add(Outcome((5.0, -4.0), (4.5, -2.0))) == first
    assert standing.add(Outcome(None, (9.0, 0.0))) == first


@pytest.mark.parametrize("name", CONTENDERS)
def test_every_contender_searches_and_its_seed_repeats_it(path: Path, name: str) -> None:
    plan = Plan(seed=1, evaluations=40, objectives=2)
    record = search(contender(name), source(path), plan)
    assert list(record.best) == sorted(record.best)
    assert 60 < record.best[-1] <= 100
    assert search(contender(name), source(path), plan).best == record.best


def test_search_quality_leaves_out_strategies_of_several_objectives() -> None:
    assert "random" in every_name()
    assert not {"pareto", "pareto-predictor"} & {*every_name()}


def test_the_command_keeps_its_searches_and_writes_a_table(path: Path, tmp_path: Path) -> None:
    app, out, page = typer.Typer(), tmp_path / "front", tmp_path / "page.md"
    app.command()(pareto.main)
    page.write_text("before\n<!-- front -->\n<!-- end of front -->\nafter\n")
    words = ["--table", str(path), "--decisions", "op_*", "--maximize", "val", "--minimize",
             "cost", "--out", str(out), "--seeds", "2", "--evaluations", "20", "--jobs", "1",
             "--contenders", "pareto", "--contenders", "random", "--into", str(page)]  # fmt: skip
    for _ in range(2):
        done = CliRunner().invoke(app, words)
        assert done.exit_code == 0, done.output
    kept = records.read(out)
    assert {record.key for record in kept} == {
        (source(path).name, name, Plan(seed, 20, 1, 2))
        for name in ("pareto", "random")
        for seed in range(2)
    }
    assert len(kept) == 4
    assert "| pareto | cellwright" in page.read_text()
    assert {file.name for file in out.iterdir()} >= {"raw.jsonl", "results.csv", "results.md"}
