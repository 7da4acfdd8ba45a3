"""The same search for NAS-Bench-201's cells, on the benchmark's table or on children that train."""

import argparse
import csv
import gzip
from collections.abc import Callable
from pathlib import Path

import optuna

from cellwright import (
    EdgeCellSpace,
    Evaluation,
    Recipe,
    StrategySampler,
    costs,
    load_dataset,
    suggest,
)
from cellwright.search_spaces import Params

SPACE = EdgeCellSpace()
Score = Callable[[Params], float]


def by_table(path: Path, column: str) -> Score:
    """What the table says of a cell, in percent: a column for each edge, and one of accuracies."""
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as file:
        found = {
            tuple(row[name] for name in SPACE.names): float(row[column])
            for row in csv.DictReader(file)
        }
    return lambda params: found[tuple(str(params[name]) for name in SPACE.names)]


def by_training(data: str, epochs: int, repeats: int, filters: int) -> Score:
    """What a child scores on validation images after these epochs, in percent."""
    options = {"repeats": repeats, "filters": filters}
    evaluation = Evaluation(SPACE, load_dataset(data), Recipe(epochs), options=options)
    return lambda params: 100 * evaluation.run(params)[0]["val_accuracy"]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--table", type=Path, help="a .csv or .csv.gz; without it children train")
    options.add_argument("--column", default="cifar10_val", help="of the table")
    options.add_argument("--data", default="digits", help="digits, fashion_mnist, or a .npz file")
    options.add_argument("--epochs", type=int, default=10)
    options.add_argument("--repeats", type=int, default=1, help="cells in each stack")
    options.add_argument("--filters", type=int, default=16)
    options.add_argument("--trials", type=int, default=100)
    options.add_argument("--strategy", default="auto")
    options.add_argument("--seed", type=int, default=0)
    given = options.parse_args()

    if given.table is not None:
        score = by_table(given.table, given.column)
    else:
        score = by_training(given.data, given.epochs, given.repeats, given.filters)
    sampler = StrategySampler(given.strategy, space=SPACE, seed=given.seed)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    study.optimize(lambda trial: score(suggest(trial, SPACE)), n_trials=given.trials)

    best = SPACE.genotype(study.best_params)
    print(f"the best of {len(study.trials)}: {study.best_value:.2f}, {best.in_short()}")
    network = best.build((32, 32, 3), 10)
    print(f"as in the benchmark, without dead edges: {costs(network).trainable:,} parameters")


if __name__ == "__main__":
    main()
