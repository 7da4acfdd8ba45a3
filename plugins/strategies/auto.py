"""The strategy to take where there is no reason for another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cellwright.plugins.strategies.evolution import RegularizedEvolution
from cellwright.plugins.strategies.first_draws import Signal
from cellwright.plugins.strategies.predictor import PredictorGuided
from cellwright.search_spaces import Params, SearchSpace

_ALONE = 200  # until there are so many results, every proposal is the predictor's
_TURN = 4  # after that, one proposal in so many is evolution's


class Auto(PredictorGuided):
    """`PredictorGuided`, and after 200 results every fourth proposal from `RegularizedEvolution`.

    With few results nothing finds better architectures than the predictor. With many it is fitted
    to only a part of them, and could be wrong about a space for good; evolution's share bounds that
    risk. Both learn from all results, whichever of them proposed the architecture.

    Args:
        space: The space to search.
        seed: See `Strategy`.
        signal: See `PredictorGuided`.
        prior: See `PredictorGuided`.

    Raises:
        ValueError: If the seed is out of range.
    """

    def __init__(
        self,
        space: SearchSpace,
        *,
        seed: int | None = None,
        signal: Signal | None = None,
        prior: Sequence[Any] = (),
    ) -> None:
        self._evolution = RegularizedEvolution(space, seed=seed)
        super().__init__(space, seed=seed, signal=signal, prior=prior)

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
