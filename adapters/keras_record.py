"""A Keras Tuner trial as a strategy is told it, and as it may answer another trial."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from keras_tuner.engine.trial import TrialStatus

from cellwright.adapters.keras_decisions import read_params
from cellwright.adapters.keras_schedule import AFTER, EPOCHS, without_words
from cellwright.plugins.strategies.known import Measured
from cellwright.plugins.strategies.outcome import Rewards, Told, excess_of
from cellwright.search_spaces import SearchSpace


def told_of(trial: Any, space: SearchSpace, signs: Mapping[str, float]) -> Told:
    """An ended trial as a strategy is told it.

    Args:
        trial: COMPLETED or FAILED.
        space: What the oracle searches.
        signs: By the objectives' names: 1 to maximise, -1 to minimise.

    Raises:
        InvalidArchitecture: If the trial is of another space.
    """
    number, params = int(trial.trial_id), read_params(trial.hyperparameters.values, space)
    if trial.status != TrialStatus.COMPLETED:
        return Told(number, params, None, excess_of(_metrics(trial)))
    return Told(number, params, _reward(trial, signs))


def _reward(trial: Any, signs: Mapping[str, float]) -> Rewards:
    """Each objective at the step by which Keras Tuner scored the trial."""
    rewards = tuple(
        sign * float(observation.mean())
        for name, sign in signs.items()
        for observation in trial.metrics.get_history(name)
        if observation.step == trial.best_step
    )
    return rewards if len(rewards) > 1 else rewards[0]


def measured(trial: Any, space: SearchSpace, scored_by: str | None = None) -> Measured:
    """A trial, complete or not, by what decides whether it measures the same as another."""
    values = trial.hyperparameters.values
    others = {n: x for n, x in without_words(values).items() if n not in space.names}
    params = {**others, **read_params(values, space)}
    epochs, after = values.get(EPOCHS), values.get(AFTER)
    return Measured(int(trial.trial_id), params, epochs, _metrics(trial), scored_by, after)


def _metrics(trial: Any) -> dict[str, float]:
    last = {name: trial.metrics.get_last_value(name) for name in trial.metrics.metrics}
    return {name: float(value) for name, value in last.items() if value is not None}
