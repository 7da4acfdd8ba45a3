"""Search guided by a predictor of the reward."""

from __future__ import annotations

import math
from typing import NamedTuple, cast

import numpy as np

from cellwright.plugins.strategies.arrays import Array, Indices
from cellwright.plugins.strategies.first_draws import Signal, better_of_two
from cellwright.plugins.strategies.one_thread import one_thread
from cellwright.plugins.strategies.outcome import Range, lesson
from cellwright.plugins.strategies.strategy import Prediction, Strategy
from cellwright.plugins.strategies.surrogate.features import Features
from cellwright.plugins.strategies.surrogate.gaussian_process import GaussianProcess
from cellwright.plugins.strategies.surrogate.reward_scale import RewardScale
from cellwright.search_spaces import Params, SearchSpace
from cellwright.search_spaces.arguments import check_integer, check_signal

_ROUNDS = 3  # in which the most promising candidates are mutated
# With many workers a proposal is a step of few: 128 workers take four in 500 evaluations. Each must
# lead as far as the predictor can see, and not only as far as three mutations do.
_FURTHER, _MOST_ROUNDS = 0.6, 20  # rounds for each architecture that runs, and at most so many
_CANDIDATES = 100  # new ones in each round
_PARENTS = 20
_FINALISTS = 100  # candidates among which a draw from the posterior decides
_FRESH = 100  # the predictor is fitted anew when it lacks one result in so many
_GROWTH = 1.2  # and its hyperparameters when there are so many times the results


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
        initial: Results from random architectures before the first prediction, at least 2.
        most: Results that the predictor is fitted to, at least ``initial``.
        signal: Cheap score of an untrained network, such as `warm_start` makes, higher for better
            networks. Each of the first architectures is then the better of two draws.

    Raises:
        ValueError: If an argument is out of range.
    """

    def __init__(
        self,
        space: SearchSpace,
        *,
        seed: int | None = None,
        initial: int = 10,
        most: int = 200,
        signal: Signal | None = None,
    ) -> None:
        super().__init__(space, seed=seed)
        check_integer("initial", initial, 2)
        check_integer("most", most)
        check_signal(signal)
        if most < initial:
            raise ValueError(f"most must be at least initial, {initial}, got {most}")
        self.initial, self.most, self.signal = initial, most, signal
        self._features = Features(space)
        self._sizes = np.array([len(decision.choices) for decision in space.decisions])
        self._forget()

    @one_thread()
    def predict(self, params: Params) -> Prediction | None:
        """What a trial of ``params`` is expected to score; None before the first fit."""
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
        if self._scored < self.initial:
            return better_of_two(self.space, rng, self.signal)
        model = self._fitted()
        if self._running:
            model = self._beside(model, np.array(sorted(self._running)))
        candidates = self._candidates(model, self._settled(number), rng)
        if rng.random() < 0.5:
            values = model.process.draw(self._features(candidates), rng)
            candidates = candidates[_best_first(values)]
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
        told = len(self._history)
        told -= told % max(1, told // _FRESH)
        if self._model is None or self._model.told != told:
            process = self._with_hyperparameters(told)
            keys, rewards = self._training_set(told)
            scale = RewardScale(rewards)
            process.condition(self._features(keys), scale.targets(rewards))
            mean, _ = process.predict(self._features(keys))
            best = keys[_best_first(mean)[:_PARENTS]]
            self._model = _Model(told, process, scale, best, float(mean.max()))
        return self._model

    def _with_hyperparameters(self, told: int) -> GaussianProcess:
        """A process with the hyperparameters learned from the results up to the last milestone."""
        milestone = self.initial
        while int(milestone * _GROWTH) + 1 <= told:
            milestone = int(milestone * _GROWTH) + 1
        if self._process is None or self._process[0] != milestone:
            process = GaussianProcess(self._features.groups)
            keys, rewards = self._training_set(min(milestone, told))
            process.learn(self._features(keys), RewardScale(rewards).targets(rewards))
            self._process = (milestone, process)
        return self._process[1]

    def _training_set(self, told: int) -> tuple[Indices, Array]:
        """Canonical indices and rewards of the best and the most recent of the first ``told``
        results."""
        results = self._history[:told]
        seen = Range().over(results)
        found = cast("list[float | None]", [lesson(result, seen) for result in results])
        worst = min((reward for reward in found if reward is not None), default=0.0)
        rewards = np.array([worst if reward is None else reward for reward in found])
        chosen = np.arange(told)
        if told > self.most:
            best = np.argsort(-rewards, kind="stable")[: self.most // 2]
            others = np.setdiff1d(chosen, best)
            chosen = np.sort(np.concatenate([best, others[len(best) - self.most :]]))
        return np.array([self._keys[i] for i in chosen], dtype=np.intp), rewards[chosen]

    def _candidates(self, model: _Model, settled: Params, rng: np.random.Generator) -> Indices:
        """Candidates evolved over a few rounds, all different, the most promising first."""
        drawn = rng.integers(self._sizes, size=(_CANDIDATES // 2, len(self._sizes)))
        pool = np.concatenate([model.best, self._children(model.best, rng), drawn])
        pool = self._with(settled, pool)
        merits = self._merits(model, pool)
        further = min(int(_FURTHER * len(self._running)), _MOST_ROUNDS)
        for _ in range(max(_ROUNDS, further)):
            parents = pool[_best_first(merits)[:_PARENTS]]
            children = self._with(settled, self._children(parents, rng))
            pool = np.concatenate([pool, children])
            merits = np.concatenate([merits, self._merits(model, children)])
        distinct = {candidate.tobytes(): candidate for candidate in pool[_best_first(merits)]}
        return np.array(list(distinct.values())[:_FINALISTS])

    def _with(self, settled: Params, candidates: Indices) -> Indices:
        for place, decision in enumerate(self.space.decisions):
            if decision.name in settled:
                candidates[:, place] = decision.index(settled[decision.name])
        return candidates

    def _merits(self, model: _Model, candidates: Indices) -> Array:
        mean, deviation = model.process.predict(self._features(candidates))
        return log_expected_improvement(mean, deviation, model.highest)

    def _children(self, parents: Indices, rng: np.random.Generator) -> Indices:
        """Mutated parents, a quarter of them crossed with another first; each has at least one
        decision changed."""
        count, decisions = _CANDIDATES, len(self._sizes)
        one, other = parents[rng.integers(len(parents), size=(2, count))]
        crossed = (rng.random((count, 1)) < 0.25) & (rng.random((count, decisions)) < 0.5)
        children = np.where(crossed, other, one)
        further = rng.geometric(0.5, size=(count, 1)) - 1  # decisions changed beyond one
        places = rng.random((count, decisions)) < further / decisions
        places[np.arange(count), rng.integers(decisions, size=count)] = True
        shifts = rng.integers(1, np.maximum(self._sizes, 2), size=(count, decisions))
        changed: Indices = np.where(places, (children + shifts) % self._sizes, children)
        return changed


def _best_first(values: Array) -> Indices:
    """Positions by falling value. Values that differ only by rounding stay in their order, so that
    it is the same on any processor."""
    return np.argsort(-np.round(values, 6), kind="stable")


def log_expected_improvement(mean: Array, deviation: Array, highest: float) -> Array:
    """Logarithm of E max(0, f - highest) for a normal f, elementwise; finite for finite arguments.

    This is equation 15 of Jones, Schonlau and Welch 1998; where it would underflow, far below
    ``highest``, its asymptotic series serves (Ament et al. 2023, section 4.1).

    Args:
        mean: Mean of f.
        deviation: Standard deviation of f, above 0.
        highest: What is to be improved on.
    """
    z = (mean - highest) / deviation
    near = np.maximum(z, -5.0)
    density = np.exp(-0.5 * near**2) / math.sqrt(2 * math.pi)
    improvement = np.log(density + near * 0.5 * _erfc(-near / math.sqrt(2)))
    far = np.minimum(z, -5.0)
    tail = np.log1p(-3 / far**2) - 0.5 * (far**2 + math.log(2 * math.pi)) - 2 * np.log(-far)
    merit: Array = np.log(deviation) + np.where(z > -5.0, improvement, tail)
    return merit


_erfc = np.vectorize(math.erfc, otypes=[float])
