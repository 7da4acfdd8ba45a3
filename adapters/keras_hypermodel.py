"""The hypermodel for Keras Tuner, and decisions as Keras Tuner's hyperparameters."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import keras_tuner as kt
import numpy as np
from keras_tuner.src.engine.objective import DefaultObjective, MultiObjective

from cellwright.plugins import AccuracyReward, Meter, Recipe, Reward, make_space
from cellwright.plugins.batches import Batches
from cellwright.plugins.checkpoints import Checkpoint, checkpoint_of, epochs_of, joined
from cellwright.plugins.evaluation import divide
from cellwright.plugins.meters import as_meters, measure
from cellwright.plugins.recipe import metrics_of, out_of_memory
from cellwright.search_spaces import (
    ChildFailed,
    Decision,
    Float,
    Int,
    JointSpace,
    Params,
    SearchSpace,
    SpaceMismatch,
)


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
    if oracle is not None and not _searches(oracle, space):
        raise SpaceMismatch(
            f"the oracle searches {oracle.space!r}, the hypermodel builds {space!r}: "
            "give both the same space"
        )
    if hp._name_scopes or hp._conditions:
        raise ValueError("declare the architecture outside any name_scope and conditional_scope")
    declare(hp, space)
    return read_params(hp.values, space)


def _searches(oracle: Any, space: SearchSpace) -> bool:
    """Whether the oracle's strategy decides on ``space``, or on the architecture in it."""
    spaces = [space, space.architecture] if isinstance(space, JointSpace) else [space]
    return oracle.space.fingerprint in [one.fingerprint for one in spaces]


def declare(hp: Any, space: SearchSpace) -> None:
    """Declare the decisions that ``hp`` does not hold yet.

    Decisions with conditions are declared without them; `read_params` leaves out those that have
    no effect.

    Raises:
        SpaceMismatch: If it holds one with other choices.
    """
    held = {parameter.name: parameter for parameter in hp.space}
    for decision in space.decisions:
        fresh = kt.HyperParameters()
        for target in (fresh, hp) if decision.name not in held else (fresh,):
            _declare(target, decision)
        [wanted] = fresh.space
        found = held.get(decision.name, wanted)
        if _content(found) != _content(wanted):
            raise SpaceMismatch(
                f"{decision.name} is declared as {found!r}, and the space gives it {wanted!r}; to "
                "fix a decision, use a space with that one choice"
            )


def _declare(hp: Any, decision: Decision) -> None:
    if isinstance(decision, Float | Int):
        kind = hp.Float if isinstance(decision, Float) else hp.Int
        scale = "log" if decision.log else "linear"
        kind(decision.name, decision.low, decision.high, sampling=scale)
    else:
        hp.Choice(decision.name, list(decision.choices))


def _content(parameter: Any) -> Any:
    """What can be drawn for a hyperparameter; its default does not count."""
    config = parameter.get_config()
    return type(parameter), [
        config.get(x) for x in ("values", "min_value", "max_value", "sampling")
    ]


def read_params(values: Mapping[str, Any], space: SearchSpace) -> Params:
    """The decisions among a trial's values, of the types that the space gives.

    Raises:
        InvalidArchitecture: If one is missing or is not allowed.
    """
    return space.read({name: values[name] for name in space.names if name in values})


def with_sum(metrics: dict[str, float], objective: Any) -> dict[str, float]:
    """``metrics``, and with several objectives the sum that Keras Tuner asks of a dictionary."""
    if isinstance(objective, MultiObjective):
        return {**metrics, objective.name: objective.get_value(metrics)}
    return metrics


