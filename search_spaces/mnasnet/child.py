"""From a MnasNet genotype to a Keras child network."""

from __future__ import annotations

from collections.abc import Sequence

import keras

from cellwright.search_spaces.classifier import main_output
from cellwright.search_spaces.context import Context
from cellwright.search_spaces.errors import UnbuildableChild
from cellwright.search_spaces.keras_settings import channels_last
from cellwright.search_spaces.mnasnet.facts import Pixels
from cellwright.search_spaces.mnasnet.families import FAMILIES
from cellwright.search_spaces.mnasnet.genotype import MnasNetGenotype
from cellwright.search_spaces.mnasnet.layers import (
    build_layer,
    dense,
    normal_convolution,
    prepare_pixels,
)
from cellwright.search_spaces.task import check_task


@channels_last()
def build_mnasnet(
    genotype: MnasNetGenotype,
    input_shape: Sequence[int],
    classes: int | None,
    *,
    width: float = 1.0,
    depth: float = 1.0,
    filters: int | None = None,
    stem_stride: int = 2,
    dropout: float | None = None,
    drop_connect: float | None = None,
    momentum: float | None = None,
    pixels: Pixels | None = None,
    seed: int | None = None,
) -> keras.Model:
    """Stem, blocks and head: an image classifier that ends in a softmax.

    Args:
        genotype: What to build.
        input_shape: (height, width, channels), any size; strides round up.
        classes: At least 2; None for regression.
        width: Multiplies the channels, above 0; see `MnasNetGenotype.scaled`.
        depth: Multiplies the layers of each block, above 0.
        filters: Another way to say ``width``: the channels of the stem, over the genotype's own.
        stem_stride: Stride of the first convolution, 1 or 2; 1 keeps small images from vanishing.
        dropout: In place of the genotype's own, 0 up to below 1.
        drop_connect: In place of the genotype's own, 0 up to below 1.
        momentum: Momentum of the batch normalisations, in place of the family's own; 0.9 learns
            faster where training is short.
        pixels: What the weights that will be loaded were trained on, such as
            ``FACTS["mobilenet-v2"].pixels``: the network then begins with a layer that makes these
            values of pixels of 0 to 255, or of 0 to 1 with ``.with_white(1)``. None leaves that to
            you, and takes images as they are.
        seed: Fixes the initial weights.

    Returns:
        An uncompiled model, (batch, height, width, channels) -> (batch, classes), or (batch, 1) for
        regression.

    Raises:
        UnbuildableChild: If an argument is out of range.
    """
    dropout = genotype.dropout if dropout is None else dropout
    drop_connect = genotype.drop_connect if drop_connect is None else drop_connect
    momentum = FAMILIES[genotype.family].momentum if momentum is None else momentum
    _check(input_shape, classes, stem_stride, dropout, drop_connect)
    _check_pixels(pixels, input_shape[-1])
    genotype = genotype.scaled(genotype.width_of(width, filters), depth)
    root, activation = Context("", seed, momentum), genotype.activation
    image = keras.Input(tuple(input_shape), name="image")  # (batch, height, width, channels)
    at = root.inside("stem")
    normalises = FAMILIES[genotype.family].normalises
    x = prepare_pixels(image, pixels, normalises, root.inside("pixels"))
    x = normal_convolution(x, genotype.stem, 3, stem_stride, at, activation)
    before, layers = 0, sum(block.layers for block in genotype.blocks)
    for number, block in enumerate(genotype.blocks, start=1):
        for layer in range(1, block.layers + 1):
            stride = block.stride if layer == 1 else 1
            drop = drop_connect * before / layers
            x = build_layer(block, x, stride, root.inside(f"block_{number}_{layer}"), drop)
            before += 1
    x = normal_convolution(x, genotype.head, 1, 1, root.inside("head"), activation)
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)  # (batch, head)
    x = dense(x, genotype.features, root.inside("features"), activation)
    if dropout:
        seed_of = root.seed_of("dropout")
        x = keras.layers.Dropout(dropout, seed=seed_of, name="dropout")(x)
    outputs = main_output(x, classes, root)
    return keras.Model(image, outputs, name=genotype.name.replace(".", "_") or "child")


def _check(
    input_shape: Sequence[int],
    classes: int | None,
    stem_stride: int,
    dropout: float,
    drop_connect: float,
) -> None:
    check_task(input_shape, classes)
    if stem_stride not in (1, 2):
        raise UnbuildableChild(f"stem_stride must be 1 or 2, got {stem_stride}")
    for name, share in (("dropout", dropout), ("drop_connect", drop_connect)):
        if not 0 <= share < 1:
            raise UnbuildableChild(f"{name} must be in 0..1, 1 left out, got {share}")


def _check_pixels(pixels: Pixels | None, channels: int) -> None:
    if pixels is not None and not isinstance(pixels, Pixels):
        raise UnbuildableChild(
            f"pixels must be what FACTS tells of a published network, or None, got {pixels!r}"
        )
    if pixels is not None and channels != len(pixels.mean):
        raise UnbuildableChild(
            f"pixels are known by red, green and blue, and the images have {channels} channels"
        )
