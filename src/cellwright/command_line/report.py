"""``cellwright report``: what a search of any host, finished or running, has found so far."""

from __future__ import annotations

import json
import math
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from cellwright.command_line.pages.library import NAME, check_installed
from cellwright.command_line.printing import console, print_trial, trial_table
from cellwright.command_line.report_files import write_report
from cellwright.plugins.metrics import Metric, plain_number
from cellwright.search_spaces import INFEASIBLE, CellwrightError
from cellwright.searches.checks import check_folder
from cellwright.searches.findings import Findings, find
from cellwright.searches.run import Run
from cellwright.searches.runs import open_run
from cellwright.searches.trial import (
    Trial,
    about_confirmed,
    about_data,
    about_shared_weights,
    about_supernet,
    about_validation,
    ranked,
)
from cellwright.searches.wording import as_written, words

_MOST = 10  # rows of a table, and pruned trials that are named


def report(
    what: Annotated[
        str,
        typer.Argument(
            help="Folder of a search, a Keras Tuner project or an NNI experiment; an Optuna "
            "journal file or storage URL."
        ),
    ],
    top: Annotated[int, typer.Option(min=1, help="Architectures to write out.")] = 5,
    space: Annotated[
        str | None,
        typer.Option(help="The space that was searched; by default the run's own, or nasnet."),
    ] = None,
    study: Annotated[
        str | None, typer.Option(help="The Optuna study, where a storage holds several.")
    ] = None,
    metric: Annotated[
        str | None,
        typer.Option(
            help="Judge by this metric, not by the objective. NAME:max or NAME:min says which way "
            "it is better, where that is not known."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for tables and pictures; by default report in the run's own folder, or "
            "NAME-report beside the file of a study."
        ),
    ] = None,
    html: Annotated[
        bool,
        typer.Option(
            "--html",
            help="Write report.html too: one page to look at and to send, which needs no network.",
        ),
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print only JSON; write files only with --out.")
    ] = False,
) -> None:
    """Tell what a run found: the best architectures, which choices mattered, how it went.

    It takes any run of any host, made by this command line or by a script.
    """
    if out is not None:
        check_folder(out)
    if html and as_json and out is None:
        raise CellwrightError("--html with --json needs --out: give the folder for the files")
    if html:
        check_installed()
    run = open_run(what, space=space, study=study, metric=metric)
    found = find(run)
    if not found.best:
        raise CellwrightError(f"{what} has no complete trial yet{_ended(run)}")
    folder = out or run.folder
    if not as_json:
        check_folder(folder)
    files = [] if as_json and out is None else _write(folder, run, found)
    if html:
        files.append(_write_html(folder / NAME, what, run, found, top, quiet=as_json))
    if as_json:
        print(json.dumps(_as_json(run, found, top, files), indent=1))
        return
    if run.space is None:
        console.print(
            "no trial holds an architecture of a known space: the parameters are shown as they are "
            "(--space names a space of your own)"
        )
    for place, trial in enumerate(found.best[:top], start=1):
        print_trial(run.space, trial, f"{place}. ", by=found.judges)
    if found.front:
        number = f"{len(found.front)} trial{'' if len(found.front) == 1 else 's'}"
        title = f"front: {number} that no other beats in all objectives"
        if len(found.front) > _MOST:
            title += f" (the first {_MOST})"
        console.print(title, highlight=False)
        console.print(trial_table("", found.front[:_MOST], run.objectives))
    for judge in found.judges:
        _print_importances(found, judge)
    for line in _summary(run, found):
        console.print(line, highlight=False, markup=False)
    console.print("results:", ", ".join(f.name for f in files), highlight=False, markup=False)
    console.print(f"in {folder}", highlight=False, markup=False)


def _write(folder: Path, run: Run, found: Findings) -> list[Path]:
    try:
        return write_report(folder, run, found)
    except OSError as error:
        raise CellwrightError(
            f"the report cannot be written: {error}. Give a folder of your own with --out"
        ) from error


def _write_html(file: Path, what: str, run: Run, found: Findings, top: int, *, quiet: bool) -> Path:
    from cellwright.command_line.pages.page import write_page

    summary = _summary(run, found)
    with nullcontext() if quiet else console.status("drawing the children") as status:
        doing = (lambda words: None) if status is None else status.update
        return write_page(file, what, run, found, top=top, summary=summary, doing=doing)


def _ended(run: Run) -> str:
    """How the trials of a run without a complete one ended, and why the last one failed."""
    states = Counter(trial.state for trial in run.trials)
    why = next((f" ({t.error})" for t in reversed(run.trials) if t.error), "")
    return (": " + ", ".join(f"{n} {state}" for state, n in states.items()) + why) if states else ""


