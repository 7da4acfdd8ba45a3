"""Optuna: any strategy as a sampler.

    study = optuna.create_study(direction="maximize", sampler=NASNetRLSampler())
    study.optimize(lambda trial: train(suggest(trial, NASNetSpace())))

The study's storage is the only state. Before a sampler proposes, its strategy follows the study's
finished trials in the order in which they were finished, whoever ran them: another process, a
thread, ``add_trial``, or a run before the last crash.
"""

from __future__ import annotations

import bisect
import logging
import math
import threading
import zlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, cast

import numpy as np
from optuna import Study, Trial
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.samplers import BaseSampler, RandomSampler
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from cellwright.plugins import RegularizedEvolution, Reinforce, Strategy, Told
from cellwright.plugins.hyperband import Attempt, Hyperband, Rung
from cellwright.plugins.strategy import Rewards
from cellwright.search_spaces import (
    INFEASIBLE,
    Decision,
    Float,
    Int,
    InvalidArchitecture,
    JointSpace,
    NASNetSpace,
    Params,
    SearchSpace,
    SpaceMismatch,
    Value,
)

_RUNG = "rung"  # user attribute of a trial that is part of a schedule
_SPACE = "cellwright:space"  # study system attribute: the fingerprint of the space searched
_logger = logging.getLogger(__name__)


def suggest(trial: Trial, space: SearchSpace) -> Params:
    """Suggest every decision of ``space``; works with any Optuna sampler.

    A `Float` or `Int` becomes a float or int parameter of its whole range. A decision whose
    conditions do not hold is not suggested, and is missing in what is returned.

    Raises:
        SpaceMismatch: If the study holds trials of another space; nothing is changed then.
    """
    _claim(trial.study, space)
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
    given = trial.user_attrs.get(_RUNG)
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


