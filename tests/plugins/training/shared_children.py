"""Trains a child on one and on four devices of a CPU under JAX; prints what came of it as JSON.

KERAS_BACKEND=jax XLA_FLAGS=--xla_force_host_platform_device_count=4 python shared_children.py
"""

import dataclasses
import json
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory

import keras
import numpy as np

from cellwright.plugins import Dataset, Evaluation, Recipe, load_dataset, stream
from cellwright.plugins.training.checkpoints import Checkpoint
from cellwright.plugins.training.train import train
from cellwright.search_spaces import NASNetSpace

SPACE = NASNetSpace(blocks=1, operations=("sep_3x3", "max_3x3"))
PARAMS = SPACE.decode([0] * len(SPACE.names))
RECIPE = Recipe(2, 32, 0.01, augmentation="shift", label_smoothing=0.1)


def digits(train, validate):
    """So many images of each part."""
    data = load_dataset("digits")
    return Dataset(
        data.x_train[:train], data.y_train[:train], data.x_val[:validate], data.y_val[:validate],
        data.class_names,
    )  # fmt: skip


def trained(data, devices):
    """Losses and accuracies of a child, and what was warned of."""
    recipe = dataclasses.replace(RECIPE, devices=devices)
    options = {"filters": 2, "reductions": 0}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found, model = Evaluation(SPACE, data, recipe, options=options).run(PARAMS)
    names = ("loss", "accuracy", "val_loss", "val_accuracy")
    warned = [str(each.message) for each in caught if "devices" in str(each.message)]
    again = model.evaluate(data.x_val, data.y_val, verbose=0) if isinstance(data, Dataset) else None
    return {"again": again, "warned": warned, **{name: found[name] for name in names}}


def in_two_parts(data):
    """The loss of a child whose second epoch goes on from a file."""
    found = {}
    with TemporaryDirectory() as folder:
        for epochs in (1, 2):
            child = SPACE.build(
                PARAMS, data.input_shape, data.classes, filters=2, reductions=0, seed=0
            )
            recipe = dataclasses.replace(RECIPE, epochs=epochs, decay_epochs=2, devices=4)
            found = train(child, data, recipe, checkpoint=Checkpoint(Path(folder) / "child"))
    return found["loss"]


def main():
    even, odd = digits(256, 100), digits(250, 99)
    streamed = stream(
        list(zip(even.x_train, even.y_train, strict=True)),
        list(zip(even.x_val, even.y_val, strict=True)),
        classes=10,
    )
    found = {
        "one": trained(even, None),
        "four": trained(even, 4),
        "four again": trained(even, 4),
        "streamed": trained(streamed, 4),
        "odd": trained(odd, 4),
        "two parts": in_two_parts(even),
    }
    assert keras.distribution.distribution() is None
    assert np.isfinite(found["odd"]["loss"])
    print(json.dumps(found))


if __name__ == "__main__":
    main()
