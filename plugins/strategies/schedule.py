"""What a schedule is: it decides when a child begins, when it goes on, and for how long.

Which trial comes next is a function of the trials so far, as with a strategy. What is new is the
strategy's to choose.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, Protocol

import numpy as np

from cellwright.plugins.strategies.outcome import Rewards
from cellwright.search_spaces import SearchSpace
from cellwright.search_spaces.identity import digest


class Rung(NamedTuple):
    """What a trial is to do.

    Attributes:
        bracket: Its bracket, counted from 0 in the order in which brackets are begun. In a
            population it is the member.
        round: Its round in the bracket, counted from 0. In a population it is the member's step.
        epochs: Epochs in all, including those of earlier rounds.
        initial_epoch: How many of them the earlier rounds have trained.
        past: Number of the trial that it continues; None for a new child.
        changes: Hyperparameters that differ from those of ``past``; None if all stay.
        after: In a population, the name of the weights that it continues with (`state_of`), ``""``
            for a new child; None under any other schedule.
    """

    bracket: int
    round: int
    epochs: int
    initial_epoch: int = 0
    past: int | None = None
    changes: Mapping[str, Any] | None = None
    after: str | None = None

    def noted(self) -> dict[str, Any]:
        """All of it as plain data for a record; `Rung` of that gives it back."""
        given = self._asdict()
        return {n: x for n, x in given.items() if x is not None or n not in ("changes", "after")}


class Attempt(NamedTuple):
    """A trial so far.

    Attributes:
        number: Its number.
        past: Number of the trial that it continues; None for a new child.
        ended: Whether it has ended.
        reward: What it scored, once it has ended; None if it failed. Where there are several
            objectives the first decides.
        bracket, epochs, after: In a population, those of its rung.
        params: In a population, the decisions and hyperparameters that it was trained with; None is
            enough for a trial without a reward.
    """

    number: int
    past: int | None
    ended: bool
    reward: Rewards | None
    bracket: int | None = None
    epochs: int = 0
    after: str | None = None
    params: Mapping[str, Any] | None = None


class Schedule(Protocol):
    """What every schedule offers."""

    @property
    def trials(self) -> int:
        """Number of trials of one pass."""

    @property
    def epochs(self) -> int:
        """Number of epochs that one pass trains, if each child goes on from its weights."""

    def check(self, space: SearchSpace) -> None:
        """Check that the children of ``space`` can be scheduled.

        Raises:
            ValueError: If they cannot; the message says what to do.
        """

    def next(
        self,
        trials: Iterable[Attempt],
        space: SearchSpace | None = None,
        rng: np.random.Generator | None = None,
    ) -> Rung:
        """What a trial that begins now is to do; it never waits.

        Args:
            trials: All so far that are part of the schedule, in any order.
            space: What the strategy searches.
            rng: For what is drawn, if anything is (`draws_of`).
        """


def draws_of(seed: int, number: int) -> np.random.Generator:
    """The generator for what a schedule draws for trial ``number``, apart from the strategy's."""
    return np.random.default_rng((seed, number, 2))


def state_of(params: Mapping[str, Any], epochs: int, after: str) -> str:
    """A name for the weights that a child of a population ends with.

    Everything that led to them is in it, so that two trials have one name only if they are trained
    alike from the first epoch on.

    Args:
        params: Decisions and hyperparameters that the child was trained with.
        epochs: How long it was trained in all.
        after: The name of the weights that it went on from; ``""`` for a new child.
    """
    # A record may turn 1.0 into 1.
    plain = {n: float(x) if type(x) in (int, float) else x for n, x in params.items()}
    return digest([plain, epochs, after])
