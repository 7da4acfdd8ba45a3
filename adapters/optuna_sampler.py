"""Any strategy as a sampler of Optuna.

    study = optuna.create_study(direction="maximize", sampler=NASNetRLSampler())
    study.optimize(lambda trial: train(suggest(trial, NASNetSpace())))

The study's storage is the only state. Before a sampler proposes, its strategy follows the study's
finished trials in the order in which they were finished, whoever ran them: another process, a
thread, ``add_trial``, or a run that crashed.
"""

from __future__ import annotations

import bisect
import threading
import zlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any, ClassVar

import numpy as np
from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.trial import FrozenTrial, TrialState

from cellwright.adapters.optuna_private import (
    identity_of,
    is_enqueued,
    metric_names_of,
    note_in_trial,
    stored_trial,
    trials_of,
)
from cellwright.adapters.optuna_study import (
    check_directions,
    check_space,
    claim,
    metrics_of,
    params_of,
    part_of,
    reward_of,
    seed_of,
    signs_of,
    told_of,
)
from cellwright.adapters.optuna_suggest import RUNG, distribution_of, known_trial, rung_of, suggest
from cellwright.plugins import Strategy, Told, make_strategy
from cellwright.plugins.strategies.schedule import Attempt, Rung, Schedule, draws_of
from cellwright.search_spaces import NASNetSpace, Params, SearchSpace

__all__ = [
    "NASNetEvolutionSampler",
    "NASNetRLSampler",
    "StrategySampler",
    "distribution_of",
    "known_trial",
    "rung_of",
    "suggest",
]


