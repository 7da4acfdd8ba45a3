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

from cellwright.adapters.keras_oracle import NASNetHyperModel, StrategyOracle, architecture
from cellwright.plugins import Limit, Parameters, load_dataset, make_strategy
from cellwright.plugins.strategies.hyperband import Hyperband
from cellwright.search_spaces import Decision, NASNetSpace, SearchSpace

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


def together(script, folder):
    """Run a script as a chief and as two workers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    at = {"KERASTUNER_ORACLE_IP": "127.0.0.1", "KERASTUNER_ORACLE_PORT": port}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", script, str(folder)],
            env={**os.environ, **at, "KERASTUNER_TUNER_ID": name},
        )
        for name in ("chief", "tuner1", "tuner2")
    ]
    try:
        assert [process.wait(300) for process in processes] == [0, 0, 0]
    finally:
        for process in processes:
            process.kill()


@pytest.mark.slow
def test_a_chief_and_two_workers(tmp_path):
    together(SCRIPT, tmp_path)
    after = oracle(13)
    tuner = Scored(after, directory=str(tmp_path), project_name="project")
    tuner.search(verbose=0)  # the project goes on without its chief
    assert sorted(told.number for told in after.record()) == list(range(13))
    assert {t.number for t in after.record() if t.reward is None} == {2, 5}
    strategy = make_strategy("evolution", SPACE, seed=6, population=4, sample=2)
    strategy.follow(after.record()[:12])
    assert tuner.tried == [(12, strategy.ask(12))]


CELLS = NASNetSpace(blocks=1, operations=("identity", "sep_3x3", "sep_5x5"))


def cells_oracle(which):
    if which == "schedule":
        return StrategyOracle("val_accuracy", 4, strategy="random", space=CELLS, seed=0,
                              schedule=Hyperband(2, 2, brackets=1))  # fmt: skip
    objectives = [kt.Objective("val_accuracy", "max"), kt.Objective("parameters", "min")]
    return StrategyOracle(objectives, 6, strategy="random", space=CELLS, seed=0)


def search_cells(which, folder):
    options = {"filters": 2, "reductions": 1, "input_shape": (8, 8, 1), "classes": 10}
    if which == "objectives":
        options |= {"meter": Parameters(metric="weights"), "limit": Limit("weights", 450)}
    hypermodel = NASNetHyperModel(CELLS, **options)
    tuner = kt.Tuner(oracle=cells_oracle(which), hypermodel=hypermodel, directory=folder,
                     project_name="project")  # fmt: skip
    data = load_dataset("digits")
    tuner.search(data.x_train[:128], data.y_train[:128], batch_size=64, verbose=0,
                 validation_data=(data.x_val[:64], data.y_val[:64]))  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("which", ["objectives", "schedule"])
def test_workers_train_the_children_of_a_hypermodel(tmp_path, which):
    """A worker knows the objectives, the limit and the schedule, though its oracle is a chief's."""
    script = f"""
import sys
sys.path.insert(0, {os.path.dirname(__file__)!r})
from test_keras_workers import search_cells
search_cells({which!r}, sys.argv[1])
"""
    together(script, tmp_path)
    after = cells_oracle(which)
    after._set_project_dir(str(tmp_path), "project")
    after.reload()
    trials = [after.trials[str(told.number)] for told in after.record()]
    assert len(trials) == after.max_trials
    children = tmp_path / "project" / "children"
    if which == "schedule":
        assert all(trial.status == "COMPLETED" for trial in trials)
        went_on = [t for t in trials if "tuner/trial_id" in t.hyperparameters.values]
        assert len(list(children.iterdir())) == len(trials) - len(went_on) < len(trials)
        return
    assert not children.exists()
    for trial, told in zip(trials, after.record(), strict=True):
        found = {name: trial.metrics.get_last_value(name) for name in trial.metrics.metrics}
        if told.reward is None:
            assert trial.status == "FAILED"
            assert found["weights"] > 450
            assert "multi_objective" not in found
        else:
            assert told.reward == (found["val_accuracy"], -found["parameters"])
            assert found["weights"] == found["parameters"] <= 450
            assert trial.score == found["parameters"] - found["val_accuracy"]
    assert {told.reward is None for told in after.record()} == {True, False}
