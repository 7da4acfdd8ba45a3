"""The finished trials of an Optuna study, as a strategy is told them.

What cannot be told is said once, with the trial's number, and left out: one odd trial never ends a
search.
"""

from __future__ import annotations

import bisect
import logging
import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from optuna import Study
from optuna.trial import FrozenTrial, TrialState

from cellwright.adapters.optuna_private import trials_of
from cellwright.adapters.optuna_space import check_choices, part_of
from cellwright.adapters.optuna_study import replaced_in, signs_of, warn_of_trials, was_stopped
from cellwright.plugins.strategies.outcome import Rewards, Told, excess_of
from cellwright.search_spaces import INFEASIBLE, InvalidArchitecture, Params, SearchSpace

# System attribute of a trial: its architecture as indices (`SearchSpace.encode`), which is there
# before the parameters are, so that nobody else tries the same meanwhile.
PROPOSED = "cellwright:proposed"
_logger = logging.getLogger(__name__)


class Record:
    """A study's finished trials in the order of their ends, each read once.

    Args:
        space: Whose decisions are looked for; trials without any of them are ignored.
    """

    def __init__(self, space: SearchSpace) -> None:
        self.space = space
        self.told: list[Told] = []
        self._keys: list[tuple[datetime, int]] = []
        self._read: set[int] = set()  # numbers of the trials that are told or left out
        self._settled = 0  # every trial before this number has been read
        self._replaced: set[int] = set()  # numbers of those that others try again

    def update(self, study: Study, trials: Sequence[FrozenTrial] | None = None) -> list[Told]:
        """Read what has finished since the last time.

        Args:
            study: As a sampler sees it.
            trials: All of its trials; if None, as they were when this thread asked for its own.

        Raises:
            SpaceMismatch: If a trial holds a decision with other choices.
        """
        signs, odd = signs_of(study), Odd()
        trials = trials_of(study, cached=True) if trials is None else trials
        while self._settled < len(trials) and self._settled in self._read:
            self._settled += 1
        new = [
            trial
            for trial in trials[self._settled :]
            if trial.number not in self._read and trial.state.is_finished()
        ]
        check_choices(study, self.space, new)
        replaced = replaced_in(trials[self._settled :])
        self._leave_out(replaced)
        for trial in new:
            told = told_of(trial, self.space, signs, odd)
            self._read.add(trial.number)
            if told is not None and trial.number not in self._replaced:
                key = (_end_of(trial), trial.number)
                place = bisect.bisect(self._keys, key)
                self._keys.insert(place, key)
                self.told.insert(place, told)
        odd.report(study)
        return self.told

    def _leave_out(self, replaced: set[int]) -> None:
        """Take back the failures of trials that others try again."""
        self._replaced |= replaced
        if any(told.number in replaced for told in self.told):
            kept = [k for k, told in enumerate(self.told) if told.number not in replaced]
            self.told = [self.told[k] for k in kept]
            self._keys = [self._keys[k] for k in kept]

    def running(
        self, study: Study, asking: FrozenTrial | None, *, now: bool = False, ended: bool = False
    ) -> dict[int, Params]:
        """Architectures of the other running trials by their numbers, if all of it is known:
        suggested, or at least proposed. A child that waits to be tried again, as its worker has
        died, counts with them.

        Args:
            study: As a sampler sees it.
            asking: The trial that is not meant, if any.
            now: As the storage has them now, and not as they were when the trial was asked for.
            ended: With those that have ended and that `update` has not read.
        """
        found = {}
        for trial in trials_of(study, cached=not now and asking is not None)[self._settled :]:
            mine = asking is not None and trial.number == asking.number
            if mine:
                continue
            if trial.state == TrialState.WAITING:
                if held := proposed_in(trial, self.space):
                    found[trial.number] = held
            elif trial.state == TrialState.RUNNING or (ended and trial.number not in self._read):
                held, _ = fitted(part_of(trial, self.space), self.space)
                if self.space.missing(held):
                    held = proposed_in(trial, self.space)
                if held:
                    found[trial.number] = held
        return found


