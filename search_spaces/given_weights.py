"""Weights that are given to a layer from elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray


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
