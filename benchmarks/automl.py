"""One call on small tables: test accuracy and seconds, beside scikit-learn at its defaults.

``python -m benchmarks.automl`` holds out a quarter of the rows; the seed fixes the split.
"""

from __future__ import annotations

import argparse
import csv
import time
from collections.abc import Callable
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from sklearn import datasets
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from cellwright import CellwrightClassifier

SETS: dict[str, Callable[..., Any]] = {
    "digits": datasets.load_digits,
    "wine": datasets.load_wine,
    "breast_cancer": datasets.load_breast_cancer,
}


def contenders(seconds: float, seed: int) -> dict[str, Any]:
    """Estimators by name; scikit-learn's are at their defaults."""
    return {
        "CellwrightClassifier": CellwrightClassifier(time_budget=seconds, random_state=seed),
        "MLPClassifier": MLPClassifier(random_state=seed),
        "MLPClassifier, scaled": make_pipeline(StandardScaler(), MLPClassifier(random_state=seed)),
        "HistGradientBoosting": HistGradientBoostingClassifier(random_state=seed),
    }


def measure(data: str, seconds: float, seed: int) -> list[dict[str, Any]]:
    """A row for each contender: test accuracy and the seconds of ``fit``."""
    x, y = SETS[data](return_X_y=True)
    x, x_test, y, y_test = train_test_split(x, y, random_state=seed, stratify=y)
    rows = []
    for name, estimator in contenders(seconds, seed).items():
        start = time.perf_counter()
        estimator.fit(x, y)
        took = time.perf_counter() - start
        row = {"data": data, "contender": name, "seed": seed, "seconds": round(took, 1),
               "test_accuracy": round(estimator.score(x_test, y_test), 4)}  # fmt: skip
        if name.startswith("Cellwright"):
            row |= {"trials": len(estimator.trials_), "refitted": estimator.refitted_}
        print(row, flush=True)
        rows.append(row)
    return rows


def summary(rows: list[dict[str, Any]]) -> str:
    """A table of means over the seeds."""
    lines = ["| data | contender | test accuracy | seconds |", "|---|---|---:|---:|"]
    for data in dict.fromkeys(row["data"] for row in rows):
        for name in dict.fromkeys(row["contender"] for row in rows):
            mine = [row for row in rows if (row["data"], row["contender"]) == (data, name)]
            scores = [100 * row["test_accuracy"] for row in mine]
            spread = f" ± {stdev(scores):.2f}" if len(scores) > 1 else ""
            seconds = fmean(row["seconds"] for row in mine)
            lines.append(f"| {data} | {name} | {fmean(scores):.2f}{spread} | {seconds:.1f} |")
    return "\n".join(lines)


def main() -> None:
    """Measure what the arguments say, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", nargs="+", choices=list(SETS), default=list(SETS))
    parser.add_argument("--seconds", type=float, default=120.0, help="time_budget of a fit")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, help="a .csv file to write the rows to")
    given = parser.parse_args()
    rows = [
        row
        for data in given.data
        for seed in range(given.seeds)
        for row in measure(data, given.seconds, seed)
    ]
    if given.out is not None:
        with given.out.open("w", newline="", encoding="utf-8") as file:
            names = list(dict.fromkeys(name for row in rows for name in row))
            writer = csv.DictWriter(file, names)
            writer.writeheader()
            writer.writerows(rows)
    print(summary(rows))


if __name__ == "__main__":
    main()
