"""What a trial of fifty decisions costs on a storage, beside Optuna's RandomSampler.

    python -m benchmarks.trial_cost --storage sqlite:///trial_cost.db --storage journal \
        --storage postgresql://user@host/database --storage grpc+postgresql://user@host/database

The two samplers take turns, trial by trial, so that what else the machine does meets both alike;
the table shows medians. Nothing is trained: a trial is asked for, its decisions are suggested, and
it is stored. ``journal`` and ``grpc+URL`` are as in `benchmarks.faults`.
"""

from __future__ import annotations

import argparse
import statistics
import time
import uuid

import optuna
from optuna.samplers import BaseSampler, RandomSampler

from benchmarks.faults import SPACE, opened
from cellwright.adapters.optuna_sampler import NASNetEvolutionSampler, suggest
from cellwright.adapters.optuna_storage import open_storage
from cellwright.plugins.passwords import shown


def plain(trial: optuna.Trial) -> float:
    """An objective as one writes it for Optuna: a parameter at a time."""
    for decision in SPACE.decisions:
        trial.suggest_categorical(decision.name, decision.choices)
    return 1.0


def ours(trial: optuna.Trial) -> float:
    """The same, by `suggest`."""
    return float(len(suggest(trial, SPACE)))


def measure(storage: str, trials: int) -> dict[str, tuple[float, float]]:
    """Median wall and processor time of a trial, in ms, by the sampler's name.

    The processor time is this process's: of a server, only the wall time tells.
    """
    contenders: list[tuple[BaseSampler, object]] = [
        (RandomSampler(seed=1), plain),
        (NASNetEvolutionSampler(SPACE, seed=1), ours),
    ]
    with opened(storage) as url:
        opened_storage = open_storage(url)
        studies = [
            optuna.create_study(
                study_name=f"cost-{uuid.uuid4().hex}",
                storage=opened_storage,
                sampler=sampler,
                direction="maximize",
            )
            for sampler, _ in contenders
        ]
        took: list[list[tuple[float, float]]] = [[], []]
        for turn in range(trials + 1):
            for k, (_, objective) in enumerate(contenders):
                wall, processor = time.perf_counter(), time.process_time()
                studies[k].optimize(objective, n_trials=1)  # type: ignore[arg-type]
                spent = (time.perf_counter() - wall, time.process_time() - processor)
                if turn:  # the first one meets an empty study
                    took[k].append(spent)
    names = ("RandomSampler", "ours")
    return {
        name: (
            statistics.median(wall for wall, _ in one) * 1e3,
            statistics.median(processor for _, processor in one) * 1e3,
        )
        for name, one in zip(names, took, strict=True)
    }


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--storage", action="append", required=True)
    parser.add_argument("--trials", type=int, default=30)
    given = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    print("| storage | RandomSampler, wall | ours, wall | RandomSampler, CPU | ours, CPU |")
    print("|---|---|---|---|---|")
    for storage in given.storage:
        (wall, processor), (our_wall, our_processor) = measure(storage, given.trials).values()
        cells = (f"{x:.0f} ms" for x in (wall, our_wall, processor, our_processor))
        print(f"| {shown(storage)} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
