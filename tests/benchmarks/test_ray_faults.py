"""Workers and a driver of Ray Tune that are killed lose nothing and try nothing twice."""

import numpy as np
import pytest

pytest.importorskip("ray.tune")
from benchmarks.ray_faults import SPACE, run, score, searcher


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_nothing_is_lost_or_tried_twice_while_workers_and_the_driver_are_killed():
    found = run(trials=40, workers=2, kill_every=4.0, seconds=0.3)
    assert found["workers killed"] > 0
    assert 20 <= found["told when the driver was killed"] < 40
    assert (found["trials"], found["told to the strategy"]) == (40, 40)
    for wrong in ("lost", "left running", "networks evaluated twice", "next proposals apart"):
        assert found[wrong] == 0, found


def test_a_child_is_scored_by_its_architecture():
    assert score(SPACE.sample(np.random.default_rng(0))) == 1.0
    assert 0 <= score(SPACE.sample(np.random.default_rng(1))) < 1


def test_the_searcher_of_each_process_is_the_same():
    first, again = (searcher().suggest("a") for _ in range(2))
    assert SPACE.read(first) == SPACE.read(again)
