"""The trial's side: by hand without NNI, and in a process that NNI's manager would have started."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("nni", reason="NNI is not installed")

from cellwright.adapters.nni_record import read_result
from cellwright.search_spaces import Decision, InvalidArchitecture, SearchSpace

SPACE = SearchSpace([Decision(f"block/{n}", tuple(range(5))) for n in range(6)])
PARAMS = {f"block/{n}": n % 5 for n in range(6)}
ECHO = {"architecture": SPACE.in_short(PARAMS), "decisions": json.dumps(PARAMS)}

HEAD = """
import math
import numpy as np
from cellwright.adapters.nni_trial import architecture, report, report_failure, run
from cellwright.search_spaces import Decision, SearchSpace
space = SearchSpace([Decision(f"block/{n}", tuple(range(5))) for n in range(6)])
params, others = architecture(space)
"""


class Keeper(ThreadingHTTPServer):
    """NNI's end of a trial's command channel: gives parameters, hears metrics."""

    def __init__(self, parameters: dict[str, Any]) -> None:
        self.metrics: list[dict[str, Any]] = []
        record = {"parameter_id": 4, "parameter_source": "algorithm", "parameters": parameters}
        command = {"type": "parameter", "parameter": json.dumps(record)}
        keeper = self

        class Channel(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.end_headers()
                self.wfile.write(json.dumps(command).encode())

            def do_PUT(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                heard = json.loads(body)
                if heard["type"] == "metric":
                    metric = json.loads(heard["metric"])
                    keeper.metrics.append({**metric, "value": json.loads(metric["value"])})
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        super().__init__(("localhost", 0), Channel)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def run(self, script: str, folder: Path, head: str = HEAD) -> subprocess.CompletedProcess[str]:
        environment = {
            "NNI_PLATFORM": "local",
            "NNI_EXP_ID": "test",
            "NNI_TRIAL_JOB_ID": "trial",
            "NNI_TRIAL_SEQ_ID": "4",
            "NNI_SYS_DIR": str(folder),
            "NNI_OUTPUT_DIR": str(folder),
            "NNI_TRIAL_COMMAND_CHANNEL": f"http://localhost:{self.server_port}/channel",
            "http_proxy": "http://127.0.0.1:9",
            "no_proxy": "",
            "NO_PROXY": "",
        }
        return python(head + script, folder, **environment)

    @property
    def final(self) -> dict[str, Any]:
        [final] = [metric["value"] for metric in self.metrics if metric["type"] == "FINAL"]
        return dict(final)


def python(script: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", script], cwd=folder, capture_output=True, text=True, timeout=300,
        env={**os.environ, **environment},
    )  # fmt: skip


@pytest.fixture
def keeper() -> Iterator[Keeper]:
    keeper = Keeper({**PARAMS, "learning_rate": 0.5})
    yield keeper
    keeper.shutdown()
    keeper.server_close()


def test_a_result_carries_its_architecture_even_behind_a_proxy(
    keeper: Keeper, tmp_path: Path
) -> None:
    script = """
assert others == {"learning_rate": 0.5}
report(params, {"reward": np.float32(0.75), "val_accuracy": 0.8, "odd": math.nan})
"""
    done = keeper.run(script, tmp_path)
    assert done.returncode == 0, done.stderr
    assert keeper.final == {
        "reward": 0.75, "val_accuracy": 0.8, "odd": None, "default": 0.75, **ECHO,
    }  # fmt: skip
    wrong = dict.fromkeys(SPACE.names, 0)
    result = read_result(SPACE, keeper.final, wrong, {"default": 1.0})
    assert (result.params, result.reward) == (PARAMS, 0.75)


def test_a_failure_carries_its_architecture_and_its_reason(keeper: Keeper, tmp_path: Path) -> None:
    done = keeper.run("report(params, {'reward': math.inf})", tmp_path)
    assert done.returncode != 0
    result = read_result(SPACE, keeper.final, {}, {"default": 1.0})
    assert (result.params, result.reward) == (PARAMS, None)
    assert "must be a finite number, got inf" in result.facts["error"]


def test_nnis_own_tuners_are_told_of_no_failure_which_would_stop_them(tmp_path: Path) -> None:
    """They raise at a final result without a number, and the experiment then stands still."""
    pytest.importorskip("nni")
    from nni.utils import extract_scalar_reward

    with pytest.raises(RuntimeError):
        extract_scalar_reward({"default": None})
    keeper = Keeper({f"index:{name}": value for name, value in PARAMS.items()})
    done = keeper.run("report(params, {'reward': math.inf})", tmp_path)
    keeper.shutdown()
    keeper.server_close()
    assert done.returncode != 0
    assert "must be a finite number" in done.stderr
    assert keeper.metrics == []


def test_a_known_network_is_reported_without_training(tmp_path: Path) -> None:
    known = {"reward": 0.75, "val_accuracy": 0.8, "repeat_of": 3}
    keeper = Keeper({**PARAMS, "known_result": known})
    script = """
