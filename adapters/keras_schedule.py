"""A schedule in the words of Keras Tuner's own ``HyperbandOracle``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from keras_tuner.engine.trial import TrialStatus

from cellwright.adapters.keras_decisions import read_params
from cellwright.plugins.strategies.hyperband import Hyperband
from cellwright.plugins.strategies.outcome import Rewards
from cellwright.plugins.strategies.schedule import Attempt, Rung, Schedule
from cellwright.search_spaces import SearchSpace

EPOCHS = "tuner/epochs"  # to train in all, those of earlier rounds included
AFTER = "tuner/after"  # `Rung.after`, in a population; this word is ours
_PAST, _BRACKET = "tuner/trial_id", "tuner/bracket"
_WORDS = (EPOCHS, "tuner/initial_epoch", _BRACKET, "tuner/round", _PAST, AFTER)


def in_their_words(rung: Rung, schedule: Schedule, past: str | None = None) -> dict[str, Any]:
    """What a trial of ``rung`` has among its values; ``past`` is the id of ``rung.past``.

    Theirs count the brackets of Hyperband down to 0. In a population the bracket is the member.
    """
    bracket = rung.bracket
    if isinstance(schedule, Hyperband):
        bracket = len(schedule.plan[bracket % len(schedule.plan)]) - 1
    values = (rung.epochs, rung.initial_epoch, bracket, rung.round, past, rung.after)
    return {n: x for n, x in zip(_WORDS, values, strict=True) if x is not None}


def without_words(values: Mapping[str, Any]) -> dict[str, Any]:
    """A trial's values without those that say when and for how long it is trained."""
    return {name: value for name, value in values.items() if name not in _WORDS}


def attempts(
    trials: Iterable[Any], rewards: Mapping[int, Rewards | None], space: SearchSpace
) -> list[Attempt]:
    """Keras Tuner's trials as the schedule sees them.

    Args:
        trials: All of the project.
        rewards: By number, of those that have ended.
        space: What the strategy searches.
    """
    found = []
    for trial in trials:
        values = trial.hyperparameters.values
        number, past = int(trial.trial_id), values.get(_PAST)
        ended = trial.status in (TrialStatus.COMPLETED, TrialStatus.FAILED)
        reward = rewards.get(number)
        attempt = Attempt(number, None if past is None else int(past), ended, reward)
        if AFTER in values:
            attempt = attempt._replace(
                bracket=values[_BRACKET],
                epochs=values[EPOCHS],
                after=values[AFTER],
                params=None if reward is None else read_params(values, space),
            )
        found.append(attempt)
    return found
