"""A controller with a second head, which predicts what an architecture scores."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from cellwright.plugins.strategies.arrays import Array, Indices, Mask
from cellwright.plugins.strategies.controller.cells import sigmoid
from cellwright.plugins.strategies.controller.controller import Controller


class TwoHeadedController(Controller):
    """A `Controller` that also predicts a number in (0, 1) for a whole architecture.

    One more step follows the decisions. It reads the last action and decides nothing; from its
    output h the prediction is sigmoid(value . h + value_bias). The policy and the prediction
    therefore share all recurrent weights and embeddings.

    Args:
        sizes, rng, others: See `Controller`.
    """

    def __init__(self, sizes: Sequence[int], rng: np.random.Generator, **others: Any) -> None:
        super().__init__([*sizes, 1], rng, **others)
        self["value_bias"][:] = 0.0

    def _shapes(self) -> dict[str, tuple[int, ...]]:
        return {**super()._shapes(), "value": (self.units,), "value_bias": (1,)}

    def sample(self, draws: Array, given: Indices | None = None) -> Indices:
        padded = None if given is None else _padded(given)
        return super().sample(_padded(draws), padded)[:, :-1]

    def log_policy(self, actions: Indices) -> Array:
        return super().log_policy(_padded(actions))[:, :-1]

    def log_probability(self, actions: Indices, active: Mask | None = None) -> Array:
        return super().log_probability(
            _padded(actions), None if active is None else _padded(active)
        )

    def predict(self, actions: Indices) -> Array:
        """The second head's prediction for each architecture: (batch, decisions) -> (batch,)."""
        return self._value(self._forward(_padded(actions)).outputs[-1, -1])

    def accumulate_both(
        self,
        actions: Indices,
        weights: Array | Callable[[Array], Array],
        entropy_weight: float,
        active: Mask,
        targets: Array,
        shares: Array,
    ) -> tuple[float, float]:
        """Write the gradient of the sum of both losses to `gradient`, and return both losses.

        Args:
            actions, weights, entropy_weight, active: See `accumulate`.
            targets: What the predictions should be, in (0, 1), (batch,).
            shares: Weight of each squared error, (batch,); the second loss is their weighted sum.
        """
        padded, mask = _padded(actions), _padded(active)
        run = self._forward(padded)
        last = run.outputs[-1, -1]  # (batch, units)

        def weigh(log_p: Array) -> Array:
            found = weights(log_p[:, :-1]) if callable(weights) else weights
            return _padded(found) if found.ndim == 2 else found

        loss, d_logits = self._policy_loss(run, padded, weigh, entropy_weight, mask)
        predicted = self._value(last)
        error = predicted - targets
        d_value = 2 * shares * error * predicted * (1 - predicted)
        self._backward(padded, run, d_logits, d_value[:, None] * self["value"])
        self._gradients["value"][:] = d_value @ last
        self._gradients["value_bias"][:] = d_value.sum()
        return loss, float((shares * error**2).sum())

    def _value(self, last: Array) -> Array:
        return sigmoid(last @ self["value"] + self["value_bias"])


def _padded(values: Any) -> Any:
    """``values`` with a column of zeros for the step that decides nothing."""
    return np.concatenate([values, np.zeros_like(values[:, :1])], axis=1)
