"""How a supernet is trained and searched before the trials of a search begin."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from cellwright.plugins import Evaluation
from cellwright.searches.settings import Settings
from cellwright.searches.shared import (
    about_learning,
    about_strategy,
    judge_of,
    known_scores,
    make_supernet,
    with_scores,
)


def score_children(
    folder: Path, settings: Settings, evaluation: Evaluation, console: Console
) -> tuple[Settings, Evaluation]:
    """The settings and the evaluation of a search with a supernet, which is trained and searched
    here if the search has not begun; see `with_scores` for what is raised."""
    if settings.supernet is None:
        return settings, evaluation
    if (known := known_scores(folder, settings)) is not None:
        return known, replace(evaluation, shared=known.make_shared())
    judge = judge_of(settings, evaluation)  # refused before the training
    if (note := about_strategy(settings)) is not None:
        console.print(f"supernet: {note}", highlight=False, markup=False, soft_wrap=True)
    supernet = make_supernet(folder, settings, evaluation)
    begun = supernet.epochs
    console.print(
        f"supernet: training for {settings.supernet} epochs, kept in {supernet.folder}"
        + (f"; it has had {begun} of them" if begun else ""),
        highlight=False, markup=False, soft_wrap=True,
    )  # fmt: skip
    columns = (
        TextColumn("[bold]{task.description}[/]"), MofNCompleteColumn(), BarColumn(bar_width=24),
        TextColumn("{task.fields[told]}"), TimeRemainingColumn(),
    )  # fmt: skip
    best: list[float] = []
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        training = progress.add_task("supernet", total=settings.supernet, completed=begun, told="")
        scoring = progress.add_task("shared weights", total=None, told="", start=False)

        def on_epoch(epoch: int, of: int, loss: float) -> None:
            progress.update(training, completed=epoch + 1, told=f"loss {loss:.4f}")
            if not console.is_terminal and (epoch + 1) % max(1, of // 10) == 0:
                console.print(f"supernet: epoch {epoch + 1} of {of}, loss {loss:.4f}")

        def on_child(child: int, of: int, reward: float | None) -> None:
            if reward is not None and (not best or reward > best[0]):
                best[:] = [reward]
            told = f"best {best[0]:.4f}" if best else ""
            if child == 0:
                progress.start_task(scoring)
            progress.update(scoring, total=of, completed=child + 1, told=told)

        settings = with_scores(settings, evaluation, supernet, on_epoch, on_child, judge)
    told = f"supernet: loss {supernet.losses[-1]:.4f}; the best reward by shared weights is "
    told += f"{settings.shared[0].reward:.4f}, which no child has had in a training of its own"
    if settings.shared_first:
        told += f"; the first {settings.shared_first} trials train the best children by it"
    console.print(told, highlight=False, markup=False, soft_wrap=True)
    if (note := about_learning(supernet)) is not None:
        console.print(f"supernet: {note}", highlight=False, markup=False, soft_wrap=True)
    return settings, replace(evaluation, shared=settings.make_shared())
