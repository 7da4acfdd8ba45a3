"""``--predict``: the table of timed pieces is filled before the first trial, with a bar."""

from __future__ import annotations

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from cellwright.plugins import LatencyPredictor
from cellwright.plugins.interrupts import check


def fill_table(predictor: LatencyPredictor, console: Console) -> None:
    """Time the pieces that the table lacks, and calibrate it, with a bar for each of the two.

    What was timed is kept, however this ends.

    Raises:
        ChildFailed: If something could not be measured.
        KeyboardInterrupt: After a piece, on Ctrl-C.
    """
    columns = (
        TextColumn("[bold]{task.description}[/]"), MofNCompleteColumn(), BarColumn(bar_width=24),
        TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:

        def step(number: int, of: int, what: str) -> None:
            check()
            words = "timing whole children" if what == "child" else "timing pieces"
            if number == 1:
                console.print(f"{words}: {of}, once per machine, kept in {predictor.path}")
                progress.add_task(words, total=of)
            progress.update(progress.task_ids[-1], completed=number - 1)

        predictor.fill(report=step)
        if not predictor.table.correction.children:
            predictor.calibrate(report=step)
        for task in progress.tasks:
            progress.update(task.id, completed=task.total)
