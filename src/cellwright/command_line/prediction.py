"""``--predict``: the table of timed pieces is filled before the first trial, with a bar."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from cellwright.plugins import LatencyPredictor
from cellwright.plugins.interrupts import check
from cellwright.plugins.meters.latency_table import Transfer


def fill_table(predictor: LatencyPredictor, console: Console, earlier: Path | None = None) -> None:
    """Time the pieces that the table lacks, and calibrate it, with a bar for each of the two.

    What was timed is kept, however this ends.

    Args:
        predictor: With the table.
        console: Where the bars are shown.
        earlier: Another machine's table, of which this one is made if it has no piece yet.

    Raises:
        ValueError, CorruptedState: If the other table cannot be used; see
            `LatencyPredictor.transfer`.
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

        if earlier is not None:
            told = (
                f"--predict-from {earlier} is passed over: {predictor.path} has pieces already"
                if predictor.table.pieces
                else _told(predictor.transfer(earlier, report=step))
            )
            console.print(told, highlight=False, markup=False, soft_wrap=True)
        predictor.fill(report=step)
        if not predictor.table.correction.children:
            predictor.calibrate(report=step)
        for task in progress.tasks:
            progress.update(task.id, completed=task.total)


def _told(transfer: Transfer) -> str:
    """How well the other machine's table predicts this one's latencies."""
    factors = transfer.factors.values()
    return (
        f"the pieces take {min(factors):.2g} to {max(factors):.2g} times as long as on "
        f"{transfer.machine}; of {transfer.children} children that were measured here, each "
        f"predicted from the others, half are off by less than {transfer.error:.1%} (in proportion "
        f"to the times there by {transfer.error_in_proportion:.1%})"
    )
