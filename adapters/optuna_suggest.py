"""The decisions of a space as parameters of an Optuna trial."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import cast

from optuna import Study, Trial
from optuna.trial import BaseTrial, FrozenTrial, TrialState

from cellwright.adapters.optuna_private import (
    enqueued_in,
    innermost_sampler,
    note_in_trial,
    stored_at_once,
    trials_of,
)
from cellwright.adapters.optuna_record import fitted
from cellwright.adapters.optuna_rung import rung_of
from cellwright.adapters.optuna_space import check_same, claim, part_of
from cellwright.adapters.optuna_study import is_new, metrics_of, warn_of_trials, warn_once
from cellwright.plugins.registry import make_space
from cellwright.plugins.strategies.known import SCORED_BY, Measured, find_known
from cellwright.plugins.strategies.strategy import Strategy
from cellwright.search_spaces import (
    Decision,
    Float,
    Int,
    InvalidArchitecture,
    Params,
    SearchSpace,
    SpaceMismatch,
    Value,
)
from cellwright.search_spaces.arguments import check_kind

ARCHITECTURE = "architecture"  # user attribute of a trial: `SearchSpace.in_short`
KEPT = f"cellwright:{SCORED_BY}"  # system attribute of a trial


def suggest(trial: Trial, space: SearchSpace | str) -> Params:
    """Suggest every decision of ``space``, a space or its name; works with any Optuna sampler.

    A `Float` or `Int` becomes a float or int parameter of its whole range. A decision whose
    conditions do not hold is not suggested, and is not among what is returned. The trial's user
    attribute ``architecture`` says in a line or two what was suggested. A database and a journal
    take all of this in one write.

    A value that was enqueued, or fixed by ``PartialFixedSampler``, and lies outside of a range is
    taken at the nearest point, with a warning.

    Raises:
        SpaceMismatch: If the study holds trials of another space, or its sampler is one of ours and
            searches another. The study is not changed then, but for this trial, which fails;
            ``Study.optimize`` ends, even if it was told to ``catch`` errors.
        InvalidArchitecture: If a value was enqueued that is not among the choices, or is no number.
            Optuna allows no such values either, and this trial fails.
    """
    check_kind("trial", trial, BaseTrial, "a trial of Optuna")
    space = make_space(space)
    try:
        strategy = getattr(innermost_sampler(trial.study), "strategy", None)
        if isinstance(strategy, Strategy):
            check_same(space, strategy.space)
            _warn_of_undecided(trial.study, space, strategy.space)
        claim(trial.study, space)
    except SpaceMismatch:
        _stop(trial)
        raise
    moved = _fit_enqueued(trial, space)
    params: Params = {}
    with stored_at_once(trial):
        for decision in space.decisions:
            if decision.applies(params):
                value = _suggest(
                    trial, decision
                )  # out of range if PartialFixedSampler was given it
                params[decision.name] = nearest = decision.nearest(value)
                if nearest != value:
                    moved[decision.name] = f"{decision.name} = {value!r} as {nearest!r}"
        trial.set_user_attr(ARCHITECTURE, space.in_short(params))
    if words := [words for name, words in moved.items() if name in params]:
        what = "was given a value that is not allowed, and takes the nearest that is"
        warn_of_trials(trial.study, {trial.number: ", ".join(words)}, what)
    return params


def _warn_of_undecided(study: Study, space: SearchSpace, searched: SearchSpace) -> None:
    """A warning of hyperparameters of a `JointSpace` that the sampler's space lacks."""
    known = {decision.name for decision in searched.decisions}
    more = [decision.name for decision in space.decisions if decision.name not in known]
    if more:
        warn_once(
            study,
            f"the objective suggests {more}, which are not in the space that the sampler searches: "
            "its strategy does not decide on them, and they are sampled as any parameters beside "
            "the architecture. Give both the same space, as in "
            'StrategySampler("auto", space=space) and suggest(trial, space)',
        )


def _stop(trial: Trial) -> None:
    """Let ``Study.optimize`` end with this trial: every further one would fail alike."""
    with contextlib.suppress(RuntimeError):  # a trial that was asked for by hand
        trial.study.stop()


def _fit_enqueued(trial: Trial, space: SearchSpace) -> dict[str, str]:
    """Move enqueued values into their ranges, before Optuna stores them as they are; in words,
    which ones, by their names."""
    enqueued, moved = enqueued_in(trial), {}
    for decision in space.decisions:
        if decision.name not in enqueued:
            continue
        value = enqueued[decision.name]
        try:
            decision.read(value)
        except InvalidArchitecture:
            try:
                enqueued[decision.name] = decision.nearest(value)
            except InvalidArchitecture as error:
                raise InvalidArchitecture(
                    f"trial {trial.number} was enqueued with {error}. Optuna takes no other value "
                    "either, and this trial fails: enqueue another"
                ) from None
            moved[decision.name] = f"{decision.name} = {value!r} as {enqueued[decision.name]!r}"
    return moved


def _suggest(trial: Trial, decision: Decision) -> Value:
    if isinstance(decision, Float):
        return trial.suggest_float(decision.name, decision.low, decision.high, log=decision.log)
    if isinstance(decision, Int):
        low, high = int(decision.low), int(decision.high)
        return trial.suggest_int(decision.name, low, high, log=decision.log)
    return cast(Value, trial.suggest_categorical(decision.name, decision.choices))


def note_architecture(study: Study, trial: FrozenTrial, space: SearchSpace) -> bool:
    """Say what a trial that is about to end suggested, unless `suggest` has said it; a warning if
    that is nothing.

    Returns:
        Whether it suggested a whole architecture. Nothing is raised: it would end the study.
    """
    try:
        params, _ = fitted(part_of(trial, space), space)
        if not params:
            words = f"asked for none of the {len(space.decisions)} decisions"
            if is_new(study, words):
                warn_once(
                    study,
                    f"trial {trial.number} {words} of {space!r}, so that no architecture is "
                    "searched: call suggest(trial, space) in the objective (from cellwright import "
                    "suggest), and build the network of what it returns",
                )
        whole = bool(params) and not space.missing(params)
        if whole and ARCHITECTURE not in trial.user_attrs:
            note_in_trial(study, trial, ARCHITECTURE, space.in_short(params))
    except Exception as error:
        warn_once(study, f"trial {trial.number} has no architecture to show: {error!r}")
        return False
    return whole


def known_trial(
    trial: Trial, space: SearchSpace | str, needed: Sequence[str] = (), scored_by: str | None = None
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
    space = make_space(space)
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
