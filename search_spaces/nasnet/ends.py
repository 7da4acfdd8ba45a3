"""What comes before the first cell and after the last one."""

from __future__ import annotations

from collections.abc import Sequence

import keras

from cellwright.search_spaces.classifier import main_output, output_layer
from cellwright.search_spaces.context import Context, Tensor
from cellwright.search_spaces.convolution import normalised_convolution
from cellwright.search_spaces.errors import UnbuildableChild
from cellwright.search_spaces.nasnet.skeleton import Skeleton

_AUXILIARY_WINDOW, _AUXILIARY_FILTERS = 5, (128, 768)


def stem(image: Tensor, skeleton: Skeleton, root: Context) -> Sequence[Tensor]:
    """What the first cell reads, its current input last: a 3x3 convolution and batch normalisation;
    in the book the image itself; in DARTS twice the same, or for large images two feature maps."""
    if skeleton.kind == "book":
        return [image]
    if skeleton.kind == "darts-imagenet":
        early = stem_piece(image, "stem", skeleton, root)
        return [early, stem_piece(early, "stem_late", skeleton, root)]
    return [stem_piece(image, "stem", skeleton, root)] * skeleton.stems


def stem_piece(image: Tensor, piece: str, skeleton: Skeleton, root: Context) -> Tensor:
    """One piece of the stem: the whole of it, or one of the two of DARTS for large images.

    ``"stem"`` leads to a quarter of the height and width there, ``"stem_late"`` to half of these.
    """
    if skeleton.kind == "darts-imagenet":
        if piece == "stem_late":
            return _halving(image, skeleton.filters, root.inside("stem_3"), relu=True)
        x = _halving(image, skeleton.stem_width, root.inside("stem_1"), relu=False)
        return _halving(x, skeleton.filters, root.inside("stem_2"), relu=True)
    large = skeleton.has_stem_cells
    # (batch, height, width, stem filters), or (height - 1) // 2 for large images
    return normalised_convolution(
        image,
        skeleton.stem_width,
        (3, 3),
        root.inside("stem"),
        strides=2 if large else 1,
        padding="valid" if large else "same",
    )


def _halving(x: Tensor, filters: int, at: Context, *, relu: bool) -> Tensor:
    if relu:
        x = keras.layers.ReLU(name=f"{at.prefix}_relu")(x)
    # (batch, height / 2, width / 2, filters), rounded up
    return normalised_convolution(x, filters, (3, 3), at, strides=2, padding="same")


def head(x: Tensor, classes: int | None, skeleton: Skeleton, root: Context) -> Tensor:
    """ReLU (as in NASNet), global average pooling, dropout, output layer."""
    if skeleton.kind != "book" and not skeleton.is_darts:
        x = keras.layers.ReLU(name="head_relu")(x)
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)  # (batch, channels)
    if skeleton.dropout:
        seed = root.seed_of("dropout")
        x = keras.layers.Dropout(skeleton.dropout, seed=seed, name="dropout")(x)
    return main_output(x, classes, root)


def auxiliary_head(x: Tensor, classes: int | None, root: Context) -> Tensor:
    """The second classifier, which helps to train the first half of a large network.

    Raises:
        UnbuildableChild: If the feature map is smaller than 5x5.
    """
    height, width = x.shape[1:3]
    if min(height, width) < _AUXILIARY_WINDOW:
        raise UnbuildableChild(
            f"the auxiliary head needs feature maps of at least 5x5, here they are "
            f"{height}x{width}; use larger images, or auxiliary=False"
        )
    at = root.inside("auxiliary")
    narrow, wide = _AUXILIARY_FILTERS
    x = keras.layers.ReLU(name=f"{at.prefix}_relu")(x)
    x = keras.layers.AveragePooling2D(_AUXILIARY_WINDOW, strides=3, name=f"{at.prefix}_avg")(x)
    for filters, kernel, part in ((narrow, (1, 1), "narrow"), (wide, x.shape[1:3], "whole")):
        inside = at.inside(part)  # (batch, height, width, 128), then (batch, 1, 1, 768)
        x = normalised_convolution(x, filters, kernel, inside)
        x = keras.layers.ReLU(name=f"{inside.prefix}_relu")(x)
    x = keras.layers.Flatten(name=f"{at.prefix}_flatten")(x)
    return output_layer(x, classes, at)
