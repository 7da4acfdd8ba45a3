"""A Keras Tuner hypermodel that builds, trains and measures child networks."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import keras_tuner as kt
from keras_tuner.src.engine.tuner_utils import TunerCallback

from cellwright.adapters.keras_decisions import architecture
from cellwright.adapters.keras_inputs import (
    as_searched,
    check_inputs,
    data_to_measure,
    named,
    with_soft_labels,
)
from cellwright.adapters.keras_objective import (
    CheckObjective,
    is_default,
    metrics_to_come,
    objectives_of,
    refuse,
)
from cellwright.adapters.keras_results import not_trained, with_sum
from cellwright.adapters.keras_schedule import AFTER, EPOCHS
from cellwright.plugins import AnyMeter, Limit, Recipe, Reward, make_space
from cellwright.plugins.interrupts import never_a_failure
from cellwright.plugins.meters import as_meters
from cellwright.plugins.scoring.child import check_losses, score
from cellwright.plugins.scoring.evaluation import check_hyperparameters, divide, precisions_of
from cellwright.plugins.scoring.limit import Predictor, Screening
from cellwright.plugins.scoring.rewards import usual_reward
from cellwright.plugins.strategies.schedule import state_of
from cellwright.plugins.training.checkpoints import (
    Checkpoint,
    checkpoint_of,
    descended,
    epochs_of,
    joined,
)
from cellwright.plugins.training.train import (
    Interrupts,
    callbacks_of,
    compile_child,
    metrics_of,
)
from cellwright.search_spaces import OverLimit, Params, SearchSpace
from cellwright.search_spaces.arguments import check_integer, check_parts
from cellwright.search_spaces.keras_settings import computing_in


class NASNetHyperModel(kt.HyperModel):  # type: ignore[misc]
    """Builds, compiles and trains the child network that a trial decides on.

    The name of a hyperparameter of a `JointSpace` says what it is for, as in
    `cellwright.plugins.Evaluation`; ``batch_size`` and ``epochs`` replace what ``tuner.search`` was
    given. For another optimizer or loss, override `compile`.

    Under a schedule (`StrategyOracle`) a child trains for the epochs of its rung, and goes on from
    the checkpoint that an earlier trial left in ``children`` in the project's folder. Keras Tuner's
    own ``Hyperband`` does both by itself.

    Args:
        space: A space or its name; the book's if None. The oracle needs the same.
        input_shape: (height, width, channels).
        classes: At least 2.
        learning_rate: Adam's, above 0.
        reward: Computes the metric ``reward`` from those of the last epoch. Without a reward, a
            meter, a limit and a predictor, Keras Tuner takes the best epoch.
        meter: One meter, or several. Each writes the metric that it names (``latency_ms``, ...).
            One of trained children (``accuracy_int8``) needs ``tuner.search`` to be given arrays.
        limit: A child beyond it is not trained, unless it is on such a metric. Its trial is
            FAILED, with what was measured among its metrics, and does not count towards
            ``max_consecutive_failed_trials`` if the oracle is a `StrategyOracle`; with Keras
            Tuner's own oracles it does.
        predictor: Gives ``predicted_latency_ms``: takes the parameters, returns seconds. The tuner
            has built the child by then; `EvaluationTuner` predicts first.
        name, tunable: As in every ``HyperModel``.
        options: For ``space.build``, such as ``filters=16, repeats=2, seed=0``.

    Raises:
        ValueError: On an argument out of range, a limit or a reward on what nothing measures, or a
            hyperparameter that nothing knows.
    """

    def __init__(
        self,
        space: SearchSpace | str | None = None,
        *,
        input_shape: Sequence[int],
        classes: int,
        learning_rate: float = 1e-3,
        reward: Reward | None = None,
        meter: AnyMeter | Sequence[AnyMeter] | None = None,
        limit: Limit | None = None,
        predictor: Predictor | None = None,
        name: str | None = None,
        tunable: bool = True,
        **options: Any,
    ) -> None:
        super().__init__(name=name, tunable=tunable)
        self.space = make_space(space)
        check_parts("input_shape", input_shape, int)
        if not input_shape or min(input_shape) < 1:
            raise ValueError(f"input_shape must hold sizes of at least 1, got {input_shape!r}")
        check_integer("classes", classes, 2)
        self.input_shape = tuple(input_shape)
        self.classes = classes
        self.recipe = Recipe(learning_rate=learning_rate)
        self.reward, self.options = reward, options
        self.screening = Screening(as_meters(meter), predictor, limit)
        self.screening.check_reward(reward)
        check_hyperparameters(self.space, self.recipe, self.input_shape, self.classes)
        self.screening.check_backends()
        self.screening.check_precisions(precisions_of(self.space, self.recipe))
        if "devices" in self.space.names:
            raise ValueError(
                "tuner.search makes no batches for several devices: leave devices out of the "
                "space, or give an EvaluationTuner an Evaluation, whose recipe may have them"
            )
        self._seen: list[Any] = []  # batches whose first has been looked at
        self._history_will_do = (reward, limit, predictor) == (None,) * 3 and not as_meters(meter)

    def build(self, hp: Any) -> Any:
        network, recipe, options = self._given(hp)
        with computing_in(recipe.precision):
            model = self.space.build(network, self.input_shape, self.classes, **options)
        self.compile(hp, model)
        return model

    def compile(self, hp: Any, model: Any) -> None:
        """Give ``model`` its optimizer and loss, which an override may choose by ``hp``."""
        _, recipe, _ = self._given(hp)
        compile_child(model, recipe)

    def _given(self, hp: Any) -> tuple[Params, Recipe, dict[str, Any]]:
        """The network that a trial decides on, how it is trained, and options to build it with."""
        network, others = self.space.split(architecture(hp, self.space))
        recipe, options = divide(others, self.recipe, self.space)
        return network, recipe, {**self.options, **options}

    def fit(self, hp: Any, model: Any, *args: Any, **kwargs: Any) -> Any:
        """Measure ``model``, and train it with what ``tuner.search`` was given.

        Raises:
            ChildFailed: See `scoring.child.score`. The trial fails.
            OverLimit: Only where no tuner runs the trial, so that the objective is not known.
            FatalValueError: Before the training, if it will not give the objective. The search
                ends.
            KeyboardInterrupt: After a batch, on Ctrl-C. The trial is run again when the search
                goes on.
        """
        given = named(args, kwargs)
        callbacks = list(given.get("callbacks") or ())
        oracle, trial = _who_runs(hp, callbacks)
        objective = None if oracle is None else oracle.objective
        self._check_objective(objective, model, given, callbacks)
        recipe = self._given(hp)[1]
        given = with_soft_labels(self.space, recipe, given, self.classes)
        given = check_inputs(model, given, self.input_shape, self._seen)
        data = data_to_measure(given, self.input_shape, self.classes, self.screening)
        given = as_searched(self.space, recipe, given, self.classes)
        ours = callbacks_of(_whole(recipe, oracle, given))
        given["callbacks"] = [*callbacks, keras.callbacks.TerminateOnNaN(), Interrupts(), *ours]
        if objective is not None:
            given["callbacks"].append(CheckObjective(objective, self._stored))
        history: Any = None

        def train(model: Any, known: Mapping[str, float]) -> dict[str, float]:
            nonlocal history
            history = self._train(hp, model, oracle, given)
            history.history.pop("learning_rate", None)  # noted where it changes; no metric
            check_losses(history.history)
            return metrics_of(history.history)

        reward = None if self._history_will_do else self.reward or usual_reward(self.classes)
        try:
            network = self._given(hp)[0]
            with never_a_failure():
                metrics, _ = score(network, lambda: model, train, self.screening, reward, data)
        except OverLimit as error:
            if objective is None:
                raise
            return not_trained(error, objective, trial)
        return history if self._history_will_do else with_sum(metrics, objective)

    def _train(self, hp: Any, model: Any, oracle: Any, given: Mapping[str, Any]) -> Any:
        """Keras's history of the training; under a schedule, of the rung's epochs."""
        network, recipe, options = self._given(hp)
        if EPOCHS not in hp.values or "initial_epoch" in given:
            return model.fit(**given)
        epochs = hp.values[EPOCHS]
        checkpoint = self._checkpoint(oracle, hp, network, recipe, options)
        before = {} if checkpoint is None else checkpoint.restore(model, epochs)
        history = model.fit(**{**given, "epochs": epochs, "initial_epoch": epochs_of(before)})
        if checkpoint is not None and history.history:
            checkpoint.save(model, joined(before, history.history))
        history.history = history.history or before  # a rung that had ended once before
        return history

    def _checkpoint(
        self, oracle: Any, hp: Any, network: Params, recipe: Recipe, options: Mapping[str, Any]
    ) -> Checkpoint | None:
        """Where the child is kept between the rungs of a schedule."""
        if getattr(oracle, "schedule", None) is None:
            return None
        folder = Path(oracle._project_dir) / "children"
        if (after := hp.values.get(AFTER)) is not None:
            params = architecture(hp, self.space)
            state = state_of(params, hp.values[EPOCHS], after)
            return descended(folder, state, after, self.options, self.recipe.facts)
        return checkpoint_of(folder, network, dict(options), recipe.facts)

    def _check_objective(
        self, objective: Any, model: Any, given: Mapping[str, Any], callbacks: Sequence[Any]
    ) -> None:
        """Refuse an objective that the training will not give, as far as that is known before."""
        if objective is None:
            return
        validates = (
            given.get("validation_data") is not None or bool(given.get("validation_split"))
        ) and given.get("validation_freq", 1) == 1
        names = [one.name for one in objectives_of(objective)]
        if is_default(objective):
            reason = 'the oracle needs one, such as objective="val_accuracy"'
        elif "reward" in names and self._history_will_do:
            reason = "NASNetHyperModel was given no reward, such as reward=AccuracyReward()"
        elif {"val_loss", "val_accuracy", "reward"} & set(names) and not validates:
            reason = "tuner.search was given no validation_data or validation_split"
        else:
            to_come = metrics_to_come(model, validates, callbacks)
            if to_come is not None and (missing := set(names) - (stored := self._stored(to_come))):
                raise refuse(missing, stored)
            return
        raise kt.errors.FatalValueError(f"no value for the objective {names}: {reason}")

    def _stored(self, trained: Iterable[str]) -> set[str]:
        """Names of the metrics of a trial, from those of its training."""
        names = set(trained)
        if self._history_will_do:
            return names
        return {
            *metrics_of({n: [0.0] for n in names}),
            *self.screening.metrics,
            *self.screening.late_metrics,
            "seconds",
            "reward",
        }


def _whole(recipe: Recipe, oracle: Any, given: Mapping[str, Any]) -> Recipe:
    """The recipe of a whole training, whose epochs the oracle's schedule or the user says."""
    if not recipe.changes_rate or recipe.decay_epochs is not None:
        return recipe
    schedule = getattr(oracle, "schedule", None) or oracle  # Keras Tuner's Hyperband says it itself
    most = getattr(schedule, "max_epochs", None) or given.get("epochs", 1)
    return dataclasses.replace(recipe, epochs=most)


def _who_runs(hp: Any, callbacks: Sequence[Any]) -> tuple[Any, Any]:
    """The oracle whose trial this is, and the trial; None for what cannot be known.

    Keras Tuner gives ``fit`` its tuner and the trial in a callback. In a worker of a chief, the
    tuner's oracle is a client of the chief's. Behind it is the one that the worker's script made,
    which has the same arguments and is never asked.
    """
    for callback in callbacks:
        if isinstance(callback, TunerCallback):
            oracle = callback.tuner.oracle
            return getattr(oracle, "_oracle", oracle), callback.trial
    return getattr(hp, "searched_by", None), None  # called by a user's own ``run_trial``
