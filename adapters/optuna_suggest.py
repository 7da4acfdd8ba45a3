"""The decisions of a space as parameters of an Optuna trial."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from optuna import Trial
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import FrozenTrial, TrialState

from cellwright.adapters.optuna_private import stored_trial, trials_of
from cellwright.adapters.optuna_study import claim, metrics_of
from cellwright.plugins.strategies.known import SCORED_BY, Measured, find_known
from cellwright.plugins.strategies.schedule import Rung
from cellwright.search_spaces import Decision, Float, Int, Params, SearchSpace, Value

KEPT = f"cellwright:{SCORED_BY}"  # system attribute of a trial
RUNG = "rung"  # user attribute of a trial that is part of a schedule


def suggest(trial: Trial, space: SearchSpace) -> Params:
    """Suggest every decision of ``space``; works with any Optuna sampler.

    A `Float` or `Int` becomes a float or int parameter of its whole range. A decision whose
    conditions do not hold is not suggested, and is not among what is returned.

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
    """How a sampler's schedule wants a trial trained: for ``rung_of(trial).epochs`` in all. In a
    population, give ``rung_of(trial).after`` to `Evaluation.run` as well.

    Call it after `suggest`. It is None for a trial outside of the schedule, such as one that was
    enqueued with all its parameters; train that one for as long as you like.
    """
    if isinstance(trial, Trial):
        trial = stored_trial(trial.study, trial)
    given = trial.user_attrs.get(RUNG)
    return None if given is None else Rung(**given)


def known_trial(
    trial: Trial, space: SearchSpace, needed: Sequence[str] = (), scored_by: str | None = None
) -> FrozenTrial | None:
    """The first complete trial that measured the same: of the same network, with all other
    parameters equal, and, under a schedule, trained for the same epochs, in a population after the
    same weights. None without one.

    A study repeats a network where a user enqueues it, or where the space is used up. An objective
    may then return the known value, and train nothing::

        params = suggest(trial, space)
        if (known := known_trial(trial, space)) is not None:
            return known.value  # known.values in a study of several objectives

    Args:
        trial: Whose parameters have been suggested.
        space: The one of `suggest`.
        needed: Names of user attributes that a trial must have in order to count.
        scored_by: `Evaluation.fingerprint`, if a trial that was scored on other data, by another
            recipe or by another reward is not to count; `optuna_trial.run` keeps it with a trial.
    """
    rung = rung_of(trial)
    complete = {
        other.number: other for other in trials_of(trial.study, states=(TrialState.COMPLETE,))
    }
    found = find_known(
        space,
        trial.params,
        None if rung is None else rung.epochs,
        map(measured, complete.values()),
        needed,
        scored_by,
        None if rung is None else rung.after,
    )
    return None if found is None else complete[found.number]


def measured(trial: FrozenTrial) -> Measured:
    """A complete trial as it may answer another."""
    rung = rung_of(trial)
    epochs, after = (None, None) if rung is None else (rung.epochs, rung.after)
    scored_by = trial.system_attrs.get(KEPT)
    return Measured(trial.number, trial.params, epochs, metrics_of(trial), scored_by, after)
