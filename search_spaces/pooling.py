"""The average pool that all Keras backends compute alike."""

from __future__ import annotations

import keras

from cellwright.search_spaces.context import Tensor


def average(x: Tensor, size: int, stride: int, name: str) -> Tensor:
    """Averages over ``size`` x ``size`` pixels with ``"same"`` padding, which does not count.

    Where that padding is uneven, as with a stride of 2 on an even length, Keras on torch repeats
    the pixels of the border and counts them. There the average around every pixel is taken, for
    which the padding is even, and the stride is applied to these averages.

    Args:
        x: (batch, height, width, channels).
        size: Odd, in pixels.
        stride: At least 1.
        name: Name of the layer, and prefix of any others that are needed.

    Returns:
        (batch, height / stride, width / stride, channels), rounded up.
    """
    starts = [_first_centre(length, size, stride) for length in x.shape[1:3]]
    uneven = any(starts)
    x = keras.layers.AveragePooling2D(
        size, strides=1 if uneven else stride, padding="same", name=name
    )(x)
    if not uneven:
        return x
    borders = [(start, 0) for start in starts]
    x = keras.layers.Cropping2D(borders, name=f"{name}_crop")(x)
    return keras.layers.MaxPooling2D(1, strides=stride, name=f"{name}_thin")(x)


def _first_centre(length: int, size: int, stride: int) -> int:
    """The pixel around which the first average is taken; 0 where the padding is even."""
    padding = max((-(-length // stride) - 1) * stride + size - length, 0)
    return size // 2 - padding // 2
