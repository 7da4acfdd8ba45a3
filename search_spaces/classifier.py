"""What all child networks share at their two ends: the check of the image, and the softmax."""

from __future__ import annotations

from collections.abc import Sequence

import keras

from cellwright.search_spaces.context import Context, Tensor
from cellwright.search_spaces.errors import UnbuildableChild


def check_task(input_shape: Sequence[int], classes: int) -> None:
    """Check that there is something to classify.

    Raises:
        UnbuildableChild: If ``input_shape`` is not (height, width, channels) of positive integers,
            or there are fewer than 2 classes.
    """
    shape = tuple(input_shape)
    if len(shape) != 3 or any(not isinstance(n, int) or n < 1 for n in shape):
        raise UnbuildableChild(
            f"input_shape must be (height, width, channels) of positive integers, got {shape!r}"
        )
    if classes < 2:
        raise UnbuildableChild(f"classes must be at least 2, got {classes}")


def softmax(x: Tensor, classes: int, at: Context) -> Tensor:
    """A dense layer that gives probabilities: (batch, features) -> (batch, classes)."""
    return keras.layers.Dense(
        classes,
        activation="softmax",
        kernel_initializer=at.initializer("dense"),
        dtype="float32",  # a softmax in half precision would round small probabilities to 0
        name=at.prefix,
    )(x)
