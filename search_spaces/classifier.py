"""What all child networks share at their two ends: the check of the input, and the output layer."""

from __future__ import annotations

from collections.abc import Sequence

import keras

from cellwright.search_spaces.context import Context, Tensor
from cellwright.search_spaces.errors import UnbuildableChild


def check_task(input_shape: Sequence[int], classes: int | None) -> None:
    """Check that there are images, and something to learn about them.

    Raises:
        UnbuildableChild: If ``input_shape`` is not (height, width, channels) of positive integers,
            or there are fewer than 2 classes.
    """
    shape = tuple(input_shape)
    if len(shape) == 1:
        raise UnbuildableChild(
            f"this space makes networks that read images, but the data are a table of {shape[0]} "
            "features; MLPSpace (--space mlp) is for tables"
        )
    if len(shape) != 3 or not _positive(shape):
        raise UnbuildableChild(
            f"input_shape must be (height, width, channels) of positive integers, got {shape!r}"
        )
    _check_classes(classes)


def check_features(input_shape: Sequence[int], classes: int | None) -> None:
    """Check that there is an input of any fixed shape, and something to learn about it.

    Raises:
        UnbuildableChild: If ``input_shape`` is empty or holds anything but positive integers, or
            there are fewer than 2 classes.
    """
    shape = tuple(input_shape)
    if not shape or not _positive(shape):
        raise UnbuildableChild(
            f"input_shape must be (features,), or several positive integers, got {shape!r}"
        )
    _check_classes(classes)


def _positive(shape: tuple[int, ...]) -> bool:
    return all(isinstance(n, int) and n >= 1 for n in shape)


def _check_classes(classes: int | None) -> None:
    if classes is not None and classes < 2:
        raise UnbuildableChild(f"classes must be at least 2, or None for regression, got {classes}")


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
