"""Weights that are given to a layer from elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray


def leading(weights: Sequence[NDArray[Any]], layer: Any) -> list[NDArray[Any]]:
    """The leading part of each of the ``weights`` that is as large as that of the ``layer``, which
    has as many dimensions and is no larger."""
    return [
        value[tuple(slice(size) for size in own.shape)]
        for value, own in zip(weights, layer.weights, strict=True)
    ]


def give_weights(layer: Any, weights: Sequence[NDArray[Any]]) -> None:
    """Set the weights of a ``keras.Layer``, which then computes with them.

    Keras's ``Normalization`` goes on with earlier ones otherwise: it computes with a copy, which
    ``set_weights`` leaves as it is.

    Raises:
        ValueError: If they do not fit.
    """
    import keras

    layer.set_weights(weights)
    if isinstance(layer, keras.layers.Normalization):
        layer.finalize_state()
