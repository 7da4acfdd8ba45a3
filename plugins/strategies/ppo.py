"""Proximal policy optimization of a recurrent controller."""

from __future__ import annotations

from collections.abc import Callable
from typing import Unpack

import numpy as np

from cellwright.plugins.strategies.arrays import Array
from cellwright.plugins.strategies.origins import Batch
from cellwright.plugins.strategies.policy_gradient import PolicyGradient
from cellwright.plugins.strategies.policy_options import PolicyOptions
from cellwright.search_spaces import SearchSpace
from cellwright.search_spaces.arguments import check_integer, check_number


class PPOOptions(PolicyOptions, total=False):
    """All arguments of `PPO` but the space and the seed."""

    epochs: int
    clip: float


class PPO(PolicyGradient):
    """Clipped policy gradient (Schulman et al. 2017, equation 7), as NASNet's controller is trained
    (Zoph et al. 2018, appendix A: LSTM of 100 units, batches of 20, a moving-average baseline).

    Every ``batch`` results make ``epochs`` steps of Adam along the gradient of the mean of

        sum_t min(r_t advantage, clip(r_t, 1 - clip, 1 + clip) advantage) + entropy_weight H(pi),

    where r_t is the probability of decision t's action under the present policy, divided by that
    under the policy that drew it, however many updates ago (`PolicyGradient`). Every decision has
    the advantage of the whole architecture: there is one reward, at the end, and nothing to
    discount. H is the entropy of each decision given those before it (`Controller.accumulate`).

    Args:
        space: The space to search.
        seed: See `Strategy`.
        epochs: Steps over each batch, at least 1; with 1 this is `Reinforce`, for what the present
            policy drew.
        clip: By how much the ratio r_t may leave 1 before the decision is left alone, above 0; the
            paper's is 0.2.
        options: ``cell`` ("lstm"), ``units`` (32), ``learning_rate`` (0.01), ``batch`` (8),
            ``entropy_weight`` (0.06), ``baseline`` (a `MovingAverage`), ``standardise`` (True),
            ``layers`` (1), ``initial`` (0.1), ``imitation`` (0.3) and ``entropy_rise`` (200): see
            `PolicyGradient`.

    Raises:
        ValueError: If an argument is out of range.
        TypeError: If there is no argument of that name.
    """

    def __init__(
        self,
        space: SearchSpace,
        *,
        seed: int | None = None,
        epochs: int = 3,
        clip: float = 0.5,
        **options: Unpack[PolicyOptions],
    ) -> None:
        check_clipping(epochs, clip)
        self.epochs = epochs
        self.clip = clip
        super().__init__(space, seed=seed, **options)

    @classmethod
    def nasnet(
        cls, space: SearchSpace, *, seed: int | None = None, **changes: Unpack[PPOOptions]
    ) -> PPO:
        """As NASNet's controller was trained, for 20,000 children (Zoph et al. 2018, appendix A).

        The learning rate is small: within a few hundred trials this hardly learns. ``changes`` are
        arguments that are to differ from the paper's.
        """
        published: PPOOptions = {
            "units": 100, "learning_rate": 3.5e-4, "batch": 20, "entropy_weight": 1e-5,
            "standardise": False, "clip": 0.2, "imitation": 0.0, "entropy_rise": 0, **changes,
        }  # fmt: skip
        return cls(space, seed=seed, **published)

    def _update(self, batch: Batch, advantages: Array) -> None:
        weigh = clipped_surrogate(batch.log_drawn, advantages[:, None], self.clip)
        self._improve(batch, weigh, self.epochs)


def check_clipping(epochs: int, clip: float) -> None:
    """Refuse settings of the clipped steps that are out of range.

    Raises:
        ValueError: Naming the first of them.
    """
    check_integer("epochs", epochs)
    check_number("clip", clip, above=0)


def clipped_surrogate(log_drawn: Array, advantage: Array, clip: float) -> Callable[[Array], Array]:
    """What grad log pi is multiplied by in each of the steps over one batch.

    Args:
        log_drawn: Log-probability of each action where it was drawn, (batch, decisions).
        advantage: (batch, 1), or (batch, decisions).
        clip: See `clipped_weights`.

    Returns:
        A function from the log-probabilities of the actions to `clipped_weights`, both
        (batch, decisions).
    """
    return lambda log_p: clipped_weights(np.exp(log_p - log_drawn), advantage, clip)


def clipped_weights(ratio: Array, advantage: Array, clip: float) -> Array:
    """What grad log pi is multiplied by in the gradient of min(r A, clip(r, 1 - c, 1 + c) A).

    Args:
        ratio: r, (batch, decisions).
        advantage: A, (batch, 1), or (batch, decisions).
        clip: c, above 0.
    """
    outside = np.where(advantage > 0, ratio > 1 + clip, ratio < 1 - clip)
    return np.where(outside, 0.0, ratio * advantage)
