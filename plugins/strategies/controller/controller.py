"""The controller: a recurrent policy that takes an architecture's decisions one after another."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from cellwright.plugins.strategies.arrays import Array, Indices, Mask
from cellwright.plugins.strategies.controller.anchors import Attention
from cellwright.plugins.strategies.controller.cells import LSTM, NASCell, RecurrentCell, sigmoid
from cellwright.plugins.strategies.controller.recurrent import Recurrent, rowwise, sum_of_outer
from cellwright.plugins.strategies.controller.steps import Steps
from cellwright.search_spaces.arguments import (
    LARGEST,
    check_choice,
    check_integer,
    check_number,
)

CELLS: dict[str, type[NASCell] | type[LSTM]] = {"nas": NASCell, "lstm": LSTM}


class Controller:
    """Policy pi(a) = prod_t pi(a_t | a_0 .. a_{t-1}), one softmax for each decision.

    Each step reads the embedding of the action taken in the step before (the first step reads a
    learned start vector), so that sampled actions do reach the policy. Each decision has embeddings
    and an output layer of its own: one name may be worth different things in two decisions.

    The decisions of an anchor point are taken in one step, each with a sigmoid of its own
    (`anchors.Attention`); the next step reads the sum of their embeddings, or the start vector if
    there are none.

    Args:
        sizes: Number of choices of each decision, in order.
        rng: Draws the initial weights, uniform in (-``initial``, ``initial``); biases are 0, except
            that an LSTM's forget gate has 1.
        cell: ``"nas"`` or ``"lstm"``.
        units: Width of the recurrent cell, at least 1.
        layers: Recurrent layers, at least 1.
        initial: Above 0; 0.1 in Zoph et al. 2018, 0.08 in Zoph and Le 2016.
        anchors: See `SearchSpace.anchors`.

    Attributes:
        weights: All weights, one flat vector; call `changed` after writing to it.
        gradient: The gradient that was last accumulated, of the same shape.

    Raises:
        ValueError: If the cell is unknown, an argument is out of range, or the anchors do not fit.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        rng: np.random.Generator,
        *,
        cell: str = "nas",
        units: int = 32,
        layers: int = 1,
        initial: float = 0.1,
        anchors: Sequence[int] = (),
    ) -> None:
        check_choice("cell", cell, CELLS)
        check_integer("units", units, most=LARGEST)
        check_integer("layers", layers)
        check_number("initial", initial, above=0)
        self.sizes = tuple(sizes)
        self.units = units
        self.cell: RecurrentCell = CELLS[cell]()
        self.recurrent = Recurrent(self.cell, units, layers)
        self.attention = Attention(len(anchors), units)
        self.steps = Steps(self.sizes, anchors)
        shapes = self._shapes()
        # One flat vector, so that an optimizer's step is a few calls; the names are views of it.
        count = sum(math.prod(shape) for shape in shapes.values())
        self.weights = rng.uniform(-initial, initial, count)
        self.gradient = np.zeros_like(self.weights)
        self._views = _split(self.weights, shapes)
        self._gradients = _split(self.gradient, shapes)
        self["output_bias"][:] = 0.0
        for suffix in self.recurrent.suffixes:
            self[f"bias{suffix}"][:] = 0.0
            if cell == "lstm":  # remember at first (Gers et al. 2000)
                self[f"bias{suffix}"][units : 2 * units] = 1.0
        # Decisions with fewer choices than the most leave output rows that must never be drawn.
        most = max(self.sizes)
        used = np.arange(most) < np.array(self.sizes)[self.steps.plain, None]
        self._unused = np.where(used, 0.0, -1e9)
        self._table: Array | None = None

    def __getitem__(self, name: str) -> Array:
        """The weights called ``name``, a view of `weights`; call `changed` after writing to it."""
        return self._views[name]

    def _shapes(self) -> dict[str, tuple[int, ...]]:
        """The weights' names and shapes, in the order in which they are drawn."""
        most, plain = max(self.sizes), len(self.steps.plain)
        return {
            "embedding": (1 + sum(self.sizes), self.units),
            **self.recurrent.shapes(),
            "output": (plain, most, self.units),
            "output_bias": (plain, most),
            **(self.attention.shapes() if len(self.steps.anchor_steps) else {}),
        }

    def changed(self) -> None:
        """Take note that `weights` were written to."""
        self._table = None

    def sample(self, draws: Array, given: Indices | None = None) -> Indices:
        """Architectures from the policy, (batch, decisions).

        Args:
            draws: Uniform numbers in [0, 1), (batch, decisions); each takes the action into whose
                share of the cumulative probability it falls.
            given: Actions that are settled, and -1 where the policy chooses, (batch, decisions).
        """
        batch, plain = len(draws), 0
        table, heads = self._input_table(), self["output"].swapaxes(1, 2)
        head_bias = self["output_bias"] + self._unused
        state, anchored = self.recurrent.begin(batch), []
        start = rows = np.zeros((batch, 1), dtype=np.intp)
        actions = np.empty(draws.shape, dtype=np.intp)
        for step in self.steps.all:
            taken = slice(step.first, step.stop)
            x = table[rows[:, 0]] if rows.shape[1] == 1 else table[rows].sum(axis=1)
            state, _ = self.recurrent.step(self._views, x.swapaxes(0, 1), state)
            output = state[-1][1]
            if step.anchor:
                anchored.append(output)
                logits = self.attention.newest(self._views, anchored).T  # (batch, connections)
                actions[:, taken] = draws[:, taken] >= sigmoid(-logits)
            else:
                logits = output @ heads[plain] + head_bias[plain]  # (batch, choices)
                actions[:, step.first] = _drawn(logits, draws[:, taken], self.sizes[step.first])
                plain += 1
            if given is not None:
                settled = given[:, taken]
                actions[:, taken] = np.where(settled < 0, actions[:, taken], settled)
            rows = self.steps.offsets[taken] + actions[:, taken] if step.decisions else start
        return actions

    def log_policy(self, actions: Indices) -> Array:
        """log pi of every choice given the actions before it, (batch, decisions, choices)."""
        return self._forward(actions).log_p.swapaxes(0, 1)

    def log_probability(self, actions: Indices, active: Mask | None = None) -> Array:
        """log pi of each architecture's active decisions: (batch, decisions) -> (batch,)."""
        taken = _taken(self._forward(actions).log_p, actions)
        return np.asarray((taken if active is None else taken * active).sum(axis=1))

    def accumulate(
        self,
        actions: Indices,
        weights: Array | Callable[[Array], Array],
        entropy_weight: float = 0.0,
        active: Mask | None = None,
    ) -> float:
        """Write the gradient of the loss to `gradient`, and return the loss.

        loss = -mean_b sum_t( weights_bt log pi_t(actions_b) + entropy_weight H(pi_t | actions_b) )

        Args:
            actions: (batch, decisions).
            weights: Usually the advantages, (batch,) or (batch, decisions); or a function that
                computes them from the log-probabilities of the actions, (batch, decisions). They
                are not differentiated.
            entropy_weight: 0 or above; rewards a policy that stays undecided. H is the entropy of
                each decision given the actions before it, which count as given, although the
                policy drew them, too (Mnih et al. 2016, section 4).
            active: The decisions t to sum over, (batch, decisions); all if None.
        """
        run = self._forward(actions)
        loss, d_logits = self._policy_loss(run, actions, weights, entropy_weight, active)
        self._backward(actions, run, d_logits)
        return loss

    def _policy_loss(
        self,
        run: _Run,
        actions: Indices,
        weights: Array | Callable[[Array], Array],
        entropy_weight: float,
        active: Mask | None,
    ) -> tuple[float, Array]:
        """The loss of `accumulate`, and its gradient in the logits, (decisions, batch, choices)."""
        batch, count = actions.shape
        log_p, taken = run.log_p, _taken(run.log_p, actions)
        weights = weights(taken) if callable(weights) else weights
        mask = np.ones((1, batch)) if active is None else active.T.astype(float)
        weights = mask * (weights.T if weights.ndim == 2 else weights[None])
        p = np.exp(log_p)  # (decisions, batch, choices)
        entropy = -(p * log_p).sum(axis=2, keepdims=True)
        d_logits = p * weights[..., None]
        d_logits[np.arange(count)[:, None], np.arange(batch), actions.T] -= weights
        d_logits += entropy_weight * mask[..., None] * p * (log_p + entropy)
        gain = (weights * taken.T).sum(axis=0) + entropy_weight * (mask * entropy[..., 0]).sum(
            axis=0
        )
        return float(-np.mean(gain)), d_logits / batch

    def _forward(self, actions: Indices) -> _Run:
        steps = self.steps
        inputs = self._input_table()[steps.rows(actions)]  # (reads, batch, gates, units)
        if len(inputs) > len(steps.all):
            first = np.searchsorted(steps.readers, np.arange(len(steps.all)))
            inputs = np.add.reduceat(inputs, first)  # (steps, batch, gates, units)
        state = self.recurrent.begin(len(actions))
        outputs = np.empty((len(state), len(steps.all), len(actions), self.units))
        saved = []
        for t, x in enumerate(inputs.swapaxes(1, 2)):
            state, kept = self.recurrent.step(self._views, x, state)
            for layer, (_, output) in enumerate(state):
                outputs[layer, t] = output
            saved.append(kept)
        top = outputs[-1]
        logits = np.full((len(self.sizes), len(actions), max(self.sizes)), -1e9)
        logits[steps.plain] = top[steps.plain_steps] @ self["output"].swapaxes(1, 2)
        logits[steps.plain] += (self["output_bias"] + self._unused)[:, None]
        inner = None
        if len(steps.anchor_steps):
            logits[steps.connected, :, 0] = 0.0  # sigmoid(x) is the softmax of 0 and x
            logits[steps.connected, :, 1], inner = self.attention.forward(
                self._views, top[steps.anchor_steps]
            )
        logits -= logits.max(axis=2, keepdims=True)
        log_p = logits - np.log(np.exp(logits).sum(axis=2, keepdims=True))
        return _Run(log_p, outputs, saved, inner)

    def _backward(
        self, actions: Indices, run: _Run, d_logits: Array, d_last: Array | None = None
    ) -> None:
        """Write the gradient of a loss to `gradient`.

        Args:
            actions: (batch, decisions).
            run: What `_forward` returned for them.
            d_logits: Gradient of the loss in the logits, (decisions, batch, choices).
            d_last: Its gradient in the last step's output, if it reads that, (batch, units).
        """
        views, grads, steps, top = self._views, self._gradients, self.steps, run.outputs[-1]
        d_plain = d_logits[steps.plain]
        d_top = np.zeros_like(top)
        d_top[steps.plain_steps] = d_plain @ self["output"]
        if run.inner is not None:
            anchored, d_connected = top[steps.anchor_steps], d_logits[steps.connected, :, 1]
            d_top[steps.anchor_steps] = self.attention.backward(
                views, grads, anchored, run.inner, d_connected
            )
        grads["output"][:] = d_plain.swapaxes(1, 2) @ top[steps.plain_steps]
        grads["output_bias"][:] = d_plain.sum(axis=1)
        if d_last is not None:
            d_top[-1] += d_last
        d_x = self.recurrent.backward(views, grads, run.saved, run.outputs, d_top)
        rows = steps.rows(actions).ravel()
        d_read = d_x[steps.readers].reshape(rows.size, -1)
        grads["input"][:] = sum_of_outer(self["embedding"][rows], d_read)
        grads["embedding"][:] = 0.0
        np.add.at(grads["embedding"], rows, rowwise(d_read, self["input"].T))

    def _input_table(self) -> Array:
        """Every embedding, projected: (1 + choices of all decisions, gates, units)."""
        if self._table is None:
            table = rowwise(self["embedding"], self["input"])
            self._table = table.reshape(len(table), self.cell.gates, self.units)
        return self._table


class _Run(NamedTuple):
    """What `Controller._forward` returns: log-probabilities, (decisions, batch, choices), outputs,
    (layers, steps, batch, units), and what the gradients need."""

    log_p: Array
    outputs: Array
    saved: list[list[Any]]
    inner: Array | None


def _drawn(logits: Array, draws: Array, size: int) -> Indices:
    """The choice into which each of ``draws``, (batch, 1), falls."""
    below = np.exp(logits - logits.max(axis=1, keepdims=True)).cumsum(axis=1)
    passed = (below <= draws * below[:, -1:]).sum(axis=1)
    return np.asarray(np.minimum(passed, size - 1))


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
