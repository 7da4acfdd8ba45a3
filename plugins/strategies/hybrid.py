"""Policy gradient with a controller that also learns to predict what an architecture scores."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Unpack

import numpy as np

from cellwright.plugins.strategies.arrays import Array, Indices, Mask
from cellwright.plugins.strategies.baseline import Constant
from cellwright.plugins.strategies.controller.cells import sigmoid
from cellwright.plugins.strategies.controller.controller import Controller
from cellwright.plugins.strategies.controller.two_heads import TwoHeadedController
from cellwright.plugins.strategies.one_thread import one_thread
from cellwright.plugins.strategies.origins import Batch
from cellwright.plugins.strategies.policy_gradient import PolicyGradient
from cellwright.plugins.strategies.policy_options import ControllerOptions, PolicyOptions
from cellwright.plugins.strategies.ppo import check_clipping, clipped_surrogate
from cellwright.plugins.strategies.strategy import Prediction
from cellwright.plugins.strategies.surrogate.reward_scale import RewardScale
from cellwright.search_spaces import Params, SearchSpace
from cellwright.search_spaces.arguments import check_flag, check_integer, check_number

_ERRORS = 50  # the last predictions, whose errors give a prediction's spread
_WORDS = 0.3  # the largest number, up or down, that a word adds to an embedding
_RANKED = 64  # draws from the policy that say how selective the choice of a candidate is
# What the second head's arguments may be where there is none: their defaults, and one candidate.
_WITHOUT = {"candidates": (4, 1), "memory": (200,), "predictor_weight": (10.0,)}


class HybridReinforce(PolicyGradient):
    """The hybrid controller of the MLPNAS series: a policy, and a head that predicts accuracy.

    Every ``batch`` results make ``epochs`` steps of Adam down the sum of two losses. The policy's
    is that of `PPO`, with an advantage for each decision (`discounted`): the reward less the
    baseline, normalised over the batch, and discounted by ``alpha`` for each later decision of the
    same architecture. The second head's is the mean squared error over the last ``memory`` results.
    It predicts their places on a `RewardScale`, brought to (0, 1), so that the reward may have any
    unit.

    Of two proposals one is a plain draw from the policy, and the other the candidate of the best
    prediction. A candidate that predicts well is thus proposed more often than the policy draws it,
    and counts for less in the policy's loss (`share_of_draws`): the expected gradient is that of
    plain draws.

    The series' reward is ``AccuracyReward("weighted_val_accuracy")``.

    Args:
        space: The space to search.
        seed: See `Strategy`.
        epochs: Steps over each batch, at least 1.
        clip: See `PPO`; above 0.
        alpha: Discount, in (0, 1].
        predictor: The series' ``use_predictor``. False leaves the second head out: only the policy
            learns, what it draws is proposed, and nothing is predicted. The next three arguments
            belong to the second head and are then refused.
        candidates: Architectures drawn for every other proposal, at least 1; the one with the best
            prediction is taken. With 1 it is what the policy draws, as in the series.
        memory: Results that the second head learns from, at least 1.
        predictor_weight: Weight of the second loss, above 0.
        options: ``cell`` ("lstm"), ``units`` (100), ``learning_rate`` (0.005), ``batch`` (10),
            ``entropy_weight`` (1e-2), ``baseline`` (``Constant(0.5)``), ``layers`` (1) and
            ``initial`` (0.1): see `PolicyGradient`.

    Raises:
        ValueError: If an argument is out of range.
        TypeError: If there is no argument of that name.
    """

    _scale: RewardScale | None
    _defaults: ClassVar[PolicyOptions] = {
        "cell": "lstm", "units": 100, "learning_rate": 0.005, "batch": 10, "entropy_weight": 1e-2,
        "baseline": None, "layers": 1, "initial": 0.1,
    }  # fmt: skip

    def __init__(
        self,
        space: SearchSpace,
        *,
        seed: int | None = None,
        epochs: int = 10,
        clip: float = 0.2,
        alpha: float = 0.9,
        predictor: bool = True,
        candidates: int = 4,
        memory: int = 200,
        predictor_weight: float = 10.0,
        **options: Unpack[ControllerOptions],
    ) -> None:
        check_clipping(epochs, clip)
        check_integer("candidates", candidates)
        check_integer("memory", memory)
        check_number("alpha", alpha, above=0, most=1)
        check_number("predictor_weight", predictor_weight, above=0)
        check_flag("predictor", predictor)
        given = {"candidates": candidates, "memory": memory, "predictor_weight": predictor_weight}
        useless = [name for name, value in given.items() if value not in _WITHOUT[name]]
        if useless and not predictor:
            raise ValueError(
                f"without a predictor nothing uses {', '.join(useless)}: leave that out, or "
                "predictor=False"
            )
        self.predictor = predictor
        self._controller_type = TwoHeadedController if predictor else Controller
        self.epochs, self.clip, self.alpha = epochs, clip, alpha
        self.candidates, self.memory, self.predictor_weight = candidates, memory, predictor_weight
        if options.get("baseline") is None:
            options["baseline"] = Constant(0.5)
        super().__init__(space, seed=seed, **options)

    _learned = (*PolicyGradient._learned, "_results", "_errors", "_scale")

    @one_thread()
    def predict(self, params: Params) -> Prediction | None:
        """What a trial of ``params`` is expected to score; None before the first update, or if
        there is no predictor.

        The standard deviation is the root mean square error of the last 50 predictions.
        """
        if self._scale is None:
            return None
        mean = float(self._rewards(np.array([self.space.key(params)]))[0])
        return Prediction(mean, math.sqrt(float(np.mean(self._errors[-_ERRORS:] or [0.0]))))

    def _propose(self, number: int, rng: np.random.Generator) -> Params:
        if not self.predictor:
            return super()._propose(number, rng)
        drawn = self._sample(number, rng.random((self.candidates, len(self.space.decisions))))
        found = [self.space.decode(indices) for indices in drawn.tolist()]
        if self._scale is not None and self.candidates > 1 and number % 2:
            found = [found[place] for place in np.argsort(-self._values_of(found), kind="stable")]
        return next((params for params in found if self._is_new(params)), found[0])

    def _draws_of(self, number: int) -> Array:
        if not self.predictor:
            return super()._draws_of(number)
        rng = np.random.default_rng((self.seed, number))
        return rng.random((self.candidates, len(self.space.decisions)))

    def _learn(self, indices: tuple[int, ...], reward: float) -> None:
        key = self._keys[-1]
        if self._scale is not None:
            self._errors.append(float(self._rewards(np.array([key]))[0] - reward) ** 2)
        self._results.append((key, reward))
        super()._learn(indices, reward)

    def _update(self, batch: Batch, advantages: Array) -> None:
        credit = discounted(advantages, batch.active, self.alpha)
        credit = credit * self._shares(batch)[:, None]
        clipped = clipped_surrogate(batch.log_drawn, credit, self.clip)
        if not self.predictor:
            self._improve(batch, clipped, self.epochs)
            return
        results = self._results[-self.memory :]
        rewards = np.array([reward for _, reward in results])
        self._scale = RewardScale(rewards)
        # One pass through the controller for both losses: first the batch, which moves the policy,
        # then the results that the second head learns from.
        size, known = len(batch.actions), len(results)
        rows = np.concatenate([batch.actions, [key for key, _ in results]])
        learned = np.zeros(rows.shape, dtype=bool)
        learned[:size] = batch.active
        targets = np.concatenate([np.zeros(size), sigmoid(self._scale.targets(rewards))])
        shares = np.repeat([0.0, self.predictor_weight / known], [size, known])
        scale_up = len(rows) / size  # the policy's loss is a mean over the batch alone

        def weigh(log_p: Array) -> Array:
            weights = np.zeros_like(log_p)
            weights[:size] = scale_up * clipped(log_p[:size])
            return weights

        for _ in range(self.epochs):
            self._two_heads.accumulate_both(
                rows, weigh, scale_up * self.entropy_weight, learned, targets, shares
            )
            self._step()
        del self._results[: -self.memory], self._errors[:-_ERRORS]

    def _shares(self, batch: Batch) -> Array:
        """What each result counts, (batch,), by how its candidate was chosen (`share_of_draws`).

        The ranking is that before this update: for what was drawn before an earlier one, this is
        not quite the one by which it was chosen.
        """
        if self._scale is None or self.candidates == 1 or not self.predictor:
            return np.ones(len(batch.own))
        draws = self._stream(0, 2).random((_RANKED, len(self.space.decisions)))
        pool = self._values_of(map(self.space.decode, self.controller.sample(draws).tolist()))
        values = self._values_of(map(self.space.decode, batch.actions.tolist()))
        below = (pool < values[:, None]).mean(axis=1)
        up_to = (pool <= values[:, None]).mean(axis=1)
        return np.where(batch.own, share_of_draws(below, up_to, self.candidates), 1.0)

    def _values_of(self, found: Iterable[Params]) -> Array:
        return self._two_heads.predict(np.array([self.space.key(params) for params in found]))

    @property
    def _two_heads(self) -> TwoHeadedController:
        assert isinstance(self.controller, TwoHeadedController)
        return self.controller

    def _rewards(self, keys: Indices) -> Array:
        """What the second head predicts for canonical architectures, in the unit of the rewards."""
        assert self._scale is not None
        place = np.clip(self._two_heads.predict(keys), 1e-9, 1 - 1e-9)
        return self._scale.rewards(np.log(place / (1 - place)))

    def _forget(self) -> None:
        super()._forget()
        self._share_words()
        self._results: list[tuple[tuple[int, ...], float]] = []
        self._errors: list[float] = []
        self._scale = None

    def _values(self) -> dict[str, Any]:
        return {name: value for name, value in super()._values().items() if name != "_scale"}

    def _take_values(self, values: Mapping[str, Any]) -> None:
        super()._take_values(values)
        updated = self._results[: len(self._results) - len(self._waiting)]
        if updated and self.predictor:
            self._scale = RewardScale(np.array([reward for _, reward in updated]))

    def _share_words(self) -> None:
        """Let choices that have words in common begin with similar embeddings, whichever decisions
        they belong to: ``"64 relu"`` and ``"64 tanh"``, or one operation in two blocks."""
        rng, words = self._stream(0, 1), dict[str, Array]()
        embedding, offsets = self.controller["embedding"], self.controller.steps.offsets
        for decision, first in zip(self.space.decisions, offsets, strict=False):
            for place, choice in enumerate(decision.choices):
                for word in choice.split() if isinstance(choice, str) else ():
                    if word not in words:
                        words[word] = rng.uniform(-_WORDS, _WORDS, self.controller.units)
                    embedding[first + place] += words[word]
        self.controller.changed()


def share_of_draws(below: Array, up_to: Array, candidates: int) -> Array:
    """Importance weights where one of two proposals is the best of n draws, and the other a plain
    one: pi(a) / (pi(a) / 2 + (F^n - f^n) / (F - f) pi(a) / 2), between 2 / (1 + n) and 2.

    Args:
        below: f, how probable it is that a draw is predicted to be worse than a, (batch,).
        up_to: F, the same or equal, (batch,).
        candidates: n, at least 1.
    """
    powers = range(candidates)
    chosen: Array = sum((up_to**k * below ** (candidates - 1 - k) for k in powers), np.zeros(1))
    return 2.0 / (1.0 + chosen)


def discounted(advantages: Array, active: Mask, alpha: float) -> Array:
    """The credit of each decision, (batch, decisions).

    Advantages are brought to mean 0 and standard deviation 1 over the batch; if all are equal they
    become 0, and a batch of one stays as it is. The credit of a decision is the advantage of its
    architecture, times ``alpha`` for each active decision of the same architecture after it.

    Args:
        advantages: (batch,).
        active: (batch, decisions).
        alpha: In (0, 1].
    """
    if len(advantages) > 1:
        advantages = advantages - advantages.mean()
        deviation = advantages.std()
        advantages = advantages / deviation if deviation > 1e-12 else np.zeros_like(advantages)
    following = active[:, ::-1].cumsum(axis=1)[:, ::-1] - active
    credit: Array = advantages[:, None] * alpha**following
    return credit