class NASNetHyperModel(kt.HyperModel):  # type: ignore[misc]
    """Builds, compiles and trains the child network that a trial decides on.

    Hyperparameters of a `JointSpace` go by their names, as in `cellwright.plugins.Evaluation`;
    ``batch_size`` and ``epochs`` take the place of what ``tuner.search`` was given. For another
    optimizer or loss override `compile`.

    Under a schedule (`StrategyOracle`) a child trains for the epochs of its rung, and goes on from
    where the trial before left it, in ``children`` in the project's folder. Under Keras Tuner's own
    ``Hyperband`` that tuner sees to both.

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
        network, _, options = self._given(hp)
        model = self.space.build(network, self.input_shape, self.classes, **options)
        self.compile(hp, model)
        return model

    def compile(self, hp: Any, model: Any) -> None:
        """Give ``model`` its optimizer and loss; ``hp`` is there for a choice among them."""
        _, recipe, _ = self._given(hp)
        recipe.compile(model)

    def _given(self, hp: Any) -> tuple[Params, Recipe, dict[str, Any]]:
        """The network that a trial decides on, how it is trained, and options to build it with."""
        network, others = self.space.split(architecture(hp, self.space))
        recipe, options = divide(others, self.recipe, self.space)
        return network, recipe, {**self.options, **options}

    def fit(self, hp: Any, model: Any, *args: Any, **kwargs: Any) -> Any:
        """Train ``model`` with what ``tuner.search`` was given.

        Raises:
            ChildFailed: If the loss is not finite or memory runs out. The trial fails.
            FatalValueError: Before the training, if it cannot give the objective. The search ends.
        """
        self._check_objective(hp, args, kwargs)
        kwargs["callbacks"] = [*(kwargs.get("callbacks") or ()), keras.callbacks.TerminateOnNaN()]
        try:
            history = self._train(hp, model, args, kwargs)
            for name in ("loss", "val_loss"):
                if not np.isfinite(history.history.get(name, 0.0)).all():
                    raise ChildFailed(f"{name} by epoch: {history.history[name]}")
            return self._weigh(hp, model, history)
        except Exception as error:
            if out_of_memory(error):
                raise ChildFailed("out of memory; fewer filters or a smaller batch help") from error
            raise

    def _weigh(self, hp: Any, model: Any, history: Any) -> Any:
        if self.reward is None and not self.meters:
            return history
        metrics = metrics_of(history.history)
        metrics["parameters"] = float(model.count_params())
        metrics |= measure(model, self.meters)
        metrics["reward"] = (self.reward or AccuracyReward())(metrics)
        return with_sum(metrics, getattr(getattr(hp, "searched_by", None), "objective", None))

    def _train(self, hp: Any, model: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """Keras's history of the training, of a rung's epochs under a schedule."""
        network, recipe, options = self._given(hp)
        args, kwargs = _as_searched(self.space, recipe, args, kwargs)
        if "tuner/epochs" not in hp.values or "initial_epoch" in kwargs:
            return model.fit(*args, **kwargs)
        epochs = hp.values["tuner/epochs"]
        checkpoint = self._checkpoint(hp, network, recipe, options)
        before = {} if checkpoint is None else checkpoint.restore(model, epochs)
        kwargs |= {"epochs": epochs, "initial_epoch": epochs_of(before)}
        history = model.fit(*args, **kwargs)
        if checkpoint is not None and history.history:
            checkpoint.save(model, joined(before, history.history))
        history.history = history.history or before  # a rung that had ended once before
        return history

    def _checkpoint(
        self, hp: Any, network: Params, recipe: Recipe, options: Mapping[str, Any]
    ) -> Checkpoint | None:
        """Where the child is kept between the rungs of a schedule."""
        oracle: Any = getattr(hp, "searched_by", None)
        if oracle is None or oracle.schedule is None:
            return None
        folder = Path(oracle._project_dir) / "children"
        return checkpoint_of(folder, network, dict(options), dataclasses.asdict(recipe))

    def _check_objective(self, hp: Any, args: Sequence[Any], given: Mapping[str, Any]) -> None:
        oracle = getattr(hp, "searched_by", None)
        if oracle is None:  # a worker of a chief does not see it
            return
        held_out = (given.get("validation_data"), given.get("validation_split"))
        validates = len(args) > 6 or any(part is not None for part in held_out)
        for objective in getattr(oracle.objective, "objectives", [oracle.objective]):
            if reason := self._lacks(objective, validates):
                message = f"no value for the objective {objective.name!r}: {reason}"
                raise kt.errors.FatalValueError(message)

    def _lacks(self, objective: Any, validates: bool) -> str:
        if isinstance(objective, DefaultObjective):
            return 'the oracle needs one, such as objective="val_accuracy"'
        if objective.name == "reward" and self.reward is None and not self.meters:
            return "NASNetHyperModel was given no reward, such as reward=AccuracyReward()"
        if objective.name in ("val_loss", "val_accuracy", "reward") and not validates:
            return "tuner.search was given no validation_data or validation_split"
        return ""


def _as_searched(
    space: SearchSpace, recipe: Recipe, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> tuple[Sequence[Any], dict[str, Any]]:
    """Arguments of ``model.fit`` with the hyperparameters that it takes in place of the user's."""
    searched = {decision.name for decision in getattr(space, "hyperparameters", ())}
    kwargs = dict(kwargs)
    for name in {"batch_size", "epochs"} & searched:
        kwargs[name] = getattr(recipe, name)
    if "augmentation" in searched and recipe.augmentation != "none":
        x, y = args[0] if args else kwargs.pop("x"), args[1] if len(args) > 1 else kwargs.pop("y")
        size = kwargs.pop("batch_size", None) or 32  # Keras's own
        batches = Batches(x, y, dataclasses.replace(recipe, batch_size=size))
        args, kwargs["shuffle"] = (batches, None, *args[2:]), False
    return args, kwargs
