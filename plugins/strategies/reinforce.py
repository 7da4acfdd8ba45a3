"""REINFORCE with a recurrent controller."""

from __future__ import annotations

import math
from typing import ClassVar, Unpack

import numpy as np

from cellwright.plugins.strategies.arrays import Array
from cellwright.plugins.strategies.baseline import RollingWindow
from cellwright.plugins.strategies.origins import Batch, truncated_ratio
from cellwright.plugins.strategies.policy_gradient import PolicyGradient
from cellwright.plugins.strategies.policy_options import PolicyOptions
from cellwright.search_spaces import Params, SearchSpace
from cellwright.search_spaces.arguments import check_integer, check_number


class ReinforceOptions(PolicyOptions, total=False):
    """All arguments of `Reinforce` but the space and the seed."""

    exploration: float
    epochs: int


# What the book and the papers print, where our defaults differ.
_PUBLISHED: ReinforceOptions = {"epochs": 1, "imitation": 0.0, "entropy_rise": 0}


class Reinforce(PolicyGradient):
    """Policy gradient on a recurrent controller (Williams 1992; Zoph and Le 2016, section 3.2).

    Every ``batch`` results make ``epochs`` steps of Adam along the mean of

        weight * advantage * grad log pi(architecture) + entropy_weight * grad H,

    where H is the entropy of each decision given those before it (`Controller.accumulate`). The
    weight is 1 for what the present policy drew, and otherwise the importance weight, truncated at
    3 (`origins.truncated_ratio`): what the policy would hardly draw hardly moves it. To this comes
    the imitation of the best results (`PolicyGradient`). ``Reinforce(space, epochs=1, imitation=0,
    entropy_rise=0)`` is the plain gradient.

    With ``exploration`` = e > 0, that share of the trials is drawn uniformly, and the weight is
    that of the mixture's likelihood, (1 - e) pi + e uniform, wherever a result comes from.

    Args:
        space: The space to search.
        seed: See `Strategy`.
        exploration: Share of the trials that is drawn uniformly, in [0, 1).
        epochs: Steps over each batch, at least 1; the weights are those before the first.
        options: ``cell`` ("lstm"), ``units`` (32), ``learning_rate`` (0.01), ``batch`` (8),
            ``entropy_weight`` (0.08), ``baseline`` (a `MovingAverage`), ``standardise`` (True),
            ``layers`` (1), ``initial`` (0.1), ``imitation`` (0.3) and ``entropy_rise`` (200): see
            `PolicyGradient`.

    Raises:
        ValueError: If an argument is out of range.
        TypeError: If there is no argument of that name.
    """

    _defaults: ClassVar[PolicyOptions] = {**PolicyGradient._defaults, "entropy_weight": 0.08}

    def __init__(
        self,
        space: SearchSpace,
        *,
        seed: int | None = None,
        exploration: float = 0.0,
        epochs: int = 3,
        **options: Unpack[PolicyOptions],
    ) -> None:
        check_number("exploration", exploration, least=0, below=1)
        check_integer("epochs", epochs)
        self.exploration, self.epochs = exploration, epochs
        if exploration:
            self._keeps = 0  # a uniform draw may be anyone's
        super().__init__(space, seed=seed, **options)

    @classmethod
    def book(
        cls, space: SearchSpace, *, seed: int | None = None, **changes: Unpack[ReinforceOptions]
    ) -> Reinforce:
        """The book's controller, ``reinforce-book`` by name: the NAS cell, a rolling window of 20
        rewards as baseline, an update after each child, and half of the trials drawn uniformly.

        The book trains on what it drew uniformly as if the policy had drawn it; here the mixture's
        likelihood accounts for that share. ``changes`` are arguments that are to differ.
        """
        printed: ReinforceOptions = {
            **_PUBLISHED, "cell": "nas", "learning_rate": 0.02, "batch": 1, "entropy_weight": 1e-3,
            "baseline": RollingWindow(), "standardise": False, "exploration": 0.5, **changes,
        }  # fmt: skip
        return cls(space, seed=seed, **printed)

    @classmethod
    def layerwise(
        cls, space: SearchSpace, *, seed: int | None = None, **changes: Unpack[ReinforceOptions]
    ) -> Reinforce:
        """As the controller of layer-wise search was trained, for 12,800 children (Zoph and Le
        2016, section 4.1): an LSTM of two layers of 35 units, and a moving average as baseline.

        The learning rate is small: within a few hundred trials this hardly learns. It is meant for
        a `ConvNetSpace` and the reward ``AccuracyReward("best_val_accuracy", power=3)``.
        ``changes`` are arguments that are to differ from the paper's.
        """
        published: ReinforceOptions = {
            **_PUBLISHED, "cell": "lstm", "units": 35, "layers": 2, "initial": 0.08,
            "learning_rate": 6e-4, "entropy_weight": 0.0, "standardise": False, **changes,
        }  # fmt: skip
        return cls(space, seed=seed, **published)

    def _propose(self, number: int, rng: np.random.Generator) -> Params:
        if self.exploration and rng.random() < self.exploration:
            return self.space.sample(rng)
        return super()._propose(number, rng)

    def _update(self, batch: Batch, advantages: Array) -> None:
        if self.exploration:
            log_pi = np.where(batch.active, batch.log_now, 0.0).sum(axis=1)
            log_uniform = -np.where(batch.active, self._log_sizes, 0.0).sum(axis=1)
            weights = mixture_weight(log_pi, log_uniform, self.exploration)
        else:
            weights = truncated_ratio(batch)
        credit = (weights * advantages)[:, None]
        self._improve(batch, lambda log_p: np.broadcast_to(credit, log_p.shape), self.epochs)


def mixture_weight(log_pi: Array, log_uniform: float | Array, share: float) -> Array:
    """How much of grad log pi is in the gradient of a mixture's log-likelihood, in (0, 1).

    The mixture is q = (1 - share) pi + share u, so grad log q = (1 - share) pi / q * grad log pi.
    """
    odds = math.log1p(-share) + log_pi - math.log(share) - log_uniform
    return np.asarray(0.5 * np.tanh(0.5 * odds) + 0.5)
