"""Keras Tuner oracles that ask a strategy.

An existing script changes its oracle and its hypermodel, and nothing else::

    tuner = keras_tuner.Tuner(
        oracle=NASNetRLOracle("val_accuracy", max_trials=100, seed=0),
        hypermodel=NASNetHyperModel(input_shape=(32, 32, 3), classes=10),
        directory="results", project_name="cells",
    )
    tuner.search(x, y, epochs=6, validation_data=(x_val, y_val))

The only record is Keras Tuner's: an answer follows from the seed, the trial's number (its id) and
the ended trials in their end order, which are kept in ``oracle.json`` and ``trial_*/trial.json``.
"""

from __future__ import annotations

import importlib.util
import logging
import zlib
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

try:
    import keras
    import keras_tuner as kt
    from keras_tuner.engine.trial import TrialStatus
except ImportError as error:
    raise ImportError(
        f"Keras Tuner cannot be imported ({error}): "
        "pip install 'cellwright[keras-tuner,tensorflow]'"
    ) from error

from cellwright.adapters.keras_asked import (
    NothingSearched,
    Watch,
    WatchedHyperParameters,
    check_asked,
)
from cellwright.adapters.keras_decisions import architecture, declare, read_params
from cellwright.adapters.keras_display import ArchitectureDisplay, ArchitectureTrial, Pictures
from cellwright.adapters.keras_hypermodel import NASNetHyperModel
from cellwright.adapters.keras_objective import make_objective, objectives_of
from cellwright.adapters.keras_project import ProjectOracle
from cellwright.adapters.keras_record import measured, told_of
from cellwright.adapters.keras_schedule import EPOCHS, attempts, in_their_words
from cellwright.plugins import Strategy, Told, make_space, make_strategy
from cellwright.plugins.metrics import mistaken
from cellwright.plugins.records.snapshots import remember
from cellwright.plugins.strategies.known import find_known
from cellwright.plugins.strategies.schedule import Schedule, draws_of
from cellwright.plugins.strategies.strategy import NOTES
from cellwright.search_spaces import InvalidArchitecture, SearchSpace, SpaceMismatch
from cellwright.search_spaces.identity import compare, old_fingerprint, renewed
from cellwright.search_spaces.joint import architecture_of

__all__ = [
    "NASNetEvolutionOracle",
    "NASNetHyperModel",
    "NASNetRLOracle",
    "StrategyOracle",
    "architecture",
]

# Our keys in oracle.json: the `old_fingerprint` of the space, its identity, and by trial id the
# `Evaluation.fingerprint`.
_SPACE, _IDENTITY = "cellwright_space", "cellwright_identity"
_SCORED_BY = "cellwright_scored_by"
_log = logging.getLogger(__name__)


