"""The tables and pictures that ``cellwright report`` leaves."""

from __future__ import annotations

import csv
import itertools
import re
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from cellwright.command_line.results import write_table
from cellwright.plugins.files import atomic_write
from cellwright.plugins.metrics import Metric
from cellwright.searches.analysis import Importance
from cellwright.searches.findings import Findings
from cellwright.searches.run import Run
from cellwright.searches.trial import Trial, about_shared_weights


def write_report(folder: Path, run: Run, found: Findings) -> list[Path]:
    """Write the tables of trials and importances, and all pictures.

    With several metrics to judge by, the files of each have its name behind theirs.

    Returns:
        The files.

    Raises:
        OSError: If the folder cannot be written into.
    """
    from cellwright.command_line.pictures.charts import save_figures

    folder.mkdir(parents=True, exist_ok=True)
    several = len(found.judges) > 1
    tables = [write_table(folder / "trials.csv", run.trials, run.space)]
    figures: dict[str, Any] = {}
    for metric in found.judges:
        after = f" {metric.name}" if several else ""
        figures |= {name + after: each for name, each in _judged(run, found, metric).items()}
        file = re.sub(r"[^\w.-]+", "_", f"importances{after}") + ".csv"
        tables.append(_write_importances(folder / file, found.importances[metric.name]))
    figures |= _fronts(run)
    best = next((trial for trial in found.best if trial.params), None)
    if run.space is not None and best is not None:
        figures |= run.space.figures(best.params)
    return [*tables, *save_figures(figures, folder)]


def _judged(run: Run, found: Findings, metric: Metric) -> dict[str, Any]:
    """How the trials went by one metric, with the metric's own sign."""
    from cellwright.command_line.pictures.charts import LARGEST, draw_search
    from cellwright.command_line.pictures.report_pictures import (
        draw_distribution,
        draw_importances,
        draw_predictions,
    )

    label = metric.label
    label += ", with shared weights" if about_shared_weights(run.trials) else ""
    minimise = metric.direction == "minimize"
    values = _values(run.trials, metric, "complete")
    figures: dict[str, Any] = {
        "trials": draw_search(
            values,
            pruned=_values(run.trials, metric, "pruned"),
            label=label,
            title=run.name,
            minimise=minimise,
        )
    }
    finished = [value for value in values if value is not None]
    if shown := [value for value in finished if abs(value) < LARGEST]:
        left_out = len(finished) - len(shown)
        title = f"Distribution of {metric.label}"
        title += f", without {left_out} beyond {LARGEST:.0e}" if left_out else ""
        figures["distribution"] = draw_distribution(
            shown, label=label, title=title, minimise=minimise
        )
    if mattered := found.importances[metric.name]:
        title = f"What mattered for {metric.label}"
        shares = [(one.decision, one.share) for one in mattered]
        figures["importances"] = draw_importances(shares, title=title)
    if len(found.predicted) >= 3:
        pairs = [(t.metrics["predicted"], t.metrics[metric.name]) for t in found.predicted]
        figures["predictions"] = draw_predictions(pairs, found.correlation, label=label)
    return figures


def _values(trials: Sequence[Trial], metric: Metric, state: str) -> list[float | None]:
    """The metric of each trial in this state; None for the others."""
    return [t.metrics.get(metric.name) if t.state == state else None for t in trials]


def _fronts(run: Run) -> dict[str, Any]:
    """A picture of the front for each two objectives."""
    from cellwright.command_line.pictures.front_picture import draw_front

    pairs = list(itertools.combinations(run.objectives, 2))
    return {
        "front" if len(pairs) == 1 else f"front {one.name} {other.name}": draw_front(
            run.trials, quality=one, cost=other, title=run.name
        )
        for one, other in pairs
    }


def _write_importances(path: Path, mattered: Sequence[Importance]) -> Path:
    with atomic_write(path) as file:
        writer = csv.DictWriter(file, list(Importance.__dataclass_fields__))
        writer.writeheader()
        writer.writerows(asdict(one) for one in mattered)
    return path
