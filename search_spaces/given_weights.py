"""Weights that are given to a layer from elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray


def fitting(weights: Sequence[NDArray[Any]], layer: Any) -> list[NDArray[Any]]:
    """The part of each of the ``weights`` that is as large as that of the ``layer``, which has as
    many dimensions and is no larger: the leading channels, and the centre of a convolution's
    kernel, (height, width, channels, channels)."""
    return [
        value[_part(value.shape, tuple(own.shape))]
        for value, own in zip(weights, layer.weights, strict=True)
    ]


def _part(whole: tuple[int, ...], size: tuple[int, ...]) -> tuple[slice, ...]:
    starts = [0] * len(size)
    if len(size) == 4:
        starts[:2] = [(whole[n] - size[n]) // 2 for n in range(2)]
    return tuple(slice(start, start + length) for start, length in zip(starts, size, strict=True))


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
