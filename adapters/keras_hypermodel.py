"""The hypermodel for Keras Tuner, and decisions as Keras Tuner's hyperparameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import keras_tuner as kt
import numpy as np
from keras_tuner.src.engine.objective import DefaultObjective

from cellwright.plugins import AccuracyReward, Meter, Recipe, Reward, make_space
from cellwright.plugins.meters import as_meters, measure
from cellwright.plugins.recipe import metrics_of, out_of_memory
from cellwright.search_spaces import ChildFailed, Params, SearchSpace, SpaceMismatch


def architecture(hp: Any, space: SearchSpace | str | None = None) -> Params:
    """Declare every decision of ``space`` on ``hp``, and read what this trial decided.

    For a ``build(hp)`` of your own, which may declare other hyperparameters beside them::

        def build(hp):
            model = space.build(architecture(hp, space), (8, 8, 1), 10, filters=8)
            model.compile(keras.optimizers.Adam(hp.Float("learning_rate", 1e-4, 1e-2)), ...)
            return model

    Args:
        hp: Keras Tuner's ``HyperParameters``.
        space: A space or its name; the book's if None.

    Returns:
        Plain values by decision name, of the types that the space gives (Keras Tuner keeps a
        bool as an int).

    Raises:
        SpaceMismatch: If the oracle searches another space, or ``hp`` holds other choices.
        ValueError: Inside a ``name_scope`` or ``conditional_scope``, where the decisions would go
            by other names than the oracle's.
    """
    space = make_space(space)
    oracle = getattr(hp, "searched_by", None)
    if oracle is not None and oracle.space.fingerprint != space.fingerprint:
        raise SpaceMismatch(
            f"the oracle searches {oracle.space!r}, the hypermodel builds {space!r}: "
            "give both the same space"
        )
    if hp._name_scopes or hp._conditions:
        raise ValueError("declare the architecture outside any name_scope and conditional_scope")
    declare(hp, space)
    return read_params(hp.values, space)


def declare(hp: Any, space: SearchSpace) -> None:
    """Declare the decisions that ``hp`` does not hold yet.

    Raises:
        SpaceMismatch: If it holds one with other choices.
    """
    held = {parameter.name: parameter for parameter in hp.space}
    for decision in space.decisions:
        if decision.name not in held:
            hp.Choice(decision.name, list(decision.choices))
        elif list(held[decision.name].values) != list(decision.choices):
            raise SpaceMismatch(
                f"{decision.name} is declared as {held[decision.name]!r}, and the space gives it "
                f"{list(decision.choices)}; to fix a decision, use a space with that one choice"
            )


def read_params(values: Mapping[str, Any], space: SearchSpace) -> Params:
    """The decisions among a trial's values, of the types that the space gives.

    Raises:
        InvalidArchitecture: If one is missing or is not allowed.
    """
    known = {name: values[name] for name in space.names if name in values}
    return space.decode(space.encode(known))


class NASNetHyperModel(kt.HyperModel):  # type: ignore[misc]
    """Builds, compiles and trains the child network that a trial decides on.

    For another optimizer or loss, or a learning rate that is searched too, override `compile`.

    Args:
        space: A space or its name; the book's if None. The oracle needs the same.
        input_shape: (height, width, channels).
        classes: At least 2.
        learning_rate: Adam's, above 0.
        reward: Weighs the metrics of the last epoch, as the metric ``reward``. If None and without
            a meter, Keras Tuner takes the best epoch.
        meter: One meter, or several: what it measures of the trained child is the metric that it
            names (``latency_ms``, ...).
        name, tunable: As in every ``HyperModel``.
        options: For ``space.build``, such as ``filters=16, repeats=2, seed=0``.

    Raises:
        ValueError: On an argument out of range.
    """

    def __init__(
        self,
        space: SearchSpace | str | None = None,
        *,
        input_shape: Sequence[int],
        classes: int,
        learning_rate: float = 1e-3,
        reward: Reward | None = None,
        meter: Meter | Sequence[Meter] | None = None,
        name: str | None = None,
        tunable: bool = True,
        **options: Any,
    ) -> None:
        super().__init__(name=name, tunable=tunable)
        self.space = make_space(space)
        self.input_shape = tuple(input_shape)
        self.classes = classes
        self.recipe = Recipe(learning_rate=learning_rate)
        self.reward, self.meters, self.options = reward, as_meters(meter), options

    def build(self, hp: Any) -> Any:
        params = architecture(hp, self.space)
        model = self.space.build(params, self.input_shape, self.classes, **self.options)
        self.compile(hp, model)
        return model

    def compile(self, hp: Any, model: Any) -> None:
        """Give ``model`` its optimizer and loss; ``hp`` is there for a choice among them."""
        self.recipe.compile(model)

    def fit(self, hp: Any, model: Any, *args: Any, **kwargs: Any) -> Any:
        """Train ``model`` with what ``tuner.search`` was given.

        Raises:
            ChildFailed: If the loss is not finite or memory runs out. The trial fails.
            FatalValueError: Before the training, if it cannot give the objective. The search ends.
        """
        self._check_objective(hp, args, kwargs)
        kwargs["callbacks"] = [*(kwargs.get("callbacks") or ()), keras.callbacks.TerminateOnNaN()]
        try:
            history = model.fit(*args, **kwargs)
            for name in ("loss", "val_loss"):
                if not np.isfinite(history.history.get(name, 0.0)).all():
                    raise ChildFailed(f"{name} by epoch: {history.history[name]}")
            return self._weigh(model, history)
        except Exception as error:
            if out_of_memory(error):
                raise ChildFailed("out of memory; fewer filters or a smaller batch help") from error
            raise

    def _weigh(self, model: Any, history: Any) -> Any:
        if self.reward is None and not self.meters:
            return history
        metrics = metrics_of(history.history)
        metrics["parameters"] = float(model.count_params())
        metrics |= measure(model, self.meters)
        metrics["reward"] = (self.reward or AccuracyReward())(metrics)
        return metrics

    def _check_objective(self, hp: Any, args: Sequence[Any], given: Mapping[str, Any]) -> None:
        oracle = getattr(hp, "searched_by", None)
        if oracle is None:  # a worker of a chief does not see it
            return
        objective = oracle.objective
        held_out = (given.get("validation_data"), given.get("validation_split"))
        validates = len(args) > 6 or any(part is not None for part in held_out)
        if isinstance(objective, DefaultObjective):
            reason = 'the oracle needs one, such as objective="val_accuracy"'
        elif objective.name == "reward" and self.reward is None and not self.meters:
            reason = "NASNetHyperModel was given no reward, such as reward=AccuracyReward()"
        elif objective.name in ("val_loss", "val_accuracy", "reward") and not validates:
            reason = "tuner.search was given no validation_data or validation_split"
        else:
            return
        raise kt.errors.FatalValueError(f"no value for the objective {objective.name!r}: {reason}")
