"""What a MnasNet consists of: its pieces, and each as a small network to be timed.

A piece is a convolution with its normalisation and activation, a squeeze-and-excitation, or a skip;
whole layers come in some thousand varieties. The walk is that of `child`, in numbers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from cellwright.search_spaces.errors import InvalidArchitecture
from cellwright.search_spaces.mnasnet.genotype import MnasBlock, MnasNetGenotype, scaled, skip_of
from cellwright.search_spaces.pieces import Node, Piece, PieceGraph

if TYPE_CHECKING:
    from cellwright.search_spaces.context import Context, Tensor


def count_pieces(
    genotype: MnasNetGenotype,
    input_shape: Sequence[int],
    classes: int | None,
    *,
    width: float = 1.0,
    filters: int | None = None,
    stem_stride: int = 2,
    **training: Any,
) -> Counter[Piece]:
    """The pieces of what `child.build_mnasnet` makes; what only training needs has none."""
    if filters is not None:
        width = filters / genotype.stem
    graph = PieceGraph(input_shape)
    x = _add(graph, "convolution_3", graph.image, scaled(genotype.stem, width), stem_stride)
    for block in genotype.blocks:
        wide = scaled(block.filters, width)
        for layer in range(block.layers):
            x = _layer(graph, block, x, wide, block.stride if layer == 0 else 1)
    x = _add(graph, "convolution_1", x, genotype.head)
    return graph.count(_add(graph, "classes", x, classes or 1))


def _add(graph: PieceGraph, operation: str, x: Node, filters: int, stride: int = 1) -> Node:
    return graph.add(Piece(operation, x.shape, filters, stride), x)


def _layer(graph: PieceGraph, block: MnasBlock, inputs: Node, filters: int, stride: int) -> Node:
    """See `child.build_layer`."""
    channels = inputs.shape[2]
    squeezed = max(1, int(channels * block.squeeze)) if block.squeeze else 0
    if block.convolution == "conv":
        x = _add(graph, f"convolution_{block.kernel}", inputs, filters, stride)
        x = _squeeze(graph, x, squeezed)
    else:
        x, wide = inputs, channels * block.expansion
        if block.expansion > 1:
            x = _add(graph, "convolution_1", x, wide)
        x = _squeeze(graph, _add(graph, f"depthwise_{block.kernel}", x, wide, stride), squeezed)
        x = _add(graph, "project", x, filters)
    skip = skip_of(block.skip, channels, filters, stride)
    if skip == "none":
        return x
    if skip == "pool":
        inputs = _add(graph, "pool", inputs, filters, stride)
    return graph.add(Piece("add", x.shape, filters), x, inputs)


def _squeeze(graph: PieceGraph, x: Node, squeezed: int) -> Node:
    return _add(graph, f"squeeze_{squeezed}", x, x.shape[2]) if squeezed else x


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
    from cellwright.search_spaces.mnasnet import child
    from cellwright.search_spaces.pooling import average

    kind, _, number = piece.operation.partition("_")
    filters, stride = piece.filters, piece.stride
    if kind == "convolution":
        return child.normal_convolution(x, filters, int(number), stride, at)
    if kind == "depthwise":
        return child.depthwise(x, int(number), stride, at)
    if kind == "project":
        return child.project(x, filters, at)
    if kind == "squeeze":
        return child.squeeze_and_excite(x, int(number), at)
    if kind == "pool":
        return average(x, 3, stride, "pool")
    if kind == "add":
        return keras.layers.Add()([x, x])
    if kind == "classes":
        x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
        return main_output(x, filters if filters > 1 else None, at)
    raise InvalidArchitecture(f"a MnasNet has no piece {piece.operation!r}")
