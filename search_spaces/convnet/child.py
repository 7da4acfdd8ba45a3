"""From a genotype of layers to a Keras child network."""

from __future__ import annotations

import math
from collections.abc import Sequence

import keras

from cellwright.search_spaces.arguments import LARGEST, check_integer
from cellwright.search_spaces.classifier import main_output
from cellwright.search_spaces.context import Context, Tensor
from cellwright.search_spaces.convnet.genotype import ConvLayer, ConvNetGenotype
from cellwright.search_spaces.errors import UnbuildableChild
from cellwright.search_spaces.keras_settings import channels_last
from cellwright.search_spaces.task import check_task


@channels_last()
def build_convnet(
    genotype: ConvNetGenotype,
    input_shape: Sequence[int],
    classes: int | None,
    *,
    width: float = 1.0,
    filters: int | None = None,
    momentum: float = 0.9,
    seed: int | None = None,
) -> keras.Model:
    """Layers, then global average pooling and a softmax: an image classifier.

    A layer reads the concatenation (on channels) of the layers that it is connected to, or the
    image if there are none; what nothing reads is concatenated at the end. Where sizes differ the
    smaller are padded with zeros (Zoph and Le 2016, section 3.3).

    The paper leaves open: the order in a layer (here convolution without bias, batch
    normalisation, ReLU), where zeros go (here on all sides alike, an odd one at the bottom or the
    right), how weights begin (here Glorot uniform) and the classifier (here global average pooling
    and one dense layer).

    Args:
        genotype: What to build.
        input_shape: (height, width, channels), any size; strides round up.
        classes: At least 2; None for regression.
        width: Multiplies the filters of all layers, above 0; rounded, at least 1.
        filters: Another way to say ``width``: what the paper's fewest, 24, become.
        momentum: Momentum of the batch normalisations.
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
        width = filters / 24
    _check(input_shape, classes, width)
    root = Context("", seed, momentum)
    image = keras.Input(tuple(input_shape), name="image")  # (batch, height, width, channels)
    made: list[Tensor] = []
    for number, layer in enumerate(genotype.layers, start=1):
        at = root.inside(f"layer_{number}")
        read = {f"{source}": made[source - 1] for source in layer.reads}
        x = joined(read or {"image": image}, at)
        made.append(_layer(layer, x, max(1, round(layer.filters * width)), at))
    x = joined({f"{n}": made[n - 1] for n in genotype.outputs}, root.inside("outputs"))
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)  # (batch, channels)
    outputs = main_output(x, classes, root)
    return keras.Model(image, outputs, name=genotype.name.replace(".", "_") or "child")


def joined(maps: dict[str, Tensor], at: Context) -> Tensor:
    """Feature maps by name, padded with zeros to the largest height and width, concatenated."""
    height = max(x.shape[1] for x in maps.values())
    width = max(x.shape[2] for x in maps.values())
    padded = []
    for name, x in maps.items():
        borders = (_borders(height - x.shape[1]), _borders(width - x.shape[2]))
        if borders != ((0, 0), (0, 0)):
            x = keras.layers.ZeroPadding2D(borders, name=f"{at.prefix}_pad_{name}")(x)
        padded.append(x)
    if len(padded) == 1:
        return padded[0]
    return keras.layers.Concatenate(name=f"{at.prefix}_concatenate")(padded)


def _layer(layer: ConvLayer, x: Tensor, filters: int, at: Context) -> Tensor:
    strides = [layer.stride_height, layer.stride_width]
    # In the gradient of a strided 1x1 convolution TensorFlow's oneDNN kernels write beyond their
    # memory. Where a kernel is one pixel long the pixels between strides are never read: they are
    # left out before, and the result is the same.
    thin = [s if n == 1 else 1 for s, n in zip(strides, (layer.height, layer.width), strict=True)]
    if thin != [1, 1]:
        x = keras.layers.MaxPooling2D(1, strides=tuple(thin), name=f"{at.prefix}_thin")(x)
    x = keras.layers.Conv2D(
        filters,
        (layer.height, layer.width),
        strides=tuple(s // t for s, t in zip(strides, thin, strict=True)),
        padding="same",
        use_bias=False,
        kernel_initializer=at.initializer("convolution"),
        name=f"{at.prefix}_convolution",
    )(x)  # (batch, height / stride, width / stride, filters)
    return keras.layers.ReLU(name=f"{at.prefix}_relu")(at.normalise(x))


def _borders(missing: int) -> tuple[int, int]:
    return missing // 2, missing - missing // 2


def _check(input_shape: Sequence[int], classes: int | None, width: float) -> None:
    check_task(input_shape, classes)
    if not (math.isfinite(width) and width > 0):
        raise UnbuildableChild(f"width (or filters) must be above 0, got width {width}")
