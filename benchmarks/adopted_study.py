"""A study of five foreign trials goes on with our sampler, or with Optuna's own.

    python -m benchmarks.adopted_study --seeds 10

Each study begins with five trials that hold nothing but a learning rate. Then a hundred trials
search the book's 50 decisions too, with ``StrategySampler("auto")`` or with ``TPESampler()``. The
objective trains nothing. It is a table: what each decision adds is drawn at random, as is what each
pair of neighbours adds, and the best possible sum of each is 1. Printed is the best value among the
hundred trials, as mean and standard error over the seeds.
"""

from __future__ import annotations

import argparse
import itertools
import math
from collections.abc import Callable

import numpy as np
import optuna
from optuna.samplers import BaseSampler, TPESampler

from cellwright import NASNetSpace, StrategySampler, suggest

Objective = Callable[[optuna.Trial], float]
SPACE = NASNetSpace()
CONTENDERS: dict[str, Callable[[int], BaseSampler]] = {
    "auto": lambda seed: StrategySampler("auto", seed=seed),
    "TPESampler": lambda seed: TPESampler(seed=seed),
}


def make_objective(seed: int) -> Objective:
    """The table of a seed, with a learning rate beside it."""
    rng = np.random.default_rng((seed, 5))
    sizes = [len(decision.choices) for decision in SPACE.decisions]
    singles = [rng.random(size) for size in sizes]
    pairs = [rng.random((one, other)) for one, other in itertools.pairwise(sizes)]
    most = sum(float(table.max()) for table in (*singles, *pairs))

    def objective(trial: optuna.Trial) -> float:
        rate = trial.suggest_float("learning_rate", 1e-4, 1e-1, log=True)
        places = SPACE.key(suggest(trial, SPACE))  # the same network has the same value
        worth = sum(float(table[i]) for table, i in zip(singles, places, strict=True))
        for table, i, j in zip(pairs, places, places[1:], strict=False):
            worth += float(table[i, j])
        return worth / most - 0.01 * abs(math.log10(rate) + 2.5)

    return objective


def foreign(trial: optuna.Trial) -> float:
    """What ran before: no architecture."""
    rate = trial.suggest_float("learning_rate", 1e-4, 1e-1, log=True)
    return 0.3 - 0.01 * abs(math.log10(rate) + 2.5)


def best_of(sampler: BaseSampler, seed: int, trials: int = 100) -> float:
    """The best value of ``trials`` trials after five foreign ones."""
    study = optuna.create_study(direction="maximize", sampler=TPESampler(seed=seed))
    study.optimize(foreign, n_trials=5)
    study.sampler = sampler
    study.optimize(make_objective(seed), n_trials=trials)
    return max(float(trial.values[0]) for trial in study.trials[5:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--trials", type=int, default=100)
    given = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    for name, make in CONTENDERS.items():
        found = [best_of(make(seed), seed, given.trials) for seed in range(given.seeds)]
        error = np.std(found, ddof=1) / math.sqrt(len(found))
        print(f"{name:12} {np.mean(found):.4f} +- {error:.4f}", flush=True)


if __name__ == "__main__":
    main()
