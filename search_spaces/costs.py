"""What a network costs, from its layers alone: nothing is run."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Costs:
    """Sizes of a network.

    Attributes:
        parameters: All weights.
        trainable: Without the moving statistics of batch normalisation.
        multiply_adds: Of one image; see `multiply_adds`.
    """

    parameters: int
    trainable: int
    multiply_adds: int


def costs(model: Any) -> Costs:
    """Weights and multiply-adds of a ``keras.Model`` of fixed input size.

    Raises:
        ValueError: See `multiply_adds`.
    """
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
    return sum(_of_layer(layer) for layer in model._flatten_layers(include_self=False))


def _of_layer(layer: Any) -> int:
    kernels = [weight for weight in layer.weights if weight.name.endswith("kernel")]
    if not kernels or getattr(layer, "layers", None):
        return 0  # a layer without a kernel, or one whose own layers are counted
    try:
        shape = layer.output.shape
    except (AttributeError, ValueError) as error:
        raise ValueError(f"layer {layer.name!r} must be used once to be counted: {error}") from None
    positions = tuple(shape[1:-1])  # (batch, height, width, channels) or (batch, features)
    if None in positions:
        raise ValueError(f"layer {layer.name!r} has no fixed output size: {shape}")
    # Each weight of a kernel is multiplied once at every place of the output.
    return int(math.prod(positions) * sum(math.prod(kernel.shape) for kernel in kernels))
