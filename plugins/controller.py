"""The controller: a recurrent policy that takes an architecture's decisions one after another."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellwright.plugins.cells import LSTM, Array, NASCell, RecurrentCell

CELLS: dict[str, type[NASCell] | type[LSTM]] = {"nas": NASCell, "lstm": LSTM}
Indices = NDArray[np.intp]


class Controller:
    """Policy pi(a) = prod_t pi(a_t | a_0 .. a_{t-1}), one softmax for each decision.

    Each step reads the embedding of the action that was taken the step before (a learned start
    vector at first), so a sampled action does reach the policy. Embeddings and output layers are
    each decision's own: what two decisions call by one name they need not like alike.

    Args:
        sizes: Number of choices of each decision, in order.
        rng: Draws the initial weights, uniform in (-.1, .1) as in Zoph et al. 2018.
        cell: ``"nas"`` or ``"lstm"``.
        units: Width of the recurrent cell, at least 1.

    Raises:
        ValueError: On an unknown cell or a width below 1.
    """

    def __init__(
        self, sizes: Sequence[int], rng: np.random.Generator, *, cell: str = "nas", units: int = 32
    ) -> None:
        if cell not in CELLS:
            raise ValueError(f"cell must be one of {sorted(CELLS)}, got {cell!r}")
        if units < 1:
            raise ValueError(f"units must be at least 1, got {units}")
        self.sizes = tuple(sizes)
        self.units = units
        self.cell: RecurrentCell = CELLS[cell]()
        steps, most, gates = len(self.sizes), max(self.sizes), self.cell.gates
        # Row 0 of the embedding is the start; the choices of decision t begin at offsets[t].
        self.offsets = 1 + np.concatenate([[0], np.cumsum(self.sizes[:-1], dtype=np.intp)])
        shapes = {
            "embedding": (1 + sum(self.sizes), units),
            "input": (units, gates * units),
            "recurrent": (units, gates * units),
            "bias": (gates * units,),
            "output": (steps, most, units),
            "output_bias": (steps, most),
        }
        # One flat vector, so that an optimizer's step is a few calls; the names are views of it.
        self.weights = rng.uniform(-0.1, 0.1, sum(math.prod(shape) for shape in shapes.values()))
        self.gradient = np.zeros_like(self.weights)
        self._views = _split(self.weights, shapes)
        self._gradients = _split(self.gradient, shapes)
        self["bias"][:] = 0.0
        self["output_bias"][:] = 0.0
        if cell == "lstm":
            self["bias"][units : 2 * units] = 1.0  # remember at first (Gers et al. 2000)
        # Decisions with fewer choices than the most leave output rows that must never be drawn.
        self._unused = np.where(np.arange(most) < np.array(self.sizes)[:, None], 0.0, -1e9)
        self._table: Array | None = None

    def __getitem__(self, name: str) -> Array:
        """The weights called ``name``: a view, to be followed by `changed` when written to."""
        return self._views[name]

    def changed(self) -> None:
        """Say that `weights` were written to."""
        self._table = None

    def sample(self, draws: Array) -> Indices:
        """Architectures from the policy: uniform numbers in [0, 1) of shape (batch, decisions) to
        the actions whose cumulative probability they fall into, (batch, decisions)."""
        table, recurrent, bias = self._input_table(), self["recurrent"], self["bias"]
        heads = self["output"].swapaxes(1, 2)
        head_bias = self["output_bias"] + self._unused
        split = (len(draws), self.cell.gates, self.units)
        memory = output = np.zeros((len(draws), self.units))
        rows = np.zeros(len(draws), dtype=np.intp)
        actions = np.empty(draws.shape, dtype=np.intp)
        for t, size in enumerate(self.sizes):
            h = (output @ recurrent + bias).reshape(split).swapaxes(0, 1)
            memory, output, _ = self.cell.forward(table[rows].swapaxes(0, 1), h, memory)
            logits = output @ heads[t] + head_bias[t]  # (batch, choices)
            below = np.exp(logits - logits.max(axis=1, keepdims=True)).cumsum(axis=1)
            passed = (below <= draws[:, t, None] * below[:, -1:]).sum(axis=1)
            actions[:, t] = np.minimum(passed, size - 1)
            rows = self.offsets[t] + actions[:, t]
        return actions

    def log_probability(self, actions: Indices) -> Array:
        """log pi of each architecture: (batch, decisions) -> (batch,)."""
        log_p, _, _ = self._forward(actions)
        return np.asarray(_taken(log_p, actions).sum(axis=1))

    def accumulate(
        self,
        actions: Indices,
        weights: Array | Callable[[Array], Array],
        entropy_weight: float = 0.0,
    ) -> float:
        """Put the gradient of the loss into `gradient`, and return the loss.

        loss = -mean_b sum_t( weights_bt log pi_t(actions_b) + entropy_weight H(pi_t | actions_b) )

        Args:
            actions: (batch, decisions).
            weights: Advantages as a rule, (batch,), or (batch, decisions); or what makes them of
                the log-probabilities of the actions, (batch, decisions). Not differentiated.
            entropy_weight: 0 or above; rewards a policy that stays undecided.
        """
        batch, steps = actions.shape
        log_p, outputs, saved = self._forward(actions)
        taken = _taken(log_p, actions)
        weights = weights(taken) if callable(weights) else weights
        weights = weights.T if weights.ndim == 2 else weights[None]  # (decisions or 1, batch)
        p = np.exp(log_p)  # (decisions, batch, choices)
        entropy = -(p * log_p).sum(axis=2, keepdims=True)
        d_logits = p * weights[..., None]
        d_logits[np.arange(steps)[:, None], np.arange(batch), actions.T] -= weights
        d_logits += entropy_weight * p * (log_p + entropy)
        d_logits /= batch

        grads, recurrent = self._gradients, self["recurrent"]
        d_outputs = d_logits @ self["output"]  # (decisions, batch, units)
        flat = (steps, batch, self.cell.gates * self.units)
        d_x: Array = np.empty(flat)
        d_h: Array = np.empty(flat)
        d_memory = np.zeros((batch, self.units))
        d_next = np.zeros((batch, self.units))
        for t in reversed(range(steps)):
            d_xt, d_ht, d_memory = self.cell.backward(saved[t], d_memory, d_outputs[t] + d_next)
            d_x[t] = d_xt.swapaxes(0, 1).reshape(batch, -1)
            d_h[t] = d_ht.swapaxes(0, 1).reshape(batch, -1)
            d_next = d_h[t] @ recurrent.T

        rows = self._rows(actions).ravel()
        d_x, d_h = d_x.reshape(rows.size, -1), d_h.reshape(rows.size, -1)
        before = np.concatenate([np.zeros((1, batch, self.units)), outputs[:-1]])
        grads["output"][:] = d_logits.swapaxes(1, 2) @ outputs
        grads["output_bias"][:] = d_logits.sum(axis=1)
        grads["recurrent"][:] = _sum_of_outer(before.reshape(rows.size, -1), d_h)
        grads["bias"][:] = d_h.sum(axis=0)
        grads["input"][:] = _sum_of_outer(self["embedding"][rows], d_x)
        grads["embedding"][:] = 0.0
        np.add.at(grads["embedding"], rows, _rowwise(d_x, self["input"].T))
        gain = (weights * taken.T).sum(axis=0)
        return float(-np.mean(gain + entropy_weight * entropy.sum(axis=(0, 2))))

    def _forward(self, actions: Indices) -> tuple[Array, Array, list[Any]]:
        """Log-probabilities (decisions, batch, choices), outputs (decisions, batch, units), and
        each step for `accumulate`."""
        batch, steps = actions.shape
        table, recurrent, bias = self._input_table(), self["recurrent"], self["bias"]
        split = (batch, self.cell.gates, self.units)
        inputs = table[self._rows(actions)].swapaxes(1, 2)  # (decisions, gates, batch, units)
        memory = output = np.zeros((batch, self.units))
        outputs = np.empty((steps, batch, self.units))
        saved = []
        for t in range(steps):
            h = (output @ recurrent + bias).reshape(split).swapaxes(0, 1)
            memory, output, kept = self.cell.forward(inputs[t], h, memory)
            outputs[t] = output
            saved.append(kept)
        logits = outputs @ self["output"].swapaxes(1, 2)  # (decisions, batch, choices)
        logits += (self["output_bias"] + self._unused)[:, None]
        logits -= logits.max(axis=2, keepdims=True)
        return logits - np.log(np.exp(logits).sum(axis=2, keepdims=True)), outputs, saved

    def _rows(self, actions: Indices) -> Indices:
        """Embedding row that each step reads: (decisions, batch)."""
        rows = np.zeros(actions.shape[::-1], dtype=np.intp)
        rows[1:] = actions.T[:-1] + self.offsets[:-1, None]
        return rows

    def _input_table(self) -> Array:
        """Every embedding, projected: (1 + choices of all decisions, gates, units)."""
        if self._table is None:
            table = _rowwise(self["embedding"], self["input"])
            self._table = table.reshape(len(table), self.cell.gates, self.units)
        return self._table


def mixture_weight(log_pi: Array, log_uniform: float, share: float) -> Array:
    """How much of the gradient of a mixture's log-likelihood is that of log pi, in (0, 1).

    The mixture is q = (1 - share) pi + share u, so grad log q = (1 - share) pi / q * grad log pi.
    """
    odds = math.log1p(-share) + log_pi - math.log(share) - log_uniform
    return np.asarray(0.5 * np.tanh(0.5 * odds) + 0.5)


# OpenBLAS gives products beyond this many multiplications to threads, which then keep their cores
# busy for milliseconds after: for matrices of this size that costs more than the product itself.
_ONE_THREAD = 1 << 18


def _rowwise(a: Array, b: Array) -> Array:
    """a @ b, (n, k) @ (k, m), in slabs of rows that stay on one thread."""
    slab = max(1, _ONE_THREAD // b.size)
    return np.concatenate([a[i : i + slab] @ b for i in range(0, len(a), slab)])


def _sum_of_outer(a: Array, b: Array) -> Array:
    """a.T @ b, (n, k) and (n, m) to (k, m), in slabs of rows that stay on one thread."""
    slab = max(1, _ONE_THREAD // (a.shape[1] * b.shape[1]))
    total = a[:slab].T @ b[:slab]
    for i in range(slab, len(a), slab):
        total += a[i : i + slab].T @ b[i : i + slab]
    return np.asarray(total)


def _taken(values: Array, actions: Indices) -> Array:
    """Entries of (decisions, batch, choices) at the actions taken: (batch, decisions)."""
    return np.take_along_axis(values, actions.T[..., None], axis=2)[..., 0].T


def _split(flat: Array, shapes: dict[str, tuple[int, ...]]) -> dict[str, Array]:
    views, start = {}, 0
    for name, shape in shapes.items():
        end = start + math.prod(shape)
        views[name] = flat[start:end].reshape(shape)
        start = end
    return views
