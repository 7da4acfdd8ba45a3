"""Adam in NumPy, for a flat vector of weights."""

from __future__ import annotations

import numpy as np

from cellwright.plugins.strategies.arrays import Array


class Adam:
    """The optimizer of Kingma and Ba 2015, algorithm 1, which changes one flat vector in place.

    Args:
        size: Length of the vector.
        learning_rate: Above 0.
        beta_1: Decay of the gradient's moving average, in [0, 1).
        beta_2: Decay of the squared gradient's moving average, in [0, 1).
        epsilon: Added to the denominator, above 0.

    Raises:
        ValueError: If ``learning_rate`` is not above 0.
    """

    def __init__(
        self,
        size: int,
        learning_rate: float,
        *,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
    ) -> None:
        if not learning_rate > 0:
            raise ValueError(f"learning_rate must be above 0, got {learning_rate}")
        self.learning_rate, self.epsilon = learning_rate, epsilon
        self.beta_1, self.beta_2 = beta_1, beta_2
        self.steps = 0
        self._mean = np.zeros(size)
        self._square = np.zeros(size)

    def step(self, weights: Array, gradient: Array) -> None:
        """Move ``weights`` one step down ``gradient``."""
        self.steps += 1
        self._mean += (1 - self.beta_1) * (gradient - self._mean)
        self._square += (1 - self.beta_2) * (gradient**2 - self._square)
        rate = self.learning_rate * np.sqrt(1 - self.beta_2**self.steps)
        rate /= 1 - self.beta_1**self.steps
        weights -= rate * self._mean / (np.sqrt(self._square) + self.epsilon)
