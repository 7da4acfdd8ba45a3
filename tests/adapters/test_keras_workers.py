"""A chief and its workers, over Keras Tuner's own gRPC service on 127.0.0.1."""

import json
import os
import socket
import subprocess
import sys
import time
import zlib
from concurrent import futures
from pathlib import Path

import grpc
import keras_tuner as kt
import pytest
from keras_tuner.src import protos
from keras_tuner.src.distribute.oracle_chief import OracleServicer

from cellwright.adapters.keras_oracle import StrategyOracle, architecture
from cellwright.plugins import make_strategy
from cellwright.search_spaces import Decision, SearchSpace

SPACE = SearchSpace(
    [
        *(Decision(f"operation_{i}", ("conv", "pool", "identity")) for i in range(4)),
        Decision("dropout", (0.1, 0.2, 0.7)),
        Decision("skip", (True, False)),
        Decision("depth", (1, 2, 3)),
    ]
)


def score(params):
    return zlib.crc32(json.dumps(params, sort_keys=True).encode()) % 1024 / 1024


def oracle(trials):
    return StrategyOracle(kt.Objective("score", "max"), trials, strategy="evolution", space=SPACE,
                          seed=6, population=4, sample=2)  # fmt: skip


class Scored(kt.engine.base_tuner.BaseTuner):
    def run_trial(self, trial, *args, **kwargs):
        params = architecture(trial.hyperparameters, SPACE)
        self.tried = [*getattr(self, "tried", []), (int(trial.trial_id), params)]
        if int(trial.trial_id) in (2, 5):
            raise RuntimeError("this child fails")
        return score(params)


def bare(trials):
    strategy = make_strategy("evolution", SPACE, seed=6, population=4, sample=2)
    tried = []
    for number in range(trials):
        params = strategy.ask(number)
        tried.append((number, params))
        strategy.tell(number, params, None if number in (2, 5) else score(params))
    return tried


@pytest.fixture
def chief(tmp_path):
    """A served oracle, and the port that it is served on."""
    served = oracle(9)
    tuner = Scored(served, directory=str(tmp_path), project_name="project")
    tuner.save()
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=1))
    protos.get_service_grpc().add_OracleServicer_to_server(OracleServicer(served), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield served, port
    server.stop(None).wait()


def test_a_worker_gets_what_the_bare_loop_gives(tmp_path, monkeypatch, chief):
    served, port = chief
    monkeypatch.setenv("KERASTUNER_TUNER_ID", "tuner1")
    monkeypatch.setenv("KERASTUNER_ORACLE_IP", "127.0.0.1")
    monkeypatch.setenv("KERASTUNER_ORACLE_PORT", str(port))
    worker = Scored(oracle(9), directory=str(tmp_path), project_name="project")
    worker.search(verbose=0)
    assert worker.tried == bare(9)
    assert [told.number for told in served.record() if told.reward is None] == [2, 5]
    assert not served.ongoing_trials
    assert not served.tuner_ids


class Together(Scored):
    """Waits in its first trial until both workers have one; else the first does all."""

    def run_trial(self, trial, *args, **kwargs):
        here = Path(self.directory)
        (here / f"{self.tuner_id}.started").touch()
        end = time.monotonic() + 200
        while len(list(here.glob("*.started"))) < 2 and time.monotonic() < end:
            time.sleep(0.1)
        return super().run_trial(trial)


SCRIPT = f"""
import sys
sys.path.insert(0, {os.path.dirname(__file__)!r})
from test_keras_workers import Together, oracle
Together(oracle(12), directory=sys.argv[1], project_name="project").search(verbose=0)
"""


@pytest.mark.slow
def test_a_chief_and_two_workers(tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    at = {"KERASTUNER_ORACLE_IP": "127.0.0.1", "KERASTUNER_ORACLE_PORT": port}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", SCRIPT, str(tmp_path)],
            env={**os.environ, **at, "KERASTUNER_TUNER_ID": name},
        )
        for name in ("chief", "tuner1", "tuner2")
    ]
    try:
        assert [process.wait(300) for process in processes] == [0, 0, 0]
    finally:
        for process in processes:
            process.kill()
    after = oracle(13)
    tuner = Scored(after, directory=str(tmp_path), project_name="project")
    tuner.search(verbose=0)  # the project goes on without its chief
    assert sorted(told.number for told in after.record()) == list(range(13))
    assert {t.number for t in after.record() if t.reward is None} == {2, 5}
    strategy = make_strategy("evolution", SPACE, seed=6, population=4, sample=2)
    strategy.follow(after.record()[:12])
    assert tuner.tried == [(12, strategy.ask(12))]
