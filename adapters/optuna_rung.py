"""A schedule's rungs as a study's trials: what one is to do, and which parameters go on.

And a trial that is interrupted, with its rung if it has one: another one takes its place.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from optuna import Study, Trial
from optuna.trial import BaseTrial, FrozenTrial, TrialState

from cellwright.adapters.optuna_private import note_in_trial, stored_trial, trials_of, whole_study
from cellwright.adapters.optuna_record import reward_of
from cellwright.adapters.optuna_space import part_of
from cellwright.adapters.optuna_study import AGAIN, INTERRUPTED, place_of, signs_of, was_stopped
from cellwright.plugins import Strategy
from cellwright.plugins.strategies.schedule import Attempt, Rung, Schedule, draws_of
from cellwright.plugins.strategies.strategy import NOTES
from cellwright.search_spaces import SearchSpace
from cellwright.search_spaces.arguments import check_kind

RUNG = "rung"  # user attribute of a trial that is part of a schedule
_logger = logging.getLogger(__name__)
_unreadable: set[tuple[int, str]] = set()  # trials and their rungs of which it has been said


def rung_of(trial: Trial | FrozenTrial) -> Rung | None:
    """How a sampler's schedule wants a trial trained: for ``rung_of(trial).epochs`` in all. In a
    population, give ``rung_of(trial).after`` to `Evaluation.run` as well.

    Call it after `suggest`. It is None for a trial outside of the schedule, such as one that was
    enqueued with all its parameters; train that one for as long as you like. A note that cannot be
    read is named in a warning, and counts as none.
    """
    check_kind("trial", trial, BaseTrial, "a trial of Optuna")
    if isinstance(trial, Trial):
        trial = stored_trial(trial.study, trial)
    given = trial.user_attrs.get(RUNG)
    if given is None:
        return None
    try:
        return _read_rung(given, trial.number)
    except (TypeError, ValueError) as error:
        if (trial.number, str(given)) not in _unreadable:
            _unreadable.add((trial.number, str(given)))
            _logger.warning(
                "The user attribute %r of trial %d cannot be read and is left out: %r (%s)",
                RUNG,
                trial.number,
                given,
                error,
            )
        return None


def _read_rung(given: Any, number: int) -> Rung:
    rung = Rung(**given)
    counts = [rung.bracket, rung.round, rung.epochs, rung.initial_epoch]
    if not all(isinstance(count, int) and count >= 0 for count in counts):
        raise ValueError("bracket, round and epochs must be whole numbers")
    if rung.past is not None and not (isinstance(rung.past, int) and 0 <= rung.past < number):
        raise ValueError("past must be the number of an earlier trial")
    if not isinstance(rung.changes, Mapping | None) or not isinstance(rung.after, str | None):
        raise ValueError("changes must be a mapping, and after a text")
    return rung


def begin_rung(study: Study, trial: FrozenTrial, schedule: Schedule, strategy: Strategy) -> Rung:
    """Decide and store what ``trial`` is to do; if it is run again, that stays as it was."""
    before = rung_of(stored_trial(study, trial))
    if before is not None:
        return before
    signs = signs_of(study)
    attempts = [
        _attempt(other, rung, signs, strategy.space)
        for other in trials_of(study, cached=True)
        if (rung := rung_of(other)) is not None
    ]
    rung = schedule.next(attempts, strategy.space, draws_of(strategy.seed, place_of(study, trial)))
    note_in_trial(study, trial, RUNG, rung.noted())
    return rung


def carried_on(study: Study, rung: Rung) -> dict[str, Any]:
    """The parameters of a trial that goes on from another."""
    assert rung.past is not None
    past = trials_of(study, cached=True)[rung.past]
    return {**past.params, **(rung.changes or {})}


def _attempt(trial: FrozenTrial, rung: Rung, signs: Sequence[float], space: SearchSpace) -> Attempt:
    """A trial of the schedule, which did or does what ``rung`` says; one that cannot be read has
    failed."""
    ended, reward, params = trial.state.is_finished(), None, None
    try:
        reward = reward_of(trial, signs)
        if rung.after is not None and trial.state != TrialState.COMPLETE:
            reward = None  # what was pruned has left no weights
        if rung.after is not None and reward is not None:
            params = space.read(part_of(trial, space))
    except (ValueError, TypeError):
        reward = None
    if rung.after is None:
        return Attempt(trial.number, rung.past, ended, reward)
    of_rung = (rung.bracket, rung.epochs, rung.after)
    return Attempt(trial.number, rung.past, ended, reward, *of_rung, params)


def run_again(study: Study, trial: Trial | FrozenTrial) -> None:
    """Mark a trial as interrupted, once, and enqueue its parameters for another one.

    What was noted of it goes with them: what its strategy predicted, and under a schedule its rung.
    Otherwise the schedule would count a failed child, and the new trial would be outside of it.
    """
    stored = stored_trial(study, trial)
    if was_stopped(stored):
        return
    params, attributes = noted_for_another(stored)
    note_in_trial(study, trial, INTERRUPTED, True)
    if RUNG in attributes:
        note_in_trial(study, trial, RUNG, None)
    if params or attributes:
        attributes[AGAIN] = f"trial {stored.number}"
        whole_study(study).enqueue_trial(params, user_attrs=attributes)


def noted_for_another(trial: FrozenTrial) -> tuple[dict[str, Any], dict[str, Any]]:
    """The parameters and the user attributes of a trial that the one has which tries its child
    again."""
    attributes = {n: x for n, x in trial.user_attrs.items() if n in (RUNG, *NOTES)}
    return dict(trial.params), attributes
