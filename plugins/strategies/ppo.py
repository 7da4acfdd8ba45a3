"""Proximal policy optimization of a recurrent controller."""

from __future__ import annotations

from typing import Any

import numpy as np

from cellwright.plugins.strategies.baseline import Baseline
from cellwright.plugins.strategies.controller.cells import Array
from cellwright.plugins.strategies.controller.controller import Mask
from cellwright.plugins.strategies.controller.steps import Indices
from cellwright.plugins.strategies.policy_gradient import PolicyGradient
from cellwright.search_spaces import SearchSpace


class PPO(PolicyGradient):
    """Clipped policy gradient (Schulman et al. 2017, equation 7), as NASNet's controller is trained
    (Zoph et al. 2018, appendix A.1: LSTM of 100 units, batches of 20, a moving-average baseline).

    Every ``batch`` results make ``epochs`` steps of Adam along the gradient of the mean of

        sum_t min(r_t advantage, clip(r_t, 1 - clip, 1 + clip) advantage) + entropy_weight H(pi),

    where r_t is the probability of decision t's action under the policy now over that before the
    first of these steps. Each decision has the advantage of the whole architecture: there is one
    reward, at the end, and nothing to discount.

    Args:
        epochs: Steps over each batch, at least 1; with 1 this is `Reinforce`.
        clip: How far a decision's probability may move before it is left alone, above 0.
        Others: See `PolicyGradient`.

    Raises:
        ValueError: On an argument out of range.
    """

    def __init__(
        self,
        space: SearchSpace,
        *,
        seed: int | None = None,
        cell: str = "lstm",
        units: int = 32,
        learning_rate: float = 0.015,
        batch: int = 16,
        epochs: int = 3,
        clip: float = 0.2,
        entropy_weight: float = 1e-3,
        baseline: Baseline | None = None,
        standardise: bool = True,
    ) -> None:
        if epochs < 1:
            raise ValueError(f"epochs must be at least 1, got {epochs}")
        if not clip > 0:
            raise ValueError(f"clip must be above 0, got {clip}")
        self.epochs = epochs
        self.clip = clip
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
        )

    @classmethod
    def nasnet(cls, space: SearchSpace, *, seed: int | None = None, **changes: Any) -> PPO:
        """As NASNet's controller was trained, for 20,000 children (Zoph et al. 2018, appendix A.1).

        The step is small: within a few hundred trials this hardly learns.
        """
        published = {
            "units": 100, "learning_rate": 3.5e-4, "batch": 20, "entropy_weight": 1e-5,
            "standardise": False,
        }  # fmt: skip
        return cls(space, seed=seed, **{**published, **changes})

    def _update(self, actions: Indices, advantages: Array, active: Mask) -> None:
        before: Array | None = None

        def weigh(log_p: Array) -> Array:
            nonlocal before
            if before is None:
                before = log_p
            return clipped_weights(np.exp(log_p - before), advantages[:, None], self.clip)

        for _ in range(self.epochs):
            self.controller.accumulate(actions, weigh, self.entropy_weight, active)
            self._step()


def clipped_weights(ratio: Array, advantage: Array, clip: float) -> Array:
    """What grad log pi is multiplied with in the gradient of min(r A, clip(r, 1 - c, 1 + c) A).

    Args:
        ratio: r, (batch, decisions).
        advantage: A, (batch, 1).
        clip: c, above 0.
    """
    outside = np.where(advantage > 0, ratio > 1 + clip, ratio < 1 - clip)
    return np.where(outside, 0.0, ratio * advantage)