from cellwright.plugins import Evaluation
assert run(Evaluation(space, data=None)) == {"reward": 0.75, "val_accuracy": 0.8, "repeat_of": 3}
"""
    done = keeper.run(script, tmp_path, HEAD.replace("params, others = architecture(space)", ""))
    keeper.shutdown()
    keeper.server_close()
    assert done.returncode == 0, done.stderr
    assert keeper.final == {**known, "default": 0.75, **ECHO}


def test_parameters_of_another_space_are_refused(tmp_path: Path) -> None:
    keeper = Keeper({"width": 3})
    done = keeper.run("", tmp_path)
    keeper.shutdown()
    assert done.returncode != 0
    assert "InvalidArchitecture" in done.stderr
    with pytest.raises(InvalidArchitecture):
        read_result(SPACE, 0.5, {"width": 3}, {"default": 1.0})


def test_a_space_goes_by_its_name(tmp_path: Path) -> None:
    head = "from cellwright.adapters.nni_trial import architecture, report\n"
    done = python(head + "report(architecture('nasnet')[0], {'reward': 0.5})", tmp_path)
    assert done.returncode == 0, done.stderr
    assert "tries a random architecture" in done.stdout


def test_by_hand_a_script_tries_a_random_architecture(tmp_path: Path) -> None:
    done = python(HEAD + "space.validate(params)\nreport(params, {'reward': 0.5})", tmp_path)
    assert done.returncode == 0, done.stderr
    assert "tries a random architecture" in done.stdout


RUN = """
from cellwright.adapters.nni_trial import keep_best
from cellwright.plugins import Evaluation, load_dataset
import keras

class Mlp(SearchSpace):
    def build(self, params, input_shape, classes, *, seed=None, units=4):
        if units == 13:
            raise RuntimeError("an exception in user code")
        return keras.Sequential([
            keras.Input(input_shape), keras.layers.Flatten(),
            keras.layers.Dense(units, activation="relu"),
            keras.layers.Dense(classes, activation="softmax"),
        ])

metrics = run(Evaluation(Mlp(space.decisions), load_dataset("digits")), keep=keep_best("best"))
"""


def run_alone(others: dict[str, Any], tmp_path: Path) -> tuple[Keeper, Any]:
    pytest.importorskip("keras", reason="Keras is not installed")
    keeper = Keeper({**PARAMS, **others})
    done = keeper.run(RUN, tmp_path)
    keeper.shutdown()
    return keeper, done


@pytest.mark.slow
def test_run_trains_reports_and_keeps_the_best_child(tmp_path: Path) -> None:
    keeper, done = run_alone({"learning_rate": 0.01, "epochs": 3, "units": 16}, tmp_path)
    assert done.returncode == 0, done.stderr
    epochs = [metric["value"] for metric in keeper.metrics if metric["type"] == "PERIODICAL"]
    assert [epoch["default"] for epoch in epochs] == [epoch["val_accuracy"] for epoch in epochs]
    assert len(epochs) == 3
    assert keeper.final["decisions"] == ECHO["decisions"]
    assert keeper.final["default"] == keeper.final["val_accuracy"] > 0.5
    assert keeper.final["parameters"] == 64 * 16 + 16 + 16 * 10 + 10
    best = json.loads((tmp_path / "best" / "best.json").read_text())
    assert best["params"] == PARAMS
    assert (tmp_path / "best" / "best.keras").exists()


def test_a_child_that_raises_fails_its_trial_and_says_so(tmp_path: Path) -> None:
    keeper, done = run_alone({"units": 13}, tmp_path)
    assert done.returncode != 0
    assert keeper.final["error"] == "RuntimeError: an exception in user code"
    assert keeper.final["decisions"] == ECHO["decisions"]
    assert not (tmp_path / "best").exists()


def test_an_interrupted_trial_says_that_it_is_no_failure(keeper: Keeper, tmp_path: Path) -> None:
    script = """
from cellwright.plugins import Evaluation
from cellwright.plugins.data.dataset import Dataset

class Child:
    count_params = lambda self: 1

class Space(SearchSpace):
    def build(self, *arguments, **options):
        return Child()

def train(*arguments, **options):
    raise KeyboardInterrupt

images = np.zeros((2, 2), np.float32)
data = Dataset(images, np.arange(2), images, np.arange(2), ("a", "b"))
show = lambda trial: open("told", "w").write(f"{trial.number} {trial.state}")
run(Evaluation(Space(space.decisions), data, train=train, on_trial=show))
"""
    head = HEAD.replace("params, others = architecture(space)\n", "")
    done = keeper.run(script, tmp_path, head)
    assert "KeyboardInterrupt" in done.stderr
    # Trackers are told, under NNI's own number.
    assert (tmp_path / "told").read_text() == "4 interrupted"
    assert keeper.final["interrupted"] is True
    assert keeper.final["decisions"] == ECHO["decisions"]
