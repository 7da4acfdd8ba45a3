"""Any strategy as a sampler of Optuna.

    study = optuna.create_study(direction="maximize", sampler=NASNetRLSampler())
    study.optimize(lambda trial: train(suggest(trial, NASNetSpace())))

The study's storage is the only state. Before a sampler proposes, its strategy follows the study's
finished trials in the order in which they were finished, whoever ran them: another process, a
thread, ``add_trial``, or a run that crashed.
"""

from __future__ import annotations

import functools
import threading
import zlib
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.trial import FrozenTrial, TrialState

from cellwright.adapters.optuna_picture import keep_picture_of_best
from cellwright.adapters.optuna_private import (
    ArtifactStore,
    enqueued_in,
    error_of_objective,
    identity_of,
    metric_names_of,
    put_back,
    stored_trial,
    trials_of,
)
from cellwright.adapters.optuna_proposal import propose
from cellwright.adapters.optuna_record import Record
from cellwright.adapters.optuna_rung import begin_rung, carried_on, run_again, rung_of
from cellwright.adapters.optuna_space import (
    check_choices,
    check_space,
    claim,
    distribution_of,
)
from cellwright.adapters.optuna_study import (
    AGAIN,
    check_directions,
    metrics_of,
    place_after,
    place_of,
    seed_of,
)
from cellwright.adapters.optuna_suggest import known_trial, note_architecture, suggest
from cellwright.plugins import Strategy, Told, make_space, make_strategy
from cellwright.plugins.interrupts import was_interrupted
from cellwright.plugins.records.snapshots import remember
from cellwright.plugins.strategies.schedule import Schedule
from cellwright.search_spaces import InvalidArchitecture, Params, SearchSpace

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
    """Lets a strategy choose the architecture, and an Optuna sampler everything else::

        study = optuna.create_study(direction="maximize", sampler=StrategySampler("auto"))
        study.optimize(lambda trial: train(suggest(trial, NASNetSpace())), n_trials=100)

    A finished trial counts with its value, and a pruned one with its last intermediate value, both
    in the study's direction; so report what the objective returns in the end, as `optuna_trial.run`
    does. A trial that failed, was pruned before its first report, or has a value that is not finite
    counts as a failed child. One that Ctrl-C interrupted does not count: it is marked with the user
    attribute ``interrupted``, and another trial tries its child again. One that broke a constraint
    counts as worse than all others, and the worse the further it is beyond. Trials without any
    decision of the space are ignored, so that a study which has begun without one can take this
    sampler. A trial with only some of the decisions is left out with a warning.

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
        strategy: Decides on the space's parameters: a registered name (``"auto"``,
            ``"evolution"``, ``"reinforce"``, ...), ``"module:attribute"``, or a `Strategy`, which
            has its own space and seed. If it was given no seed, it takes one that follows from the
            study's first trial and is the same in every process. One that is given by name is made
            for as many objectives as the study has.
        space: A space or its name; the book's (`NASNetSpace`) if None. Give the same to `suggest`.
        seed: 0 or above; the same seed and results give the same trials.
        independent_sampler: Samples the parameters that are not in the space (a learning rate,
            say), relative sampling included. By default they are drawn at random, from the seed
            and the trial number.
        schedule: A `Hyperband` or `PopulationBased`. Each trial is then one rung (`rung_of`): a new
            child, or one that goes on for more epochs, with the parameters of an earlier trial,
            some of which a population changes. ``schedule.trials`` trials are one pass. The
            objective returns the value at the end of its rung, and prunes nothing.
        artifact_store: One of ``optuna.artifacts``. Pictures of each trial that is the best so far
            are kept in it, as artifacts of the trial (`keep_picture`).
        arguments: Those of a strategy that is given by name, such as ``exploration=0.1``.

    Raises:
        ValueError: On an argument that does not fit; the message says which one.
        SpaceMismatch: When a trial begins (`check`), if the study holds trials of another space.
        ValueError: When a trial begins, if the study and the strategy differ in their number of
            objectives.
    """

    def __init__(
        self,
        strategy: Strategy | str,
        *,
        space: SearchSpace | str | None = None,
        seed: int | None = None,
        independent_sampler: BaseSampler | None = None,
        schedule: Schedule | None = None,
        artifact_store: ArtifactStore | None = None,
        **arguments: Any,
    ) -> None:
        make = None
        if isinstance(strategy, str):
            make = functools.partial(
                make_strategy, strategy, make_space(space), seed=seed, **arguments
            )
            strategy = make()
        elif not isinstance(strategy, Strategy):
            raise TypeError(
                'strategy must be a name such as "auto", or a Strategy such as '
                f"Auto(NASNetSpace()); got {strategy!r}"
            )
        elif space is not None or seed is not None or arguments:
            raise ValueError("a Strategy brings its own space, seed and arguments: give only it")
        self._begin(strategy, make, independent_sampler, schedule, artifact_store)

    def _begin(
        self,
        strategy: Strategy,
        make: functools.partial[Strategy] | None,
        independent_sampler: BaseSampler | None,
        schedule: Schedule | None,
        artifact_store: ArtifactStore | None,
    ) -> None:
        self.strategy = remember(strategy)
        self._make = make  # if it was given by name
        self._others = independent_sampler
        self._artifact_store = artifact_store
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

    def __repr__(self) -> str:
        others = {
            "independent_sampler": self._others and type(self._others).__name__,
            "schedule": self.schedule,
            "artifact_store": self._artifact_store and type(self._artifact_store).__name__,
        }
        given = [f", {name}={value}" for name, value in others.items() if value is not None]
        return f"{type(self).__name__}({self.strategy!r}{''.join(given)})"

    __str__ = __repr__  # Optuna's gives the class alone

    def __getstate__(self) -> dict[str, Any]:
        """The arguments, without the lock and the study: samplers are sent to worker processes."""
        return {
            "strategy": self.strategy,
            "make": self._make,
            "independent_sampler": self._others,
            "schedule": self.schedule,
            "artifact_store": self._artifact_store,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._begin(**state)

    def check(self, study: Study) -> None:
        """Check that this sampler can search in a study, without making a trial.

        Optuna calls no sampler before a trial has begun. If a study does not fit, the trial is
        therefore put back when it begins: it waits for the next run, and has not failed. Call this
        before ``study.optimize`` if not even that is to happen.

        Raises:
            SpaceMismatch: If the study holds trials of another space, or a decision with other
                choices.
            ValueError: If the study and the strategy differ in their number of objectives.
        """
        self._for(study)
        check_space(study, self.strategy.space)
        check_choices(study, self.strategy.space, trials_of(study))

    def proposal(self, study: Study) -> Params:
        """What the strategy would propose for the study's next trial, without making one.

        Every process on the study gives the same answer, as long as nothing runs or ends meanwhile.
        """
        self._bind(study)
        with self._lock:
            trials = trials_of(study)
            self.strategy.follow(self._record.update(study, trials))
            return self.strategy.ask(
                place_after(trials), self._record.running(study, None).values()
            )

    def reseed_rng(self) -> None:
        """Reseed the sampler of other parameters; a strategy's draws depend on no shared state."""
        if self._others is not None:
            self._others.reseed_rng()

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        try:
            self._bind(study)
        except ValueError:
            put_back(study, trial)
            raise
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
        if state == TrialState.FAIL and was_interrupted(error_of_objective()):
            run_again(study, trial)
        if state == TrialState.COMPLETE and values is not None:
            metrics = metrics_of(trial)
            alike = [[name for name, x in metrics.items() if x == value] for value in values]
            check_directions(study, alike)
        space, store = self.strategy.space, self._artifact_store
        whole = state != TrialState.FAIL and note_architecture(study, trial, space)
        if whole and state == TrialState.COMPLETE and store is not None:
            keep_picture_of_best(study, trial, values or (), space, store)

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
        self._bind(study)
        fixed = self._fixed(study, trial, search_space)
        with self._lock:
            self.strategy.follow(self._told(study))
            if self.schedule is not None:
                rung = begin_rung(study, trial, self.schedule, self.strategy)
                if rung.past is not None:
                    again = carried_on(study, rung)
                    return {name: value for name, value in again.items() if name in search_space}
            proposed = propose(study, trial, self.strategy, self._record, fixed)
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
        self._bind(study)
        if self.schedule is not None:
            rung = rung_of(stored_trial(study, trial))
            carried = {} if rung is None or rung.past is None else carried_on(study, rung)
            if param_name in carried:
                return carried[param_name]
        sampler = self._others
        if sampler is None:
            words = (self.strategy.seed, place_of(study, trial), zlib.crc32(param_name.encode()))
            sampler = RandomSampler(seed=int(np.random.SeedSequence(words).generate_state(1)[0]))
        return sampler.sample_independent(study, trial, param_name, param_distribution)

    def _fixed(
        self, study: Study, trial: FrozenTrial, search_space: Mapping[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Decisions that are not open in this trial: enqueued, suggested before (as in a trial that
        is run again), or withheld by a sampler around this one, as by ``PartialFixedSampler``."""
        space = self.strategy.space
        given = {**enqueued_in(trial), **trial.params}
        if AGAIN in trial.user_attrs:  # what the strategy proposed before, it proposes again
            given = {}
        if study.sampler is not self:
            for name in self._distributions.keys() - search_space.keys() - given.keys():
                given[name] = study.sampler.sample_independent(
                    study, trial, name, self._distributions[name]
                )
        found = {}
        for decision in space.decisions:
            if decision.name in given:
                try:
                    found[decision.name] = decision.nearest(given[decision.name])
                except InvalidArchitecture:
                    continue  # Optuna refuses it when it is suggested
        return found

    def _bind(self, study: Study) -> None:
        """Begin with a study: check that it fits, and set a seed where the user gave none."""
        bound = identity_of(study)
        if self._bound == bound:
            return
        with self._lock:
            self.check(study)
            check_directions(study, [[name] for name in metric_names_of(study)])
            self._forget_study()
            if not self.strategy.seeded:
                self.strategy.reseed(seed_of(study))
            self._bound = bound

    def _for(self, study: Study) -> None:
        """Have a strategy of as many objectives as the study, or say that there is none."""
        objectives = len(study.directions)
        if self._make is not None and self.strategy.objectives != objectives:
            given = "objectives" in self._make.keywords
            made = self._make(**({} if given else {"objectives": objectives}))
            self.strategy = remember(made)
        self.strategy.check_objectives(objectives)

    def _forget_study(self) -> None:
        self._noted = False  # whether the study says which space it is of
        self._record = Record(self.strategy.space)

    def _told(self, study: Study) -> list[Told]:
        """The study's finished trials, as the strategy is told them."""
        told = self._record.update(study)
        if told and not self._noted:  # as by an objective that does without `suggest`
            claim(study, self.strategy.space)
            self._noted = True
        return told


class _NamedSampler(StrategySampler):
    """A class for one strategy; it takes the strategy's arguments."""

    _strategy: ClassVar[str]

    def __init__(
        self,
        space: SearchSpace | str | None = None,
        seed: int | None = None,
        **arguments: Any,
    ) -> None:
        super().__init__(self._strategy, space=space, seed=seed, **arguments)


class NASNetRLSampler(_NamedSampler):
    """`Reinforce` on the book's NASNet cells, as a sampler.

    Args:
        space, seed: See `StrategySampler`.
        arguments: The others of `StrategySampler`, and those of `Reinforce`.
    """

    _strategy = "cellwright.plugins:Reinforce"


class NASNetEvolutionSampler(_NamedSampler):
    """`RegularizedEvolution` on the book's NASNet cells, as a sampler.

    Args:
        space, seed: See `StrategySampler`.
        arguments: The others of `StrategySampler`, and those of `RegularizedEvolution`.
    """

    _strategy = "cellwright.plugins:RegularizedEvolution"
