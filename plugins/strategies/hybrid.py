"""Policy gradient with a controller that also learns to predict what an architecture scores."""

from __future__ import annotations

import math

import numpy as np

from cellwright.plugins.strategies.baseline import Baseline, Constant
from cellwright.plugins.strategies.controller.cells import Array, sigmoid
from cellwright.plugins.strategies.controller.controller import Mask
from cellwright.plugins.strategies.controller.steps import Indices
from cellwright.plugins.strategies.controller.two_heads import TwoHeadedController
from cellwright.plugins.strategies.policy_gradient import PolicyGradient
from cellwright.plugins.strategies.ppo import clipped_weights
from cellwright.plugins.strategies.strategy import Prediction
from cellwright.plugins.strategies.surrogate.reward_scale import Scale
from cellwright.search_spaces import Params, SearchSpace

_ERRORS = 50  # predictions of which the spread is told
_WORDS = 0.3  # how far from 0 what a word adds to an embedding may be


class HybridReinforce(PolicyGradient):
    """The hybrid controller of the MLPNAS series: a policy, and a head that predicts accuracy.

    Every ``batch`` results make ``epochs`` steps of Adam down the sum of two losses. That of the
    policy is `PPO`'s, with an advantage for each decision (`discounted`): the reward less the
    baseline, normalised over the batch, and discounted by ``alpha`` for each decision of the same
    architecture that followed. That of the second head is the mean squared error over the last
    ``memory`` results, of their places on a `Scale` brought to (0, 1), so that any reward can be
    predicted, whatever its unit.

    The series' reward is ``AccuracyReward("weighted_val_accuracy")``.

    Args:
        alpha: Discount, in (0, 1].
        candidates: Architectures drawn for each proposal, of which the one with the best prediction
            is taken; 1 takes what the policy draws, as the series does.
        memory: Results that the second head learns from, at least 1.
        predictor_weight: Of the second loss, above 0.
        epochs, clip: See `PPO`.
        Others: See `PolicyGradient`.

    Raises:
        ValueError: On an argument out of range.
    """

    controller: TwoHeadedController
    _scale: Scale | None
    _kind = TwoHeadedController

    def __init__(
        self,
        space: SearchSpace,
        *,
        seed: int | None = None,
        cell: str = "lstm",
        units: int = 100,
        learning_rate: float = 0.005,
        batch: int = 10,
        epochs: int = 10,
        clip: float = 0.2,
        alpha: float = 0.9,
        candidates: int = 4,
        memory: int = 200,
        predictor_weight: float = 10.0,
        entropy_weight: float = 1e-2,
        baseline: Baseline | None = None,
    ) -> None:
        for name, value in (("epochs", epochs), ("candidates", candidates), ("memory", memory)):
            if value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")
        if not 0 < alpha <= 1:
            raise ValueError(f"alpha must be above 0 and at most 1, got {alpha}")
        for name, number in (("clip", clip), ("predictor_weight", predictor_weight)):
            if not number > 0:
                raise ValueError(f"{name} must be above 0, got {number}")
        self.epochs, self.clip, self.alpha = epochs, clip, alpha
        self.candidates, self.memory, self.predictor_weight = candidates, memory, predictor_weight
        super().__init__(
            space,
            seed=seed,
            cell=cell,
            units=units,
            learning_rate=learning_rate,
            batch=batch,
            entropy_weight=entropy_weight,
            baseline=baseline if baseline is not None else Constant(0.5),
            standardise=False,
        )

    def predict(self, params: Params) -> Prediction | None:
        """What a trial of ``params`` is expected to score; None before the first update.

        The spread is that of the last predictions around what was measured.
        """
        if self._scale is None:
            return None
        mean = float(self._rewards(np.array([self.space.key(params)]))[0])
        return Prediction(mean, math.sqrt(float(np.mean(self._errors[-_ERRORS:] or [0.0]))))

    def _propose(self, number: int, rng: np.random.Generator) -> Params:
        draws = rng.random((self.candidates, len(self.space.decisions)))
        drawn = self.controller.sample(draws, self._given([number] * self.candidates))
        found = [self.space.decode(indices.tolist()) for indices in drawn]
        if self._scale is not None and self.candidates > 1:
            values = self.controller.predict(np.array([self.space.key(params) for params in found]))
            found = [found[place] for place in np.argsort(-values, kind="stable")]
        return next((params for params in found if self._is_new(params)), found[0])

    def _learn(self, indices: tuple[int, ...], reward: float) -> None:
        key = self._keys[-1]
        if self._scale is not None:
            self._errors.append(float(self._rewards(np.array([key]))[0] - reward) ** 2)
        self._results.append((key, reward))
        super()._learn(indices, reward)

    def _update(self, actions: Indices, advantages: Array, active: Mask) -> None:
        credit = discounted(advantages, active, self.alpha)
        results = self._results[-self.memory :]
        rewards = np.array([reward for _, reward in results])
        self._scale = Scale(rewards)
        # One pass through the controller for both losses: first the batch, which moves the policy,
        # then the results that the second head learns from.
        batch, known = len(actions), len(results)
        rows = np.concatenate([actions, [key for key, _ in results]])
        learned = np.concatenate([active, np.zeros_like(active, shape=(known, active.shape[1]))])
        targets = np.concatenate([np.zeros(batch), sigmoid(self._scale.targets(rewards))])
        shares = np.repeat([0.0, self.predictor_weight / known], [batch, known])
        of_all = len(rows) / batch  # the policy's loss is a mean over the batch alone
        before: Array | None = None

        def weigh(log_p: Array) -> Array:
            nonlocal before
            before = log_p[:batch] if before is None else before
            weights = np.zeros_like(log_p)
            ratio = np.exp(log_p[:batch] - before)
            weights[:batch] = of_all * clipped_weights(ratio, credit, self.clip)
            return weights

        for _ in range(self.epochs):
            self.controller.accumulate_both(
                rows, weigh, of_all * self.entropy_weight, learned, targets, shares
            )
            self._step()

    def _rewards(self, keys: Indices) -> Array:
        """What the second head expects of canonical architectures, in the unit of the rewards."""
        assert self._scale is not None
        place = np.clip(self.controller.predict(keys), 1e-9, 1 - 1e-9)
        return self._scale.rewards(np.log(place / (1 - place)))

    def _forget(self) -> None:
        super()._forget()
        self._share_words()
        self._results: list[tuple[tuple[int, ...], float]] = []
        self._errors: list[float] = []
        self._scale = None

    def _share_words(self) -> None:
        """Let choices that have words in common, in whatever decision, begin with like embeddings:
        ``"64 relu"`` and ``"64 tanh"``, or an operation of two blocks."""
        rng, words = self._stream(0, 1), dict[str, Array]()
        embedding, offsets = self.controller["embedding"], self.controller.steps.offsets
        for decision, first in zip(self.space.decisions, offsets, strict=False):
            for place, choice in enumerate(decision.choices):
                for word in choice.split() if isinstance(choice, str) else ():
                    if word not in words:
                        words[word] = rng.uniform(-_WORDS, _WORDS, self.controller.units)
                    embedding[first + place] += words[word]
        self.controller.changed()


def discounted(advantages: Array, active: Mask, alpha: float) -> Array:
    """The credit of each decision: (batch,) and (batch, decisions) to (batch, decisions).

    Advantages have mean 0 and deviation 1 over the batch (but where all are alike: 0; a batch of
    one stays as it is). A decision has that of its own architecture, times ``alpha`` for each
    active decision of the same architecture after it.
    """
    if len(advantages) > 1:
        advantages = advantages - advantages.mean()
        deviation = advantages.std()
        advantages = advantages / deviation if deviation > 1e-12 else np.zeros_like(advantages)
    following = active[:, ::-1].cumsum(axis=1)[:, ::-1] - active
    credit: Array = advantages[:, None] * alpha**following
    return credit