class StrategySampler(BaseSampler):
    """Lets a strategy choose the architecture, and an Optuna sampler everything else.

    A finished trial counts with its value, and a pruned one with its last intermediate value, both
    in the study's direction; so report what the objective returns in the end, as `optuna_trial.run`
    does. A trial that failed, was pruned before its first report, or has a value that is not finite
    counts as a failed child. One that broke a constraint counts as worse than all others, and the
    worse the further it is beyond. Trials without any decision of the space are ignored.

    The direction is the study's, and Optuna minimises unless ``create_study`` is told otherwise. If
    a study minimises what `optuna_trial.run`, ``Study.set_metric_names`` or a trial's user
    attributes call an accuracy or a reward, a warning says so, once.

    A study with several objectives needs a strategy with as many, which is told all values of a
    trial::

        sampler = StrategySampler(ParetoEvolution(NASNetSpace(), objectives=2))
        study = optuna.create_study(directions=["maximize", "minimize"], sampler=sampler)

    If the strategy predicts (`Strategy.predict`), the value that it expects of a trial is stored in
    the user attributes ``predicted`` and ``predicted_std``, in the study's direction.

    Args:
        strategy: Decides on the space's parameters. If it was given no seed, it takes one that
            follows from the study's first trial and is the same in every process.
        independent_sampler: Samples the parameters that are not in the space (a learning rate,
            say), relative sampling included. By default they are drawn at random, from the seed
            and the trial number.
        schedule: A `Hyperband` or `PopulationBased`. Each trial is then one rung (`rung_of`): a new
            child, or one that goes on for more epochs, with the parameters of an earlier trial,
            some of which a population changes. ``schedule.trials`` trials are one pass. The
            objective returns the value at the end of its rung, and prunes nothing.

    Raises:
        ValueError: If ``schedule`` cannot schedule the children of the strategy's space.
        SpaceMismatch: At the first suggestion, if the study holds trials of another space.
        ValueError: At the first suggestion, if the study and the strategy differ in their number
            of objectives.
    """

    def __init__(
        self,
        strategy: Strategy,
        *,
        independent_sampler: BaseSampler | None = None,
        schedule: Schedule | None = None,
    ) -> None:
        if not isinstance(strategy, Strategy):
            raise TypeError(
                f"strategy must be a Strategy such as Reinforce(NASNetSpace()), got {strategy!r}"
            )
        self.strategy = strategy
        self._others = independent_sampler
        if schedule is not None:
            schedule.check(strategy.space)
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
        """The arguments, without the lock and the study: samplers are sent to worker processes."""
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
        if state == TrialState.COMPLETE and values is not None:
            metrics = metrics_of(trial)
            alike = [[name for name, x in metrics.items() if x == value] for value in values]
            check_directions(study, alike)

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
                    again = _carried_on(study, rung)
                    return {name: value for name, value in again.items() if name in search_space}
            proposed = self.strategy.ask(trial.number, self._running(study, trial))
            expected = self.strategy.predict(proposed)
        if expected is not None and not is_enqueued(trial):
            for name, value in expected.notes(signs_of(study)[0]).items():
                note_in_trial(study, trial, name, value)
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
            rung = rung_of(stored_trial(study, trial))
            carried = {} if rung is None or rung.past is None else _carried_on(study, rung)
            if param_name in carried:
                return carried[param_name]
        sampler = self._others
        if sampler is None:
            self._bind(study)
            words = (self.strategy.seed, trial.number, zlib.crc32(param_name.encode()))
            sampler = RandomSampler(seed=int(np.random.SeedSequence(words).generate_state(1)[0]))
        return sampler.sample_independent(study, trial, param_name, param_distribution)

    def _begin_rung(self, study: Study, trial: FrozenTrial) -> Rung:
        """Decide and store what ``trial`` is to do; if it is run again, that stays as it was."""
        assert self.schedule is not None
        before = rung_of(stored_trial(study, trial))
        if before is not None:
            return before
        signs = signs_of(study)
        attempts = [
            self._attempt(other, rung, signs)
            for other in trials_of(study, cached=True)
            if (rung := rung_of(other)) is not None
        ]
        draws = draws_of(self.strategy.seed, trial.number)
        rung = self.schedule.next(attempts, self.strategy.space, draws)
        note_in_trial(study, trial, RUNG, rung.noted())
        return rung

    def _attempt(self, trial: FrozenTrial, rung: Rung, signs: Sequence[float]) -> Attempt:
        """A trial of the schedule, which did or does what ``rung`` says."""
        ended, reward = trial.state.is_finished(), reward_of(trial, signs)
        if rung.after is None:
            return Attempt(trial.number, rung.past, ended, reward)
        if trial.state != TrialState.COMPLETE:
            reward = None  # what was pruned has left no weights
        space = self.strategy.space
        params = None if reward is None else space.read(part_of(trial, space))
        of_rung = (rung.bracket, rung.epochs, rung.after)
        return Attempt(trial.number, rung.past, ended, reward, *of_rung, params)

    def _bind(self, study: Study) -> None:
        """Begin with a study: check its space, and set a seed where the user gave none."""
        bound = identity_of(study)
        if self._bound == bound:
            return
        with self._lock:
            noted = check_space(study, self.strategy.space)
            check_directions(study, [[name] for name in metric_names_of(study)])
            self._forget_study()
            self._noted = noted
            if not self.strategy.seeded:
                self.strategy.reseed(seed_of(study))
            self._bound = bound

    def _forget_study(self) -> None:
        self._noted = False  # whether the study says which space it is of
        self._read: set[int] = set()  # numbers of the trials that are in the record or ignored
        self._settled = 0  # every trial before this number has been read
        self._keys: list[tuple[datetime, int]] = []
        self._told: list[Told] = []

    def _record(self, study: Study) -> list[Told]:
        """The study's finished trials in the order of their ends, each read once."""
        signs = signs_of(study)
        trials = trials_of(study, cached=True)
        while self._settled < len(trials) and self._settled in self._read:
            self._settled += 1
        for trial in trials[self._settled :]:
            if trial.number in self._read or not trial.state.is_finished():
                continue
            told = told_of(trial, self.strategy.space, signs)
            self._read.add(trial.number)
            if told is not None:
                key = (trial.datetime_complete or datetime.min, trial.number)
                place = bisect.bisect(self._keys, key)
                self._keys.insert(place, key)
                self._told.insert(place, told)
        if self._told and not self._noted:  # as by an objective that does without `suggest`
            claim(study, self.strategy.space)
            self._noted = True
        return self._told

    def _running(self, study: Study, asking: FrozenTrial) -> list[Params]:
        """Architectures of the other running trials, if they have been suggested in full."""
        space = self.strategy.space
        trials = trials_of(study, cached=True)[self._settled :]
        return [
            part_of(trial, space)
            for trial in trials
            if trial.state == TrialState.RUNNING
            and trial.number != asking.number
            and not space.missing(part_of(trial, space))
        ]


def _carried_on(study: Study, rung: Rung) -> dict[str, Any]:
    """The parameters of a trial that goes on from another."""
    assert rung.past is not None
    return {**params_of(study, rung.past), **(rung.changes or {})}


class _NamedSampler(StrategySampler):
    """A class for one strategy; it takes the strategy's arguments."""

    _strategy: ClassVar[str]

    def __init__(
        self,
        space: SearchSpace | None = None,
        seed: int | None = None,
        *,
        independent_sampler: BaseSampler | None = None,
        **arguments: Any,
    ) -> None:
        strategy = make_strategy(self._strategy, space or NASNetSpace(), seed=seed, **arguments)
        super().__init__(strategy, independent_sampler=independent_sampler)


class NASNetRLSampler(_NamedSampler):
    """`Reinforce` on the book's NASNet cells, as a sampler.

    Args:
        space: ``NASNetSpace()`` by default.
        seed: 0 or above; the same seed and results give the same trials.
        independent_sampler: See `StrategySampler`.
        arguments: Further arguments of `Reinforce`.
    """

    _strategy = "cellwright.plugins:Reinforce"


class NASNetEvolutionSampler(_NamedSampler):
    """`RegularizedEvolution` on the book's NASNet cells, as a sampler.

    Args:
        space, seed, independent_sampler: See `NASNetRLSampler`.
        arguments: Further arguments of `RegularizedEvolution`.
    """

    _strategy = "cellwright.plugins:RegularizedEvolution"
