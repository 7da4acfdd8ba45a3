"""A schedule of multi-fidelity in the words of Keras Tuner's own ``HyperbandOracle``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from keras_tuner.engine.trial import TrialStatus

from cellwright.plugins.strategies.hyperband import Attempt, Hyperband, Rung
from cellwright.plugins.strategies.outcome import Rewards

EPOCHS = "tuner/epochs"  # to train in all, those of earlier rounds included
_PAST = "tuner/trial_id"
_WORDS = (EPOCHS, "tuner/initial_epoch", "tuner/bracket", "tuner/round", _PAST)


def in_their_words(rung: Rung, schedule: Hyperband, past: str | None = None) -> dict[str, Any]:
    """What a trial of ``rung`` has among its values; ``past`` is the id of ``rung.past``."""
    plan = schedule.plan
    bracket = len(plan[rung.bracket % len(plan)]) - 1
    words = dict(zip(_WORDS, (rung.epochs, rung.initial_epoch, bracket, rung.round), strict=False))
    return words if past is None else {**words, _PAST: past}


def without_words(values: Mapping[str, Any]) -> dict[str, Any]:
    """A trial's values without those that say when and for how long it is trained."""
    return {name: value for name, value in values.items() if name not in _WORDS}


def attempts(trials: Iterable[Any], rewards: Mapping[int, Rewards | None]) -> list[Attempt]:
    """Keras Tuner's trials as the schedule sees them.

    Args:
        trials: All of the project.
        rewards: By number, of those that have ended.
    """
    found = []
    for trial in trials:
        number, past = int(trial.trial_id), trial.hyperparameters.values.get(_PAST)
        ended = trial.status in (TrialStatus.COMPLETED, TrialStatus.FAILED)
        reward = rewards.get(number)
        found.append(Attempt(number, None if past is None else int(past), ended, reward))
    return found