class StrategyOracle(ProjectOracle):
    """Any strategy as a Keras Tuner oracle.

    If the strategy predicts (`Strategy.predict`), the value that it expects of a trial is among the
    trial's metrics, as ``predicted`` and ``predicted_std``.

    Hyperparameters outside the space (a learning rate, say) are drawn at random, as Keras Tuner's
    own random search draws them, each from the seed, the trial's number and its name.

    Args:
        objective: A metric's name or a ``keras_tuner.Objective``, of either direction. None keeps
            Keras Tuner's meaning: ``run_trial`` or ``fit`` returns one float, to be minimised. A
            list of several needs a strategy of as many objectives (``"auto"``), which is told
            each value. Keras Tuner's score of a trial stays their sum, in which those to maximise
            are negated.
        max_trials: At least 1; None for no limit.
        strategy: A registered name (``"reinforce"``, ``"evolution"``, ``"random"``, ...),
            ``"module:attribute"``, or a `Strategy`, which has its own space and seed.
        space: A space or its name; the book's if None.
        seed: 0 or above; None draws one, which the project keeps.
        schedule: A `Hyperband` or `PopulationBased`. Each trial is then one rung, described in the
            words of Keras Tuner's own ``HyperbandOracle``: the values ``tuner/epochs``,
            ``tuner/initial_epoch``, ``tuner/bracket``, ``tuner/round`` and ``tuner/trial_id``, and
            in a population ``tuner/after``, all of which `NASNetHyperModel` follows.
            ``schedule.trials`` trials are one pass.
        hyperparameters: Hyperparameters that are declared beforehand, as in every Keras Tuner
            oracle. The decisions are declared by the oracle itself.
        allow_new_entries: Whether a hypermodel may ask for others than those declared, as in every
            Keras Tuner oracle; False needs no ``hyperparameters``.
        tune_new_entries: Whether those others are searched too, or keep their defaults.
        max_retries_per_trial: How often a trial that failed is run again.
        max_consecutive_failed_trials: After how many failed trials in a row the search ends.
        arguments: Those of a strategy that is given by name, such as ``exploration=0.1``.

    Raises:
        ValueError: On an argument that does not fit; the message says which one.
        SpaceMismatch: If ``hyperparameters`` holds a decision with other choices.
        ImportError: If Keras runs on TensorFlow and tensorboard is not installed.
    """

    def __init__(
        self,
        objective: Any = None,
        max_trials: int | None = 10,
        *,
        strategy: str | Strategy = "reinforce",
        space: SearchSpace | str | None = None,
        seed: int | None = None,
        schedule: Schedule | None = None,
        hyperparameters: Any = None,
        allow_new_entries: bool = True,
        tune_new_entries: bool = True,
        max_retries_per_trial: int = 0,
        max_consecutive_failed_trials: int = 3,
        **arguments: Any,
    ) -> None:
        _need_tensorboard()
        objective = make_objective(objective)
        objectives = objectives_of(objective)
        if max_trials is not None and max_trials < 1:
            raise ValueError(f"max_trials must be at least 1, or None, got {max_trials}")
        if isinstance(strategy, Strategy) and (space is not None or seed is not None or arguments):
            raise ValueError("a Strategy brings its own space, seed and arguments: give only it")
        if not isinstance(strategy, Strategy):
            strategy = make_strategy(
                strategy, make_space(space), seed=seed, objectives=len(objectives), **arguments
            )
        strategy.check_objectives(len(objectives))
        if schedule is not None:
            schedule.check(strategy.space)
        self.strategy = remember(strategy)
        self.schedule = schedule
        for one in objectives:
            if wrong := mistaken([one.name], one.direction):
                other = "min" if one.direction == "max" else "max"
                _log.warning("%s: give keras_tuner.Objective(%r, %r)", wrong, one.name, other)
        self._signs = {one.name: 1.0 if one.direction == "max" else -1.0 for one in objectives}
        self.space = strategy.space
        declared = kt.HyperParameters() if hyperparameters is None else hyperparameters.copy()
        declare(declared, self.space)
        super().__init__(
            objective=objective,
            max_trials=max_trials,
            hyperparameters=declared,
            allow_new_entries=allow_new_entries,
            tune_new_entries=tune_new_entries,
            seed=1,  # 0 would be taken for none; the strategy's own follows
            max_retries_per_trial=max_retries_per_trial,
            max_consecutive_failed_trials=max_consecutive_failed_trials,
        )
        self.seed = self._seed_state = self.strategy.seed
        self._decided = frozenset(self.space.names)
        network = architecture_of(self.space)
        self._in_short = frozenset(network.names)  # of what `in_short` tells
        self._display = ArchitectureDisplay(oracle=self)
        self._pictures = Pictures()
        self._watch = Watch(self._decided | ({EPOCHS} if schedule is not None else set()))
        self._watched = False  # whether a whole trial has been
        self._told: dict[str, Told] = {}  # by trial id, what `record` made of it
        self._identity = self.space.identity()  # as the project notes it
        self._scored_by: dict[str, str] = {}  # by trial id
        self._doubt = ""  # what makes it uncertain that stored trials are of this very space

    def __repr__(self) -> str:
        goals = [f"{one.name} ({one.direction})" for one in objectives_of(self.objective)]
        return (
            f"{type(self).__name__}({', '.join(goals)}; max_trials={self.max_trials}, "
            f"strategy={type(self.strategy).__name__}, space={self.space!r}, seed={self.seed}"
            + (f", schedule={self.schedule!r})" if self.schedule is not None else ")")
        )

    def get_space(self) -> Any:
        return WatchedHyperParameters.of(super().get_space(), self, self._watch)

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """Values for a new trial; never IDLE or STOPPED, since a strategy can always propose."""
        number = int(trial_id)
        self.strategy.follow(self.record())
        words: dict[str, Any] = {}
        if self.schedule is not None:
            rewards = {told.number: told.reward for told in self.record()}
            earlier = attempts(self.trials.values(), rewards, self.space)
            draws = draws_of(self.strategy.seed, number)
            rung = self.schedule.next(earlier, self.space, draws)
            if rung.past is not None:
                past = next(t for t in self.trials.values() if int(t.trial_id) == rung.past)
                words = in_their_words(rung, self.schedule, past.trial_id)
                values = {**past.hyperparameters.values, **(rung.changes or {}), **words}
                return {"status": TrialStatus.RUNNING, "values": values}
            words = in_their_words(rung, self.schedule)
        running = [
            read_params(trial.hyperparameters.values, self.space)
            for trial in self.ongoing_trials.values()
            if trial.trial_id != trial_id
        ]
        values = self._with_others(self.strategy.ask(number, running), number)
        return {"status": TrialStatus.RUNNING, "values": {**values, **words}}

    def record(self) -> list[Told]:
        """The ended trials in their end order, as a strategy is told them."""
        for trial_id in self.end_order:
            if trial_id not in self._told:
                self._told[trial_id] = told_of(self.trials[trial_id], self.space, self._signs)
        return [self._told[trial_id] for trial_id in self.end_order]

    def known_metrics(self, trial: Any, scored_by: str | None = None) -> dict[str, float] | None:
        """What the first completed trial measured that answers ``trial``; None without one.

        It had the same network, equal hyperparameters, and, under a schedule, the same epochs, in a
        population after the same weights. A ``run_trial`` of your own may return these metrics, and
        train nothing. The metric ``repeat_of`` is that trial's number.

        Args:
            trial: Whose values have been chosen.
            scored_by: `Evaluation.fingerprint`, if a trial that was scored on other data, by
                another recipe or by another reward is not to count; `note_scored_by` keeps it.
        """
        ended = (self.trials[trial_id] for trial_id in self.end_order)
        complete = (
            measured(other, self.space, self._scored_by.get(other.trial_id))
            for other in ended
            if other.status == TrialStatus.COMPLETED
        )
        wanted = measured(trial, self.space)
        known = find_known(
            self.space,
            wanted.params,
            wanted.epochs,
            complete,
            scored_by=scored_by,
            after=wanted.after,
        )
        return None if known is None else known.repeated()

    def note_scored_by(self, trial: Any, scored_by: str) -> None:
        """Keep with a trial by what it is scored, from the next `save` on."""
        self._scored_by[trial.trial_id] = scored_by

    def create_trial(self, tuner_id: str) -> Any:
        """A trial with what the strategy proposes, as a tuner asks for it; see Keras Tuner."""
        self._watch.on = False
        with self._locked():
            trial = super().create_trial(tuner_id)
            self._note_prediction(trial)
            if trial.status == TrialStatus.STOPPED:
                self._draw_best()
            hp = WatchedHyperParameters.of(trial.hyperparameters, self, self._watch)
            trial.hyperparameters = hp
        self._watch.on = True
        return trial

    def end_trial(self, trial: Any) -> None:
        """Store a trial that has ended.

        Raises:
            NothingSearched: If it asked for no decision, or not for the epochs of its rung. It is
                not counted then.
            RuntimeError: After too many failures in a row.
        """
        self._watch.on = False
        if trial.status == TrialStatus.COMPLETED and not self._watched:
            try:
                check_asked(trial, self.space, self._watch)
            except NothingSearched:
                self.take_back(trial.trial_id)
                raise
            self._watched = True
        super().end_trial(trial)
        if self._pictures.due:
            self._draw_best()

    def _draw_best(self) -> None:
        for trial in self.get_best_trials():
            if trial.status == TrialStatus.COMPLETED:
                params = read_params(trial.hyperparameters.values, self.space)
                self._pictures.draw(self.space, params, self._get_trial_dir(trial.trial_id))

    def _save_trial(self, trial: Any) -> None:
        self._show(trial)
        super()._save_trial(trial)

    def _show(self, trial: Any) -> None:
        """Have a trial show its architecture as one text, here and in its file."""
        if not isinstance(trial, ArchitectureTrial):
            trial.__class__ = ArchitectureTrial  # Keras Tuner makes its own in `create_trial`
        if trial.hyperparameters.values and not trial.decisions:
            params = read_params(trial.hyperparameters.values, self.space)
            trial.show(self.space.in_short(params), self._in_short)

    def get_state(self) -> dict[str, Any]:
        notes = {_SPACE: old_fingerprint(self.space), _IDENTITY: self._identity}
        notes[_SCORED_BY] = dict(self._scored_by)
        return {**super().get_state(), **notes}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Take a stored state; a key that it lacks keeps its present value.

        Raises:
            SpaceMismatch: If it is that of another space. Nothing is changed then.
        """
        noted = state.get(_IDENTITY) or state.get(_SPACE)
        if noted is not None:
            found = compare(self.space, noted)
            if found.different:
                raise self._mismatch(found.different)
            self._doubt = found.doubtful
            self._identity = renewed(self.space, noted)
        super().set_state(state)
        self._scored_by = dict(state.get(_SCORED_BY, self._scored_by))
        if not self.strategy.seeded and self.seed != self.strategy.seed:
            self.strategy.reseed(self.seed)
        self.seed = self.strategy.seed
        self._told.clear()

    def save(self) -> None:
        """Write ``oracle.json``; first say what in the stored one was doubtful."""
        if self._doubt:
            _log.warning(
                "the trials in %s may be of another search space than %r: %s. They are taken as "
                "trials of this space, which is noted there from now on",
                self._project_dir,
                self.space,
                self._doubt,
            )
            self._doubt = ""
        super().save()

    def reload(self) -> None:
        """Take up the project's directory; see `ProjectOracle.reload`.

        Raises:
            CorruptedState: If a file cannot be read.
            SpaceMismatch: If the trials are of another space.
        """
        super().reload()
        try:
            declare(self.hyperparameters, self.space)
            for trial in self.trials.values():
                self._show(trial)
        except (InvalidArchitecture, SpaceMismatch) as error:
            raise self._mismatch(str(error)) from error

    def _note_prediction(self, trial: Any) -> None:
        """Store what the strategy expects of a new trial among the trial's metrics."""
        if trial.status != TrialStatus.RUNNING or trial.metrics.exists(NOTES[0]):
            return
        expected = self.strategy.predict(read_params(trial.hyperparameters.values, self.space))
        if expected is not None:
            for name, value in expected.notes(next(iter(self._signs.values()))).items():
                trial.metrics.register(name, direction="min")
                trial.metrics.update(name, value, step=0)
            self._save_trial(trial)

    def _with_others(self, params: Mapping[str, Any], number: int) -> dict[str, Any]:
        """Add a random value for every active hyperparameter that is not a decision."""
        hps = kt.HyperParameters()
        hps.values = values = dict(params)
        for hp in self.hyperparameters.space:
            if hp.name not in self._decided and hps.is_active(hp):
                key = (self.strategy.seed, number, zlib.crc32(hp.name.encode()))
                values[hp.name] = hp.random_sample(int(np.random.default_rng(key).integers(2**63)))
        return values

    def _mismatch(self, reason: str) -> SpaceMismatch:
        return SpaceMismatch(
            f"{self._project_dir} does not fit {self.space!r}: {reason}. Give the space that it "
            "was searched with, another project_name, or overwrite=True to start afresh"
        )


