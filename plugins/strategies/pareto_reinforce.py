"""Reinforcement learning for several objectives: a controller for each trade-off."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from cellwright.plugins.strategies.controller.cells import Array
from cellwright.plugins.strategies.controller.controller import Mask
from cellwright.plugins.strategies.controller.steps import Indices
from cellwright.plugins.strategies.reinforce import Reinforce
from cellwright.plugins.strategies.strategy import Strategy
from cellwright.search_spaces import Params, SearchSpace

_SLOPE = 0.05  # of the sum beside the maximum, so that no objective is ever without a gradient


class ParetoReinforce(Strategy):
    """Several `Reinforce` controllers, each with its own weights of the objectives.

    Trial k is proposed by controller k mod K, and scalarised for each of them by the augmented
    Chebyshev function (Knowles, "ParEGO", 2006, equation 2), which reaches any part of a front. The
    objectives are taken in units of what has been seen so far, from the worst 0 to the best 1::

        reward = -max_i w_i (1 - z_i) - 0.05 sum_i w_i (1 - z_i)

    Every controller learns from every result, whichever of them proposed it, with the weight
    pi_own / mean_k pi_k: the balance heuristic (Veach and Guibas 1995), with which results from all
    K policies together estimate the gradient of each one. Controllers that agree, as all do at
    first, share everything; once they have parted, each learns from its own. A weight is at most K.

    Args:
        space: Where to search.
        seed: See `Strategy`.
        objectives: Numbers in a reward, all to be maximised, at least 2.
        divisions: Weights are spread evenly over the simplex, of multiples of
            1 / (``divisions`` + ``objectives``) and none of them 0: at least 1. Two objectives have
            ``divisions + 1`` controllers, three with 2 divisions have six.
        arguments: For each controller; see `Reinforce`.

    Attributes:
        weights: Shape (controllers, objectives), each row with the sum 1.

    Raises:
        ValueError: On an argument out of range.
    """

    def __init__(
        self,
        space: SearchSpace,
        *,
        seed: int | None = None,
        objectives: int = 2,
        divisions: int = 4,
        **arguments: Any,
    ) -> None:
        super().__init__(space, seed=seed, objectives=objectives)
        if objectives < 2:
            raise ValueError(f"objectives must be at least 2, got {objectives}; Reinforce has one")
        if divisions < 1:
            raise ValueError(f"divisions must be at least 1, got {divisions}")
        self.weights = spread(objectives, divisions)
        self._arguments = arguments
        self._forget()

    def _propose(self, number: int, rng: np.random.Generator) -> Params:
        return self._controllers[number % len(self._controllers)]._propose(number, rng)

    def _learn(self, indices: tuple[int, ...], reward: tuple[float, ...]) -> None:
        values = np.array(reward)
        np.minimum(self._worst, values, out=self._worst)
        np.maximum(self._best, values, out=self._best)
        self._batch.append(indices)
        if len(self._batch) == self._controllers[0].batch:
            self._share()
        lost = self.weights * (self._best - values) / _above_0(self._best - self._worst)
        scalars = -lost.max(axis=1) - _SLOPE * lost.sum(axis=1)
        for controller, scalar in zip(self._controllers, scalars, strict=True):
            controller._learn(indices, float(scalar))

    def _share(self) -> None:
        """Say what each result of a whole batch is worth to each controller, before any learns."""
        actions = np.array(self._batch, dtype=np.intp)
        active = np.array([self.space.active(self.space.decode(one)) for one in self._batch])
        policies = [each.controller.log_probability(actions, active) for each in self._controllers]
        shares = _shares(np.stack(policies))
        for controller, share in zip(self._controllers, shares, strict=True):
            controller.share = share
        self._batch.clear()

    def _forget(self) -> None:
        words = [
            np.random.SeedSequence(self.seed, spawn_key=(k,)) for k in range(len(self.weights))
        ]
        seeds = [int(word.generate_state(1, np.uint64)[0]) for word in words]
        self._controllers = [_Member(self.space, seed=s, **self._arguments) for s in seeds]
        self._batch: list[tuple[int, ...]] = []
        self._worst = np.full(self.objectives, np.inf)
        self._best = np.full(self.objectives, -np.inf)


class _Member(Reinforce):
    """One controller; ``share`` (batch,) weighs the results of the batch that comes next."""

    share: Array

    def _update(self, actions: Indices, advantages: Array, active: Mask) -> None:
        super()._update(actions, advantages * self.share, active)


def spread(objectives: int, divisions: int) -> Array:
    """Weights evenly over the inside of the simplex, (controllers, objectives), each above 0.

    The simplex lattice of Das and Dennis 1998, moved inwards by one step.
    """
    parts = itertools.product(range(divisions + 1), repeat=objectives)
    inside = [[1 + part for part in one] for one in parts if sum(one) == divisions]
    return np.array(inside) / (divisions + objectives)


def _shares(log_pi: Array) -> Array:
    """pi_own / mean_k pi_k of log-probabilities, both (controllers, batch)."""
    odds = np.exp(log_pi - log_pi.max(axis=0))
    return np.asarray(odds / odds.mean(axis=0))


def _above_0(spread: Array) -> Array:
    return np.where(spread > 0, spread, 1.0)
