"""Search guided by a predictor of the reward."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from cellwright.plugins.strategies.arrays import Array, Indices
from cellwright.plugins.strategies.first_draws import Signal, better_of_two
from cellwright.plugins.strategies.one_thread import one_thread
from cellwright.plugins.strategies.strategy import Prediction, Strategy
from cellwright.plugins.strategies.surrogate.candidates import PARENTS, Candidates, best_first
from cellwright.plugins.strategies.surrogate.earlier import WithEarlier, results_of
from cellwright.plugins.strategies.surrogate.features import Features
from cellwright.plugins.strategies.surrogate.gaussian_process import GaussianProcess
from cellwright.plugins.strategies.surrogate.reward_scale import RewardScale
from cellwright.plugins.strategies.surrogate.upkeep import (
    check_sizes,
    fitted_to,
    highest,
    is_first,
    milestone,
    training_set,
)
from cellwright.search_spaces import Params, SearchSpace
from cellwright.search_spaces.arguments import check_signal

_FRACTIONS = 30  # of a continued fraction that is right to the last digits after so many


class _Model(NamedTuple):
    told: int  # length of the history that it is fitted to
    process: GaussianProcess
    scale: RewardScale
    best: Indices  # the told architectures of the highest predicted means, (parents, decisions)
    highest: float  # the highest of these means


class PredictorGuided(Strategy):
    """Bayesian optimisation with a Gaussian process on the architecture's features.

    The first ``initial`` results come from architectures drawn at random. From then on a
    `GaussianProcess` learns the results (`Features`, `RewardScale`). Candidates are evolved towards
    the highest expected improvement (Jones, Schonlau and Welch 1998), starting from the
    architectures that the predictor thinks best and from random ones. Half of the proposals, by
    chance, are the candidate of the highest expected improvement. The others are the best candidate
    in one draw from the posterior (Thompson 1933), which explores where the predictor is unsure and
    differs between workers. Until the results of running architectures are known, they are taken to
    score what is expected of them (`GaussianProcess.beside`), so that many workers explore
    different parts of the space.

    A child that failed counts as the worst result so far. The predictor is fitted when it is asked,
    not when it is told, to at most ``most`` results, the best and the most recent ones. The more
    results there are, the longer are the intervals between fits: a suggestion costs as much after
    5,000 trials as after 300.

    Args:
        space: The space to search.
        seed: See `Strategy`.
        initial: Random architectures before the first prediction, those that run included, at least
            2.
        most: Results that the predictor is fitted to, at least ``initial``.
        signal: Cheap score of an untrained network, such as `warm_start` makes, higher for better
            networks. Each of the first architectures is then the better of two draws.
        prior: Earlier searches of this space, on other data or another device say; each a list of
            pairs of an architecture and its reward, see `results_of`. What they would expect of an
            architecture is learned from beside it (`WithEarlier`), and no trial is spent on it.

    Raises:
        ValueError: If an argument is out of range.
    """

    def __init__(
        self,
        space: SearchSpace,
        *,
        seed: int | None = None,
        initial: int = 5,
        most: int = 200,
        signal: Signal | None = None,
        prior: Sequence[Any] = (),
    ) -> None:
        super().__init__(space, seed=seed)
        check_sizes(initial, most)
        check_signal(signal)
        self.initial, self.most, self.signal = initial, most, signal
        if isinstance(prior, str) or not isinstance(prior, Sequence):
            raise ValueError(f"prior must be a list of earlier searches, got {prior!r:.200}")
        self.prior = prior
        self._features: Features | WithEarlier = Features(space)
        if prior:
            with one_thread():
                searches = [results_of(space, search, most) for search in prior]
                self._features = WithEarlier(self._features, searches)
        self._candidates = Candidates(space)
        self._forget()

    @one_thread()
    def predict(self, params: Params) -> Prediction | None:
        """What a trial of ``params`` is expected to score; None before the first fit.

        The mean is the median of the prediction, and the standard deviation half the width of its
        central 68 %, noise of the measurement included. On the scale of the rewards it is skewed
        (`RewardScale`), with more room below: two of these deviations do not hold 95 %.
        """
        if self._scored < self.initial:
            return None
        model = self._fitted()
        mean, deviation = model.process.predict(self._features(np.array([self.space.key(params)])))
        spread = np.hypot(deviation, model.process.noise)
        low, middle, high = model.scale.rewards(
            np.concatenate([mean - spread, mean, mean + spread])
        )
        return Prediction(float(middle), float(high - low) / 2)

    def _propose(self, number: int, rng: np.random.Generator) -> Params:
        if is_first(self._scored, len(self._running), self.initial):
            return better_of_two(self.space, rng, self.signal)
        model = self._fitted()
        if self._running:
            model = self._beside(model, np.array(sorted(self._running)))
        candidates = self._candidates.evolved(
            model.best,
            self._within_limit(partial(self._merits, model)),
            self._settled(number),
            len(self._running),
            rng,
        )
        if rng.random() < 0.5:
            values = model.process.draw(self._of_networks(candidates), rng)
            candidates = candidates[best_first(values)]
        for candidate in candidates:
            params = self.space.decode(candidate.tolist())
            if self._is_new(params):
                break
        return params

    def _learn(self, indices: tuple[int, ...], reward: float) -> None:
        self._scored += 1

    def _forget(self) -> None:
        self._scored = 0
        self._process: tuple[int, GaussianProcess] | None = None
        self._model: _Model | None = None

    def _beside(self, model: _Model, running: Indices) -> _Model:
        """The model, once it were told that what is ``running`` scores just what it expects."""
        features = self._features(running)
        mean, _ = model.process.predict(features)
        return model._replace(
            process=model.process.beside(features), highest=max(model.highest, float(mean.max()))
        )

    def _fitted(self) -> _Model:
        """The predictor for the present length of the history, whatever was asked before."""
        told = fitted_to(len(self._history))
        if self._model is None or self._model.told != told:
            process = self._with_hyperparameters(told)
            keys, rewards = self._training_set(told)
            scale = RewardScale(rewards)
            process.condition(self._features(keys), scale.targets(rewards))
            mean, _ = process.predict(self._features(keys))
            best = keys[best_first(mean)[:PARENTS]]
            self._model = _Model(told, process, scale, best, float(mean.max()))
        return self._model

    def _with_hyperparameters(self, told: int) -> GaussianProcess:
        """A process with the hyperparameters learned from the results up to the last milestone."""
        learned = milestone(self.initial, told)
        if self._process is None or self._process[0] != learned:
            process = GaussianProcess(self._features.groups)
            keys, rewards = self._training_set(min(learned, told))
            process.learn(self._features(keys), RewardScale(rewards).targets(rewards))
            self._process = (learned, process)
        return self._process[1]

    def _training_set(self, told: int) -> tuple[Indices, Array]:
        """Canonical indices and rewards of the best and the most recent of the first ``told``
        results."""
        return training_set(self._history[:told], self._keys, self.most, highest)

    def _of_networks(self, candidates: Indices) -> Array:
        """Features of what candidates describe: of the canonical forms, as in what was learned."""
        return self._features(self._candidates.canonical(candidates))

    def _merits(self, model: _Model, candidates: Indices) -> Array:
        mean, deviation = model.process.predict(self._of_networks(candidates))
        return log_expected_improvement(mean, deviation, model.highest)


def log_expected_improvement(mean: Array, deviation: Array, highest: float) -> Array:
    """Logarithm of E max(0, f - highest) for a normal f, elementwise; finite for finite arguments.

    This is equation 15 of Jones, Schonlau and Welch 1998; where it would underflow, far below
    ``highest``, Mills' ratio serves (Ament et al. 2023, section 4.1), by Laplace's continued
    fraction.

    Args:
        mean: Mean of f.
        deviation: Standard deviation of f, above 0.
        highest: What is to be improved on.
    """
    z = (mean - highest) / deviation
    near = np.maximum(z, -5.0)
    density = np.exp(-0.5 * near**2) / math.sqrt(2 * math.pi)
    improvement = np.log(density + near * 0.5 * _erfc(-near / math.sqrt(2)))
    far = np.maximum(-z, 5.0)
    fraction = np.zeros_like(far)
    for number in range(_FRACTIONS, 0, -1):
        fraction = number / (far + fraction)
    # Mills' ratio is 1 / (far + fraction), and so 1 - far * ratio = fraction / (far + fraction).
    tail = np.log(fraction / (far + fraction)) - 0.5 * (far**2 + math.log(2 * math.pi))
    merit: Array = np.log(deviation) + np.where(z > -5.0, improvement, tail)
    return merit


_erfc = np.vectorize(math.erfc, otypes=[float])
