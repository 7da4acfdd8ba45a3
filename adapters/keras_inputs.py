"""What a user gives ``tuner.search``, checked and changed before a child is trained on it."""

from __future__ import annotations

import dataclasses
import inspect
import math
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import keras_tuner as kt
import numpy as np

from cellwright.plugins import Data, Dataset, Recipe
from cellwright.plugins.data.kinds import ARRAYS, GENERATOR, first_of, kind_of
from cellwright.plugins.data.labels import check_numbered, check_numbers, check_one_hot
from cellwright.plugins.scoring.limit import Screening
from cellwright.plugins.training.batches import Batches
from cellwright.plugins.training.ready_made import augmented, with_batch_size
from cellwright.plugins.training.soft_labels import as_shares
from cellwright.search_spaces import InvalidData, SearchSpace
from cellwright.search_spaces.task import channels_first


class Refused(InvalidData, kt.errors.FatalValueError):  # type: ignore[misc]
    """Inputs that no child can be trained on: the search ends before the first training."""


def named(args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of ``model.fit`` by name.

    Raises:
        FatalTypeError: If there is no such argument. The search ends.
    """
    signature = inspect.signature(keras.Model.fit)
    try:
        given: dict[str, Any] = signature.bind(None, *args, **kwargs).arguments
    except TypeError as error:
        known = [name for name in signature.parameters if name != "self"]
        raise kt.errors.FatalTypeError(
            f"tuner.search hands on to model.fit what it is given: {error}. It knows {known}"
        ) from error
    return {name: value for name, value in given.items() if name != "self"}


def check_inputs(
    model: Any, given: Mapping[str, Any], input_shape: Sequence[int], seen: list[Any]
) -> dict[str, Any]:
    """Check what a compiled child is to be trained and validated on.

    All labels of arrays are checked, and of ready-made batches the first, once for all trials.

    Args:
        model: A compiled child.
        given: Arguments of ``model.fit`` by name.
        input_shape: (height, width, channels).
        seen: The batches that were checked before, to which those of this call are added.

    Returns:
        ``given``, with every generator so that the batch that was looked at is not lost.

    Raises:
        Refused: With the advice of `load_dataset` on such labels.
    """
    given = dict(given)
    _check_counts(given)
    held_out = given.get("validation_data")
    if isinstance(given.get("y"), list):  # which Keras does not take
        given["y"] = np.asarray(given["y"])
    try:
        x, y = given.get("x"), given.get("y")
        weights = given.get("sample_weight")
        given["x"] = _check_part(model, input_shape, seen, x, y, weights, given)
    except InvalidData as error:
        raise Refused(f"tuner.search was given what no child can be trained on: {error}") from error
    try:
        if isinstance(held_out, tuple | list):
            x, y = (*held_out, None)[:2]
            _check_part(model, input_shape, seen, x, y, *held_out[2:3])
        elif held_out is not None:
            steps = {"steps_per_epoch": given.get("validation_steps")}
            held_out = _check_part(model, input_shape, seen, held_out, None, None, steps)
            given["validation_data"] = held_out
    except InvalidData as error:
        raise Refused(f"validation_data is what no child can be validated on: {error}") from error
    return given


def data_to_measure(
    given: Mapping[str, Any], input_shape: Sequence[int], classes: int, screening: Screening
) -> Dataset | None:
    """What a meter of trained children needs of the arguments of ``model.fit``; None without one.

    Raises:
        Refused: If they are no arrays, or the meter cannot measure children of these.
    """
    if not screening.late_metrics:
        return None
    held_out, share = given.get("validation_data"), given.get("validation_split") or 0
    parts = [(given["x"], given.get("y")), tuple(held_out or ((), ()))[:2]]
    if any(len(part) < 2 or kind_of(part[0]) != ARRAYS for part in parts):
        raise Refused(
            f"{', '.join(screening.late_metrics)} is measured of trained children, and needs "
            "arrays: give tuner.search images and labels, and validation_data=(images, labels)"
        )
    (x, y), (x_val, y_val) = [
        (
            np.asarray(_array(images), np.float32).reshape(-1, *input_shape),
            _as_numbered(_array(labels)),
        )
        for images, labels in parts
    ]
    if share and held_out is None:
        train = math.floor(len(x) * (1 - share))  # as Keras splits: the last are held out
        x, y, x_val, y_val = x[:train], y[:train], x[train:], y[train:]
    data = Dataset(x, y, x_val, y_val, tuple(map(str, range(classes))))
    try:
        screening.check_data(data)
    except ValueError as error:
        raise Refused(str(error)) from error
    return data


def _as_numbered(labels: Any) -> Any:
    """Class numbers, (number,), also of one-hot labels."""
    one_hot = labels.ndim == 2 and labels.shape[1] > 1
    return labels.argmax(axis=1) if one_hot else labels.reshape(-1).astype(np.int64)


def _check_part(
    model: Any,
    input_shape: Sequence[int],
    seen: list[Any],
    x: Any,
    y: Any,
    weights: Any = None,
    given: Mapping[str, Any] | None = None,
) -> Any:
    """Check one part, and return what takes the place of ``x``."""
    if x is None:
        raise InvalidData("there is no data; give images and labels, as two arrays, or batches")
    if isinstance(x, Data):
        raise InvalidData(
            f"a {type(x).__name__} is for an Evaluation, and this hypermodel takes what model.fit "
            "takes: run EvaluationTuner(Evaluation(space, data), ...), or give arrays or batches"
        )
    kind, given = kind_of(x), given or {}
    if kind == ARRAYS:
        x = x[0] if isinstance(x, list | tuple) and len(x) == 1 else x  # of one input
        if y is None:
            raise InvalidData("there are no labels; give images and labels, as two arrays")
        _check_examples(model, input_shape, x, y, weights)
        if not any(x is other for other in seen):
            _check_values(x)
            seen.append(x)
        return x
    if y is not None or weights is not None or given.get("validation_split"):
        raise InvalidData(
            f"y, sample_weight and validation_split are for arrays; each batch of a {kind} holds "
            "images, labels and, if there are any, weights"
        )
    if kind == GENERATOR and given.get("steps_per_epoch") is None:
        raise InvalidData(
            "the first epoch of the first trial would use the generator up, as no number of steps "
            "is given: give a generator that never ends, with steps_per_epoch and, for one that "
            "validates, validation_steps; or arrays, a tf.data.Dataset or a PyDataset"
        )
    if any(x is other for other in seen) and kind != GENERATOR:
        return x
    batch, again = first_of(x)
    if not isinstance(batch, tuple | list) or not 2 <= len(batch) <= 3:
        raise InvalidData(
            f"a batch of a {kind} must be (images, labels) or (images, labels, weights), got "
            f"{type(batch).__name__}" + (f" of {len(batch)}" if hasattr(batch, "__len__") else "")
        )
    _check_examples(model, input_shape, *batch)
    seen.append(x)
    return again


def _check_counts(given: Mapping[str, Any]) -> None:
    """Without an epoch there is no objective, and Keras takes a batch size of 0 for none."""
    for name in ("epochs", "batch_size"):
        count = given.get(name)
        if isinstance(count, int) and count < 1:
            raise Refused(f"{name} must be 1 or more, got {count}; give tuner.search another")


def _check_values(x: Any) -> None:
    """The images of arrays: numbers, all of them finite."""
    if isinstance(x, Mapping):
        return  # a network of the user's own, with several inputs
    images = _array(x)
    if images.dtype.kind in "OSU":
        raise InvalidData(
            f"images must be numbers, got an array of dtype {images.dtype}; convert them, as "
            'images.astype("float32") does'
        )
    if images.dtype.kind == "f" and not np.isfinite(np.sum(images, dtype=np.float64)):
        raise InvalidData("images hold NaN or infinite values; replace them, or leave them out")


def _check_examples(
    model: Any, input_shape: Sequence[int], x: Any, y: Any, weights: Any = None
) -> None:
    if isinstance(x, Mapping) or isinstance(y, Mapping):
        return  # a network of the user's own, with several inputs or outputs
    shape, labels = np.shape(x), _array(y)
    if shape[1:] not in _fitting(tuple(input_shape)):
        raise InvalidData(
            channels_first(shape)
            or f"inputs of shape {shape[1:]} were given, and the hypermodel has "
            f"input_shape={tuple(input_shape)}; make them agree"
        )
    outputs = model.output_shape
    if isinstance(outputs, tuple) and len(outputs) == 2:  # a class or a number for each example
        _check_labels(_loss_of(model), labels, shape[0], outputs[-1])
    if weights is not None and len(weights) != shape[0]:
        raise InvalidData(f"there are {shape[0]} images and {len(weights)} weights")


def _check_labels(loss: str, labels: Any, number: int, outputs: Any) -> None:
    if loss == "sparse_categorical_crossentropy":
        check_numbered(labels, number, outputs)
    elif loss == "categorical_crossentropy":
        check_one_hot(labels, number, outputs)
    elif loss in ("mse", "mean_squared_error"):
        check_numbers(labels, number)


def _array(y: Any) -> Any:
    return keras.ops.convert_to_numpy(y) if keras.ops.is_tensor(y) else np.asarray(y)


def _fitting(shape: tuple[int, ...]) -> set[tuple[int, ...]]:
    """Shapes of an example that Keras takes for ``shape``: a last 1 may be there or not."""
    return {shape, (*shape, 1)} | ({shape[:-1]} if shape[-1:] == (1,) else set())


def _loss_of(model: Any) -> str:
    loss = model.loss
    return loss if isinstance(loss, str) else getattr(loss, "name", getattr(loss, "__name__", ""))


def with_soft_labels(
    space: SearchSpace, recipe: Recipe, given: Mapping[str, Any], classes: int
) -> dict[str, Any]:
    """Arguments of ``model.fit``, with labels as shares of the classes if the recipe needs such.

    Raises:
        Refused: If a choice of the search needs them and the batches are ready-made, or the labels
            are no class numbers.
    """
    given = dict(given)
    held_out = given.get("validation_data")
    ready = [x for x in (given.get("x"), held_out) if x is not None and kind_of(x) != ARRAYS]
    if ready and (names := _softening(space)):
        raise Refused(
            f"a searched {' and '.join(names)} changes labels, which a {kind_of(ready[0])} has "
            "batched already: give tuner.search arrays, or search without it"
        )
    if not recipe.soft_labels or given.get("y") is None:
        return given
    try:
        given["y"] = _shares(given["y"], classes)
        if held_out is not None:
            x, y, *weights = held_out
            given["validation_data"] = (x, _shares(y, classes), *weights)
    except InvalidData as error:
        raise Refused(f"tuner.search was given what no child can be trained on: {error}") from error
    return given


def _softening(space: SearchSpace) -> list[str]:
    """The hyperparameters of which a choice makes labels soft."""
    return [
        decision.name
        for decision in getattr(space, "hyperparameters", ())
        if decision.name in ("augmentation", "label_smoothing")
        and any(Recipe(**{decision.name: choice}).soft_labels for choice in decision.choices)
    ]


def _shares(y: Any, classes: int) -> Any:
    labels = _array(y)
    if labels.ndim != 2 or labels.shape[1] != classes:
        check_numbered(labels, len(labels), classes)
    return as_shares(labels, classes)


def as_searched(
    space: SearchSpace, recipe: Recipe, given: Mapping[str, Any], classes: int | None = None
) -> dict[str, Any]:
    """Arguments of ``model.fit``, in which searched hyperparameters replace the user's values.

    Args:
        space: Whose hyperparameters ``batch_size``, ``epochs`` and ``augmentation`` count here.
        recipe: Holds the values of this trial.
        given: The user's arguments by name.
        classes: Number of classes, which soft labels need.

    Raises:
        Refused: If the batches are ready-made and cannot be changed so.
    """
    searched = {decision.name for decision in getattr(space, "hyperparameters", ())}
    given = dict(given)
    if "epochs" in searched:
        given["epochs"] = recipe.epochs
    try:
        if "batch_size" in searched:
            given |= _resized(given, recipe.batch_size)
        if {"augmentation", "label_smoothing"} & searched:
            given = _changed(given, recipe, classes)
    except InvalidData as error:
        raise Refused(str(error)) from error
    return given


def _resized(given: Mapping[str, Any], size: int) -> dict[str, Any]:
    if kind_of(given["x"]) == ARRAYS:
        return {"batch_size": size}
    if given.get("steps_per_epoch") is not None:
        raise InvalidData(
            "with steps_per_epoch a searched batch_size would change how many examples an epoch "
            "has: leave steps_per_epoch out, or search without batch_size"
        )
    return {"x": with_batch_size(given["x"], size)}


def _changed(given: dict[str, Any], recipe: Recipe, classes: int | None) -> dict[str, Any]:
    if kind_of(given["x"]) != ARRAYS:
        # Made in trials without augmentation too, so that what cannot be changed is refused at once
        x = augmented(given["x"], recipe)
        return given if recipe.augmentation == "none" else {**given, "x": x}
    if recipe.augmentation == "none" and not recipe.soft_labels:
        return given
    x, y = _array(given["x"]), _array(given["y"])
    x = x if x.ndim == 4 else x[..., None]
    weights = given.pop("sample_weight", None)
    parts = [part if part is None else np.asarray(part) for part in (x, y, weights)]
    share = given.pop("validation_split", 0) or 0
    if share and given.get("validation_data") is None:
        train = math.floor(len(x) * (1 - share))  # as Keras splits: the last are held out
        held_out = [part[train:] for part in parts if part is not None]
        given["validation_data"] = tuple(held_out)
        parts = [part if part is None else part[:train] for part in parts]
        given.setdefault("validation_batch_size", given.get("batch_size"))
    recipe = dataclasses.replace(recipe, batch_size=given.pop("batch_size", None) or 32)  # Keras's
    batches = Batches(
        parts[0],
        parts[1],
        recipe,
        given.get("initial_epoch", 0),
        parts[2],
        shuffle=given.get("shuffle", True),
        classes=classes,
    )
    return {**given, "x": batches, "y": None, "shuffle": False}