class StrategySampler(BaseSampler):
    """Lets a strategy choose the architecture, and an Optuna sampler everything else.

    A finished trial counts with its value, a pruned one with its last intermediate value; one that
    failed or has a value that is not finite counts as a failed child. One that broke a constraint
    counts as worse than all others, the more it broke it. Trials without any decision of the space
    are left alone.

    A study of several objectives takes a strategy of as many, which is told all values of a trial::

        sampler = StrategySampler(ParetoEvolution(NASNetSpace(), objectives=2))
        study = optuna.create_study(directions=["maximize", "minimize"], sampler=sampler)

    What a strategy that predicts (`Strategy.predict`) expected of a trial stands in the trial's
    user attributes ``predicted`` and ``predicted_std``, of the study's direction.

    Args:
        strategy: Decides on the space's parameters. One without a seed takes one that the study's
            first trial fixes, the same in every process.
        independent_sampler: Samples the parameters that are not in the space (a learning rate,
            say), relative sampling included. By default at random, by seed and trial number.
        schedule: Of multi-fidelity. A trial is then one rung (`rung_of`): a new child, or one that
            has scored well, with all its parameters, for more epochs. ``schedule.trials`` trials
            are one pass. The objective reports the value at the end of its rung, and prunes
            nothing.

    Raises:
        SpaceMismatch: At the first suggestion, if the study holds trials of another space.
        ValueError: At the first suggestion, if the study has other objectives in number than the
            strategy.
    """

    def __init__(
        self,
        strategy: Strategy,
        *,
        independent_sampler: BaseSampler | None = None,
        schedule: Hyperband | None = None,
    ) -> None:
        if not isinstance(strategy, Strategy):
            raise TypeError(
                f"strategy must be a Strategy such as Reinforce(NASNetSpace()), got {strategy!r}"
            )
        self.strategy = strategy
        self._others = independent_sampler
        self.schedule = schedule
        self._distributions: dict[str, BaseDistribution] = {
            d.name: distribution_of(d)
            for d in strategy.space.decisions
            if len(d.choices) > 1  # Optuna never asks a sampler about a single choice
        }
        self._lock = threading.RLock()  # n_jobs > 1 shares one sampler among threads
        self._bound: tuple[Any, int] | None = None
        self._forget_study()

    def __getstate__(self) -> dict[str, Any]:
        """Without the lock and the study: a sampler may travel to worker processes."""
        return {
            "strategy": self.strategy,
            "independent_sampler": self._others,
            "schedule": self.schedule,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        StrategySampler.__init__(self, **state)

    def reseed_rng(self) -> None:
        """Reseed the sampler of other parameters; a strategy's draws depend on no shared state."""
        if self._others is not None:
            self._others.reseed_rng()

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        if self._others is not None:
            self._others.before_trial(study, trial)

    def after_trial(
        self,
        study: Study,
        trial: FrozenTrial,
        state: TrialState,
        values: Sequence[float] | None,
    ) -> None:
        if self._others is not None:
            self._others.after_trial(study, trial, state, values)

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        space = dict(self._distributions)
        if self._others is not None:
            others = self._others.infer_relative_search_space(study, trial)
            space.update((name, d) for name, d in others.items() if name not in space)
        return space

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        self.strategy.check_objectives(len(study.directions))
        with self._lock:
            self._bind(study)
            self.strategy.follow(self._record(study))
            if self.schedule is not None:
                rung = self._begin_rung(study, trial)
                if rung.past is not None:
                    again = _params_of(study, rung.past)
                    return {name: value for name, value in again.items() if name in search_space}
            proposed = self.strategy.ask(trial.number, self._running(study, trial))
            expected = self.strategy.predict(proposed)
        if expected is not None and "fixed_params" not in trial.system_attrs:  # not enqueued
            for name, value in expected.notes(_signs(study)[0]).items():
                study._storage.set_trial_user_attr(trial._trial_id, name, value)
        params = {name: value for name, value in proposed.items() if name in search_space}
        foreign = {name: d for name, d in search_space.items() if name not in proposed}
        if foreign and self._others is not None:
            params.update(self._others.sample_relative(study, trial, foreign))
        for name in foreign.keys() - params.keys():
            params[name] = self.sample_independent(study, trial, name, foreign[name])
        return params

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        self.strategy.check_objectives(len(study.directions))
        if self.schedule is not None:
            rung = rung_of(study._storage.get_trial(trial._trial_id))
            if rung is not None and rung.past is not None:
                return _params_of(study, rung.past)[param_name]
        sampler = self._others
        if sampler is None:
            self._bind(study)
            words = (self.strategy.seed, trial.number, zlib.crc32(param_name.encode()))
            sampler = RandomSampler(seed=int(np.random.SeedSequence(words).generate_state(1)[0]))
        return sampler.sample_independent(study, trial, param_name, param_distribution)

    def _begin_rung(self, study: Study, trial: FrozenTrial) -> Rung:
        """Settle and store what ``trial`` is to do."""
        assert self.schedule is not None
        signs = _signs(study)
        attempts = [
            Attempt(other.number, rung.past, other.state.is_finished(), _reward(other, signs))
            for other in study._get_trials(deepcopy=False, use_cache=True)
            if (rung := rung_of(other)) is not None
        ]
        rung = self.schedule.next(attempts)
        study._storage.set_trial_user_attr(trial._trial_id, _RUNG, rung._asdict())
        return rung

    def _bind(self, study: Study) -> None:
        """Start on a study: check its space, and fix a seed where the user gave none."""
        bound = (study._storage, study._study_id)
        if self._bound == bound:
            return
        with self._lock:
            _check_fingerprint(study, self.strategy.space)
            self._forget_study()
            if not self.strategy.seeded:
                self.strategy.reseed(_seed_of(study))
            self._bound = bound

    def _forget_study(self) -> None:
        self._read: set[int] = set()  # numbers of the trials that are in the record or ignored
        self._settled = 0  # every trial before this number has been read
        self._keys: list[tuple[datetime, int]] = []
        self._told: list[Told] = []

    def _record(self, study: Study) -> list[Told]:
        """The study's finished trials in the order of their ends, each read once."""
        signs = _signs(study)
        # _get_trials, unlike get_trials, also shows other brackets' trials under Hyperband.
        trials = study._get_trials(deepcopy=False, use_cache=True)  # in the order of their numbers
        while self._settled < len(trials) and self._settled in self._read:
            self._settled += 1
        for trial in trials[self._settled :]:
            if trial.number in self._read or not trial.state.is_finished():
                continue
            params = _architecture(trial, self.strategy.space)
            self._read.add(trial.number)
            if params is not None:
                key = (trial.datetime_complete or datetime.min, trial.number)
                place = bisect.bisect(self._keys, key)
                self._keys.insert(place, key)
                reward = _reward(trial, signs)
                excess = _excess(trial) if reward is None else 0.0
                self._told.insert(place, Told(trial.number, params, reward, excess))
        return self._told

    def _running(self, study: Study, asking: FrozenTrial) -> list[Params]:
        """Architectures of the other trials that run; of one that is half suggested, none."""
        space = self.strategy.space
        trials = study._get_trials(deepcopy=False, use_cache=True)[self._settled :]
        return [
            _part(trial, space)
            for trial in trials
            if trial.state == TrialState.RUNNING
            and trial.number != asking.number
            and not space.missing(_part(trial, space))
        ]


class NASNetRLSampler(StrategySampler):
    """`Reinforce` on the book's NASNet cells, as a sampler.

    Args:
        space: ``NASNetSpace()`` by default.
        seed: 0 or above; the same seed and results give the same trials.
        independent_sampler: See `StrategySampler`.
        arguments: Further arguments of `Reinforce`.
    """

    def __init__(
        self,
        space: SearchSpace | None = None,
        seed: int | None = None,
        *,
        independent_sampler: BaseSampler | None = None,
        **arguments: Any,
    ) -> None:
        strategy = Reinforce(space or NASNetSpace(), seed=seed, **arguments)
        super().__init__(strategy, independent_sampler=independent_sampler)


class NASNetEvolutionSampler(StrategySampler):
    """`RegularizedEvolution` on the book's NASNet cells, as a sampler.

    Args:
        space: ``NASNetSpace()`` by default.
        seed: 0 or above; the same seed and results give the same trials.
        independent_sampler: See `StrategySampler`.
        arguments: Further arguments of `RegularizedEvolution`.
    """

    def __init__(
        self,
        space: SearchSpace | None = None,
        seed: int | None = None,
        *,
        independent_sampler: BaseSampler | None = None,
        **arguments: Any,
    ) -> None:
        strategy = RegularizedEvolution(space or NASNetSpace(), seed=seed, **arguments)
        super().__init__(strategy, independent_sampler=independent_sampler)


def _identity(params: Mapping[str, Any], space: SearchSpace) -> Any:
    """What two trials of the same network share; None for a trial of anything else."""
    held = {name: value for name, value in params.items() if name in space._name_set}
    if space.missing(held):
        return None
    others = {name: value for name, value in params.items() if name not in space._name_set}
    return space.key(held), others


def _architecture(trial: FrozenTrial, space: SearchSpace) -> Params | None:
    """The space's part of a finished trial, or None if the trial has none.

    Raises:
        SpaceMismatch: If the trial holds other choices, or succeeded with a part of the decisions.
    """
    held = _part(trial, space)
    if not held or (space.missing(held) and trial.state != TrialState.COMPLETE):
        return None
    try:
        return space.decode(space.encode(held))
    except InvalidArchitecture as error:
        raise SpaceMismatch(
            f"trial {trial.number} of this study is of another search space: {error}. "
            "Start a new study (another study_name), or search the space that it was made with"
        ) from None


def _part(trial: FrozenTrial, space: SearchSpace) -> Params:
    return {name: trial.params[name] for name in space.names if name in trial.params}


def _params_of(study: Study, number: int) -> dict[str, Any]:
    """The parameters of another trial."""
    return study._get_trials(deepcopy=False, use_cache=True)[number].params


def _signs(study: Study) -> list[float]:
    """By which each objective is multiplied so that more is better."""
    return [-1.0 if d == StudyDirection.MINIMIZE else 1.0 for d in study.directions]


def _reward(trial: FrozenTrial, signs: Sequence[float]) -> Rewards | None:
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
    """How far a trial without a reward is beyond a limit: what `optuna_trial.run` stored, or else
    the sum of the broken constraints."""
    broken = sum(amount for amount in trial.constraints.values() if amount > 0)
    excess = float(trial.user_attrs.get(INFEASIBLE, broken))
    return excess if 0 <= excess < math.inf else 0.0


def _claim(study: Study, space: SearchSpace) -> None:
    """Note in the study which space it is of, unless it already holds another."""
    if _check_fingerprint(study, space):
        return
    complete = study._get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    held = [trial for trial in complete if trial.params]
    if held and all(space._name_set.isdisjoint(t.params) for t in held):
        raise SpaceMismatch(
            f"study {study.study_name!r} holds {len(held)} trials, and none has a decision of "
            f"{space!r}: their parameters are {sorted(held[0].params)[:4]}. "
            "Start a new study (another study_name) for this search"
        )
    study._storage.set_study_system_attr(study._study_id, _SPACE, _fingerprint(space))


def _check_fingerprint(study: Study, space: SearchSpace) -> bool:
    """Whether the study is noted as of ``space``; an error if it is noted as of another."""
    noted = study._storage.get_study_system_attrs(study._study_id).get(_SPACE)
    if noted not in (None, _fingerprint(space)):
        raise SpaceMismatch(
            f"study {study.study_name!r} was made with another search space than {space!r} "
            f"(fingerprint {noted}, now {_fingerprint(space)}). Start a new study (another "
            "study_name), or search the space that it was made with"
        )
    return noted is not None


def _fingerprint(space: SearchSpace) -> str:
    """That of the architecture: a strategy may search it alone, and the host the rest."""
    return (space.architecture if isinstance(space, JointSpace) else space).fingerprint


def _seed_of(study: Study) -> int:
    """A seed that every process on the study finds alike: from its name and first trial's start."""
    first = min(study._get_trials(deepcopy=False, use_cache=True), key=lambda t: t.number)
    text = f"{study.study_name}/{first.datetime_start}"
    return zlib.crc32(text.encode()) << 32 | zlib.crc32(text[::-1].encode())
