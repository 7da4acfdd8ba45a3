"""Optuna: the decisions of a space as parameters of a trial."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from optuna import Trial
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import FrozenTrial, TrialState

from cellwright.adapters.optuna_study import claim
from cellwright.plugins.strategies.hyperband import Rung
from cellwright.search_spaces import Decision, Float, Int, Params, SearchSpace, Value

RUNG = "rung"  # user attribute of a trial that is part of a schedule


def suggest(trial: Trial, space: SearchSpace) -> Params:
    """Suggest every decision of ``space``; works with any Optuna sampler.

    A `Float` or `Int` becomes a float or int parameter of its whole range. A decision whose
    conditions do not hold is not suggested, and is missing in what is returned.

    Raises:
        SpaceMismatch: If the study holds trials of another space; nothing is changed then.
    """
    claim(trial.study, space)
    params: Params = {}
    for decision in space.decisions:
        if decision.applies(params):
            params[decision.name] = _suggest(trial, decision)
    return params


def _suggest(trial: Trial, decision: Decision) -> Value:
    if isinstance(decision, Float):
        return trial.suggest_float(decision.name, decision.low, decision.high, log=decision.log)
    if isinstance(decision, Int):
        low, high = int(decision.low), int(decision.high)
        return trial.suggest_int(decision.name, low, high, log=decision.log)
    return cast(Value, trial.suggest_categorical(decision.name, decision.choices))


def distribution_of(decision: Decision) -> BaseDistribution:
    """A decision as Optuna's own parameter."""
    if isinstance(decision, Float):
        return FloatDistribution(decision.low, decision.high, log=decision.log)
    if isinstance(decision, Int):
        return IntDistribution(int(decision.low), int(decision.high), log=decision.log)
    return CategoricalDistribution(decision.choices)


def rung_of(trial: Trial | FrozenTrial) -> Rung | None:
    """What a trial is to do, under a sampler with a schedule: ``rung_of(trial).epochs`` in all.

    Call it after `suggest`. None for a trial that is no part of a schedule, as one that was
    enqueued with all its parameters is not; train that one for as long as you like.
    """
    if isinstance(trial, Trial):  # it shows the attributes as they were when it began
        trial = trial.storage.get_trial(trial._trial_id)
    given = trial.user_attrs.get(RUNG)
    return None if given is None else Rung(**given)


def known_trial(trial: Trial, space: SearchSpace) -> FrozenTrial | None:
    """The first complete trial of the same network, all other parameters alike; None without one.

    A study repeats a network where a user enqueues it, or where the space is used up. An objective
    may then return the known value, and pay nothing::

        params = suggest(trial, space)
        if (known := known_trial(trial, space)) is not None:
            return known.value  # known.values in a study of several objectives
    """
    identity, rung = _identity(trial.params, space), rung_of(trial)
    for other in trial.study._get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
        before = rung_of(other)
        trained = before is None or (rung is not None and before.epochs >= rung.epochs)
        if trained and _identity(other.params, space) == identity:
            return other
    return None


def _identity(params: Mapping[str, Any], space: SearchSpace) -> Any:
    """What two trials of the same network share; None for a trial of anything else."""
    held = {name: value for name, value in params.items() if name in space._name_set}
    if space.missing(held):
        return None
    others = {name: value for name, value in params.items() if name not in space._name_set}
    return space.key(held), others
