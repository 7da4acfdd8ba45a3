"""The output layer, which all child networks share."""

from __future__ import annotations

import keras

from cellwright.search_spaces.context import Context, Tensor


def main_output(x: Tensor, classes: int | None, root: Context) -> Tensor:
    """The layer ``classes`` of probabilities, or ``value`` for regression; see `output_layer`."""
    return output_layer(x, classes, root.inside("value" if classes is None else "classes"))


def output_layer(x: Tensor, classes: int | None, at: Context) -> Tensor:
    """A dense layer that gives probabilities, (batch, features) -> (batch, classes); or, where
    ``classes`` is None, any number, (batch, 1)."""
    return keras.layers.Dense(
        classes or 1,
        activation=None if classes is None else "softmax",
        kernel_initializer=at.initializer("dense"),
        dtype="float32",  # a softmax in half precision would round small probabilities to 0
        name=at.prefix,
    )(x)