class _NamedOracle(StrategyOracle):
    """A class for one strategy; it takes no ``strategy``."""

    _strategy: ClassVar[str]

    def __init__(
        self,
        objective: Any = None,
        max_trials: int | None = 10,
        *,
        space: SearchSpace | str | None = None,
        seed: int | None = None,
        **arguments: Any,
    ) -> None:
        super().__init__(
            objective, max_trials, strategy=self._strategy, space=space, seed=seed, **arguments
        )


class NASNetRLOracle(_NamedOracle):
    """REINFORCE with a recurrent controller (`cellwright.plugins.Reinforce`).

    Args:
        objective, max_trials, space, seed: See `StrategyOracle`.
        arguments: The others of `StrategyOracle`, and those of `Reinforce`.
    """

    _strategy = "reinforce"


class NASNetEvolutionOracle(_NamedOracle):
    """Regularized evolution (`cellwright.plugins.RegularizedEvolution`).

    Args:
        objective, max_trials, space, seed: See `StrategyOracle`.
        arguments: The others of `StrategyOracle`, and those of `RegularizedEvolution`.
    """

    _strategy = "evolution"


def _need_tensorboard() -> None:
    if keras.config.backend() == "tensorflow" and importlib.util.find_spec("tensorboard") is None:
        raise ImportError(
            "keras_tuner.Tuner imports tensorboard for every trial where Keras runs on "
            "TensorFlow, and would fail all of them: pip install tensorboard"
        )
