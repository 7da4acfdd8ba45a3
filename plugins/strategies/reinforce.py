"""REINFORCE with a recurrent controller."""

from __future__ import annotations

from typing import Any

import numpy as np

from cellwright.plugins.strategies.baseline import Baseline, RollingWindow
from cellwright.plugins.strategies.controller.cells import Array
from cellwright.plugins.strategies.controller.controller import Mask, mixture_weight
from cellwright.plugins.strategies.controller.steps import Indices
from cellwright.plugins.strategies.policy_gradient import PolicyGradient
from cellwright.search_spaces import Params, SearchSpace


class Reinforce(PolicyGradient):
    """Policy gradient on a recurrent controller (Williams 1992; Zoph and Le 2016; NASNet).

    Every ``batch`` results make one step of Adam along the mean of

        advantage * grad log pi(architecture) + entropy_weight * grad H(pi).

    With ``exploration`` = e > 0, that share of the trials is drawn uniformly, and the gradient is
    that of the mixture's likelihood, (1 - e) pi + e uniform: a uniformly drawn architecture, or
    one from elsewhere that the policy would hardly draw, moves the policy hardly at all.

    Args:
        exploration: Uniform share, in [0, 1).
        Others: See `PolicyGradient`.

    Raises:
        ValueError: On an argument out of range.
    """

    def __init__(
        self,
        space: SearchSpace,
        *,
        seed: int | None = None,
        cell: str = "nas",
        units: int = 32,
        learning_rate: float = 0.02,
        batch: int = 8,
        entropy_weight: float = 1e-3,
        exploration: float = 0.0,
        baseline: Baseline | None = None,
        standardise: bool = True,
        layers: int = 1,
        initial: float = 0.1,
    ) -> None:
        if not 0 <= exploration < 1:
            raise ValueError(f"exploration must be in [0, 1), got {exploration}")
        self.exploration = exploration
        self._log_sizes = np.log([len(decision.choices) for decision in space.decisions])
        super().__init__(
            space,
            seed=seed,
            cell=cell,
            units=units,
            learning_rate=learning_rate,
            batch=batch,
            entropy_weight=entropy_weight,
            baseline=baseline,
            standardise=standardise,
            layers=layers,
            initial=initial,
        )

    @classmethod
    def book(cls, space: SearchSpace, *, seed: int | None = None, **changes: Any) -> Reinforce:
        """As the book trains: NASCell, a rolling window as baseline, an update each child."""
        printed = {"batch": 1, "baseline": RollingWindow(), "standardise": False}
        return cls(space, seed=seed, **{**printed, **changes})

    @classmethod
    def layerwise(cls, space: SearchSpace, *, seed: int | None = None, **changes: Any) -> Reinforce:
        """As the controller of layer-wise search was trained, for 12,800 children (Zoph and Le
        2016, section 4.1): an LSTM of two layers of 35 units, a moving-average baseline.

        The step is small: within a few hundred trials this hardly learns. For a `ConvNetSpace`,
        with the reward ``AccuracyReward("best_val_accuracy", power=3)``.
        """
        published = {
            "cell": "lstm", "units": 35, "layers": 2, "initial": 0.08, "learning_rate": 6e-4,
            "entropy_weight": 0.0, "standardise": False,
        }  # fmt: skip
        return cls(space, seed=seed, **{**published, **changes})

    def _propose(self, number: int, rng: np.random.Generator) -> Params:
        if self.exploration and rng.random() < self.exploration:
            return self.space.sample(rng)
        return super()._propose(number, rng)

    def _update(self, actions: Indices, advantages: Array, active: Mask) -> None:
        if self.exploration:
            log_pi = self.controller.log_probability(actions, active)
            log_uniform = -np.where(active, self._log_sizes, 0.0).sum(axis=1)
            advantages = advantages * mixture_weight(log_pi, log_uniform, self.exploration)
        self.controller.accumulate(actions, advantages, self.entropy_weight, active)
        self._step()
