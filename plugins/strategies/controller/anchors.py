"""Anchor points: how a controller chooses connections (Zoph and Le 2016, section 3.3)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cellwright.plugins.strategies.arrays import Array
from cellwright.plugins.strategies.controller.recurrent import Weights, sum_of_outer


class Attention:
    """P(j -> i) = sigmoid(v . tanh(W_previous h_j + W_current h_i)), for anchor points j < i.

    Here h are the controller's outputs at the anchor points. Pairs are in the order of the
    decisions: 0 -> 1, 0 -> 2, 1 -> 2, 0 -> 3, ... The caller holds the weights, by name.

    Args:
        number: Anchor points.
        units: Width of the outputs.
    """

    def __init__(self, number: int, units: int) -> None:
        self.units = units
        self.target, self.source = np.tril_indices(number, -1)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The weights' names and shapes, in order."""
        square = (self.units, self.units)
        return {"previous": square, "current": square, "vector": (self.units,)}

    def newest(self, weights: Weights, outputs: Sequence[Array]) -> Array:
        """Logits of the connections into the last of ``outputs``, each (batch, units), from each
        of those before it: (sources, batch)."""
        before = np.array(outputs[:-1]).reshape(-1, *outputs[-1].shape)
        inner = np.tanh(before @ weights["previous"] + outputs[-1] @ weights["current"])
        return np.asarray(inner @ weights["vector"])

    def forward(self, weights: Weights, outputs: Array) -> tuple[Array, Array]:
        """From outputs (anchor points, batch, units) to logits (pairs, batch), and what `backward`
        needs."""
        previous, current = outputs @ weights["previous"], outputs @ weights["current"]
        inner = np.tanh(previous[self.source] + current[self.target])  # (pairs, batch, units)
        return inner @ weights["vector"], inner

    def backward(
        self, weights: Weights, gradients: Weights, outputs: Array, inner: Array, d_logits: Array
    ) -> Array:
        """Write the gradients of the weights; return the gradient with respect to ``outputs``."""
        gradients["vector"][:] = (d_logits[..., None] * inner).sum(axis=(0, 1))
        d_inner = d_logits[..., None] * weights["vector"] * (1 - inner * inner)
        d_outputs = np.zeros_like(outputs)
        for name, places in (("previous", self.source), ("current", self.target)):
            d_projected = np.zeros_like(outputs)
            np.add.at(d_projected, places, d_inner)
            flat = (outputs.reshape(-1, self.units), d_projected.reshape(-1, self.units))
            gradients[name][:] = sum_of_outer(*flat)
            d_outputs += d_projected @ weights[name].T
        return d_outputs
