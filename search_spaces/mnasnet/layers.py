"""The layers of which a MnasNet's child is built, in Keras."""

from __future__ import annotations

import keras
import numpy as np
from numpy.typing import NDArray

from cellwright.search_spaces.context import Context, Tensor
from cellwright.search_spaces.convolution import normalised_convolution
from cellwright.search_spaces.drop_path import DropPath
from cellwright.search_spaces.given_weights import give_weights
from cellwright.search_spaces.mnasnet.block import EXPANDING, MnasBlock
from cellwright.search_spaces.mnasnet.facts import Pixels
from cellwright.search_spaces.mnasnet.families import SQUEEZES, expanded, skip_of, squeezed
from cellwright.search_spaces.pooling import average


def prepare_pixels(x: Tensor, pixels: Pixels | None, normalises: bool, at: Context) -> Tensor:
    """Images as a network's weights expect them, (batch, height, width, channels).

    Args:
        x: Images of that shape.
        pixels: What values they should have; None leaves them as they are.
        normalises: Whether a layer keeps means and variances as weights, whatever they are.
        at: Where.
    """
    if not normalises:
        if pixels is None:
            return x
        scale = 1 / (pixels.divisor * np.asarray(pixels.deviation))
        offset = -np.asarray(pixels.mean) / pixels.deviation
        name = f"{at.prefix}_rescaling"
        return keras.layers.Rescaling(_one_or_all(scale), _one_or_all(offset), name=name)(x)
    if pixels is not None and pixels.divisor != 1:
        x = keras.layers.Rescaling(1 / pixels.divisor, name=f"{at.prefix}_rescaling")(x)
    layer = keras.layers.Normalization(name=f"{at.prefix}_normalisation")
    found = layer(x)
    if pixels is not None:
        give_weights(layer, [np.asarray(pixels.mean), np.square(pixels.deviation), np.asarray(0)])
    return found


def _one_or_all(values: NDArray[np.float64]) -> float | list[float]:
    """What is the same for all channels, once."""
    return float(values[0]) if len(set(values)) == 1 else values.tolist()


def build_layer(block: MnasBlock, x: Tensor, stride: int, at: Context, drop: float = 0.0) -> Tensor:
    """One layer of a block: convolution, squeeze-and-excitation, skip.

    Args:
        block: What layer.
        x: (batch, height, width, channels).
        stride: 1 or 2.
        at: Where.
        drop: Share of images for which only the skip is left in training; see
            `MnasNetGenotype.drop_connect`.

    Returns:
        (batch, height / stride, width / stride, filters), rounded up.
    """
    inputs, act = x, block.activation
    wide = expanded(x.shape[-1], block.expansion)
    weighed = block.filters if block.convolution == "conv" else wide
    to = squeezed(block.squeeze_kind, block.squeeze, x.shape[-1], weighed)
    if block.convolution == "conv":
        x = normal_convolution(x, weighed, block.kernel, stride, at.inside("convolution"), act)
        x = squeeze_and_excite(x, to, at.inside("squeeze"), block.squeeze_kind)
    else:
        if block.convolution == "fused":
            x = normal_convolution(x, wide, block.kernel, stride, at.inside("expand"), act)
        elif block.convolution in EXPANDING:
            x = normal_convolution(x, wide, 1, 1, at.inside("expand"), act)
        if block.convolution != "fused":
            x = depthwise(x, block.kernel, stride, at.inside("depthwise"), act)
        x = squeeze_and_excite(x, to, at.inside("squeeze"), block.squeeze_kind)
        x = project(x, block.filters, at.inside("project"))
    skip = skip_of(block.skip, inputs.shape[-1], block.filters, stride)
    if skip == "none":
        return x
    if drop:
        x = DropPath(1 - drop, at.seed_of("drop_path"), name=f"{at.prefix}_drop_path")(x)
    if skip == "pool":
        inputs = average(inputs, 3, stride, f"{at.prefix}_pool")
    return keras.layers.Add(name=f"{at.prefix}_add")([x, inputs])


def squeeze_and_excite(x: Tensor, to: int, at: Context, kind: str = "mnasnet") -> Tensor:
    """Weigh each channel by what all channels are on average, squeezed ``to`` so many; nothing if
    that is 0."""
    if not to:
        return x
    pool = keras.layers.GlobalAveragePooling2D(keepdims=True, name=f"{at.prefix}_pool")
    weights = with_bias(pool(x), to, at.inside("reduce"))
    weights = activate(weights, SQUEEZES[kind].activation, at)  # (batch, 1, 1, to)
    weights = with_bias(weights, x.shape[-1], at.inside("expand"))
    weights = activate(weights, SQUEEZES[kind].gate, at)
    return keras.layers.Multiply(name=f"{at.prefix}_scale")([x, weights])


def normal_convolution(
    x: Tensor, filters: int, kernel: int, stride: int, at: Context, activation: str = "relu"
) -> Tensor:
    """Convolution, batch normalisation, activation."""
    x = normalised_convolution(x, filters, (kernel, kernel), at, strides=stride, padding="same")
    return activate(x, activation, at)


def project(x: Tensor, filters: int, at: Context) -> Tensor:
    """1x1 convolution and batch normalisation, nothing after them."""
    return normalised_convolution(x, filters, (1, 1), at, padding="same")


def depthwise(x: Tensor, kernel: int, stride: int, at: Context, activation: str = "relu") -> Tensor:
    """Depthwise convolution, batch normalisation, activation."""
    x = keras.layers.DepthwiseConv2D(
        kernel,
        strides=stride,
        padding="same",
        use_bias=False,
        depthwise_initializer=at.initializer("depthwise"),
        name=f"{at.prefix}_convolution",
    )(x)  # (batch, height / stride, width / stride, channels)
    return activate(at.normalise(x), activation, at)


def dense(x: Tensor, features: int, at: Context, activation: str) -> Tensor:
    """Dense layer and activation, (batch, channels) -> (batch, features); nothing if that is 0."""
    if not features:
        return x
    x = keras.layers.Dense(features, kernel_initializer=at.initializer("dense"), name=at.prefix)(x)
    return activate(x, activation, at)


def activate(x: Tensor, activation: str, at: Context) -> Tensor:
    """The activation of this name, in a layer of its own."""
    name = f"{at.prefix}_{activation}"
    if activation in ("relu", "relu6"):
        return keras.layers.ReLU(6.0 if activation == "relu6" else None, name=name)(x)
    return keras.layers.Activation(activation, name=name)(x)


def with_bias(x: Tensor, filters: int, at: Context) -> Tensor:
    """A pointwise convolution with a bias, and nothing after it."""
    return keras.layers.Conv2D(
        filters,
        1,
        padding="same",
        kernel_initializer=at.initializer("convolution"),
        name=f"{at.prefix}_convolution",
    )(x)  # (batch, 1, 1, filters)
