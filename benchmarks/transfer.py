"""What a search gains from an earlier search of the same space on other data.

    python -m benchmarks.transfer --table nb201.csv.gz --seeds 50 --into page.md

In NAS-Bench-201, `auto` searches on CIFAR-10 first, and then on CIFAR-100 and on ImageNet16-120,
once as it is, once after that search (`prior`), and once after one whose rewards were shuffled, of
which nothing can be learned. The figure is the test accuracy of the cell with the best validation
accuracy so far, as in `search_quality`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from benchmarks import search_quality
from benchmarks.tables import TableSource
from cellwright.plugins import Auto, Told

EARLIER, LATER = "cifar10", ("cifar100", "imagenet16")
WAYS = ("alone", "after CIFAR-10", "after a shuffled search")
SHOWN = (10, 25, 50, 100)


def source(table: Path, data: str) -> TableSource:
    return TableSource(table, f"{data}_val", f"{data}_test", ("op_*",))


def search(
    found: TableSource, seed: int, evaluations: int, prior: Sequence[Any] = ()
) -> tuple[list[float], tuple[Told, ...]]:
    """What is reported of the best so far, after each evaluation, and the history."""
    problem, curve = found.load(seed), []
    best, shown = -math.inf, math.nan
    strategy = Auto(problem.space, seed=seed, prior=prior)
    for number in range(evaluations):
        params = strategy.ask(number)
        outcome = problem.evaluate(params, number)
        strategy.tell(number, params, outcome.value)
        if isinstance(outcome.value, float) and outcome.value > best:
            best, shown = outcome.value, float(np.asarray(outcome.report))
        curve.append(shown)
    return curve, strategy.history


def main(
    table: Annotated[Path, typer.Option(help="NAS-Bench-201 as CSV.")],
    seeds: Annotated[int, typer.Option(min=2, help="Searches of each kind.")] = 50,
    earlier: Annotated[int, typer.Option(min=2, help="Evaluations of the earlier search.")] = 100,
    evaluations: Annotated[int, typer.Option(min=1, help="Evaluations of each search.")] = 50,
    into: Annotated[list[Path] | None, typer.Option(help="Page, at <!-- transfer -->.")] = None,
) -> None:
    """Run all searches and print the table."""
    points = [point for point in SHOWN if point <= evaluations] or [evaluations]
    curves: dict[tuple[str, str], list[list[float]]] = {}
    for seed in range(seeds):
        _, told = search(source(table, EARLIER), 10_000 + seed, earlier)
        order = np.random.default_rng(seed).permutation(len(told)).tolist()
        shuffled = [(one.params, told[n].reward) for one, n in zip(told, order, strict=True)]
        priors: tuple[list[Any], ...] = ([], [told], [shuffled])
        for data in LATER:
            for way, prior in zip(WAYS, priors, strict=True):
                curve, _ = search(source(table, data), seed, evaluations, prior)
                curves.setdefault((data, way), []).append([curve[n - 1] for n in points])
    head = " | ".join(f"after {point}" for point in points)
    lines = [f"| searched | how | {head} |", "| --- | --- |" + " ---: |" * len(points)]
    for (data, way), rows in curves.items():
        error = np.std(rows, axis=0, ddof=1) / math.sqrt(seeds)
        cells = [f"{m:.2f} ± {e:.2f}" for m, e in zip(np.mean(rows, axis=0), error, strict=True)]
        lines.append(f"| {data} | {way} | {' | '.join(cells)} |")
    text = "\n".join(lines) + "\n"
    for page in into or []:
        search_quality.put(text, page, "transfer")
    typer.echo(text)


if __name__ == "__main__":
    typer.run(main)
