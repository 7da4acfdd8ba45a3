"""What a network costs, computed from its layers alone; nothing is run."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from cellwright.search_spaces.arguments import check_model


@dataclass(frozen=True)
class Costs:
    """Sizes of a network.

    Attributes:
        parameters: All weights.
        trainable: All but the moving statistics of batch normalisation.
        multiply_adds: For one image; see `multiply_adds`.
    """

    parameters: int
    trainable: int
    multiply_adds: int


def costs(model: Any) -> Costs:
    """Weights and multiply-adds of a ``keras.Model`` of fixed input size.

    Raises:
        ValueError: See `multiply_adds`.
    """
    check_model(model)
    trainable = sum(math.prod(weight.shape) for weight in model.trainable_weights)
    return Costs(model.count_params(), trainable, multiply_adds(model))


def multiply_adds(model: Any) -> int:
    """Multiplications of convolutions and dense layers for one image, as papers count them.

    Biases, normalisations, activations and pools are left out, as is usual.

    Args:
        model: A ``keras.Model`` of fixed input size.

    Raises:
        ValueError: If a layer's output has no fixed size, or it is used more than once.
    """
    return sum(multiply_adds_of(layer) for layer in model._flatten_layers(include_self=False))


def depth(model: Any) -> int:
    """Weight layers, convolutions and dense ones, on the longest path from input to output.

    A depthwise and a pointwise convolution count as two, as in the MobileNet paper (Howard et al.
    2017, section 3.2), even where they are one Keras layer. Normalisations, activations and pools
    do not count. The longest path is the one with the most weight layers; it may lead through the
    two convolutions of a squeeze-and-excitation.

    Args:
        model: A functional or sequential ``keras.Model``.

    Raises:
        ValueError: If a layer is used more than once, or is a functional model itself.
    """
    import keras

    check_model(model)
    depths = {id(tensor): 0 for tensor in model.inputs}

    def deepest(tensors: list[Any]) -> int:
        if any(id(tensor) not in depths for tensor in tensors):
            raise ValueError(
                f"the depth of {model.name!r} cannot be counted: each of its layers must be used "
                "once, and none may be a functional model"
            )
        return max((depths[id(tensor)] for tensor in tensors), default=0)

    for operation in keras.Model(model.inputs, model.outputs).operations:  # in topological order
        before = deepest(tensors_of(operation, "input"))
        after = before + len(_kernels(operation))
        depths |= {id(tensor): after for tensor in tensors_of(operation, "output")}
    return deepest(model.outputs)


def multiply_adds_of(layer: Any) -> int:
    """Multiply-adds of one layer; 0 for a model within the model, whose own layers are counted.

    Raises:
        ValueError: See `multiply_adds`.
    """
    kernels = _kernels(layer)
    if not kernels or getattr(layer, "layers", None):
        return 0
    shape = tensors_of(layer, "output")[0].shape
    positions = tuple(shape[1:-1])  # (batch, height, width, channels) or (batch, features)
    if None in positions:
        raise ValueError(f"layer {layer.name!r} has no fixed output size: {shape}")
    # Each weight of a kernel is multiplied once at every place of the output.
    return int(math.prod(positions) * sum(math.prod(kernel.shape) for kernel in kernels))


def tensors_of(layer: Any, end: str) -> list[Any]:
    """The tensors that a layer reads (``"input"``) or gives (``"output"``)."""
    import keras

    try:
        found = getattr(layer, end)
    except (AttributeError, ValueError) as error:
        raise ValueError(f"layer {layer.name!r} must be used once to be counted: {error}") from None
    return list(keras.tree.flatten(found))


def _kernels(layer: Any) -> list[Any]:
    """Kernels of a layer; an operation without weights, such as ``keras.ops.add``, has none."""
    weights = getattr(layer, "weights", ())
    return [weight for weight in weights if weight.name.endswith("kernel")]
