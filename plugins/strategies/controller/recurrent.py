"""Stacked layers of recurrent cells, and their gradient through time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from cellwright.plugins.strategies.arrays import Array
from cellwright.plugins.strategies.controller.cells import RecurrentCell

Weights = Mapping[str, Array]
State = list[tuple[Array, Array]]  # memory and output of each layer, (batch, units) each

# OpenBLAS hands products of more multiplications than this to threads, which keep their cores busy
# for milliseconds afterwards: for matrices of this size that costs more than the product itself.
_ONE_THREAD = 1 << 18


class Recurrent:
    """``layers`` cells of one kind and width; each reads the output of the one below.

    The caller holds the weights, by name: ``input``, ``recurrent`` and ``bias`` of the first layer,
    ``input_2``, ... of the second. The first layer's inputs are already projected by ``input``.
    """

    def __init__(self, cell: RecurrentCell, units: int, layers: int) -> None:
        self.cell, self.units = cell, units
        self.suffixes = ("", *(f"_{number}" for number in range(2, layers + 1)))

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The weights' names and shapes, in order."""
        wide = self.cell.gates * self.units
        shapes: dict[str, tuple[int, ...]] = {}
        for suffix in self.suffixes:
            shapes[f"input{suffix}"] = shapes[f"recurrent{suffix}"] = (self.units, wide)
            shapes[f"bias{suffix}"] = (wide,)
        return shapes

    def begin(self, batch: int) -> State:
        """The state before the first step."""
        nothing = np.zeros((batch, self.units))
        return [(nothing, nothing) for _ in self.suffixes]

    def step(self, weights: Weights, x: Array, state: State) -> tuple[State, list[Any]]:
        """The state after reading ``x``, (gates, batch, units), and what `backward` needs of this
        step."""
        after: State = []
        saved = []
        for suffix, (memory, output) in zip(self.suffixes, state, strict=True):
            if after:
                x = self._gates(after[-1][1] @ weights[f"input{suffix}"])
            h = self._gates(output @ weights[f"recurrent{suffix}"] + weights[f"bias{suffix}"])
            memory, output, kept = self.cell.forward(x, h, memory)
            after.append((memory, output))
            saved.append(kept)
        return after, saved

    def backward(
        self,
        weights: Weights,
        gradients: Weights,
        saved: list[list[Any]],
        outputs: Array,
        d_top: Array,
    ) -> Array:
        """Write the gradients of all weights but ``input``.

        Args:
            weights: By name.
            gradients: Where to write, by name.
            saved: What `step` kept, for each step and layer.
            outputs: (layers, steps, batch, units).
            d_top: Gradient in the last layer's outputs, (steps, batch, units).

        Returns:
            The gradient in the first layer's projected inputs, (steps, batch, gates * units).
        """
        steps, batch, _ = d_top.shape
        layers = range(len(self.suffixes))
        d_x, d_h = (
            [np.empty((steps, batch, self.cell.gates * self.units)) for _ in layers]
            for _ in range(2)
        )
        d_memory, d_next = ([np.zeros((batch, self.units)) for _ in layers] for _ in range(2))
        for t in reversed(range(steps)):
            d_output = d_top[t]
            for layer in reversed(layers):
                d_xt, d_ht, d_memory[layer] = self.cell.backward(
                    saved[t][layer], d_memory[layer], d_output + d_next[layer]
                )
                d_x[layer][t] = d_xt.swapaxes(0, 1).reshape(batch, -1)
                d_h[layer][t] = d_ht.swapaxes(0, 1).reshape(batch, -1)
                d_next[layer] = d_h[layer][t] @ weights[f"recurrent{self.suffixes[layer]}"].T
                if layer:
                    d_output = d_x[layer][t] @ weights[f"input{self.suffixes[layer]}"].T
        for layer, suffix in enumerate(self.suffixes):
            before = np.concatenate([np.zeros((1, batch, self.units)), outputs[layer][:-1]])
            flat = d_h[layer].reshape(steps * batch, -1)
            gradients[f"recurrent{suffix}"][:] = sum_of_outer(_rows(before), flat)
            gradients[f"bias{suffix}"][:] = flat.sum(axis=0)
            if layer:
                below = _rows(outputs[layer - 1])
                gradients[f"input{suffix}"][:] = sum_of_outer(below, _rows(d_x[layer]))
        return d_x[0]

    def _gates(self, flat: Array) -> Array:
        return flat.reshape(len(flat), self.cell.gates, self.units).swapaxes(0, 1)


def rowwise(a: Array, b: Array) -> Array:
    """a @ b, (n, k) @ (k, m), in slabs of rows small enough for one thread."""
    slab = max(1, _ONE_THREAD // b.size)
    return np.concatenate([a[i : i + slab] @ b for i in range(0, len(a), slab)])


def sum_of_outer(a: Array, b: Array) -> Array:
    """a.T @ b, from (n, k) and (n, m) to (k, m), in slabs of rows small enough for one thread."""
    slab = max(1, _ONE_THREAD // (a.shape[1] * b.shape[1]))
    total = a[:slab].T @ b[:slab]
    for i in range(slab, len(a), slab):
        total += a[i : i + slab].T @ b[i : i + slab]
    return np.asarray(total)


def _rows(a: Array) -> Array:
    return a.reshape(-1, a.shape[-1])