def _summary(run: Run, found: Findings) -> list[str]:
    states = Counter(trial.state for trial in run.trials)
    beyond, pruned = states["infeasible"], states["pruned"]
    lost = states["failed"] + states["interrupted"]
    complete = states["complete"]
    untrained = all(INFEASIBLE in t.metrics for t in run.trials if t.state == "infeasible")
    lines = [
        f"{complete} trial{'' if complete == 1 else 's'}"
        + (f", {pruned} more were pruned" if pruned else "")
        + (f", {lost} more failed or were interrupted" if lost else "")
        + (f", {beyond} more were beyond the limit" if beyond else "")
        + (" and not trained" if beyond and untrained else "")
    ]
    for metric in found.judges:
        values = [trial.metrics[metric.name] for trial in ranked(run.trials, metric)]
        values.sort(key=lambda value: -metric.sign * value)
        lines.append(
            f"{metric.label}: best {metric.number(values[0])}, median "
            f"{metric.number(statistics.median(values))}, worst {metric.number(values[-1])}"
        )
        lines += _pruned(run, metric)
    if found.correlation is not None:
        lines.append(
            f"predicted against measured: Spearman {found.correlation:.2f} over "
            f"{len(found.predicted)} trials"
        )
    if found.judges[0].name == "reward" and (confirmed := about_confirmed(found.best[0])):
        lines.append(f"trial {found.best[0].number} is the best by the {confirmed}")
    if (shared := about_shared_weights(run.trials)) is not None:
        lines.append(shared)
    if (ranks := about_supernet(run.trials)) is not None:
        lines.append(ranks)
    if (doubt := about_validation(run.trials)) is not None:
        lines.append(doubt)
    lines += about_data(run.trials)
    return lines


def _pruned(run: Run, metric: Metric) -> list[str]:
    """What pruned trials had reached."""
    reached = [t for t in run.trials if t.state == "pruned" and metric.name in t.metrics]
    if not reached:
        return []
    told = [f"trial {t.number} {metric.number(t.metrics[metric.name])}" for t in reached[:_MOST]]
    more = [f"and {len(reached) - _MOST} more"] if len(reached) > _MOST else []
    return [f"{metric.label} when pruned: {', '.join([*told, *more])}"]


def _print_importances(found: Findings, metric: Metric) -> None:
    """The table of what mattered, or why there is none."""
    mattered, several = found.importances[metric.name], len(found.judges) > 1
    if not mattered:
        name = f"{metric.label}: " if several else ""
        console.print(f"{name}{found.why_none[metric.name]}", highlight=False, markup=False)
        return
    more = f" (the first {_MOST} of {len(mattered)})" if len(mattered) > _MOST else ""
    title = f"which choices mattered{f' for {metric.label}' if several else ''}{more}"
    table = Table(title=escape(title), title_justify="left")
    table.add_column("decision", no_wrap=True)
    for name in ("share of variance", "best choice", "adds", "trials"):
        table.add_column(name, justify="right")
    for one in mattered[:_MOST]:
        effect = f"{'+' if one.effect >= 0 else '-'}{plain_number(abs(one.effect))}"
        best = escape(as_written(one.best))
        table.add_row(escape(one.decision), f"{one.share:.1%}", best, effect, str(one.trials))
    console.print(table)
    if hint := found.hints[metric.name]:
        console.print(hint, highlight=False)


def _as_json(run: Run, found: Findings, top: int, files: Sequence[Path]) -> dict[str, Any]:
    several = len(found.judges) > 1
    importances = {
        name: [asdict(one) for one in mattered] for name, mattered in found.importances.items()
    }
    told = {
        "name": run.name,
        "trials": len(run.trials),
        "complete": sum(trial.state == "complete" for trial in run.trials),
        "judged_by": {metric.name: metric.direction for metric in found.judges},
        "best": [_trial(run, trial) for trial in found.best[:top]],
        "front": [trial.number for trial in found.front],
        "pruned": [_trial(run, trial) for trial in run.trials if trial.state == "pruned"],
        "failed": {t.number: t.error for t in run.trials if t.state == "failed"},
        "importances": importances if several else next(iter(importances.values())),
        "no_importances": {name: why for name, why in found.why_none.items() if why},
        "prediction_rank_correlation": found.correlation,
        "files": [str(file) for file in files],
    }
    return {name: _finite(value) for name, value in told.items()}


def _trial(run: Run, trial: Trial) -> dict[str, Any]:
    return {
        "trial": trial.number,
        "metrics": trial.metrics,
        "params": {**trial.params, **trial.others},
        "words": words(run.space, trial),
    }


def _finite(value: Any) -> Any:
    """A value for JSON, which has no infinity: it becomes a text."""
    if isinstance(value, Mapping):
        return {name: _finite(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_finite(part) for part in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
