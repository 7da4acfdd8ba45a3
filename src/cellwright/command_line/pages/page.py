"""The page of a run: what it tells, and the one file that it becomes."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import cellwright
from cellwright.command_line.pages import plots
from cellwright.command_line.pages.drawings import draw_children
from cellwright.command_line.pages.library import as_data, as_script, digest, library
from cellwright.command_line.pages.plots import Plot
from cellwright.command_line.pages.rebuild import steps
from cellwright.plugins.files import atomic_write
from cellwright.plugins.metrics import METRICS, PREDICTED, Metric, beside_reward
from cellwright.searches.analysis import rank_correlation
from cellwright.searches.findings import Findings
from cellwright.searches.front import measured, not_beaten
from cellwright.searches.run import Run
from cellwright.searches.trial import Trial, ranked
from cellwright.searches.wording import as_written, told_of, words

_HERE = Path(__file__).parent
_MOST_PLOTS = 6  # trade-offs, and curves, of one run
_SUMS = ("best_", "weighted_")  # of an accuracy that has a curve of its own


def write_page(
    file: Path,
    what: str,
    run: Run,
    found: Findings,
    *,
    top: int,
    summary: Sequence[str],
    doing: Callable[[str], None] = lambda words: None,
) -> Path:
    """Write all that a run has found as one file of HTML, which needs no network.

    All text of the run is escaped, whether it stands in the page or in its data, and the page's
    policy lets no script run but its own.

    Args:
        file: Where to write it.
        what: The run, as the user named it.
        run: Of any host.
        found: What it has found.
        top: The best trials that are shown with a picture.
        summary: Sentences about the run.
        doing: Told what is being done, in words.

    Raises:
        OSError: If the file cannot be written.
    """
    order = _in_order(run, found)
    doing("drawing the children")
    drawn = draw_children(run.space, order)
    doing("writing the page")
    sections, metrics = _sections(run, found), _metrics(run)
    columns, rows = _table(run, metrics)
    data = {
        "plots": [asdict(plot) for _, plots_of in sections for plot in plots_of],
        "trials": {t.number: _told(run, t, metrics) for t in run.trials},
        "drawn": drawn,
    }
    html = _render(
        title=run.name,
        version=cellwright.__version__,
        summary=summary,
        sections=_numbered(sections),
        best=[_card(run, found, t, t.number in drawn) for t in found.best[:top]],
        several=len(found.judges) > 1,
        objectives=len(run.objectives),
        front=[trial.number for trial in found.front],
        importances=[
            (metric.label, found.importances[metric.name], found.why_none[metric.name],
             found.hints[metric.name])
            for metric in found.judges
        ],
        columns=columns,
        rows=rows,
        states=sorted({trial.state for trial in run.trials}),
        drawn=len(drawn),
        number=len(run.trials),
        steps=steps(what, run, found.best[0]),
        rebuilt=found.best[0].number,
        data=as_data(data),
    )  # fmt: skip
    with atomic_write(file) as opened:
        opened.write(html)
    return file


def _render(**facts: Any) -> str:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    templates = FileSystemLoader(_HERE)
    made = Environment(
        loader=templates, autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    made.filters["as_written"] = as_written
    script = as_script((_HERE / "report.js").read_text("utf-8"))
    # Vega makes functions of its expressions, which are the charts' and hold no text of a run's.
    policy = (
        "default-src 'none'; img-src blob: data:; style-src 'unsafe-inline'; base-uri 'none'; "
        f"form-action 'none'; script-src 'unsafe-eval' '{digest(library())}' '{digest(script)}'"
    )
    return made.get_template("report.html").render(
        policy=policy,
        style=(_HERE / "report.css").read_text("utf-8"),
        library=library(),
        script=script,
        **facts,
    )


def _in_order(run: Run, found: Findings) -> list[Trial]:
    """The trials in the order in which a reader wants to see their networks."""
    by = found.judges[0]
    pruned = [trial for trial in run.trials if trial.state == "pruned"]
    return [*found.best, *found.front, *ranked(run.trials, by), *pruned]


Sections = list[tuple[str, list[Plot]]]


def _sections(run: Run, found: Findings) -> Sections:
    """The charts of each section, by its name in the template."""
    return [
        ("progress", _some(plots.progress(run.trials, metric) for metric in found.judges)),
        ("front", _fronts(run, found)),
        ("mattered", _some(plots.mattered(found.importances[m.name], m) for m in found.judges)),
        ("predicted", _predicted(run, found)),
        ("curves", _curves(run, found)),
    ]


def _numbered(sections: Sections) -> dict[str, list[tuple[int, Plot]]]:
    """Each chart with its place among all of them, by which the script finds it."""
    places = itertools.count()
    return {name: [(next(places), plot) for plot in found] for name, found in sections}


def _some(found: Any) -> list[Plot]:
    return [plot for plot in found if plot is not None]


def _fronts(run: Run, found: Findings) -> list[Plot]:
    """A front of each two objectives; of one objective, and each cost that was measured."""
    pairs = list(itertools.combinations(run.objectives, 2))
    if not pairs:
        quality = found.judges[0]
        names = {name for trial in run.trials for name in trial.metrics}
        costs = [m for m in beside_reward(names, run.declared) if m.unit not in ("", "s", "epochs")]
        pairs = [
            (quality, cost) for cost in costs if cost.name != quality.name and _varies(run, cost)
        ]
    return _some(
        plots.trade_off(run.trials, _not_beaten(run, one, other), one, other)
        for one, other in pairs[:_MOST_PLOTS]
    )


def _not_beaten(run: Run, quality: Metric, cost: Metric) -> list[Trial]:
    """The front with all trials that are equal on it, the best in ``cost`` first."""
    found = not_beaten(run.trials, [quality, cost])
    return sorted(found, key=lambda trial: -cost.sign * trial.metrics[cost.name])


def _varies(run: Run, metric: Metric) -> bool:
    return len({trial.metrics[metric.name] for trial in measured(run.trials, metric.name)}) > 1


def _predicted(run: Run, found: Findings) -> list[Plot]:
    latency, predicted = METRICS["latency_ms"], METRICS[PREDICTED]
    both = measured(run.trials, latency.name, predicted.name)
    pairs = [(t.metrics[predicted.name], t.metrics[latency.name]) for t in both]
    correlation = rank_correlation([a for a, _ in pairs], [b for _, b in pairs])
    judged = [
        plots.predictions(found.predicted, "predicted", metric, found.correlation)
        for metric in found.judges[:1]
        if run.judge is not None
    ]
    return _some([*judged, plots.predictions(both, predicted.name, latency, correlation)])


def _curves(run: Run, found: Findings) -> list[Plot]:
    """The curves of the best trials that have any, those of what was searched for first."""
    names = [m.name for m in [*found.judges, *run.objectives]]
    names += [m.name for m in told_of({n for t in found.best for n in t.curves})]
    made, seen = [], []
    for name in dict.fromkeys(names):
        named = {f"trial {t.number}": t.curves[name] for t in found.best if name in t.curves}
        # Two names of the same values, such as the reward and the accuracy that it is, are one.
        if named in seen or name.startswith(_SUMS) or not any(map(_changes, named.values())):
            continue
        seen.append(named)
        made.append(plots.curves(named, _metric(run, name)))
    return _some(made)[:_MOST_PLOTS]


def _changes(curve: Sequence[tuple[float, float]]) -> bool:
    """Whether it tells anything; a host may report the size of a network with every epoch."""
    return len({value for _, value in curve}) > 1


def _metric(run: Run, name: str) -> Metric:
    """A metric as the run says what it is, or as its name does."""
    known = {metric.name: metric for metric in [*run.declared, *run.objectives]}
    return known.get(name) or told_of([name])[0]


def _metrics(run: Run) -> list[Metric]:
    """All metrics of the trials, those first that were searched for."""
    names = {name for trial in run.trials for name in trial.metrics}
    first = [metric.name for metric in run.objectives if metric.name in names]
    order = [*first, *(metric.name for metric in told_of(names - set(first)))]
    return [_metric(run, name) for name in order]


def _table(
    run: Run, metrics: Sequence[Metric]
) -> tuple[list[tuple[str, bool]], list[dict[str, Any]]]:
    """The heading of each column and whether it holds numbers; and each trial as a row, with the
    text of each cell, and by what it is sorted."""
    names = {metric.name for metric in run.objectives}
    names |= set() if run.judge is None else {run.judge.name}
    goals = [metric for metric in metrics if metric.name in names]
    rest = [metric for metric in metrics if metric.name not in names]
    others = list(dict.fromkeys(name for trial in run.trials for name in trial.others))
    columns = [
        ("trial", True), ("state", False), *((metric.label, True) for metric in goals),
        ("architecture", False), *((name, False) for name in others),
        *((metric.label, True) for metric in rest), ("error", False),
    ]  # fmt: skip

    def cells(trial: Trial) -> list[tuple[str, Any]]:
        short, given = _short(run, trial), trial.others
        return [
            (str(trial.number), trial.number), (trial.state, trial.state),
            *(_cell(trial, metric) for metric in goals), (short, short),
            *((as_written(given[n]), _sortable(given[n])) if n in given else ("", "")
              for n in others),
            *(_cell(trial, metric) for metric in rest), (trial.error, trial.error),
        ]  # fmt: skip

    return columns, [{"trial": t.number, "state": t.state, "cells": cells(t)} for t in run.trials]


def _cell(trial: Trial, metric: Metric) -> tuple[str, Any]:
    if metric.name not in trial.metrics:
        return "", ""
    value = trial.metrics[metric.name]
    return metric.number(value), _sortable(value)


def _sortable(value: Any) -> Any:
    nothing = isinstance(value, float) and math.isnan(value)
    return "" if nothing else value


def _short(run: Run, trial: Trial) -> str:
    return run.space.in_short(trial.params) if run.space is not None and trial.params else ""


def _told(run: Run, trial: Trial, metrics: Sequence[Metric]) -> dict[str, Any]:
    """What the page shows of a trial that is clicked."""
    found = [(m.label, m.number(trial.metrics[m.name]))
             for m in metrics if m.name in trial.metrics]  # fmt: skip
    return {
        "state": trial.state,
        "metrics": found,
        "words": words(run.space, trial),
        "short": _short(run, trial),
        "error": trial.error,
    }


def _card(run: Run, found: Findings, trial: Trial, drawn: bool) -> dict[str, Any]:
    told = {metric.name: metric for metric in [*found.judges, *run.objectives]}
    values = [m.write(trial.metrics[m.name]) for m in told.values() if m.name in trial.metrics]
    return {"trial": trial.number, "values": values, "words": words(run.space, trial),
            "drawn": drawn}  # fmt: skip
