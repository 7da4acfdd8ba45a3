"""One trial as a tracker is told it, whichever host runs it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cellwright.plugins.interrupts import was_interrupted
from cellwright.search_spaces import OverLimit, Params, SearchSpace

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrackedTrial:
    """A trial that has ended.

    Attributes:
        number: The host's; None where `Evaluation.run` is called without a host.
        params: The decisions of the space and all other hyperparameters, by name.
        architecture: The network as one text of a line or two (`SearchSpace.in_short`).
        hyperparameters: Those of ``params`` that are beside the network.
        state: ``"complete"``, ``"pruned"`` (ended by the host after an epoch), ``"infeasible"``
            (beyond a limit, so not trained), ``"failed"`` or ``"interrupted"`` (tried again).
        metrics: What was measured, under the names that all hosts share; those of the last epoch if
            it was pruned.
        history: The metrics after each epoch that this trial trained, by the epoch's number from 0.
        error: Why it is not complete.
        model: The file that holds the trained child, if it was kept: usually if it is the best.
    """

    number: int | None
    params: Params
    architecture: str
    hyperparameters: dict[str, Any]
    state: str
    metrics: dict[str, float] = field(default_factory=dict)
    history: dict[int, dict[str, float]] = field(default_factory=dict)
    error: str = ""
    model: Path | None = None

    @property
    def reward(self) -> float | None:
        """What the search maximises; None for a trial that is not complete."""
        return self.metrics.get("reward") if self.state == "complete" else None


OnTrial = Callable[[TrackedTrial], None]
"""A tracker: anything that can be called with each trial that has ended."""


@dataclass
class Notes:
    """What is known so far of a trial that runs; `tracking` makes a `TrackedTrial` of it."""

    wanted: bool = False  # whether anybody is to be told
    params: Params = field(default_factory=dict)
    state: str = "complete"
    metrics: dict[str, float] = field(default_factory=dict)
    history: dict[int, dict[str, float]] = field(default_factory=dict)
    error: str = ""
    model: Path | None = None

    def each(self, report: Callable[[int, dict[str, float]], None] | None) -> Any:
        """``report``, with what it is told noted; None if nobody wants to know."""
        if report is None and not self.wanted:
            return None

        def noted(epoch: int, metrics: dict[str, float]) -> None:
            self.history[epoch] = self.metrics = dict(metrics)
            if report is None:
                return
            try:
                report(epoch, metrics)
            except Exception as error:
                self._end("pruned", error)
                raise

        return noted

    def fail(self, error: BaseException) -> None:
        """Note what ended the trial; the first such note stays."""
        if was_interrupted(error):
            self.state = "complete"  # whatever came of it
            self._end("interrupted", error)
        elif isinstance(error, OverLimit):
            self.metrics = dict(error.metrics)
            self._end("infeasible", error)
        else:
            self._end("failed", error)

    def _end(self, state: str, error: BaseException) -> None:
        if self.state == "complete":
            self.state, self.error = state, f"{type(error).__name__}: {error}"


@contextmanager
def tracking(on_trial: OnTrial | None, space: SearchSpace, number: int | None) -> Iterator[Notes]:
    """Note what a trial in this block comes to, and tell it ``on_trial`` at the end.

    An exception of ``on_trial`` is a warning, and fails no child.

    Args:
        on_trial: Whom to tell, if anybody.
        space: The space searched.
        number: The trial's.
    """
    notes = Notes(wanted=on_trial is not None)
    try:
        yield notes
    except BaseException as error:
        notes.fail(error)
        raise
    finally:
        if on_trial is not None and notes.params:
            _tell(on_trial, lambda: _tracked(notes, space, number))


def _tracked(notes: Notes, space: SearchSpace, number: int | None) -> TrackedTrial:
    _, hyperparameters = space.split(notes.params)
    return TrackedTrial(
        number,
        dict(notes.params),
        space.in_short(notes.params),
        hyperparameters,
        notes.state,
        dict(notes.metrics),
        dict(notes.history),
        notes.error,
        notes.model,
    )


def _tell(on_trial: OnTrial, trial: Callable[[], TrackedTrial]) -> None:
    try:
        on_trial(trial())
    except Exception as error:
        _log.warning("%r was not told of a trial: %s: %s", on_trial, type(error).__name__, error)


class Trackers:
    """Several trackers as one; what one of them raises keeps nothing from the others."""

    def __init__(self, trackers: Sequence[OnTrial]) -> None:
        self.trackers = tuple(trackers)

    def __call__(self, trial: TrackedTrial) -> None:
        for tracker in self.trackers:
            _tell(tracker, lambda: trial)

    def close(self) -> None:
        """Say that the search has ended to those that have a ``close``."""
        for tracker in self.trackers:
            try:
                getattr(tracker, "close", lambda: None)()
            except Exception as error:
                _log.warning("%r: %s: %s", tracker, type(error).__name__, error)
