"""Reinforcement learning for several objectives: a controller for each trade-off."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any, Unpack

import numpy as np

from cellwright.plugins.strategies.arrays import Array, Indices, Mask
from cellwright.plugins.strategies.policy_gradient import check_names
from cellwright.plugins.strategies.reinforce import Reinforce, ReinforceOptions
from cellwright.plugins.strategies.strategy import Strategy, check_several
from cellwright.search_spaces import Params, SearchSpace
from cellwright.search_spaces.arguments import check_integer

_SLOPE = 0.05  # weight of the sum beside the maximum: without it, objectives would lack a gradient


class ParetoReinforce(Strategy):
    """Several `Reinforce` controllers, each with its own weights for the objectives.

    Trial k is proposed by controller k mod K. Its result is turned into one reward for each
    controller by the augmented Chebyshev function (Knowles, "ParEGO", 2006, equation 2), which can
    reach any part of a front. Each objective z_i is scaled by the values seen so far: the worst is
    0, the best 1::

        reward = -max_i w_i (1 - z_i) - 0.05 sum_i w_i (1 - z_i)

    Every controller learns from every result, whichever of them proposed it, with the weight
    pi_own / mean_k pi_k. This is the balance heuristic (Veach and Guibas 1995), by which
    the results of all K policies together estimate the gradient of each one. Controllers that
    agree, as all do at first, share every result; once they differ, each learns from its own. A
    weight is at most K.

    Args:
        space: The space to search.
        seed: See `Strategy`.
        objectives: Numbers in a reward, all to be maximised, at least 2.
        divisions: At least 1. The controllers' weights are spread evenly over the simplex, as
            multiples of 1 / (``divisions`` + ``objectives``) above 0. With two objectives there are
            ``divisions + 1`` controllers; with three and 2 divisions there are six.
        options: For each controller; see `Reinforce`.

    Attributes:
        weights: Weights of the objectives, (controllers, objectives); each row adds up to 1.

    Raises:
        ValueError: If an argument is out of range.
        TypeError: If there is no argument of that name.
    """

    _learned = ("_batch", "_worst", "_best")

    def __init__(
        self,
        space: SearchSpace,
        *,
        seed: int | None = None,
        objectives: int = 2,
        divisions: int = 4,
        **options: Unpack[ReinforceOptions],
    ) -> None:
        check_names(type(self), options, {*Reinforce._defaults, "exploration"})
        check_several(objectives, "Reinforce")
        super().__init__(space, seed=seed, objectives=objectives)
        check_integer("divisions", divisions)
        self.divisions = divisions
        self.weights = spread(objectives, divisions)
        self._options = options
        self._forget()

    def _propose(self, number: int, rng: np.random.Generator) -> Params:
        controller = self._controllers[number % len(self._controllers)]
        controller._fixed = self._fixed
        return controller._propose(number, rng)

    def _arguments(self) -> dict[str, Any]:
        return {**super()._arguments(), **self._options}

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

    def _values(self) -> dict[str, Any]:
        members = {f"member_{k}": one._values() for k, one in enumerate(self._controllers)}
        flat = {f"{k}/{name}": x for k, of in members.items() for name, x in of.items()}
        return {**super()._values(), **flat}

    def _take_values(self, values: Mapping[str, Any]) -> None:
        super()._take_values({name: values[name] for name in self._learned})
        for k, one in enumerate(self._controllers):
            one._take_values({name: values[f"member_{k}/{name}"] for name in one._values()})

    def _share(self) -> None:
        """Give each controller its weights of a full batch's results, before any of them learns."""
        actions = np.array(self._batch, dtype=np.intp)
        active = np.array([self.space.active(self.space.decode(one)) for one in self._batch])
        policies = [each.controller.log_probability(actions, active) for each in self._controllers]
        shares = _shares(np.stack(policies))
        for controller, share in zip(self._controllers, shares, strict=True):
            controller.share = share
        self._batch.clear()

    def _forget(self) -> None:
        sequences = [
            np.random.SeedSequence(self.seed, spawn_key=(k,)) for k in range(len(self.weights))
        ]
        seeds = [int(each.generate_state(1, np.uint64)[0]) for each in sequences]
        self._controllers = [_Member(self.space, seed=s, **self._options) for s in seeds]
        self._batch: list[tuple[int, ...]] = []
        self._worst = np.full(self.objectives, np.inf)
        self._best = np.full(self.objectives, -np.inf)


class _Member(Reinforce):
    """One controller; ``share``, (batch,), weighs the results of its next update."""

    share: Array

    def _update(self, actions: Indices, advantages: Array, active: Mask) -> None:
        super()._update(actions, advantages * self.share, active)


def spread(objectives: int, divisions: int) -> Array:
    """Weights that lie evenly inside the simplex, (controllers, objectives), each above 0.

    This is the simplex lattice of Das and Dennis 1998, moved inwards by one step.
    """
    parts = itertools.product(range(divisions + 1), repeat=objectives)
    inside = [[1 + part for part in one] for one in parts if sum(one) == divisions]
    return np.array(inside) / (divisions + objectives)


def _shares(log_pi: Array) -> Array:
    """pi_own / mean_k pi_k, from log-probabilities; both (controllers, batch)."""
    odds = np.exp(log_pi - log_pi.max(axis=0))
    return np.asarray(odds / odds.mean(axis=0))


def _above_0(spread: Array) -> Array:
    return np.where(spread > 0, spread, 1.0)
