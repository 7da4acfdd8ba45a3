"""Multiplications of a network's weights, counted from its graph; nothing is run."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any

Shape = tuple[int | None, ...]

# They multiply what they are given by itself, which a count of weights does not see.
_PRODUCTS = frozenset({
    "Matmul", "Einsum", "Dot", "Tensordot", "Inner", "Outer", "Vecdot", "Kron", "Conv",
    "ConvTranspose", "DepthwiseConv", "SeparableConv", "DotProductAttention", "Attention",
    "AdditiveAttention",
})  # fmt: skip


def multiply_adds(model: Any) -> int:
    """Multiplications of convolutions and dense layers for one image, as papers count them.

    A layer that is used several times counts each time; so do the steps of a recurrent layer and
    what a ``TimeDistributed`` layer repeats. Biases, normalisations, activations, pools and
    embeddings are left out, as is usual.

    Args:
        model: A functional or sequential ``keras.Model`` of fixed input size.

    Raises:
        ValueError: If an output has no fixed size, or an operation multiplies in a way that is not
            counted, as attention does.
    """
    return sum(multiply_adds_by_layer(model).values())


def multiply_adds_by_layer(model: Any) -> dict[int, int]:
    """Multiply-adds of each operation of a model, by its ``id``; a model within it is one of them.

    Raises:
        ValueError: See `multiply_adds`.
    """
    counted: dict[int, int] = {}
    for node in chain.from_iterable(_graph(model)._nodes_by_depth.values()):
        operation = node.operation
        if not node.is_input:
            inputs = [tuple(tensor.shape) for tensor in node.input_tensors]
            outputs = [tuple(tensor.shape) for tensor in node.output_tensors]
            found = _count(operation, inputs, outputs)
            counted[id(operation)] = counted.get(id(operation), 0) + found
    return counted


def kernels_of(layer: Any) -> list[Any]:
    """Kernels of a layer; an operation without weights, such as ``keras.ops.add``, has none."""
    weights = getattr(layer, "weights", ())
    return [weight for weight in weights if weight.name.endswith("kernel")]


def _graph(model: Any) -> Any:
    """The functional model whose nodes are a model's operations."""
    import keras

    if isinstance(model, keras.Sequential):
        if not model.built:
            raise _refusal(model, "has no input size yet")
        return keras.Model(model.inputs, model.outputs)
    if not hasattr(model, "_nodes_by_depth"):
        raise _refusal(model, "is a model without a graph")
    return model


def _count(operation: Any, inputs: Sequence[Shape], outputs: Sequence[Shape]) -> int:
    """Multiply-adds of one use of an operation, whose tensors have these shapes."""
    from keras import layers, models

    if isinstance(operation, models.Model):
        return _nested(operation, inputs)
    if isinstance(
        operation, layers.Conv1DTranspose | layers.Conv2DTranspose | layers.Conv3DTranspose
    ):
        return _at(operation, inputs[0])  # each input spreads over the whole kernel
    if isinstance(
        operation,
        layers.Conv1D | layers.Conv2D | layers.Conv3D | layers.DepthwiseConv1D
        | layers.DepthwiseConv2D | layers.SeparableConv1D | layers.SeparableConv2D | layers.Dense,
    ):  # fmt: skip
        return _at(operation, outputs[0])
    if isinstance(operation, layers.EinsumDense):
        return _einsum(operation, outputs[0])
    if isinstance(operation, layers.TimeDistributed):
        return _repeated(operation, inputs[0], outputs[0])
    if isinstance(operation, layers.Bidirectional):
        both = (operation.forward_layer, operation.backward_layer)
        return sum(_recurrent(layer, inputs[0]) for layer in both)
    if isinstance(operation, layers.RNN):
        return _recurrent(operation, inputs[0])
    if type(operation).__name__ in _PRODUCTS or _multiplies(operation):
        raise _refusal(operation, "is of a kind that is not counted")
    return 0


def _multiplies(operation: Any) -> bool:
    """Whether an unknown layer has weights by which features could be mixed: matrices."""
    from keras import layers

    if isinstance(operation, layers.Embedding):
        return False  # rows are looked up
    return any(len(weight.shape) > 1 for weight in getattr(operation, "weights", ()))


def _at(layer: Any, shape: Shape) -> int:
    """Each weight of the kernels is multiplied once at every place of a tensor of this shape."""
    first = getattr(layer, "data_format", None) == "channels_first"
    places = shape[2:] if first else shape[1:-1]
    weights: int = sum(math.prod(kernel.shape) for kernel in kernels_of(layer))
    return _product(places, layer, shape) * weights


def _einsum(layer: Any, shape: Shape) -> int:
    """Each value of the output is a sum over the kernel's indices that the output lacks."""
    read, given = layer.equation.replace(" ", "").split("->")
    sizes = zip(read.split(",")[1], layer.kernel.shape, strict=True)
    summed: int = math.prod(size for index, size in sizes if index not in given)
    return _product(shape[1:], layer, shape) * summed


def _repeated(layer: Any, read: Shape, given: Shape) -> int:
    once = _count(layer.layer, [(read[0], *read[2:])], [(given[0], *given[2:])])
    # A layer that multiplies nothing may be repeated any number of times.
    return once and once * _product(read[1:2], layer, read)


def _recurrent(layer: Any, read: Shape) -> int:
    """Both kernels of a cell are multiplied once in each step."""
    from keras.layers import GRUCell, LSTMCell, SimpleRNNCell, StackedRNNCells

    cell = layer.cell
    cells = cell.cells if isinstance(cell, StackedRNNCells) else [cell]
    if not all(isinstance(cell, LSTMCell | GRUCell | SimpleRNNCell) for cell in cells):
        raise _refusal(layer, "has cells of a kind that is not counted")
    weights: int = sum(math.prod(kernel.shape) for cell in cells for kernel in kernels_of(cell))
    return weights * _product(read[1:2], layer, read)


def _nested(model: Any, inputs: Sequence[Shape]) -> int:
    """A model within a model, which may be called with other shapes than it was made with."""
    import keras

    graph = _graph(model)
    if [tuple(tensor.shape)[1:] for tensor in graph.inputs] != [shape[1:] for shape in inputs]:
        fresh = [
            keras.Input(shape[1:], dtype=tensor.dtype)
            for shape, tensor in zip(inputs, graph.inputs, strict=True)
        ]
        graph = keras.models.clone_model(graph, input_tensors=fresh)
    return multiply_adds(graph)


def _product(sizes: Iterable[int | None], layer: Any, shape: Shape) -> int:
    product = 1
    for size in sizes:
        if size is None:
            raise ValueError(
                f"layer {layer.name!r} has no fixed output size: {shape}. Build the network with a "
                "fixed input size"
            )
        product *= size
    return product


def _refusal(operation: Any, why: str) -> ValueError:
    return ValueError(
        f"the multiply-adds of {operation.name!r} cannot be counted: this "
        f"{type(operation).__name__} {why}. Counted are convolutions, dense and recurrent "
        "layers; a meter of your own can count other ones (docs/meters.md)"
    )
