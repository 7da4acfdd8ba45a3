"""The display of a last training: a bar with the epoch, its metrics and the time left."""

from __future__ import annotations

from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from cellwright.plugins.metrics import plain_number

_SHOWN = ("loss", "accuracy", "mae", "val_loss", "val_accuracy", "val_mae")


class TrainingDisplay:
    """Shows the epochs of one seed after the other.

    Where the output is no terminal, each epoch is a line.

    Args:
        console: The console to print on.
        epochs: Epochs of each seed.
        seeds: Number of seeds.
    """

    def __init__(self, console: Console, epochs: int, seeds: int) -> None:
        self.console, self.epochs, self.seeds = console, epochs, seeds
        self.seed: int | None = None
        self.progress = Progress(
            TextColumn("[bold]{task.description}[/]"),
            MofNCompleteColumn(),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[told]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self.task = self.progress.add_task("epoch", total=epochs, told="")

    def __enter__(self) -> TrainingDisplay:
        self.progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.progress.stop()

    def epoch(self, seed: int, epoch: int, metrics: dict[str, float]) -> None:
        """Show that an epoch (from 0) of a seed has ended."""
        if seed != self.seed:
            self.seed = seed
            name = "epoch" if self.seeds == 1 else f"seed {seed}, epoch"
            self.progress.reset(self.task, completed=epoch, total=self.epochs, description=name)
            if epoch:
                self.console.print(f"continuing after epoch {epoch}", highlight=False)
        told = "  ".join(
            f"{name.replace('_', ' ')} {plain_number(metrics[name])}"
            for name in _SHOWN
            if name in metrics
        )
        self.progress.update(self.task, completed=epoch + 1, told=told)
        if not self.console.is_terminal:
            of = "" if self.seeds == 1 else f"seed {seed}  "
            line = f"{of}epoch {epoch + 1:>4}/{self.epochs}  {told}"
            self.console.print(line, highlight=False, soft_wrap=True)
