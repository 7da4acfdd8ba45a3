"""A strategy: change one decision of the best architecture so far."""

import numpy as np

from cellwright.plugins import Strategy
from cellwright.search_spaces import Params, SearchSpace


class Climber(Strategy):
    """Hill climbing from the best of some random architectures.

    Args:
        space: Where to search.
        seed: See `Strategy`.
        initial: Results of random architectures before the first step, at least 1.
    """

    def __init__(self, space: SearchSpace, *, seed: int | None = None, initial: int = 5) -> None:
        if initial < 1:
            raise ValueError(f"initial must be at least 1, got {initial}")
        super().__init__(space, seed=seed)
        self.initial = initial
        self._forget()

    def _propose(self, number: int, rng: np.random.Generator) -> Params:
        if self._best is None or self._results < self.initial:
            return self.space.sample(rng)
        return self.space.mutate(self.space.decode(self._best), rng)

    def _learn(self, indices: tuple[int, ...], reward: float) -> None:
        self._results += 1
        if reward > self._reward:
            self._best, self._reward = indices, reward

    def _forget(self) -> None:
        self._best: tuple[int, ...] | None = None
        self._reward = -np.inf
        self._results = 0
