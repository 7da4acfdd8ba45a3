"""What a trial of fifty decisions costs on a storage, beside Optuna's own samplers.

    python -m benchmarks.trial_cost --storage sqlite:///trial_cost.db --storage journal \
        --storage postgresql://user@host/database --storage grpc+postgresql://user@host/database
    python -m benchmarks.trial_cost --storage postgresql://user@host/database \
        --earlier 1000 --earlier 5000 --earlier 20000

The samplers take turns, trial by trial, so that what else the machine does meets all alike; the
table shows medians. Nothing is trained: a trial is asked for, its decisions are suggested, and it
is stored. ``journal`` and ``grpc+URL`` are as in `benchmarks.faults`. ``--earlier`` is how many
complete trials each study holds before the first one that is timed; they are random architectures,
written into the database at once, and Optuna reads them in a trial that is not timed.
"""

from __future__ import annotations

import argparse
import statistics
import time
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import numpy as np
import optuna
from optuna.distributions import CategoricalDistribution, distribution_to_json
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.trial import create_trial

from benchmarks.faults import SPACE, opened, score
from cellwright.adapters.optuna_sampler import StrategySampler, suggest
from cellwright.adapters.optuna_storage import open_storage, with_driver
from cellwright.plugins import make_strategy
from cellwright.plugins.passwords import shown
from cellwright.search_spaces import Params

Objective = Callable[[optuna.Trial], float]
_BATCH = 500  # trials that are written in one statement


class Cost(NamedTuple):
    """Medians of a trial, in ms. The processor's is of this process: of a server, only the wall
    time tells."""

    wall: float
    processor: float


def plain(trial: optuna.Trial) -> float:
    """An objective as one writes it for Optuna: a parameter at a time."""
    for decision in SPACE.decisions:
        trial.suggest_categorical(decision.name, decision.choices)
    return score(trial.params)


def ours(trial: optuna.Trial) -> float:
    """The same, by `suggest`."""
    return score(suggest(trial, SPACE))


def contenders() -> dict[str, tuple[BaseSampler, Objective]]:
    """Samplers and objectives, by their names in the table."""
    return {
        "RandomSampler": (RandomSampler(seed=1), plain),
        "TPESampler": (TPESampler(seed=1), plain),
        "auto": (StrategySampler(make_strategy("auto", SPACE, seed=1)), ours),
    }


def measure(storage: str, trials: int, earlier: int) -> dict[str, Cost]:
    """What a trial costs, by the sampler's name."""
    with opened(storage) as url:
        held = open_storage(url)
        taking_part = contenders()
        studies = {
            name: optuna.create_study(
                study_name=f"cost-{uuid.uuid4().hex}",
                storage=held,
                sampler=sampler,
                direction="maximize",
            )
            for name, (sampler, _) in taking_part.items()
        }
        for study in studies.values():
            fill(study, url, earlier)
        took: dict[str, list[tuple[float, float]]] = {name: [] for name in studies}
        try:
            for turn in range(trials + 1):
                for name, study in studies.items():
                    wall, processor = time.perf_counter(), time.process_time()
                    study.optimize(taking_part[name][1], n_trials=1)
                    spent = (time.perf_counter() - wall, time.process_time() - processor)
                    if turn:  # the first one reads the study
                        took[name].append(spent)
        finally:
            for study in studies.values():
                optuna.delete_study(study_name=study.study_name, storage=held)
    return {
        name: Cost(
            statistics.median(wall for wall, _ in one) * 1e3,
            statistics.median(processor for _, processor in one) * 1e3,
        )
        for name, one in took.items()
    }


def fill(study: optuna.Study, url: str, number: int) -> None:
    """Give a study complete trials of random architectures, an hour ago and before.

    Optuna stores each parameter by itself, which takes an hour for 20,000 trials on a database: of
    one, the tables are written here.
    """
    rng = np.random.default_rng(0)
    drawn = [SPACE.sample(rng) for _ in range(number)]
    if "sql" in url.partition("://")[0]:
        for first in range(0, number, _BATCH):
            _write(study.study_name, url, drawn[first : first + _BATCH], first)
        return
    distributions: dict[str, Any] = {
        d.name: CategoricalDistribution(d.choices) for d in SPACE.decisions
    }
    for params in drawn:
        study.add_trial(
            create_trial(params=params, distributions=distributions, value=score(params))
        )


def _write(name: str, url: str, drawn: list[Params], first: int) -> None:
    """Trials from the number ``first`` on, into the tables of a study."""
    from sqlalchemy import MetaData, create_engine, insert, select

    engine, tables = create_engine(with_driver(url)), MetaData()
    tables.reflect(engine, only=["studies", "trials", "trial_params", "trial_values"])
    studies, trials, params_of, values_of = (
        tables.tables[name] for name in ("studies", "trials", "trial_params", "trial_values")
    )
    written = {
        d.name: distribution_to_json(CategoricalDistribution(d.choices)) for d in SPACE.decisions
    }
    begun = datetime.now() - timedelta(hours=1) + timedelta(seconds=first / 1000)
    numbers = range(first, first + len(drawn))
    with engine.begin() as connection:
        study = connection.execute(
            select(studies.c.study_id).where(studies.c.study_name == name)
        ).scalar_one()
        connection.execute(
            insert(trials),
            [
                {"number": n, "study_id": study, "state": "COMPLETE", "datetime_start": begun,
                 "datetime_complete": begun + timedelta(milliseconds=n - first + 1)}
                for n in numbers
            ],
        )  # fmt: skip
        known = select(trials.c.number, trials.c.trial_id).where(
            trials.c.study_id == study, trials.c.number >= first
        )
        ids = {row.number: row.trial_id for row in connection.execute(known)}
        connection.execute(
            insert(params_of),
            [
                {"trial_id": ids[n], "param_name": d.name, "distribution_json": written[d.name],
                 "param_value": float(d.index(params[d.name]))}
                for n, params in zip(numbers, drawn, strict=True)
                for d in SPACE.decisions
            ],
        )  # fmt: skip
        connection.execute(
            insert(values_of),
            [
                {"trial_id": ids[n], "objective": 0, "value": score(params), "value_type": "FINITE"}
                for n, params in zip(numbers, drawn, strict=True)
            ],
        )
    engine.dispose()


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--storage", action="append", required=True)
    parser.add_argument("--trials", type=int, default=30, help="that are timed")
    parser.add_argument("--earlier", type=int, action="append", help="trials in the study before")
    given = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    names = list(contenders())
    heads = [f"{name}, {what}" for what in ("wall", "CPU") for name in names]
    print(f"| storage | earlier trials | {' | '.join(heads)} |")
    print("|---" * (2 + len(heads)) + "|")
    for storage in given.storage:
        for earlier in given.earlier or [0]:
            costs = measure(storage, given.trials, earlier)
            cells = [f"{costs[name].wall:.0f} ms" for name in names]
            cells += [f"{costs[name].processor:.0f} ms" for name in names]
            print(f"| {shown(storage)} | {earlier:,} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
