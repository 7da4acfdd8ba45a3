"""Which search finds the best front of two objectives, by the hypervolume that it dominates.

    python -m benchmarks.pareto --table nb201.csv.gz --decisions 'op_*' \
        --maximize cifar10_val --minimize params_M --out results/pareto

Searches, records, tables and picture are as in `search_quality`: run it in the root of the
checkout, and it does what is missing. A search is told both columns of each architecture that it
proposes. The figure is the hypervolume of everything that it has found so far, in percent of that
of the table's true front; 100 means that a search found the whole front.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray

from benchmarks import search_quality
from benchmarks.contenders import Plan
from benchmarks.problems import Outcome
from benchmarks.tables import TableProblem, TableSource
from cellwright.plugins.strategies.pareto import hypervolume, non_dominated
from cellwright.search_spaces import Params, SearchSpace

CONTENDERS = (
    "pareto-predictor", "pareto", "random", "optuna-nsga2", "optuna-nsga2-20", "optuna-tpe",
)  # fmt: skip
REFERENCES = ("worst", "front")


@dataclass(frozen=True)
class ParetoSource:
    """Two columns of a table, each with its own direction.

    Args:
        tables: The same table, searched on one column each.
        reference: The point down to which the hypervolume counts. ``"worst"`` is the worst value of
            each column in the whole table; ``"front"`` is the worst on the true front, which leaves
            out whatever is worse in one objective than every good trade-off.
        counted: Whether the second is a count that needs no training, such as parameters.
    """

    tables: tuple[TableSource, TableSource]
    reference: str = "worst"
    counted: bool = False
    minimise = False
    unit = "hypervolume, % of the true front's"

    def __post_init__(self) -> None:
        if self.reference not in REFERENCES:
            raise ValueError(f"reference must be one of {REFERENCES}, got {self.reference!r}")

    @property
    def name(self) -> str:
        file = self.tables[0].path.name.split(".")[0]
        words = [
            ("less " if table.minimise else "more ")
            + table.search_on
            + (f" (reported {table.report})" if table.report != table.search_on else "")
            for table in self.tables
        ]
        return f"{file}, {' and '.join(words)}, reference {self.reference}"

    def load(self, seed: int) -> ParetoProblem:
        return ParetoProblem(tuple(table.load(seed) for table in self.tables), self.counted)

    def standing(self) -> Front:
        problem = self.load(0)
        values = problem.all_reports()
        front = values[non_dominated(values)]
        low = (values if self.reference == "worst" else front).min(axis=0)
        return Front((float(low[0]), float(low[1])), hypervolume(front, low.tolist()))


@dataclass(frozen=True)
class ParetoProblem:
    tables: tuple[TableProblem, ...]
    counted: bool = False

    @property
    def computed(self) -> list[Callable[[Params], float] | None] | None:
        """For each objective how it is computed, or None: see `ParetoPredictor`."""
        return [None, self._cost] if self.counted else None

    def _cost(self, params: Params) -> float:
        table = self.tables[1]
        return table.sign * table.entries[self.space.encode(params)].report

    @property
    def space(self) -> SearchSpace:
        return self.tables[0].space

    def evaluate(self, params: Params, number: int) -> Outcome:
        """Return values as a search is told them, and reports with the same signs."""
        found = [table.evaluate(params, number) for table in self.tables]
        values = [outcome.value for outcome in found if isinstance(outcome.value, float)]
        signs = [table.sign for table in self.tables]
        reports = [sign * float(np.asarray(o.report)) for sign, o in zip(signs, found, strict=True)]
        return Outcome(tuple(values) if len(values) == len(found) else None, tuple(reports))

    def all_reports(self) -> NDArray[np.float64]:
        """Reports of all architectures, each column with its sign: (architectures, 2)."""
        columns = [[t.sign * entry.report for entry in t.entries.values()] for t in self.tables]
        return np.array(columns).T


class Front:
    """The hypervolume of the reports of a front that is chosen by the values told."""

    def __init__(self, reference: Sequence[float], full: float) -> None:
        self._reference, self._full = reference, full
        self._values, self._reports = np.empty((0, 2)), np.empty((0, 2))

    def add(self, outcome: Outcome) -> float:
        if outcome.value is not None:
            values = np.vstack([self._values, outcome.value])
            reports = np.vstack([self._reports, outcome.report])
            front = non_dominated(values)
            self._values, self._reports = values[front], reports[front]
        return 100 * hypervolume(self._reports, self._reference) / self._full


def main(
    table: Annotated[Path, typer.Option(help="A tabular benchmark, CSV or JSON.")],
    maximize: Annotated[str, typer.Option(help="Column, more is better.")],
    minimize: Annotated[str, typer.Option(help="Column, less is better.")],
    out: Annotated[Path, typer.Option(help="Folder of the results.")],
    report_on: Annotated[
        str, typer.Option("--report", help="Column reported in place of --maximize.")
    ] = "",
    decisions: Annotated[str, typer.Option(help="Columns or patterns, with commas.")] = "",
    reference: Annotated[str, typer.Option(help="Reference point: worst or front.")] = "worst",
    contenders: Annotated[list[str] | None, typer.Option(help="A name; may be repeated.")] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Searches of each contender.")] = 30,
    evaluations: Annotated[int, typer.Option(min=1, help="Evaluations of each search.")] = 200,
    workers: Annotated[int, typer.Option(min=1, help="Simulated workers.")] = 1,
    jobs: Annotated[int, typer.Option(min=1, help="Processes.")] = 2,
    into: Annotated[
        list[Path] | None,
        typer.Option(help="Page to put the table into, at <!-- FOLDER'S NAME -->."),
    ] = None,
) -> None:
    """Run searches that are missing, and write results.csv, results.md and the picture."""
    columns = tuple(filter(None, decisions.split(",")))
    more = TableSource(table, maximize, report_on or maximize, columns)
    less = replace(more, search_on=minimize, report=minimize, minimise=True)
    source = ParetoSource((more, less), reference)
    plans = [Plan(seed, evaluations, workers, objectives=2) for seed in range(seeds)]
    out.mkdir(parents=True, exist_ok=True)
    names = search_quality.installed(contenders or CONTENDERS)
    search_quality.run(names, source, plans, out, jobs)
    text = search_quality.report(source, evaluations, out)
    for page in into or []:
        search_quality.put(text.split("\n\n")[2].rstrip() + "\n", page, out.name)
    typer.echo(text)


if __name__ == "__main__":
    typer.run(main)
