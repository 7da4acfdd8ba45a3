"""Workers that are killed lose nothing, leave nothing and try nothing twice."""

import os

import pytest

from benchmarks.faults import SPACE, Outcome, run, score, table

POSTGRESQL = os.environ.get(
    "CELLWRIGHT_TEST_POSTGRESQL", "postgresql+psycopg2://postgres@127.0.0.1:5432/test"
)
REDIS = os.environ.get("CELLWRIGHT_TEST_REDIS", "redis://127.0.0.1:6379/0")


@pytest.fixture(params=["journal", "PostgreSQL", "Redis", "gRPC"])
def storage(request):
    """Of each kind; skips where no server runs."""
    if request.param in ("PostgreSQL", "gRPC"):
        psycopg2 = pytest.importorskip("psycopg2")
        try:
            psycopg2.connect(POSTGRESQL.replace("+psycopg2", ""), connect_timeout=3).close()
        except psycopg2.OperationalError as error:
            pytest.skip(f"no PostgreSQL at CELLWRIGHT_TEST_POSTGRESQL: {error}")
    if request.param == "Redis":
        redis = pytest.importorskip("redis")
        try:
            redis.Redis.from_url(REDIS, socket_connect_timeout=3).ping()
        except redis.RedisError as error:
            pytest.skip(f"no Redis at CELLWRIGHT_TEST_REDIS: {error}")
    urls = {"PostgreSQL": POSTGRESQL, "Redis": REDIS, "gRPC": f"grpc+{POSTGRESQL}"}
    return urls.get(request.param, "journal")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_nothing_is_lost_left_or_tried_twice_while_workers_are_killed(storage):
    outcome = run(storage, trials=100, workers=8, kill_every=5.0, seconds=2.0)
    assert outcome.kills >= 2
    assert outcome.is_sound, outcome


def test_the_table_and_the_verdict_say_what_went_wrong():
    sound = Outcome("journal", 100, 5, 3, 0, 0, 0, 8, 0, 60.4)
    assert sound.is_sound
    for wrong in ({"lost": 1}, {"running": 1}, {"twice": 1}, {"apart": 1}, {"workers": 0}):
        assert not Outcome(**{**vars(sound), **wrong}).is_sound
    *_, row = table([sound]).splitlines()
    assert row == "| journal | 100 | 5 | 3 | 0 | 0 | 0 | 8 | 0 | 60 |"


def test_a_child_is_scored_by_its_architecture():
    import numpy as np

    assert score(SPACE.sample(np.random.default_rng(0))) == 1.0
    assert 0 <= score(SPACE.sample(np.random.default_rng(1))) < 1
