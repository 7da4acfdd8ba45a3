"""The display of a running search: a line for each trial, and a bar with the time left."""

from __future__ import annotations

import statistics
import textwrap
import time
from collections.abc import Sequence
from datetime import timedelta
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
)
from rich.text import Text

from cellwright.plugins.metrics import METRICS, Metric, beside_reward, plain_number
from cellwright.searches.trial import Trial, best_trial, counted


class TimeLeft(ProgressColumn):
    """The time left if the remaining trials take as long as those before.

    Rich's own column looks back only 30 seconds, and a child often takes longer.
    """

    def render(self, task: Task) -> Text:
        """Hours, minutes and seconds left, or dashes before the second epoch."""
        each, since = task.fields["each"], task.fields["since"]
        if each is None or task.total is None:
            return Text("-:--:-- left")
        ahead = task.total - task.completed
        seconds = max(ahead * each - (time.monotonic() - since), (ahead - 1) * each, 0)
        return Text(f"{timedelta(seconds=round(seconds))} left")


class Display:
    """Shows each finished trial, the best so far, the epoch in training, and the time left.

    Where the output is no terminal, only the lines appear.

    Args:
        console: The console to print on.
        trials: Number of trials in all.
        epochs: Number of epochs of each trial; None if they differ.
        before: The trials of earlier runs.
        declared: What the search says about its metrics, as in `find_metric`.
    """

    def __init__(
        self,
        console: Console,
        trials: int,
        epochs: int | None,
        before: list[Trial],
        declared: Sequence[Metric] = (),
    ) -> None:
        self.console, self.trials, self.epochs, self.declared = console, trials, epochs, declared
        self.first = 0.0  # seconds of a trial's first epoch
        self.seen = {trial.number: trial for trial in before}
        self.progress = Progress(
            TextColumn("[bold]trial[/]"),
            MofNCompleteColumn(),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[best]}"),
            TextColumn("{task.fields[epoch]}"),
            TimeElapsedColumn(),
            TimeLeft(),
            console=console,
            disable=not console.is_terminal,
        )
        self.task = self.progress.add_task("search", total=trials, **self._state())

    def __enter__(self) -> Display:
        self.progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.progress.stop()

    def trial(self, trial: Trial) -> None:
        """Show a trial that has ended."""
        self.seen[trial.number] = trial
        self.progress.update(self.task, **self._state())
        # A line of a log stays one line, however long.
        wrap = not self.console.is_terminal
        self.console.print(self._line(trial), highlight=False, soft_wrap=wrap)

    def epoch(self, number: int, epoch: int, metrics: dict[str, float]) -> None:
        """Show that an epoch (from 0) of trial ``number`` has ended."""
        accuracy = metrics.get("val_accuracy")
        shown = "" if accuracy is None else f" at {plain_number(accuracy)}"
        of = "" if self.epochs is None else f"/{self.epochs}"
        fields: dict[str, Any] = {"epoch": f"epoch {epoch + 1}{of}{shown}"}
        passed = time.monotonic() - self.progress.tasks[self.task].fields["since"]
        if epoch == 0:
            self.first = passed  # building and tracing the child included
        elif self._seconds() is None and self.epochs is not None:
            fields["each"] = self.first + (passed - self.first) / epoch * (self.epochs - 1)
        self.progress.update(self.task, **fields)

    def _state(self) -> dict[str, Any]:
        best = best_trial(list(self.seen.values()))
        return {
            "completed": counted(self.seen.values()),
            "best": "" if best is None else f"best {plain_number(best.metrics['reward'])}",
            "epoch": "",
            "each": self._seconds(),
            "since": time.monotonic(),
        }

    def _seconds(self) -> float | None:
        """Mean seconds of a trial, or None before the first has succeeded."""
        seconds = [t.metrics["seconds"] for t in self.seen.values() if "seconds" in t.metrics]
        return statistics.fmean(seconds) if seconds else None

    def _line(self, trial: Trial) -> str:
        if trial.reward is None:
            reason = textwrap.shorten(trial.error, 160, placeholder=" ...")
            colour = "yellow" if trial.state in ("infeasible", "pruned") else "red"
            return f"trial {trial.number:>4}  [{colour}]{trial.state}[/]  {escape(reason)}"
        best = best_trial(list(self.seen.values()))
        mark = "  [green]best so far[/]" if best is not None and best.number == trial.number else ""
        parts = [METRICS["reward"].write(trial.reward)]
        for metric in beside_reward(trial.metrics, self.declared):
            value = trial.metrics[metric.name]
            if not (metric.name == "val_accuracy" and value == trial.reward):
                parts.append(metric.write(value))
        return f"trial {trial.number:>4}  " + "  ".join(parts) + mark
