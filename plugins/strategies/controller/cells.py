"""Recurrent cells in NumPy, each with its gradient: the parts of a controller.

A cell maps ``x`` and ``h``, the projections of its input and of its last output, each of shape
(gates, ..., units), and its last memory, (..., units), to its next memory and output. ``forward``
also returns what ``backward`` needs. The tests compare both with TensorFlow.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from cellwright.plugins.strategies.arrays import Array


class RecurrentCell(Protocol):
    """What `NASCell` and `LSTM` have in common.

    Attributes:
        gates: How many projections of its input, and of its last output, a cell reads.
    """

    gates: int

    def forward(self, x: Array, h: Array, memory: Array) -> tuple[Array, Array, Any]:
        """The next memory, the next output, and what `backward` needs."""

    def backward(self, saved: Any, d_memory: Array, d_output: Array) -> tuple[Array, Array, Array]:
        """The gradients with respect to ``x``, ``h`` and the last memory."""


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)), elementwise, without overflow."""
    return 0.5 * np.tanh(0.5 * x) + 0.5


class NASCell:
    """The cell that architecture search found (Zoph and Le 2016, appendix A; gates and equations
    as in TensorFlow Addons' ``NASCell``).

    The gates are in the order `ORDER`: first those with a sigmoid, then those with a tanh, then
    those with a ReLU, so that a step takes few calls.
    """

    gates = 8
    ORDER = (0, 2, 5, 7, 4, 6, 1, 3)

    def forward(self, x: Array, h: Array, memory: Array) -> tuple[Array, Array, Any]:
        total = x + h
        total[:4] *= 0.5  # sigmoid(x) = tanh(x / 2) / 2 + 1 / 2
        s = np.tanh(total[:6])
        s[:4] *= 0.5
        s[:4] += 0.5
        g0, g2, g5, g7, g4, g6 = s
        g1 = np.maximum(total[6], 0.0)
        g3 = np.maximum(x[7] * h[7], 0.0)
        u = np.empty((4, *g0.shape))
        np.multiply(g0, g1, out=u[0])
        np.add(g2, g3, out=u[1])
        np.multiply(g4, g5, out=u[2])
        np.add(g6, g7, out=u[3])
        u[3] *= 0.5
        np.tanh(u, out=u)
        u[3] *= 0.5
        u[3] += 0.5
        inner = np.tanh(u[0] + memory)
        new_memory = inner * u[1]
        outer = np.tanh(u[2] + u[3])
        output = np.tanh(new_memory * outer)
        return new_memory, output, (s, g1, g3, x[7], h[7], u, inner, new_memory, outer, output)

    def backward(self, saved: Any, d_memory: Array, d_output: Array) -> tuple[Array, Array, Array]:
        s, g1, g3, x3, h3, u, inner, new_memory, outer, output = saved
        g0, _, g5, _, g4, _ = s
        u0, u1, u2, u3 = u
        d_product = d_output * (1 - output * output)
        d_memory = d_memory + d_product * outer
        d_outer = d_product * new_memory * (1 - outer * outer)
        d_inner = d_memory * u1 * (1 - inner * inner)
        d0 = d_inner * (1 - u0 * u0)
        d1 = d_memory * inner * (1 - u1 * u1)
        d2 = d_outer * (1 - u2 * u2)
        d3 = d_outer * u3 * (1 - u3)
        d_x = np.empty((8, *d0.shape))
        np.multiply(d0, g1, out=d_x[0])
        d_x[1] = d1
        np.multiply(d2, g4, out=d_x[2])
        d_x[3] = d3
        np.multiply(d2, g5, out=d_x[4])
        d_x[5] = d3
        d_x[:4] *= s[:4] * (1 - s[:4])
        d_x[4:6] *= 1 - s[4:] * s[4:]
        np.multiply(d0 * g0, g1 > 0, out=d_x[6])
        d_g3 = d1 * (g3 > 0)
        d_h = d_x.copy()
        np.multiply(d_g3, h3, out=d_x[7])
        np.multiply(d_g3, x3, out=d_h[7])
        return d_x, d_h, d_inner


class LSTM:
    """Long short-term memory (Hochreiter and Schmidhuber 1997) with a forget gate.

    Gates: input, forget, output, candidate.
    """

    gates = 4

    def forward(self, x: Array, h: Array, memory: Array) -> tuple[Array, Array, Any]:
        total = x + h
        total[:3] *= 0.5
        s = np.tanh(total)
        s[:3] *= 0.5
        s[:3] += 0.5
        i, f, o, candidate = s
        new_memory = f * memory + i * candidate
        squashed = np.tanh(new_memory)
        return new_memory, o * squashed, (s, memory, squashed)

    def backward(self, saved: Any, d_memory: Array, d_output: Array) -> tuple[Array, Array, Array]:
        s, memory, squashed = saved
        i, f, o, candidate = s
        d_memory = d_memory + d_output * o * (1 - squashed * squashed)
        d_total = np.stack([d_memory * candidate, d_memory * memory, d_output * squashed, d_memory])
        d_total[:3] *= s[:3] * (1 - s[:3])
        d_total[3] *= i * (1 - candidate * candidate)
        return d_total, d_total, d_memory * f
