"""Several processes of one machine on one search."""

import csv
import io

import pytest
from rich.console import Console

from cellwright.command_line import workers
from cellwright.searches.settings import Settings

SETTINGS = Settings(
    host="optuna", strategy="random", space="mlp", data="wine", trials=4, epochs=1,
    batch_size=32, learning_rate=1e-3, filters=None, seed=0, storage=None, concurrency=1,
)  # fmt: skip


def test_two_workers_train_the_children_of_one_search(tmp_path, cellwright):
    told, code = cellwright(
        tmp_path, "search", "--space", "mlp", "--data", "wine", "--trials", "6", "--epochs", "1",
        "--strategy", "random", "--workers", "2", "--out", "shared",
    )  # fmt: skip
    assert code == 0, told
    with (tmp_path / "shared" / "trials.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) >= 6
    assert {row["state"] for row in rows} == {"complete"}
    assert "the search has its trials" in (tmp_path / "shared" / "worker-2.log").read_text()


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("print('error: the data are gone'); raise SystemExit(1)", "a worker ended with status 1"),
        ("print('no child could be trained'); raise SystemExit(1)", ""),
        ("import os; os.kill(os.getpid(), 9)", "a worker ended with status -9"),
        ("raise SystemExit(0)", ""),
    ],
)
def test_a_worker_that_went_wrong_is_told(tmp_path, monkeypatch, code, told):
    monkeypatch.setattr(workers, "_START", code)
    printed = io.StringIO()
    with workers.helped(tmp_path, SETTINGS, 1, Console(file=printed, width=300)):
        pass
    assert (told in printed.getvalue()) if told else not printed.getvalue()
    assert ("worker-2.log" in printed.getvalue()) == bool(told)
