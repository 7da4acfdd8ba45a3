"""What a process that joins a long search computes before its first proposal.

    python -m benchmarks.joining --earlier 1000 --earlier 5000 --earlier 20000

A study of Optuna in memory holds so many finished trials of fifty decisions. The table has seconds
of CPU: for the study's trials as a strategy is told them, which is the same for all, and for the
first proposal of each strategy beyond that, without a snapshot and with the latest one that was
written on the way (`cellwright.plugins.records.snapshots`).

A strategy that has not learned all results after ``--longest`` seconds learns no further. Its
snapshot then holds what it has learned by then, under the name of one that lacks as many results as
it learns in a second, which takes as long to find and to read.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import optuna

from benchmarks.faults import SPACE
from benchmarks.trial_cost import fill
from cellwright.adapters.optuna_record import Record
from cellwright.plugins import Strategy, Told, make_strategy
from cellwright.plugins.records.snapshots import SnapshotFiles
from cellwright.plugins.registry import names
from cellwright.plugins.strategies.outcome import lesson
from cellwright.plugins.strategies.snapshots import START, Name, after, pack

_AT_A_TIME = 20  # results between two looks at the clock


class Cost(NamedTuple):
    """Seconds of CPU of a first proposal.

    ``learned`` is how many results the process without a snapshot came to learn.
    """

    without: float
    learned: int
    snapshot: float


def told_of(earlier: int) -> tuple[list[Told], float]:
    """The results of a study with so many trials, and what it took to read them."""
    study = optuna.create_study(direction="maximize")
    fill(study, "memory", earlier)
    before = time.process_time()
    told = Record(SPACE).update(study)
    return told, time.process_time() - before


def measure(name: str, told: list[Told], longest: float) -> Cost:
    """What one strategy costs."""
    several: dict[str, Any] = {"objectives": 2} if name.startswith("pareto") else {}
    if several:
        rng = np.random.default_rng(0)
        told = [one._replace(reward=tuple(rng.normal(size=2).tolist())) for one in told]

    def made() -> Strategy:
        strategy = make_strategy(name, SPACE, seed=1, **several)
        strategy.snapshots = SnapshotFiles(Path(folder))
        return strategy

    with tempfile.TemporaryDirectory() as folder:
        first, before = made(), time.process_time()
        for end in range(_AT_A_TIME, len(told) + _AT_A_TIME, _AT_A_TIME):
            first.follow(told[:end])
            if time.process_time() - before > longest:
                break
        first.ask(len(told))
        without, learned = time.process_time() - before, len(first.history)
        if learned < len(told):
            _plant(first, told, len(told) - int(learned / without))
        second, before = made(), time.process_time()
        second.follow(told)
        second.ask(len(told))
        return Cost(without, learned, time.process_time() - before)


def _plant(strategy: Strategy, told: list[Told], count: int) -> None:
    """Write what a strategy has learned as if it had learned ``count`` results."""
    digest = START
    for one in told[:count]:
        learned = lesson(one, strategy._range, strategy.objectives)
        digest = after(digest, SPACE.encode(one.params), learned)
    content, key = pack(strategy._values()), strategy._snapshot_key
    if strategy.snapshots is not None and key is not None and content is not None:
        strategy.snapshots.write(key, Name(count, digest.hex()), content)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--earlier", type=int, action="append", help="trials in the study before")
    parser.add_argument("--strategy", action="append", help="[all]")
    parser.add_argument("--longest", type=float, default=60, help="seconds of one replay")
    given = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    print("| trials | strategy | reading the study | replay | of which results | with a snapshot |")
    print("|---:|---|---:|---:|---:|---:|")
    for earlier in given.earlier or [20000]:
        told, reading = told_of(earlier)
        for name in given.strategy or names("strategies"):
            cost = measure(name, told, given.longest)
            cells = (
                f"{reading:.1f} s | {cost.without:.1f} s | {cost.learned:,} | {cost.snapshot:.1f} s"
            )
            print(f"| {earlier:,} | {name} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
