"""Which search finds the best front on the six problems of two objectives in NAS-Bench-201.

    python -m benchmarks.six_fronts --table nb201.csv.gz --out results/six-fronts --seeds 40

Accuracy on each of three data sets, against parameters and against FLOPs, as `pareto` measures it.
Ours computes the parameters or FLOPs of each candidate (`+computed`), as `cellwright search` does
with these objectives. Without, it learns them as the others do. All records are in one file, and a
second run does what is missing. The table has the hypervolume of each search on each problem, and
by how many standard errors ours is ahead of it.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from benchmarks import records, search_quality
from benchmarks.contenders import Plan
from benchmarks.pareto import ParetoSource
from benchmarks.records import SHOWN, Record
from benchmarks.tables import TableSource

DATA = ("cifar10", "cifar100", "imagenet16")
COSTS = ("params_M", "flops_M")
OURS = "pareto-predictor+computed"  # as `cellwright search` has it with these objectives
CONTENDERS = (OURS, "pareto-predictor", "pareto", "random", "optuna-nsga2-20", "optuna-tpe")


def problems(table: Path, reference: str) -> list[ParetoSource]:
    """The six problems of a table with NAS-Bench-201's columns."""
    found = []
    for cost in COSTS:
        for data in DATA:
            more = TableSource(table, f"{data}_val", f"{data}_val", ("op_*",))
            less = replace(more, search_on=cost, report=cost, minimise=True)
            found.append(ParetoSource((more, less), reference, counted=True))
    return found


def table_of(found: Sequence[Record], names: Sequence[str]) -> str:
    """A table in Markdown: the problems in the order of ``names``, the searches by their name.

    Args:
        found: Records of any problems and searches; those of other problems are left out.
        names: Of the problems.
    """
    groups: defaultdict[tuple[str, str, int], list[float]] = defaultdict(list)
    for record in found:
        for point in {point for point in SHOWN if point in record.points}:
            groups[record.problem, record.contender, point].append(record.at(point)[0])
    searches = sorted({(record.contender != OURS, record.contender) for record in found})
    points = [point for point in SHOWN if any(key[2] == point for key in groups)]
    head = "".join(f" after {point} | ahead |" for point in points)
    lines = [
        f"| problem | contender | seeds |{head}",
        "| --- | --- | ---: |" + " ---: | ---: |" * len(points),
    ]
    for name in names:
        for _, search in searches:
            seeds = max(len(groups[name, search, point]) for point in points)
            if seeds:
                cells = [_cell(groups, name, search, point) for point in points]
                lines.append(f"| {_short(name)} | {search} | {seeds} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _cell(
    groups: defaultdict[tuple[str, str, int], list[float]], name: str, search: str, point: int
) -> str:
    """Mean and standard error of a search, and by how many standard errors ours is ahead."""
    values, ours = groups[name, search, point], groups[name, OURS, point]
    if not values:
        return "- | -"
    mean, error = _mean(values)
    if search == OURS or not ours:
        return f"{mean:.2f} ± {error:.2f} | "
    our_mean, our_error = _mean(ours)
    apart = math.hypot(error, our_error)
    return f"{mean:.2f} ± {error:.2f} | " + (f"{(our_mean - mean) / apart:.1f}" if apart else "-")


def _mean(values: Sequence[float]) -> tuple[float, float]:
    error = np.std(values, ddof=1) / math.sqrt(len(values)) if len(values) > 1 else 0.0
    return float(np.mean(values)), float(error)


def _short(name: str) -> str:
    _, columns, _ = name.split(", ")
    return columns.removeprefix("more ").replace(" and less ", ", ")


def main(
    table: Annotated[Path, typer.Option(help="NAS-Bench-201 as CSV.")],
    out: Annotated[Path, typer.Option(help="Folder of the results.")],
    contenders: Annotated[list[str] | None, typer.Option(help="A name; may be repeated.")] = None,
    reference: Annotated[str, typer.Option(help="Reference point: worst or front.")] = "front",
    seeds: Annotated[int, typer.Option(min=0, help="Searches of each; 0 only makes tables.")] = 40,
    evaluations: Annotated[int, typer.Option(min=1, help="Evaluations of each search.")] = 200,
    jobs: Annotated[int, typer.Option(min=1, help="Processes.")] = 1,
    into: Annotated[
        list[Path] | None, typer.Option(help="Page to put the table into, at its marks.")
    ] = None,
) -> None:
    """Run searches that are missing, and write the table, results.md.

    The marks are <!-- FOLDER'S NAME --> and <!-- end of FOLDER'S NAME -->.
    """
    out.mkdir(parents=True, exist_ok=True)
    names = search_quality.installed(contenders or CONTENDERS) if seeds else []
    for seed in range(seeds):  # all problems of a seed first, so that a half is of use
        for source in problems(table, reference):
            plan = Plan(seed, evaluations, objectives=2)
            search_quality.run(names, source, [plan], out, jobs)
    text = table_of(records.read(out), [source.name for source in problems(table, reference)])
    (out / "results.md").write_text(text)
    for page in into or []:
        search_quality.put(text, page, out.name)
    typer.echo(text)


if __name__ == "__main__":
    typer.run(main)
