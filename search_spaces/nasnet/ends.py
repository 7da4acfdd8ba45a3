"""What comes before the first cell and after the last one."""

from __future__ import annotations

import keras

from cellwright.search_spaces.classifier import main_output, output_layer
from cellwright.search_spaces.context import Context, Tensor
from cellwright.search_spaces.errors import UnbuildableChild
from cellwright.search_spaces.nasnet.skeleton import Skeleton

_AUXILIARY_WINDOW, _AUXILIARY_FILTERS = 5, (128, 768)


def stem(image: Tensor, skeleton: Skeleton, root: Context) -> Tensor:
    """A 3x3 convolution and batch normalisation; in the book the image itself."""
    if skeleton.kind == "book":
        return image
    at = root.inside("stem")
    large = skeleton.kind == "imagenet"
    x = keras.layers.Conv2D(
        skeleton.stem_width,
        3,
        strides=2 if large else 1,
        padding="valid" if large else "same",
        use_bias=False,
        kernel_initializer=at.initializer("convolution"),
        name="stem_convolution",
    )(image)  # (batch, height, width, stem filters), or (height - 1) // 2 for large images
    return at.normalise(x)


def head(x: Tensor, classes: int | None, skeleton: Skeleton, root: Context) -> Tensor:
    """ReLU (not in the book), global average pooling, dropout, output layer."""
    if skeleton.kind != "book":
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
    x = _convolution(x, narrow, (1, 1), at.inside("narrow"))  # (batch, height, width, 128)
    x = _convolution(x, wide, x.shape[1:3], at.inside("whole"))  # (batch, 1, 1, 768)
    x = keras.layers.Flatten(name=f"{at.prefix}_flatten")(x)
    return output_layer(x, classes, at)


def _convolution(x: Tensor, filters: int, kernel: tuple[int, int], at: Context) -> Tensor:
    x = keras.layers.Conv2D(
        filters,
        kernel,
        use_bias=False,
        kernel_initializer=at.initializer("convolution"),
        name=f"{at.prefix}_convolution",
    )(x)
    return keras.layers.ReLU(name=f"{at.prefix}_relu")(at.normalise(x))
