"""``cellwright report``: what a search of any host, finished or running, has found so far."""

from __future__ import annotations

import csv
import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from cellwright.command_line.printing import console, print_trial
from cellwright.command_line.results import write_table
from cellwright.plugins.files import atomic_write
from cellwright.plugins.metrics import split_direction
from cellwright.search_spaces import CellwrightError
from cellwright.searches.analysis import Importance, importances, rank_correlation
from cellwright.searches.runs import open_run
from cellwright.searches.trial import Run, Trial, about_shared_weights, ranked


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
        typer.Option(help="Folder for tables and pictures; runs/NAME-report by default."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print only JSON; write files only with --out.")
    ] = False,
) -> None:
    """Tell what a run found: the best architectures, which choices mattered, how it went.

    It takes any run of any host, made by this command line or by a script.
    """
    run = open_run(what, space=space, study=study, metric=metric)
    best = ranked(run.trials)
    if not best:
        raise CellwrightError(f"{what} has no complete trial yet")
    mattered = importances(run.space, [(t.params, t.metrics["reward"]) for t in best])
    folder = out or Path("runs") / f"{run.name}-report"
    files = [] if as_json and out is None else _write(folder, run, best, mattered, metric)
    if as_json:
        print(json.dumps(_as_json(run, best[:top], mattered, files), indent=1))
        return
    for place, trial in enumerate(best[:top], start=1):
        print_trial(run.space, trial, f"{place}. ")
    if mattered:
        console.print(_importance_table(mattered))
    for line in _summary(run, best):
        console.print(line, highlight=False)
    console.print("results:", ", ".join(f.name for f in files), highlight=False)
    console.print(f"in {folder}", highlight=False)


def _predicted(trials: Sequence[Trial]) -> list[Trial]:
    return [trial for trial in trials if "predicted" in trial.metrics]


def _correlation(trials: Sequence[Trial]) -> float | None:
    """Spearman's rank correlation of predicted and measured rewards."""
    known = _predicted(trials)
    return rank_correlation(
        [t.metrics["predicted"] for t in known], [t.metrics["reward"] for t in known]
    )


def _summary(run: Run, best: Sequence[Trial]) -> list[str]:
    rewards = [trial.metrics["reward"] for trial in best]
    beyond = sum(trial.state == "infeasible" for trial in run.trials)
    pruned = sum(trial.state == "pruned" for trial in run.trials)
    lost = len(run.trials) - len(best) - beyond - pruned
    lines = [
        f"{len(best)} trials"
        + (f", {pruned} more were pruned" if pruned else "")
        + (f", {lost} more failed or were interrupted" if lost else "")
        + (f", {beyond} more were beyond the limit and not trained" if beyond else ""),
        f"reward: best {rewards[0]:.4f}, median {statistics.median(rewards):.4f}, "
        f"worst {rewards[-1]:.4f}",
    ]
    correlation = _correlation(best)
    if correlation is not None:
        number = len(_predicted(best))
        lines.append(f"predicted against measured: Spearman {correlation:.2f} over {number} trials")
    if (shared := about_shared_weights(run.trials)) is not None:
        lines.append(shared)
    return lines


def _importance_table(mattered: Sequence[Importance], most: int = 10) -> Table:
    more = f" (the first {most} of {len(mattered)})" if len(mattered) > most else ""
    table = Table(title=f"which choices mattered{more}", title_justify="left")
    table.add_column("decision", no_wrap=True)
    for name in ("share of variance", "best choice", "adds", "trials"):
        table.add_column(name, justify="right")
    for one in mattered[:most]:
        share, effect = f"{one.share:.1%}", f"{one.effect:+.4f}"
        table.add_row(one.decision, share, str(one.best), effect, str(one.trials))
    return table


def _write(
    folder: Path,
    run: Run,
    best: Sequence[Trial],
    mattered: Sequence[Importance],
    metric: str | None,
) -> list[Path]:
    from cellwright.command_line.pictures.charts import draw_search, save_figures
    from cellwright.command_line.pictures.report_pictures import (
        draw_distribution,
        draw_importances,
        draw_predictions,
    )

    folder.mkdir(parents=True, exist_ok=True)
    label = "reward" if metric is None else split_direction(metric)[0]
    label += ", with shared weights" if about_shared_weights(run.trials) else ""
    rewards = [trial.metrics["reward"] for trial in best]
    figures: dict[str, Any] = {
        "trials": draw_search(
            [t.reward for t in run.trials],
            pruned=[t.pruned_at for t in run.trials],
            label=label,
            title=run.name,
        ),
        "distribution": draw_distribution(rewards, label=label),
    }
    if mattered:
        figures["importances"] = draw_importances([(one.decision, one.share) for one in mattered])
    if len(known := _predicted(best)) >= 3:
        pairs = [(t.metrics["predicted"], t.metrics["reward"]) for t in known]
        figures["predictions"] = draw_predictions(pairs, _correlation(best), label=label)
    return [
        write_table(folder / "trials.csv", run.trials, run.space),
        _write_importances(folder / "importances.csv", mattered),
        *save_figures(figures | run.space.figures(best[0].params), folder),
    ]


def _write_importances(path: Path, mattered: Sequence[Importance]) -> Path:
    with atomic_write(path) as file:
        writer = csv.DictWriter(file, list(Importance.__dataclass_fields__))
        writer.writeheader()
        writer.writerows(asdict(one) for one in mattered)
    return path


def _as_json(
    run: Run, best: Sequence[Trial], mattered: Sequence[Importance], files: Sequence[Path]
) -> dict[str, Any]:
    return {
        "name": run.name,
        "trials": len(run.trials),
        "complete": len(ranked(run.trials)),
        "best": [
            {
                "trial": trial.number,
                "metrics": trial.metrics,
                "params": trial.params,
                "words": run.space.words(trial.params),
            }
            for trial in best
        ],
        "importances": [asdict(one) for one in mattered],
        "prediction_rank_correlation": _correlation(ranked(run.trials)),
        "files": [str(file) for file in files],
    }
