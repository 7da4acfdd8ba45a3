"""``cellwright search --predict``: latencies from a table of pieces, timed by LiteRT."""

import csv
import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from sklearn.datasets import load_digits

from cellwright.plugins import KerasLatency, Limit, LiteRTLatency
from cellwright.search_spaces import NASNetSpace
from cellwright.searches.settings import Settings

SPACE = "prediction_space:SPACE"
SETTINGS = Settings(
    host="optuna", strategy="random", space=NASNetSpace(blocks=1), data="digits", trials=2,
    epochs=1, batch_size=32, learning_rate=1e-3, filters=2, seed=0, storage=None, concurrency=1,
    limit=0.5, predict="table.json",
)  # fmt: skip


def test_the_limit_is_on_the_prediction_and_a_target_on_what_is_known():
    data = SETTINGS.load_data()
    evaluation = SETTINGS.make_evaluation(data)
    assert evaluation.limit == Limit("predicted_latency_ms", 0.5)
    assert evaluation.meter is None
    assert isinstance(evaluation.predictor.meter, LiteRTLatency)
    assert SETTINGS.cost == "predicted_latency_ms"
    aimed = replace(SETTINGS, target=0.4, hard=True).make_evaluation(data)
    assert aimed.reward.latency == "predicted_latency_ms"
    both = replace(SETTINGS, meter=("keras",), target=0.4)
    evaluation = both.make_evaluation(data)
    assert isinstance(evaluation.meter, KerasLatency)
    assert isinstance(evaluation.predictor.meter, KerasLatency)
    assert evaluation.limit == Limit("predicted_latency_ms", 0.5)
    assert evaluation.reward.latency == both.cost == "latency_ms"
    assert both.make_evaluation(data, measure=False).predictor is None


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    digits = load_digits()
    chosen = np.flatnonzero(digits.target < 3)[:60]
    np.savez("data.npz", x=digits.images[chosen] / 16, y=digits.target[chosen])
    (tmp_path / "prediction_space.py").write_text("""
from cellwright.search_spaces import NASNetSpace
SPACE = NASNetSpace(blocks=1, operations=("identity", "sep_3x3", "sep_5x5", "sep_7x7"))
""")
    return tmp_path


def search(out, *options):
    """What a search of 4 children in another process prints, and its table."""
    script = "from cellwright.command_line.app import main; main()"
    done = subprocess.run(
        [
            sys.executable, "-c", script, "search", "--data", "data.npz", "--space", SPACE,
            "--strategy", "random", "--epochs", "1", "--filters", "8", "--trials", "4",
            "--predict", "table.json", "--out", out, *options,
        ],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    with open(f"{out}/trials.csv", newline="") as file:
        return done.stdout, list(csv.DictReader(file))


@pytest.mark.slow
def test_a_child_that_is_predicted_too_slow_is_not_built(home):
    printed, rows = search("free")
    assert "timing pieces: " in printed
    assert "timing whole children: 12, once per machine" in printed
    predicted = [float(row["predicted_latency_ms"]) for row in rows]
    assert all(row["state"] == "complete" for row in rows)
    assert min(predicted) > 0
    table = (home / "table.json").read_text()
    about = json.loads(table)
    assert about["how"].startswith("LiteRT")
    assert about["correction"]["children"] == 12

    limit = (sorted(predicted)[1] + sorted(predicted)[2]) / 2
    for out, host in [("limited", "optuna"), ("theirs", "keras-tuner")]:
        printed, rows = search(out, "--limit-ms", str(limit), "--host", host)
        assert "timing" not in printed
        assert "ms predicted: 2 of 4 children are beyond it, not built" in printed
        assert [float(row["predicted_latency_ms"]) for row in rows] == predicted
        for row in rows:
            beyond = float(row["predicted_latency_ms"]) > limit
            assert row["state"] == ("infeasible" if beyond else "complete")
            assert bool(row["parameters"]) is not beyond
    assert (home / "table.json").read_text() == table

    _, rows = search("measured", "--meter", "litert")
    assert [float(row["predicted_latency_ms"]) for row in rows] == predicted
    assert all(float(row["latency_ms"]) > 0 for row in rows)


@pytest.mark.slow
def test_the_table_of_another_device_needs_ten_children_here(home):
    search("there")
    there = json.loads((home / "table.json").read_text())
    more = ("--predict", "here.json", "--predict-from", "table.json", "--meter", "keras")
    printed, rows = search("here", *more)
    assert "timing whole children: 10, once per machine" in printed
    assert "timing pieces" not in printed
    assert " times as long as on " in printed
    assert "half are off by less than " in printed
    here = json.loads((home / "here.json").read_text())
    assert here["transfer"]["machine"] == there["about"]["machine"]
    assert "LiteRT" in here["transfer"]["meter"]
    assert here["how"] != there["how"]
    assert len(here["pieces"]) == len(there["pieces"])
    assert all(float(row["predicted_latency_ms"]) > 0 for row in rows)
    # The same command goes on with the table that there is now.
    printed, _ = search("here", *more, "--trials", "5")
    assert "timing" not in printed
    assert "--predict-from table.json is passed over: " in printed
