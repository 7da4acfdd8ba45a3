"""The strategy to take where nothing speaks for another."""

from __future__ import annotations

import numpy as np

from cellwright.plugins.strategies.evolution import RegularizedEvolution
from cellwright.plugins.strategies.first_draws import Signal
from cellwright.plugins.strategies.predictor import PredictorGuided
from cellwright.search_spaces import Params, SearchSpace

_ALONE = 200  # results up to which the predictor proposes everything
_TURN = 4  # of so many proposals after that, one is evolution's


class Auto(PredictorGuided):
    """`PredictorGuided`, and later one proposal in four from `RegularizedEvolution`.

    With few results nothing finds better architectures than the predictor; with many it is fitted
    to a part of them, and could be wrong about a space for good. Evolution's share bounds that
    risk. Both learn from all results, whoever proposed them.

    Args:
        space: Where to search.
        seed: See `Strategy`.
        signal: See `PredictorGuided`.
    """

    def __init__(
        self, space: SearchSpace, *, seed: int | None = None, signal: Signal | None = None
    ) -> None:
        self._evolution = RegularizedEvolution(space, seed=seed)
        super().__init__(space, seed=seed, signal=signal)

    def _propose(self, number: int, rng: np.random.Generator) -> Params:
        if len(self._history) >= _ALONE and number % _TURN == _TURN - 1:
            return self._evolution._propose(number, rng)
        return super()._propose(number, rng)

    def _learn(self, indices: tuple[int, ...], reward: float) -> None:
        self._evolution._learn(indices, reward)
        super()._learn(indices, reward)

    def _forget(self) -> None:
        self._evolution._forget()
        super()._forget()
