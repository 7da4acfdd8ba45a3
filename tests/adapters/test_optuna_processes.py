"""Several processes on one Optuna storage: no trial is lost, and all stand where one would."""

import os
import subprocess
import sys
import uuid
from collections import Counter

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalRedisBackend
from optuna.trial import TrialState

from cellwright.adapters.optuna_sampler import NASNetRLSampler, suggest
from cellwright.plugins import Reinforce
from cellwright.search_spaces import NASNetSpace

SPACE = NASNetSpace(blocks=1)
EACH = 10  # trials of a process
POSTGRESQL = os.environ.get(
    "CELLWRIGHT_TEST_POSTGRESQL", "postgresql+psycopg2://postgres@127.0.0.1:5432/test"
)
REDIS = os.environ.get("CELLWRIGHT_TEST_REDIS", "redis://127.0.0.1:6379/0")

WORKER = """
import sys
import optuna
from test_optuna_processes import open_storage, score
from cellwright.adapters.optuna_sampler import NASNetRLSampler, suggest
from cellwright.search_spaces import NASNetSpace
kind, where, name, trials = sys.argv[1:]
optuna.logging.set_verbosity(optuna.logging.ERROR)
space = NASNetSpace(blocks=1)
study = optuna.load_study(
    study_name=name, storage=open_storage(kind, where), sampler=NASNetRLSampler(space, seed=5)
)
print("ready", flush=True)
sys.stdin.readline()
study.optimize(lambda trial: score(suggest(trial, space)), n_trials=int(trials))
"""


def open_storage(kind, where):
    if kind == "journal file":
        return JournalStorage(JournalFileBackend(where))
    if kind == "Redis":
        return JournalStorage(JournalRedisBackend(where))
    return optuna.storages.get_storage(where)


def score(params):
    counts = Counter(params.values())
    return counts["sep_3x3"] + 0.5 * counts["identity"] + 0.01 * counts["add"]


@pytest.fixture(params=["journal file", "PostgreSQL", "Redis"])
def kind(request):
    return request.param


@pytest.fixture
def where(kind, tmp_path):
    """An address of the storage; skips where no server runs."""
    if kind == "PostgreSQL":
        psycopg2 = pytest.importorskip("psycopg2")
        try:
            psycopg2.connect(POSTGRESQL.replace("+psycopg2", ""), connect_timeout=3).close()
        except psycopg2.OperationalError as error:
            pytest.skip(f"no PostgreSQL at CELLWRIGHT_TEST_POSTGRESQL: {error}")
        return POSTGRESQL
    if kind == "Redis":
        redis = pytest.importorskip("redis")
        try:
            redis.Redis.from_url(REDIS, socket_connect_timeout=3).ping()
        except redis.RedisError as error:
            pytest.skip(f"no Redis at CELLWRIGHT_TEST_REDIS: {error}")
        return f"{REDIS}"
    return str(tmp_path / "journal.log")


def test_four_processes_lose_nothing_and_agree_with_one(kind, where):
    name = f"cellwright-{uuid.uuid4()}"
    study = optuna.create_study(
        study_name=name, storage=open_storage(kind, where), direction="maximize"
    )
    try:
        environment = os.environ | {"PYTHONPATH": os.path.dirname(__file__)}
        workers = [
            subprocess.Popen(
                [sys.executable, "-c", WORKER, kind, where, name, str(EACH)],
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for _ in range(4)
        ]
        assert [worker.stdout.readline() for worker in workers] == ["ready\n"] * 4
        for worker in workers:  # none begins before the others can
            worker.stdin.write("go\n")
            worker.stdin.flush()
        for worker in workers:
            worker.communicate(timeout=500)
        assert [worker.returncode for worker in workers] == [0] * 4

        trials = study.get_trials()
        assert Counter(t.state for t in trials) == {TrialState.COMPLETE: 4 * EACH}
        assert [t.number for t in trials] == list(range(4 * EACH))

        joined = optuna.load_study(
            study_name=name,
            storage=open_storage(kind, where),
            sampler=NASNetRLSampler(SPACE, seed=5),
        )
        proposed = suggest(joined.ask(), SPACE)
        alone = Reinforce(SPACE, seed=5)
        for trial in sorted(trials, key=lambda t: (t.datetime_complete, t.number)):
            alone.tell(trial.number, trial.params, trial.value)
        assert proposed == alone.ask(4 * EACH)
    finally:
        optuna.delete_study(study_name=name, storage=study._storage)
