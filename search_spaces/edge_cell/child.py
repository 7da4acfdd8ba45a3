"""From a cell with operations on its edges to a Keras child network."""

from __future__ import annotations

from collections.abc import Sequence

import keras

from cellwright.search_spaces.classifier import main_output
from cellwright.search_spaces.context import Context, Tensor
from cellwright.search_spaces.convolution import normalised_convolution
from cellwright.search_spaces.edge_cell.graph import KERNELS, NONE, POOL, Edge, Edges, name_of, wire
from cellwright.search_spaces.edge_cell.skeleton import check_skeleton
from cellwright.search_spaces.keras_settings import channels_last
from cellwright.search_spaces.pooling import average


@channels_last()
def build_edge_cells(
    cell: Edges,
    input_shape: Sequence[int],
    classes: int | None,
    name: str = "child",
    *,
    repeats: int = 5,
    filters: int = 16,
    reductions: int = 2,
    dead_edges: bool = False,
    momentum: float = 0.9,
    seed: int | None = None,
) -> keras.Model:
    """NAS-Bench-201's skeleton (Dong and Yang 2020, section 2.1): an image classifier.

    A 3x3 convolution; ``reductions + 1`` stacks of ``repeats`` cells, and between them a residual
    block that halves height and width and doubles the channels; batch normalisation, ReLU, global
    average pooling and a dense layer. Convolutions of a cell are ReLU, convolution, batch
    normalisation, and its pool averages over the pixels that exist.

    Edges without effect are left out, as they would take time and memory and learn nothing. The
    table of NAS-Bench-201 counts the parameters of networks that have them: ``dead_edges=True``
    builds such a one, with ``none`` as the difference of a feature map and itself. There an
    operation that reads nothing but zeros is not quite without effect: its normalisation adds a
    constant to each channel.

    Args:
        cell: See `graph`.
        input_shape: (height, width, channels), from 2 ** ``reductions`` pixels a side.
        classes: At least 2; None for regression.
        name: Name of the model.
        repeats: N, the cells of each stack, at least 1.
        filters: Channels of the first stack, at least 1.
        reductions: Residual blocks between stacks, at least 0.
        dead_edges: Whether edges without effect are built, too.
        momentum: Momentum of the batch normalisations; their epsilon is 1e-5.
        seed: Fixes the initial weights.

    Returns:
        An uncompiled model, (batch, height, width, channels) -> (batch, classes), or (batch, 1) for
        regression.

    Raises:
        UnbuildableChild: If an argument is out of range, or the image is too small.
    """
    check_skeleton(
        input_shape,
        classes,
        repeats=repeats,
        filters=filters,
        reductions=reductions,
        dead_edges=dead_edges,
    )
    root = Context("", seed, momentum, epsilon=1e-5)
    image = keras.Input(tuple(input_shape), name="image")  # (batch, height, width, channels)
    x = stem(image, filters, root)
    number = 0
    for stack in range(reductions + 1):
        if stack:
            x = reduction(x, filters * 2**stack, root.inside(f"reduction_{stack}"))
        for _ in range(repeats):
            number += 1
            x = build_cell(cell, x, root.inside(f"cell_{number}"), dead_edges=dead_edges)
    return keras.Model(image, head(x, classes, root), name=name)


def build_cell(cell: Edges, x: Tensor, at: Context, *, dead_edges: bool = False) -> Tensor:
    """One cell; it keeps the shape of ``x``. Without a path to its output it gives zeros."""

    def apply(operation: str, x: Tensor, edge: Edge) -> Tensor:
        return edge_operation(operation, x, at.inside(f"edge_{name_of(edge)}_{operation}"))

    def join(parts: list[Tensor], node: int) -> Tensor:
        return keras.layers.Add(name=f"{at.prefix}_node_{node}")(parts)

    made = wire(cell, x, apply, join, dead_edges=dead_edges)
    return edge_operation(NONE, x, at.inside("zero")) if made is None else made


def edge_operation(operation: str, x: Tensor, at: Context) -> Tensor:
    """What an edge makes of a feature map, in the same shape."""
    if operation in KERNELS:
        kernel = KERNELS[operation]
        return relu_convolution(x, x.shape[-1], kernel, at)
    if operation == POOL:
        return average(x, 3, 1, f"{at.prefix}_average")
    if operation == NONE:
        # Zeros of the same shape. A Rescaling by 0 would need TensorFlow on every backend.
        return keras.layers.Subtract(name=f"{at.prefix}_zeros")([x, x])
    return x


def relu_convolution(x: Tensor, filters: int, kernel: int, at: Context, stride: int = 1) -> Tensor:
    """ReLU, convolution without a bias, batch normalisation."""
    x = keras.layers.ReLU(name=f"{at.prefix}_relu")(x)
    # (batch, height / stride, width / stride, filters), rounded up
    return normalised_convolution(x, filters, (kernel, kernel), at, strides=stride, padding="same")


def reduction(x: Tensor, filters: int, at: Context) -> Tensor:
    """Two 3x3 convolutions, the first of stride 2, beside an average of 2x2 pixels and a 1x1
    convolution without normalisation; both added (``ResNetBasicblock`` of the authors' code)."""
    shortcut = keras.layers.AveragePooling2D(
        2, strides=2, padding="same", name=f"{at.prefix}_shortcut_average"
    )(x)
    shortcut = keras.layers.Conv2D(
        filters,
        1,
        use_bias=False,
        kernel_initializer=at.initializer("shortcut"),
        name=f"{at.prefix}_shortcut",
    )(shortcut)  # (batch, height / 2, width / 2, filters), rounded up
    x = relu_convolution(x, filters, 3, at.inside("first"), stride=2)
    x = relu_convolution(x, filters, 3, at.inside("second"))
    return keras.layers.Add(name=f"{at.prefix}_add")([shortcut, x])


def stem(image: Tensor, filters: int, root: Context) -> Tensor:
    """A 3x3 convolution and batch normalisation."""
    return normalised_convolution(image, filters, (3, 3), root.inside("stem"), padding="same")


def head(x: Tensor, classes: int | None, root: Context) -> Tensor:
    """Batch normalisation, ReLU, global average pooling, output layer."""
    x = keras.layers.ReLU(name="head_relu")(root.inside("head").normalise(x))
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)  # (batch, channels)
    return main_output(x, classes, root)
