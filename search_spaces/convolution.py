"""A convolution as most published networks have it, for several child builders."""

from __future__ import annotations

import keras

from cellwright.search_spaces.context import Context, Tensor


def normalised_convolution(
    x: Tensor,
    filters: int,
    kernel: tuple[int, int],
    at: Context,
    *,
    strides: int = 1,
    padding: str = "valid",
) -> Tensor:
    """A convolution without a bias, and batch normalisation."""
    x = keras.layers.Conv2D(
        filters,
        kernel,
        strides=strides,
        padding=padding,
        use_bias=False,
        kernel_initializer=at.initializer("convolution"),
        name=f"{at.prefix}_convolution",
    )(x)
    return at.normalise(x)
