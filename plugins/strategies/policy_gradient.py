"""Policy gradient: what strategies with a recurrent controller share."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from cellwright.plugins.strategies.adam import Adam
from cellwright.plugins.strategies.baseline import Baseline, MovingAverage
from cellwright.plugins.strategies.controller.cells import Array
from cellwright.plugins.strategies.controller.controller import Controller, Mask
from cellwright.plugins.strategies.controller.steps import Indices
from cellwright.plugins.strategies.strategy import Strategy
from cellwright.search_spaces import Params, SearchSpace

# Trials are sampled in groups, numbers 0..7, 8..15 and so on, each with its own random numbers: a
# group costs little more than a trial, and an answer still depends on its number alone.
_GROUP = 8


class PolicyGradient(Strategy):
    """A recurrent controller that proposes architectures and learns from batches of rewards.

    Architectures are sampled from the controller, each action fed back as the next input. A
    subclass gives `_update`, which changes the controller's weights by one batch.

    Args:
        space: Where to search.
        seed: See `Strategy`.
        cell: ``"nas"`` (the book's) or ``"lstm"`` (the papers').
        units: Width of the controller, at least 1.
        learning_rate: Adam's, above 0.
        batch: Results in each update, at least 1.
        entropy_weight: 0 or above.
        baseline: What rewards are compared with; a `MovingAverage` if None.
        layers: Recurrent layers, at least 1.
        initial: How far from 0 the initial weights may be, above 0.
        standardise: Divide advantages by their running root mean square, so that the scale of
            the reward does not matter. False trains on the advantages as they are.

    Raises:
        ValueError: On an argument out of range.
    """

    _kind: ClassVar[type[Controller]] = Controller

    def __init__(
        self,
        space: SearchSpace,
        *,
        seed: int | None,
        cell: str,
        units: int,
        learning_rate: float,
        batch: int,
        entropy_weight: float,
        baseline: Baseline | None,
        standardise: bool,
        layers: int = 1,
        initial: float = 0.1,
    ) -> None:
        super().__init__(space, seed=seed)
        if batch < 1:
            raise ValueError(f"batch must be at least 1, got {batch}")
        if entropy_weight < 0:
            raise ValueError(f"entropy_weight must be at least 0, got {entropy_weight}")
        self.batch = batch
        self.entropy_weight = entropy_weight
        self.standardise = standardise
        self.baseline = baseline if baseline is not None else MovingAverage()
        self._learning_rate = learning_rate
        self._shape: dict[str, Any] = {
            "cell": cell, "units": units, "layers": layers, "initial": initial,
        }  # fmt: skip
        self._forget()

    @abstractmethod
    def _update(self, actions: Indices, advantages: Array, active: Mask) -> None:
        """Move the policy: actions (batch, decisions), advantages (batch,), and which decisions
        there are to learn from (`SearchSpace.active`), (batch, decisions)."""

    def _step(self) -> None:
        """One step of the optimizer down the controller's gradient."""
        self._optimizer.step(self.controller.weights, self.controller.gradient)
        self.controller.changed()

    def _propose(self, number: int, rng: np.random.Generator) -> Params:
        group = number // _GROUP
        if group not in self._sampled:
            numbers = range(group * _GROUP, (group + 1) * _GROUP)
            draws = [self._stream(n).random(len(self.space.decisions)) for n in numbers]
            self._sampled[group] = self.controller.sample(np.stack(draws), self._given(numbers))
        return self.space.decode(self._sampled[group][number % _GROUP].tolist())

    def _given(self, numbers: Sequence[int]) -> Indices | None:
        """What the space's schedule settles, so that the other actions are drawn knowing it."""
        scheduled = [self.space.scheduled(number) for number in numbers]
        if not any(scheduled):
            return None
        return np.array(
            [
                [
                    d.index(settled[d.name]) if d.name in settled else -1
                    for d in self.space.decisions
                ]
                for settled in scheduled
            ]
        )

    def _stream(self, *key: int) -> np.random.Generator:
        """Random numbers of this strategy's own, apart from those that `ask` draws from."""
        return np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=key))

    def _learn(self, indices: tuple[int, ...], reward: float) -> None:
        advantage = self.baseline.advantage(reward)
        self._scored += 1
        self._squares += (advantage**2 - self._squares) / min(self._scored, 100)
        self._waiting.append((indices, advantage))
        if len(self._waiting) < self.batch:
            return
        actions = np.array([indices for indices, _ in self._waiting], dtype=np.intp)
        advantages = np.array([advantage for _, advantage in self._waiting])
        if self.standardise and self._squares > 0:
            advantages = np.clip(advantages / math.sqrt(self._squares), -3.0, 3.0)
        active = [self.space.active(self.space.decode(indices)) for indices, _ in self._waiting]
        self._update(actions, advantages, np.array(active))
        self._waiting.clear()
        self._sampled.clear()

    def _forget(self) -> None:
        sizes = [len(decision.choices) for decision in self.space.decisions]
        weights = self._stream(0, 0)
        self.controller = self._kind(sizes, weights, anchors=self.space.anchors, **self._shape)
        self._sampled: dict[int, Indices] = {}
        self._optimizer = Adam(self.controller.weights.size, self._learning_rate)
        self.baseline.reset()
        self._waiting: list[tuple[tuple[int, ...], float]] = []
        self._scored = 0
        self._squares = 0.0
