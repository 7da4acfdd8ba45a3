"""What `cellwright search --host ray` and `cellwright report` do with Ray Tune's files."""

from __future__ import annotations

import csv
import json
import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("ray.tune", reason="Ray Tune is not installed")

from cellwright.search_spaces import CorruptedState, MLPSpace
from cellwright.searches.runs import open_run


class Evil:
    """What runs when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return Path.touch, (self.mark,)


def test_somebodys_experiment_is_read_and_runs_nothing(tmp_path: Path) -> None:
    import numpy as np

    mark, folder = tmp_path / "ran", tmp_path / "search"
    folder.mkdir()
    evil = {"_type": "CLOUDPICKLE_FALLBACK", "value": pickle.dumps(Evil(mark)).hex()}
    params = MLPSpace().sample(np.random.default_rng(0))
    trials = []
    for number, (status, result) in enumerate(
        [
            ("TERMINATED", {"score": 0.5, "training_iteration": 3, "done": True, "pid": 7}),
            ("ERROR", {}),
            ("TERMINATED", {"score": 0.4, "training_iteration": 1}),
            ("RUNNING", {"score": 0.3, "training_iteration": 1}),
        ]
    ):
        told = {"trial_id": f"t{number}", "config": params, "status": status, "storage": evil}
        ran = {"last_result": result, "start_time": 10.0 + number, "checkpoint_manager": evil}
        trials.append([json.dumps(told), json.dumps(ran)])
    state = folder / "experiment_state-2026-01-01_00-00-00.json"
    state.write_text(json.dumps({"trial_data": trials, "runner_data": evil}))
    (folder / "t0").mkdir()
    reports = [{"trial_id": "t0", "training_iteration": k, "score": k / 6} for k in (1, 2, 3)]
    lines = [*map(json.dumps, reports), '{"trial_id": "t0", "training_it']  # still written
    (folder / "t0" / "result.json").write_text("\n".join(lines))
    (folder / "tuner.pkl").write_bytes(pickle.dumps(Evil(mark)))
    run = open_run(str(folder), space="mlp", metric="score:max")
    assert [trial.state for trial in run.trials] == ["complete", "failed", "pruned"]
    assert run.trials[0].metrics == {"score": 0.5}
    assert run.trials[0].curves == {"score": [(1, 1 / 6), (2, 2 / 6), (3, 3 / 6)]}
    assert run.trials[2].curves == {}
    assert run.trials[0].params == MLPSpace().read(params)
    assert "after 1 iterations" in run.trials[2].error
    assert not mark.exists()
    state.write_text(state.read_text()[:-20])
    with pytest.raises(CorruptedState, match="experiment_state"):
        open_run(str(folder), space="mlp", metric="score:max")


@pytest.mark.slow
def test_a_search_that_is_killed_goes_on_as_it_would_have(tmp_path: Path) -> None:
    line = "from cellwright.command_line.app import main; main()"
    command = [
        sys.executable, "-c", line, "search", "--host", "ray", "--space", "mlp", "--data", "digits",
        "--strategy", "evolution", "--trials", "5", "--epochs", "1", "--batch-size", "512", "--out",
    ]  # fmt: skip
    running = subprocess.Popen([*command, "killed"], cwd=tmp_path, start_new_session=True)
    record, end = tmp_path / "killed" / "ray" / "record.json", time.monotonic() + 300
    while time.monotonic() < end:
        if record.exists() and len(json.loads(record.read_text())["history"]) >= 2:
            break
        time.sleep(0.1)
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    for out in ("killed", "whole"):
        subprocess.run([*command, out], cwd=tmp_path, check=True, timeout=400)
    found = []
    for out in ("killed", "whole"):
        with (tmp_path / out / "trials.csv").open() as file:
            rows = list(csv.DictReader(file))
        assert len(rows) == 5
        found.append([{n: x for n, x in row.items() if n != "seconds"} for row in rows])
    assert found[0] == found[1]
