"""From a MnasNet genotype to a Keras child network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import keras

from cellwright.search_spaces.arguments import LARGEST, check_integer
from cellwright.search_spaces.classifier import main_output
from cellwright.search_spaces.context import Context, Tensor
from cellwright.search_spaces.errors import UnbuildableChild
from cellwright.search_spaces.keras_settings import channels_last
from cellwright.search_spaces.mnasnet.genotype import MnasBlock, MnasNetGenotype, scaled, skip_of
from cellwright.search_spaces.pooling import average
from cellwright.search_spaces.task import check_task


@channels_last()
def build_mnasnet(
    genotype: MnasNetGenotype,
    input_shape: Sequence[int],
    classes: int | None,
    *,
    width: float = 1.0,
    filters: int | None = None,
    stem_stride: int = 2,
    dropout: float = 0.2,
    momentum: float = 0.99,
    seed: int | None = None,
) -> keras.Model:
    """Stem, blocks and head: an image classifier that ends in a softmax.

    Args:
        genotype: What to build.
        input_shape: (height, width, channels), any size; strides round up.
        classes: At least 2; None for regression.
        width: Multiplies the channels of the stem and of all blocks, above 0; the products are
            rounded by `scaled`. The head keeps its own, as in the authors' code.
        filters: Another way to say ``width``: the channels of the stem.
        stem_stride: Stride of the first convolution, 1 or 2; 1 keeps small images from vanishing.
        dropout: Share of the pooled features that is dropped in training, 0 up to below 1.
        momentum: Momentum of the batch normalisations; 0.9 learns faster where training is short.
        seed: Fixes the initial weights.

    Returns:
        An uncompiled model, (batch, height, width, channels) -> (batch, classes), or (batch, 1) for
        regression.

    Raises:
        UnbuildableChild: If an argument is out of range.
    """
    if filters is not None:
        try:
            check_integer("filters", filters, 1, LARGEST)
        except ValueError as error:
            raise UnbuildableChild(str(error)) from None
        width = filters / genotype.stem
    _check(input_shape, classes, width, stem_stride, dropout)
    root = Context("", seed, momentum)
    image = keras.Input(tuple(input_shape), name="image")  # (batch, height, width, channels)
    stem = scaled(genotype.stem, width)
    x = normal_convolution(image, stem, 3, stem_stride, root.inside("stem"))
    for number, block in enumerate(genotype.blocks, start=1):
        wide = replace(block, filters=scaled(block.filters, width))
        for layer in range(1, block.layers + 1):
            stride = block.stride if layer == 1 else 1
            x = build_layer(wide, x, stride, root.inside(f"block_{number}_{layer}"))
    x = normal_convolution(x, genotype.head, 1, 1, root.inside("head"))
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)  # (batch, head)
    if dropout:
        seed_of = root.seed_of("dropout")
        x = keras.layers.Dropout(dropout, seed=seed_of, name="dropout")(x)
    outputs = main_output(x, classes, root)
    return keras.Model(image, outputs, name=genotype.name.replace(".", "_") or "child")


def build_layer(block: MnasBlock, x: Tensor, stride: int, at: Context) -> Tensor:
    """One layer of a block: convolution, squeeze-and-excitation, skip."""
    inputs = x
    squeezed = max(1, int(x.shape[-1] * block.squeeze)) if block.squeeze else 0
    if block.convolution == "conv":
        x = normal_convolution(x, block.filters, block.kernel, stride, at.inside("convolution"))
        x = squeeze_and_excite(x, squeezed, at.inside("squeeze"))
    else:
        if block.expansion > 1:
            wide = x.shape[-1] * block.expansion
            x = normal_convolution(x, wide, 1, 1, at.inside("expand"))
        x = depthwise(x, block.kernel, stride, at.inside("depthwise"))
        x = squeeze_and_excite(x, squeezed, at.inside("squeeze"))
        x = project(x, block.filters, at.inside("project"))
    skip = skip_of(block.skip, inputs.shape[-1], block.filters, stride)
    if skip == "none":
        return x
    if skip == "pool":
        inputs = average(inputs, 3, stride, f"{at.prefix}_pool")
    return keras.layers.Add(name=f"{at.prefix}_add")([x, inputs])


def squeeze_and_excite(x: Tensor, squeezed: int, at: Context) -> Tensor:
    """Weigh each channel by what all channels are on average; nothing if ``squeezed`` is 0."""
    if not squeezed:
        return x
    pool = keras.layers.GlobalAveragePooling2D(keepdims=True, name=f"{at.prefix}_pool")
    weights = _convolution(pool(x), squeezed, 1, 1, at.inside("reduce"), bias=True)
    weights = keras.layers.ReLU(name=f"{at.prefix}_relu")(weights)  # (batch, 1, 1, squeezed)
    weights = _convolution(weights, x.shape[-1], 1, 1, at.inside("expand"), bias=True)
    weights = keras.layers.Activation("sigmoid", name=f"{at.prefix}_sigmoid")(weights)
    return keras.layers.Multiply(name=f"{at.prefix}_scale")([x, weights])


def normal_convolution(x: Tensor, filters: int, kernel: int, stride: int, at: Context) -> Tensor:
    """Convolution, batch normalisation, ReLU."""
    x = at.normalise(_convolution(x, filters, kernel, stride, at))
    return keras.layers.ReLU(name=f"{at.prefix}_relu")(x)


def _convolution(
    x: Tensor, filters: int, kernel: int, stride: int, at: Context, bias: bool = False
) -> Tensor:
    return keras.layers.Conv2D(
        filters,
        kernel,
        strides=stride,
        padding="same",
        use_bias=bias,
        kernel_initializer=at.initializer("convolution"),
        name=f"{at.prefix}_convolution",
    )(x)  # (batch, height / stride, width / stride, filters)


def project(x: Tensor, filters: int, at: Context) -> Tensor:
    """1x1 convolution and batch normalisation, nothing after them."""
    return at.normalise(_convolution(x, filters, 1, 1, at))


def depthwise(x: Tensor, kernel: int, stride: int, at: Context) -> Tensor:
    """Depthwise convolution, batch normalisation, ReLU."""
    x = keras.layers.DepthwiseConv2D(
        kernel,
        strides=stride,
        padding="same",
        use_bias=False,
        depthwise_initializer=at.initializer("depthwise"),
        name=f"{at.prefix}_convolution",
    )(x)  # (batch, height / stride, width / stride, channels)
    return keras.layers.ReLU(name=f"{at.prefix}_relu")(at.normalise(x))


def _check(
    input_shape: Sequence[int], classes: int | None, width: float, stem_stride: int, dropout: float
) -> None:
    check_task(input_shape, classes)
    if not width > 0:
        raise UnbuildableChild(f"width (or filters) must be above 0, got width {width}")
    if stem_stride not in (1, 2):
        raise UnbuildableChild(f"stem_stride must be 1 or 2, got {stem_stride}")
    if not 0 <= dropout < 1:
        raise UnbuildableChild(f"dropout must be in 0..1, 1 left out, got {dropout}")
