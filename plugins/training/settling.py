"""Whether a training was long enough for what batch normalisation averages."""

from __future__ import annotations

import math

import keras

_LEFT = 0.05  # share of the averages' start that is small enough


def about_averages(network: keras.Model, steps: int) -> str | None:
    """What to say of a network whose batch normalisations have seen too few steps, else None.

    A training normalises by the mean and variance of a batch, and a prediction by moving averages
    of them, which start at 0 and 1. After ``steps`` batches ``momentum ** steps`` of that start is
    left, so that a network which fits its batches may predict one class for everything.

    Args:
        network: The trained network.
        steps: Batches that it was trained on, at least 1.
    """
    momenta = [
        layer.momentum
        for layer in network._flatten_layers(include_self=False)
        if isinstance(layer, keras.layers.BatchNormalization) and 0 < layer.momentum < 1
    ]
    if not momenta or max(momenta) ** steps <= _LEFT:
        return None
    needed = math.ceil(math.log(_LEFT) / math.log(max(momenta)))
    return (
        f"after {steps} training step{'' if steps == 1 else 's'}, {max(momenta) ** steps:.0%} of "
        "what batch normalisation predicts with is still its start: predictions may be far worse "
        f"than the accuracy in training. {needed} steps are enough: more epochs, or smaller batches"
    )
