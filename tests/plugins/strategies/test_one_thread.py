"""Strategies leave the cores to what trains, and NumPy as they found it."""

import os
import subprocess
import sys

import numpy as np
import pytest
from threadpoolctl import ThreadpoolController

from cellwright.plugins import PredictorGuided, RandomSearch, Reinforce
from cellwright.search_spaces import NASNetSpace

np.linalg.inv(np.eye(1))
POOLS = ThreadpoolController().select(user_api="blas")
SPACE = NASNetSpace(blocks=1)


def number_of_threads():
    return {pool["num_threads"] for pool in POOLS.info()}


class Watched(RandomSearch):
    def __init__(self, space, seen, meet):
        super().__init__(space, seed=0)
        self.seen, self.meet = seen, meet

    def _propose(self, number, rng):
        self.meet()
        self.seen.append(number_of_threads())
        return super()._propose(number, rng)

    def _learn(self, indices, reward):
        self.seen.append(number_of_threads())


@pytest.fixture
def three_threads():
    with POOLS.limit(limits=3):
        if number_of_threads() != {3}:
            pytest.skip(f"NumPy's algebra cannot be told its threads here: {POOLS.info()}")
        yield


@pytest.mark.usefixtures("three_threads")
def test_a_strategy_asks_and_learns_on_one_thread():
    seen = []
    strategy = Watched(SPACE, seen, lambda: None)
    params = strategy.ask(0)
    strategy.tell(0, params, 1.0)
    assert seen == [{1}, {1}]
    assert number_of_threads() == {3}


@pytest.mark.usefixtures("three_threads")
@pytest.mark.parametrize("make", [PredictorGuided, Reinforce])
def test_what_predicts_or_has_a_controller_leaves_the_number_as_it_was(make):
    strategy = make(SPACE, seed=0)
    for number in range(12):
        params = strategy.ask(number)
        strategy.tell(number, params, float(number))
        strategy.predict(params)
        assert number_of_threads() == {3}


TWO = """
import threading, time
import numpy as np
from threadpoolctl import ThreadpoolController
from cellwright.plugins import RandomSearch
from cellwright.search_spaces import NASNetSpace

np.linalg.inv(np.eye(1))
POOLS = ThreadpoolController().select(user_api="blas")

def numbers():
    return {pool["num_threads"] for pool in POOLS.info()}

class Slow(RandomSearch):
    def _propose(self, number, rng):
        begun.set()
        time.sleep(number)
        seen.append(numbers())
        return super()._propose(number, rng)

before, seen, begun = numbers(), [], threading.Event()
asking = [
    threading.Thread(target=Slow(NASNetSpace(blocks=1), seed=0).ask, args=(number,))
    for number in (1, 0)
]
asking[0].start()
begun.wait(10)
asking[1].start()  # would begin later and end earlier, and put back what the first one had set
for thread in asking:
    thread.join()
assert seen == [{1}, {1}], seen
assert numbers() == before, numbers()
"""


def test_strategies_in_two_threads_leave_the_number_as_it_was():
    """In a process of its own: threadpoolctl heeds only the thread that told it a number first."""
    given = {**os.environ, "OPENBLAS_NUM_THREADS": "2", "MKL_NUM_THREADS": "2"}
    done = subprocess.run(
        [sys.executable, "-c", TWO], env=given, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
