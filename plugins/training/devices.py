"""Training on several devices, each of which has a part of every batch."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from cellwright.search_spaces.backend import backend

if TYPE_CHECKING:
    import keras


def check_devices(number: int | None) -> None:
    """Check that Keras can train on so many devices here.

    Raises:
        ValueError: If its backend has no data parallelism, or too few devices.
    """
    if number is None or number == 1:
        return
    if (here := backend()) != "jax":
        raise ValueError(
            f"{number} devices need JAX: Keras shares batches among devices "
            "(keras.distribution.DataParallel) under JAX alone, and its backend is "
            f"{here} here. Set KERAS_BACKEND=jax, or leave devices out"
        )
    import keras

    found = keras.distribution.list_devices()
    if len(found) < number:
        raise ValueError(
            f"devices={number}, and JAX has {len(found)} here ({', '.join(found)}): give at most "
            "so many. XLA_FLAGS=--xla_force_host_platform_device_count=N makes N of a CPU"
        )


@contextmanager
def on_devices(model: keras.Model, number: int | None) -> Iterator[None]:
    """Have ``model`` trained on the first ``number`` devices while the block runs, by
    ``keras.distribution.DataParallel``: each has the whole network and a part of every batch.

    Raises:
        ValueError: See `check_devices`.
    """
    check_devices(number)
    if number is None or number == 1:
        yield
        return
    import keras

    before = keras.distribution.distribution()
    devices = keras.distribution.list_devices()[:number]
    shared = keras.distribution.DataParallel(devices=devices, auto_shard_dataset=False)
    keras.distribution.set_distribution(shared)
    try:
        _place(model, shared)
        yield
    finally:
        keras.distribution.set_distribution(before)
        _place(model, before)


def _place(model: keras.Model, distribution: Any) -> None:
    """Put the network's variables where ``distribution`` says; on one device if that is None.

    Keras decides it when a variable is made, and a child is made before it is known how it is
    trained.
    """
    import keras

    for variable in {id(v): v for v in (*model.variables, *_state(model))}.values():
        value = keras.ops.convert_to_numpy(variable.value)
        variable._layout = None
        if distribution is not None:
            variable._layout = distribution.get_variable_layout(variable)
        variable.assign(value)


def _state(model: keras.Model) -> list[Any]:
    optimizer = getattr(model, "optimizer", None)  # of a model that is compiled
    return [] if optimizer is None else [*optimizer.variables, *model.metrics_variables]


def shared_size(number: int, devices: int | None, what: str) -> int:
    """How many of ``number`` examples are used, if each device has as many of every batch.

    Up to ``devices - 1`` are left out, which a warning says.
    """
    kept = number - number % (devices or 1)
    if kept < number:
        warnings.warn(
            f"{number - kept} of {number} examples to {what} are left out of each epoch, as "
            f"{devices} devices share every batch alike",
            stacklevel=2,
        )
    return kept
