"""What a MnasNet consists of: its pieces, and each as a small network to be timed.

A piece is a convolution with its normalisation and activation, a squeeze-and-excitation, or a skip;
whole layers come in some thousand varieties. The walk is that of `child`, in numbers. A piece is
named for what it is and its size, and for an activation that is not ReLU, or a kind of squeeze that
is not MnasNet's: ``depthwise_5_swish``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from cellwright.search_spaces.errors import InvalidArchitecture
from cellwright.search_spaces.mnasnet.block import EXPANDING, MnasBlock
from cellwright.search_spaces.mnasnet.facts import HALF, Pixels
from cellwright.search_spaces.mnasnet.families import FAMILIES, expanded, skip_of, squeezed
from cellwright.search_spaces.mnasnet.genotype import MnasNetGenotype
from cellwright.search_spaces.pieces import Node, Piece, PieceGraph

if TYPE_CHECKING:
    from cellwright.search_spaces.context import Context, Tensor


def count_pieces(
    genotype: MnasNetGenotype,
    input_shape: Sequence[int],
    classes: int | None,
    *,
    width: float = 1.0,
    depth: float = 1.0,
    filters: int | None = None,
    stem_stride: int = 2,
    pixels: Pixels | None = None,
    **training: Any,
) -> Counter[Piece]:
    """The pieces of what `child.build_mnasnet` makes; what only training needs has none."""
    genotype = genotype.scaled(genotype.width_of(width, filters), depth)
    graph, activation = PieceGraph(input_shape), genotype.activation
    x = graph.image
    if pixels is not None:
        x = _add(graph, "rescale", x, x.shape[2])
    if FAMILIES[genotype.family].normalises:
        x = _add(graph, "normalise", x, x.shape[2])
    x = _add(graph, _named("convolution_3", activation), x, genotype.stem, stem_stride)
    for block in genotype.blocks:
        for layer in range(block.layers):
            x = _layer(graph, block, x, block.stride if layer == 0 else 1)
    x = _add(graph, _named("convolution_1", activation), x, genotype.head)
    features = genotype.features
    end = _named(f"classes_{features}", activation) if features else "classes"
    return graph.count(_add(graph, end, x, classes or 1))


def _named(operation: str, kind: str, usual: str = "relu") -> str:
    return operation if kind == usual else f"{operation}_{kind}"


def _add(graph: PieceGraph, operation: str, x: Node, filters: int, stride: int = 1) -> Node:
    return graph.add(Piece(operation, x.shape, filters, stride), x)


def _layer(graph: PieceGraph, block: MnasBlock, inputs: Node, stride: int) -> Node:
    """See `layers.build_layer`."""
    channels, filters, kernel = inputs.shape[2], block.filters, block.kernel
    wide = expanded(channels, block.expansion)
    weighed = filters if block.convolution == "conv" else wide
    to = squeezed(block.squeeze_kind, block.squeeze, channels, weighed)
    squeeze = _named(f"squeeze_{to}", block.squeeze_kind, "mnasnet") if to else ""
    full, pointwise, depthwise = (
        _named(name, block.activation)
        for name in (f"convolution_{kernel}", "convolution_1", f"depthwise_{kernel}")
    )
    x = inputs
    if block.convolution in ("conv", "fused"):
        x = _add(graph, full, x, weighed, stride)
    else:
        if block.convolution in EXPANDING:
            x = _add(graph, pointwise, x, wide)
        x = _add(graph, depthwise, x, wide, stride)
    if squeeze:
        x = _add(graph, squeeze, x, weighed)
    if block.convolution != "conv":
        x = _add(graph, "project", x, filters)
    skip = skip_of(block.skip, channels, filters, stride)
    if skip == "none":
        return x
    if skip == "pool":
        inputs = _add(graph, "pool", inputs, filters, stride)
    return graph.add(Piece("add", x.shape, filters), x, inputs)


def build_piece(piece: Piece) -> Any:
    """A piece as a ``keras.Model`` of one input and one output.

    Raises:
        InvalidArchitecture: If a MnasNet has no such piece.
    """
    import keras

    from cellwright.search_spaces.context import Context
    from cellwright.search_spaces.keras_settings import channels_last

    with channels_last():
        x = keras.Input(piece.shape, name="image")
        return keras.Model(x, _output(piece, x, Context("piece", 0)), name="piece")


def _output(piece: Piece, x: Tensor, at: Context) -> Tensor:
    import keras

    from cellwright.search_spaces.classifier import main_output
    from cellwright.search_spaces.mnasnet import layers
    from cellwright.search_spaces.pooling import average

    kind, *rest = piece.operation.split("_", 2)
    number, how = (*rest, "", "")[:2]
    filters, stride = piece.filters, piece.stride
    if kind in ("rescale", "normalise"):
        pixels = HALF if kind == "rescale" else None
        return layers.prepare_pixels(x, pixels, kind == "normalise", at)
    if kind == "convolution":
        return layers.normal_convolution(x, filters, int(number), stride, at, how or "relu")
    if kind == "depthwise":
        return layers.depthwise(x, int(number), stride, at, how or "relu")
    if kind == "project":
        return layers.project(x, filters, at)
    if kind == "squeeze":
        return layers.squeeze_and_excite(x, int(number), at, how or "mnasnet")
    if kind == "pool":
        return average(x, 3, stride, "pool")
    if kind == "add":
        return keras.layers.Add()([x, x])
    if kind == "classes":
        x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
        x = layers.dense(x, int(number or 0), at.inside("features"), how or "relu")
        return main_output(x, filters if filters > 1 else None, at)
    raise InvalidArchitecture(f"a MnasNet has no piece {piece.operation!r}")
