"""The runner of searches: one interface, results that are kept, a table and a picture."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("optuna", reason="Optuna is not installed")

from benchmarks import records, search_quality, summary
from benchmarks.contenders import Plan, contender, every_name
from benchmarks.loop import search
from benchmarks.peers import PEERS
from benchmarks.problems import Best, Outcome
from benchmarks.synthetic import SyntheticSource

SOURCE = SyntheticSource((3,) * 6)
OPTUNA = [name for name, (_, module) in PEERS.items() if module == "optuna_samplers"]
ROOT = Path(__file__).parents[2]


def curves(record: records.Record) -> tuple[float, ...]:
    return record.best  # the seconds are never the same


@pytest.mark.parametrize("workers", [1, 4])
@pytest.mark.parametrize("name", ["evolution:population=5,sample=2", *OPTUNA])
def test_a_contender_searches_and_its_seed_repeats_it(name: str, workers: int) -> None:
    plan = Plan(seed=1, evaluations=30, workers=workers)
    record = search(contender(name), SOURCE, plan)
    assert record.key == (SOURCE.name, name, plan)
    assert all(-1 < best <= 1 for best in record.best)
    assert len(record.best) == 30
    assert 0 < record.seconds[0] < record.seconds[9] < record.seconds[29]
    again = search(contender(name), SOURCE, plan)
    assert curves(again) == curves(record)


def test_the_reported_is_that_of_the_best_value_and_failures_are_told() -> None:
    space = SOURCE.load(0).space
    told: list[float | None] = []

    class Fixed:
        minimise, name, unit, standing = False, "fixed", "points", Best

        def load(self, seed: int) -> Fixed:
            return self

        @property
        def space(self) -> Any:
            return space

        def evaluate(self, params: Any, number: int) -> Outcome:
            value = [None, 2.0, 5.0, 5.0, 3.0][number]
            return Outcome(value, [9.0, 8.0, 1.0, 7.0, 6.0][number])

    ours = contender("random")

    def start(*arguments: Any) -> Any:
        contest = ours.start(*arguments)
        tell = contest.tell
        contest.tell = lambda proposal, value: (told.append(value), tell(proposal, value))
        return contest

    listening = type(ours)(ours.name, ours.version, start)
    record = search(listening, Fixed(), Plan(0, 5))
    assert told == [None, 2, 5, 5, 3]
    assert str(record.best[0]) == "nan"
    assert record.best[1:] == (8, 1, 1, 1)


def test_workers_finish_in_another_order_than_they_start() -> None:
    numbers: list[int] = []

    class Listening:
        def __init__(self) -> None:
            self.out = 0
            self.most = 0

        def ask(self) -> Any:
            self.out += 1
            self.most = max(self.most, self.out)
            return ours.ask()

        def tell(self, proposal: Any, value: float | None) -> None:
            self.out -= 1
            numbers.append(proposal.ticket)
            ours.tell(proposal, value)

    plan = Plan(0, 20, workers=4)
    random = contender("random")
    ours = random.start(SOURCE.load(0), plan)
    contest = Listening()
    search(type(random)("random", "", lambda space, plan: contest), SOURCE, plan)
    assert contest.most == 4
    assert sorted(numbers) == list(range(20)) != numbers


def test_unknown_names_and_arguments_are_refused() -> None:
    assert {"random", "evolution", "optuna-tpe"} <= {*every_name()}
    with pytest.raises(ValueError, match="unknown contender 'evolutoin'"):
        contender("evolutoin")
    with pytest.raises(ValueError, match="argument=value"):
        contender("evolution:population")


def names(folder: Path) -> set[tuple[str, int]]:
    return {(r.contender, r.plan.seed) for r in records.read(folder)}


def test_a_second_run_does_what_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(**options: Any) -> int:
        """The number of searches."""
        settings = {"contenders": ["random", "optuna-random"], "evaluations": 20, "jobs": 1}
        search_quality.main(tmp_path, synthetic="6x3", **settings | options)
        return capsys.readouterr().err.count("seed ")

    assert run(seeds=2) == 4
    first = (tmp_path / "raw.jsonl").read_text()
    assert run(seeds=3) == 2
    assert (tmp_path / "raw.jsonl").read_text().startswith(first)
    assert names(tmp_path) == {(n, s) for n in ("random", "optuna-random") for s in range(3)}
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert before.keys() == {
        *("raw.jsonl", "results.csv", "results.md", "best_so_far.png", "best_so_far.svg")
    }
    (tmp_path / "results.md").unlink()
    assert run(seeds=3, redraw=True) == 0
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert run(seeds=1, contenders=["random"], again=True) == 1
    assert run(seeds=2, contenders=["random"], first_seed=2) == 1
    assert ("random", 3) in names(tmp_path)
    records.forget(tmp_path, lambda record: record.plan.seed == 3)
    assert names(tmp_path) == {(n, s) for n in ("random", "optuna-random") for s in range(3)}
    assert int.from_bytes(before["best_so_far.png"][16:20], "big") == 1600  # pixels wide


def test_the_command_runs_in_several_processes(tmp_path: Path) -> None:
    (tmp_path / "nets.csv").write_text("a,b,val\n0,x,1\n0,y,2\n1,x,3\n1,y,4\n")
    table = ["--table", str(tmp_path / "nets.csv"), "--decisions", "a,b", "--search-on", "val"]
    settings = ["--seeds", "1", "--evaluations", "9", "--jobs", "2", "--out", str(tmp_path)]
    which = ["--contenders", "random", "--contenders", "evolution"]
    command = [sys.executable, "-m", "benchmarks.search_quality", *table, *which, *settings]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert names(tmp_path) == {("random", 0), ("evolution", 0)}
    assert done.stdout.count(" 4.000 ") == 2  # all four are seen, and the best is 4


def record(name: str, seed: int, best: float, workers: int = 1) -> records.Record:
    return records.Record("p", name, "1.0", Plan(seed, 1, workers), (best,), (0.5,))


def test_the_table_holds_mean_error_and_rank(tmp_path: Path) -> None:
    found = [record("a", 0, 1.0), record("a", 1, 3.0), record("b", 0, 4.0), record("b", 1, 4.0)]
    rows = summary.standings(found, minimise=False)
    assert [(s.contender, s.rank, s.mean, s.error) for s in rows] == [
        ("b", 1, 4, 0),
        ("a", 2, 2, 1),
    ]
    rows = summary.standings(found, minimise=True)
    assert [(s.contender, s.rank) for s in rows] == [("a", 1), ("b", 2)]
    text = summary.markdown(rows, [1])
    assert "| a | 1.0 | 2 | 2.000 ± 1.000 | 1 | 500 |" in text
    summary.write_csv(rows, tmp_path / "results.csv")
    assert "1,1,a,1.0,2,2.0000,1.0000,0.5,1" in (tmp_path / "results.csv").read_text()


def test_workers_and_unfinished_searches_stand_apart() -> None:
    found = [record("a", 0, float("nan")), record("b", 0, 1.0), record("a", 0, 2.0, workers=4)]
    text = summary.markdown(summary.standings(found, minimise=False), [1])
    single, several = text.split("4 workers")
    assert "| a | 1.0 | 1 | – | – |" in single
    assert "| a | 1.0 | 1 | 2.000 | 1 |" in several


def test_records_are_kept_as_they_are(tmp_path: Path) -> None:
    kept = [record("a", 0, 1.5), record("a", 1, 2.25), record("b", 0, 4.0)]
    for each in kept:
        records.append(tmp_path, each)
    assert records.read(tmp_path) == kept
    records.forget(tmp_path, lambda r: r.contender == "b")
    assert records.read(tmp_path) == kept[:2]


def test_a_table_goes_between_its_marks_in_a_page(tmp_path: Path) -> None:
    page = tmp_path / "README.md"
    page.write_text("before\n<!-- nets -->\nold\n<!-- end of nets -->\nafter\n")
    for _ in range(2):
        search_quality.put("| new |\n", page, "nets")
        assert page.read_text() == (
            "before\n<!-- nets -->\n\n| new |\n\n<!-- end of nets -->\nafter\n"
        )
    with pytest.raises(ValueError, match="<!-- others -->"):
        search_quality.put("| new |", page, "others")


def test_points_are_twenty_and_those_of_the_table() -> None:
    assert records.points(200) == tuple(range(10, 201, 10))
    assert {50, 100, 200, 500, 1000} <= {*records.points(1000)}
    assert records.points(3) == (1, 2, 3)
