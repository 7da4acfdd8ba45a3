"""A space of cells with an operation of its own: the bottleneck of He et al. 2016."""

from typing import Any

from cellwright.search_spaces import NASNetSpace, register_operation


def bottleneck(x: Any, filters: int, stride: int, at: Any) -> Any:
    """A 3x3 convolution on a quarter of the channels, between two of 1x1."""
    import keras  # here, so that a process that only proposes architectures does not load it

    narrow = max(filters // 4, 1)
    for part, channels, kernel, strides in (
        ("reduce", narrow, 1, 1),
        ("convolve", narrow, 3, stride),
        ("expand", filters, 1, 1),
    ):
        x = keras.layers.ReLU(name=f"{at.prefix}_{part}_relu")(x)
        x = keras.layers.Conv2D(
            channels,
            kernel,
            strides=strides,
            padding="same",
            use_bias=False,
            kernel_initializer=at.initializer(part),
            name=f"{at.prefix}_{part}",
        )(x)
        x = at.normalise(x, f"{part}_normalisation")
    return x


register_operation("bottleneck_3x3", bottleneck)


def make_space() -> NASNetSpace:
    """Cells of two blocks whose operations are these three."""
    return NASNetSpace(blocks=2, operations=("identity", "max_3x3", "bottleneck_3x3"))
