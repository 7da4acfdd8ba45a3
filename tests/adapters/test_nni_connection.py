"""The tuner in NNI's own process, with a manager at the other end of a real socket."""

from __future__ import annotations

import base64
import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("nni", reason="NNI is not installed")

from websockets.sync.server import Server, ServerConnection, serve

from cellwright.adapters.nni_record import HISTORY
from cellwright.adapters.nni_space import search_space_of
from cellwright.search_spaces import NASNetSpace

HEAVY = ("tensorflow", "keras", "matplotlib", "sklearn", "PIL")


class Manager:
    """As much of NNI's manager as a tuner sees: a socket that it must connect to, in time."""

    def __init__(self) -> None:
        self.heard: queue.Queue[tuple[str, str]] = queue.Queue()
        self.connected: queue.Queue[ServerConnection] = queue.Queue()
        self.server: Server = serve(self._listen, "localhost", 0)
        self.port = self.server.socket.getsockname()[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def _listen(self, socket: ServerConnection) -> None:
        self.connected.put(socket)
        for message in socket:
            command = json.loads(message)
            self.heard.put((command["type"], command.get("content", "")))

    def start(self, folder: Path, tuner: dict[str, Any], **environment: str) -> Any:
        parameters = base64.b64encode(json.dumps({"tuner": tuner}).encode()).decode()
        (folder / "checkpoint").mkdir(exist_ok=True)
        nni = {
            "SDK_PROCESS": "dispatcher",
            "NNI_MODE": "start",
            "NNI_CHECKPOINT_DIRECTORY": str(folder / "checkpoint"),
            "NNI_LOG_DIRECTORY": str(folder),
            "NNI_LOG_LEVEL": "info",
            "NNI_INCLUDE_INTERMEDIATE_RESULTS": "false",
            "NNI_TUNER_COMMAND_CHANNEL": f"ws://localhost:{self.port}/tuner",
        }
        command = [sys.executable, "-m", "nni", "--exp_params", parameters]
        return subprocess.Popen(
            command, env={**os.environ, **nni, **environment}, stderr=subprocess.DEVNULL
        )

    def hear(self) -> tuple[str, str]:
        return self.heard.get(timeout=30)


@pytest.fixture
def manager() -> Iterator[Manager]:
    manager = Manager()
    yield manager
    manager.server.shutdown()


def send(socket: ServerConnection, kind: str, content: Any = None) -> None:
    text = content if isinstance(content, str) or content is None else json.dumps(content)
    socket.send(json.dumps({"type": kind, **({} if text is None else {"content": text})}))


def tuner(name: str = "NASNetRLTuner", **arguments: Any) -> dict[str, Any]:
    return {
        "className": f"cellwright.adapters.nni_tuner.{name}",
        "codeDirectory": ".",
        "classArgs": arguments,
    }


def test_a_trial_from_connection_to_checkpoint_behind_a_proxy(
    manager: Manager, tmp_path: Path
) -> None:
    proxies = {"http_proxy": "http://127.0.0.1:9", "HTTP_PROXY": "http://127.0.0.1:9"}
    process = manager.start(tmp_path, tuner(seed=3), **proxies, no_proxy="", NO_PROXY="")
    try:
        socket = manager.connected.get(timeout=30)
        send(socket, "IN", search_space_of(NASNetSpace()))
        assert manager.hear()[0] == "ID"
        send(socket, "GE", "1")
        kind, content = manager.hear()
        assert kind == "TR"
        trial = json.loads(content)
        assert trial["parameter_id"] == 0
        NASNetSpace().validate(trial["parameters"])
        value = json.dumps({"default": 0.5, "architecture": trial["parameters"]})
        send(socket, "ME", {"parameter_id": 0, "trial_job_id": "a", "type": "FINAL",
                            "sequence": 0, "value": value})  # fmt: skip
        history = tmp_path / "checkpoint" / HISTORY
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            told = json.loads(history.read_text())["history"]
            if told:
                break
            time.sleep(0.05)
        expected = {"number": 0, "params": trial["parameters"], "reward": 0.5, "excess": 0.0}
        assert told == [expected]
        send(socket, "TE")
        assert process.wait(timeout=30) == 0
    finally:
        process.kill()


def test_a_search_space_that_does_not_fit_is_reported_to_the_manager(
    manager: Manager, tmp_path: Path
) -> None:
    process = manager.start(tmp_path, tuner())
    try:
        socket = manager.connected.get(timeout=30)
        send(socket, "IN", {"learning_rate": {"_type": "uniform", "_value": [0, 1]}})
        assert manager.hear()[0] == "ID"
        send(socket, "GE", "2")
        kind, content = manager.hear()
        assert kind == "ER"
        assert "'normal/1/input_1' is missing" in content
        assert "cellwright nni-init" in content
    finally:
        process.kill()
    assert "'normal/1/input_1' is missing" in (tmp_path / "dispatcher.log").read_text()


def test_a_wrong_class_argument_stands_in_the_dispatcher_s_log(
    manager: Manager, tmp_path: Path
) -> None:
    process = manager.start(tmp_path, tuner("StrategyTuner", strategy="evolutoin"))
    assert process.wait(timeout=30) != 0
    assert "Did you mean 'evolution'" in (tmp_path / "dispatcher.log").read_text()


def test_import_and_construction_are_light() -> None:
    """NNI gives a tuner 10 seconds from its start to connect, its own import included."""
    code = f"""
import sys, time
import nni.tuner
start = time.process_time()
from cellwright.adapters.nni_tuner import NASNetRLTuner
from cellwright.adapters.nni_space import search_space_of
tuner = NASNetRLTuner(seed=0)
taken = time.process_time() - start
tuner.update_search_space(search_space_of(tuner.space))
for number in range(8):
    tuner.receive_trial_result(number, tuner.generate_parameters(number), 0.5)
assert not {set(HEAVY)!r} & set(sys.modules), sys.modules.keys()
print(taken)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        env={**os.environ, "SDK_PROCESS": "dispatcher"},
    )  # fmt: skip
    assert float(done.stdout.split()[-1]) < 2.0  # measured: 0.05


def test_the_trial_s_side_imports_neither_nni_nor_the_tuner() -> None:
    code = f"""
import sys
import cellwright.adapters.nni_trial, cellwright.adapters.nni_experiment
wrong = {{'nni', 'cellwright.adapters.nni_tuner', *{HEAVY!r}}} & set(sys.modules)
assert not wrong, wrong
"""
    subprocess.run([sys.executable, "-c", code], check=True)
