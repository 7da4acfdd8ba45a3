"""A study that runs already goes on with our sampler, and better than with Optuna's own."""

import numpy as np
import optuna
import pytest

from benchmarks.adopted_study import CONTENDERS, best_of


@pytest.fixture(autouse=True)
def _quiet():
    optuna.logging.set_verbosity(optuna.logging.ERROR)


@pytest.mark.parametrize("contender", CONTENDERS)
def test_a_study_of_five_foreign_trials_goes_on(contender):
    assert 0.3 < best_of(CONTENDERS[contender](0), 0, trials=12) < 1


@pytest.mark.slow
def test_a_hundred_further_trials_beat_tpe_in_the_mean_of_ten_seeds():
    found = {name: [best_of(make(seed), seed) for seed in range(10)]
             for name, make in CONTENDERS.items()}  # fmt: skip
    assert np.mean(found["auto"]) > np.mean(found["TPESampler"]) + 0.01
