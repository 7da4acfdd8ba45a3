"""Random search, which every other strategy must beat."""

from __future__ import annotations

import numpy as np

from cellwright.plugins.strategies.strategy import Strategy
from cellwright.search_spaces import Params


class RandomSearch(Strategy):
    """Draws every decision uniformly and independently, and no network twice; see `Strategy`."""

    def _propose(self, number: int, rng: np.random.Generator) -> Params:
        return self.space.sample(rng)

    def _learn(self, indices: tuple[int, ...], reward: float) -> None:
        pass

    def _forget(self) -> None:
        pass
