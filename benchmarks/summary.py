"""The table of a benchmark: mean, standard error and rank of every contender."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.records import Record


class Standing(NamedTuple):
    """All seeds of one contender after so many evaluations."""

    workers: int
    evaluations: int
    contender: str
    version: str
    seeds: int
    mean: float  # NaN where a seed has found nothing yet
    error: float  # standard error of the mean; NaN for one seed
    seconds: float  # processor time of all suggestions so far, mean over the seeds
    rank: int  # 1 is best


def standings(records: Sequence[Record], *, minimise: bool) -> list[Standing]:
    """Every contender at every point, best rank first."""
    cells: dict[tuple[int, int], dict[str, list[Record]]] = {}
    for record in records:
        for point in record.points:
            cell = cells.setdefault((record.plan.workers, point), {})
            cell.setdefault(record.contender, []).append(record)
    return [
        standing
        for (workers, point), found in sorted(cells.items())
        for standing in _ranked([_standing(r, workers, point) for r in found.values()], minimise)
    ]


def _standing(records: Sequence[Record], workers: int, point: int) -> Standing:
    best, seconds = np.array([record.at(point) for record in records]).T
    count = len(records)
    error = float(best.std(ddof=1) / math.sqrt(count)) if count > 1 else math.nan
    return Standing(
        workers,
        point,
        records[0].contender,
        records[-1].version,
        count,
        float(best.mean()),
        error,
        float(seconds.mean()),
        0,
    )


def _ranked(found: Sequence[Standing], minimise: bool) -> list[Standing]:
    sign = 1 if minimise else -1
    order = sorted(found, key=lambda s: math.inf if math.isnan(s.mean) else sign * s.mean)
    return [standing._replace(rank=rank) for rank, standing in enumerate(order, start=1)]


def write_csv(found: Sequence[Standing], path: Path) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(Standing._fields)
        for s in found:
            numbers = [f"{s.mean:.4f}", f"{s.error:.4f}", f"{s.seconds:.4g}"]
            writer.writerow([*s[:5], *numbers, s.rank])


def markdown(found: Sequence[Standing], points: Sequence[int]) -> str:
    """A table for each number of workers, with the best at the end in the first row."""
    parts = []
    for workers in sorted({s.workers for s in found}):
        mine = [s for s in found if s.workers == workers]
        parts.append(
            f"{workers} {'worker' if workers == 1 else 'workers'}\n\n{_table(mine, points)}"
        )
    return "\n".join(parts)


def _rounded(value: float) -> str:
    """To two digits, and never as a power of ten."""
    return f"{float(f'{value:.2g}'):g}"


def _table(found: Sequence[Standing], points: Sequence[int]) -> str:
    places = {(s.contender, s.evaluations): s for s in found}
    last = max(s.evaluations for s in found)
    heads = ["contender", "version", "seeds"]
    heads += [word for point in points for word in (f"after {point}", "rank")]
    lines = [[*heads, "CPU ms an evaluation"], ["---", "---"] + ["---:"] * (len(heads) - 1)]
    for end in (s for s in found if s.evaluations == last):
        row = [end.contender, end.version, str(end.seeds)]
        for point in points:
            row += _cells(places.get((end.contender, point)))
        lines.append([*row, _rounded(1000 * end.seconds / last)])
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def _cells(standing: Standing | None) -> list[str]:
    if standing is None or math.isnan(standing.mean):
        return ["–", "–"]
    error = "" if math.isnan(standing.error) else f" ± {standing.error:.3f}"
    return [f"{standing.mean:.3f}{error}", str(standing.rank)]