def proposed_in(trial: FrozenTrial, space: SearchSpace) -> Params:
    """The architecture that was proposed for a trial, whose parameters may not be suggested yet;
    empty if none was, or its note cannot be read."""
    indices = trial.system_attrs.get(PROPOSED)
    try:
        return {} if indices is None else space.decode(indices)
    except (ValueError, TypeError, IndexError):
        return {}


@dataclass
class Odd:
    """What is odd about some trials, by their numbers, in words."""

    incomplete: dict[int, str] = field(default_factory=dict)
    moved: dict[int, str] = field(default_factory=dict)
    damaged: dict[int, str] = field(default_factory=dict)

    def report(self, study: Study) -> None:
        """Say it of the trials of which this process has not said it."""
        warn_of_trials(
            study,
            self.incomplete,
            "holds only some decisions of the space and is left out: nothing is learned from it",
        )
        warn_of_trials(
            study,
            self.moved,
            "holds a value that is not allowed, and counts as one with the nearest that is",
        )
        warn_of_trials(study, self.damaged, "cannot be read and is left out")


def told_of(
    trial: FrozenTrial, space: SearchSpace, signs: Sequence[float], odd: Odd
) -> Told | None:
    """A finished trial as a strategy is told it, or None if it is left out.

    Args:
        trial: Of any state that is an end.
        space: Whose decisions are looked for.
        signs: See `signs_of`.
        odd: Takes what the user is to know of it.
    """
    held = part_of(trial, space)
    if not held or was_stopped(trial):
        return None
    try:
        params, moved = fitted(held, space)
        if missing := space.missing(params):
            odd.incomplete[trial.number] = f"without {_listed(missing)}"
            return None
        if moved:
            odd.moved[trial.number] = ", ".join(moved)
        reward = reward_of(trial, signs)
        told = Told(
            trial.number,
            space.decode(space.encode(params)),
            reward,
            _excess(trial) if reward is None else 0.0,
        )
    except (ValueError, TypeError, KeyError, AttributeError, ArithmeticError) as error:
        odd.damaged[trial.number] = f"{type(error).__name__}: {error}"
        return None
    return told


def fitted(held: Params, space: SearchSpace) -> tuple[Params, list[str]]:
    """Values as ``space`` allows them, and in words which of them were not allowed.

    Raises:
        InvalidArchitecture: If one is not allowed, and nothing is near it.
    """
    params, moved = dict(held), list[str]()
    with suppress(InvalidArchitecture):
        space.encode(held)
        return params, moved  # as almost always
    for decision in space.decisions:
        if decision.name in held:
            value = held[decision.name]
            try:
                decision.read(value)
            except InvalidArchitecture:
                params[decision.name] = decision.nearest(value)
                moved.append(f"{decision.name} = {value!r} as {params[decision.name]!r}")
    return params, moved


def reward_of(trial: FrozenTrial, signs: Sequence[float]) -> Rewards | None:
    """A trial's values as a strategy maximises them; None for a failed child."""
    if trial.state == TrialState.FAIL or trial.values is None:
        return None
    if not all(map(math.isfinite, trial.values)):
        _logger.warning(
            "Trial %d has the value %s and counts as a failed child.",
            trial.number,
            ", ".join(map(str, trial.values)),
        )
        return None
    if any(amount > 0 for amount in trial.constraints.values()):
        return None
    rewards = tuple(sign * value for sign, value in zip(signs, trial.values, strict=True))
    return rewards if len(rewards) > 1 else rewards[0]


def _excess(trial: FrozenTrial) -> float:
    """How far a trial without a reward is beyond a limit: what `optuna_trial.run` stored, or
    otherwise the sum of the broken constraints."""
    broken = sum(amount for amount in trial.constraints.values() if amount > 0)
    return excess_of({INFEASIBLE: broken, **trial.user_attrs})


def _end_of(trial: FrozenTrial) -> datetime:
    """In local time without a zone, as Optuna stores it; a trial that was added may have a zone."""
    end = trial.datetime_complete
    return datetime.min if end is None else end.astimezone().replace(tzinfo=None)


def _listed(names: Sequence[Any], most: int = 4) -> str:
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")
