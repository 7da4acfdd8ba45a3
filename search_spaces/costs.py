"""What a network costs, computed from its layers alone; nothing is run."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from cellwright.search_spaces.arguments import check_model
from cellwright.search_spaces.multiplications import kernels_of, multiply_adds


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
        after = before + len(kernels_of(operation))
        depths |= {id(tensor): after for tensor in tensors_of(operation, "output")}
    return deepest(model.outputs)


def tensors_of(layer: Any, end: str) -> list[Any]:
    """The tensors that a layer reads (``"input"``) or gives (``"output"``)."""
    import keras

    try:
        found = getattr(layer, end)
    except (AttributeError, ValueError) as error:
        raise ValueError(f"layer {layer.name!r} must be used once to be counted: {error}") from None
    return list(keras.tree.flatten(found))
