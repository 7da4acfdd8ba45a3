"""Search guided by a predictor of each of several objectives."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from cellwright.plugins.strategies.arrays import Array, Indices
from cellwright.plugins.strategies.computed import ComputedObjectives
from cellwright.plugins.strategies.first_draws import Signal, better_of_two
from cellwright.plugins.strategies.pareto import first, gains, non_dominated
from cellwright.plugins.strategies.strategy import Strategy, check_several
from cellwright.plugins.strategies.surrogate.candidates import PARENTS, Candidates, best_first
from cellwright.plugins.strategies.surrogate.features import Features
from cellwright.plugins.strategies.surrogate.gaussian_process import GaussianProcess
from cellwright.plugins.strategies.surrogate.reward_scale import RewardScale
from cellwright.plugins.strategies.surrogate.upkeep import (
    check_sizes,
    fitted_to,
    is_first,
    milestone,
    training_set,
)
from cellwright.search_spaces import Params, SearchSpace
from cellwright.search_spaces.arguments import check_signal

_OPTIMISM = 1.0  # deviations above the mean at which candidates are judged as they are evolved
_SLOPE = 0.05  # of the augmented Chebyshev function
_BELOW = 0.1  # how far the reference point is below the worst, as a share of the range

Merit = Callable[[Array], Array]  # of points in targets, (rows, objectives): (rows,)
Expectation = Callable[[GaussianProcess, Array], Array]  # of one objective, by features: (rows,)


class _Model(NamedTuple):
    told: int  # length of the history that it is fitted to
    processes: dict[int, GaussianProcess]  # one for each objective that is not computed
    scales: tuple[RewardScale, ...]
    keys: Indices  # the results that it is fitted to, (results, decisions)
    means: Array  # what is expected of them, in targets, (results, objectives)
    front: Indices  # those of them that no other dominates


class ParetoPredictor(Strategy):
    """Bayesian optimisation of several objectives, with a Gaussian process for each of them.

    The first ``initial`` results come from architectures drawn at random. From then on each
    objective has a predictor as `PredictorGuided` has one (`GaussianProcess`, `Features`,
    `RewardScale`). Candidates are evolved towards what their predicted mean and one standard
    deviation are worth, and the best of them in one draw from all posteriors is proposed (Thompson
    1933). What values are worth is one of two things, half of the time each, by chance:

    - the hypervolume that they would add to the front (as in Bradford, Schweidtmann and Lapkin,
      "Efficient multiobjective optimization employing Gaussian processes, spectral sampling and a
      genetic algorithm", 2018), down to a tenth of the range below the worst value;
    - their augmented Chebyshev value (Knowles, "ParEGO", 2006, equation 2), in targets scaled to
      the same range, for weights drawn from Dirichlet(1, ..., 1).

    The first is greedy for what is missing most, the second looks at every part of the front. The
    range is that from the worst to the best of all results: within that of the front found so far,
    a search would not look beyond its ends. Front and range are those of the predicted means of
    what was told: a value that is high by luck hides no trade-off. With three objectives or more
    the hypervolume is estimated (`gains`).

    An objective that is known of a network before it is trained, such as its parameters, need not
    be learned: it is ``computed`` for each candidate. The first architectures then differ in it as
    much as random ones do (`ComputedObjectives.spread`).

    A child that failed counts as the worst in each objective; one beyond a limit as worse, see
    `lesson`. Running architectures are taken to score what is expected of them. As with
    `PredictorGuided`, a proposal costs as much after 5,000 trials as after 300.

    Args:
        space: The space to search.
        seed: See `Strategy`.
        objectives: Numbers in a reward, all to be maximised, at least 2.
        initial: Random architectures before the first prediction, those that run included, at least
            2.
        most: Results that the predictors are fitted to, at least ``initial``.
        signal: See `PredictorGuided`; not asked where an objective is computed.
        computed: For each objective None, a function of the parameters, or a dictionary for
            `PieceCosts`; see `ComputedObjectives`.

    Raises:
        ValueError: If an argument is out of range.
    """

    def __init__(
        self,
        space: SearchSpace,
        *,
        seed: int | None = None,
        objectives: int = 2,
        initial: int = 10,
        most: int = 200,
        signal: Signal | None = None,
        computed: Sequence[Callable[[Params], float] | Mapping[str, Any] | None] | None = None,
    ) -> None:
        check_several(objectives, "PredictorGuided")
        super().__init__(space, seed=seed, objectives=objectives)
        check_sizes(initial, most)
        check_signal(signal)
        self.initial, self.most, self.signal = initial, most, signal
        self.computed = computed
        self._computed = ComputedObjectives(space, objectives, computed)
        self._features = Features(space)
        self._candidates = Candidates(space)
        self._forget()

    def _propose(self, number: int, rng: np.random.Generator) -> Params:
        if is_first(self._scored, len(self._running), self.initial):
            if self._computed:
                return self._computed.spread(number, self.seed, rng, self.within)
            return better_of_two(self.space, rng, self.signal)
        model = self._fitted()
        if self._running:
            model = self._beside(model, np.array(sorted(self._running)))
        if rng.random() < 0.5:
            worth = _gain(model, rng)
            parents = model.keys[rng.permutation(model.front)[:PARENTS]]
        else:
            worth = _chebyshev(model, rng)
            parents = model.keys[best_first(worth(model.means))[:PARENTS]]
        candidates = self._candidates.evolved(
            parents,
            self._within_limit(partial(self._merits, model, worth)),
            self._settled(number),
            len(self._running),
            rng,
        )
        drawn = self._targets(model, candidates, lambda process, x: process.draw(x, rng))
        for candidate in candidates[best_first(worth(drawn))]:
            params = self.space.decode(candidate.tolist())
            if self._is_new(params):
                break
        return params

    def _merits(self, model: _Model, worth: Merit, candidates: Indices) -> Array:
        return worth(self._targets(model, candidates, _optimistic))

    def _targets(self, model: _Model, candidates: Indices, of: Expectation) -> Array:
        """Targets of what ``candidates`` describe, (rows, objectives): ``of`` each process, or
        computed."""
        candidates = self._candidates.canonical(candidates)
        features = self._features(candidates)
        columns = [
            scale.targets(self._computed(place, candidates))
            if place in self._computed
            else of(model.processes[place], features)
            for place, scale in enumerate(model.scales)
        ]
        return np.stack(columns, axis=1)

    def _learn(self, indices: tuple[int, ...], reward: tuple[float, ...]) -> None:
        self._scored += 1

    def _forget(self) -> None:
        self._scored = 0
        self._learned_at: tuple[int, dict[int, GaussianProcess]] | None = None
        self._model: _Model | None = None

    def _beside(self, model: _Model, running: Indices) -> _Model:
        """The model, once it were told that what is ``running`` scores just what it expects."""
        means = np.concatenate([model.means, self._targets(model, running, _expected)])
        features = self._features(running)
        return model._replace(
            processes={n: process.beside(features) for n, process in model.processes.items()},
            keys=np.concatenate([model.keys, running]),
            means=means,
            front=_front(means),
        )

    def _fitted(self) -> _Model:
        """The predictors for the present length of the history, whatever was asked before."""
        told = fitted_to(len(self._history))
        if self._model is None or self._model.told != told:
            processes = self._with_hyperparameters(told)
            keys, rewards = self._training_set(told)
            features = self._features(keys)
            scales = tuple(RewardScale(column) for column in rewards.T)
            for place, process in processes.items():
                process.condition(features, scales[place].targets(rewards[:, place]))
            model = _Model(told, processes, scales, keys, np.empty(0), np.empty(0, dtype=np.intp))
            means = self._targets(model, keys, _expected)
            self._model = model._replace(means=means, front=_front(means))
        return self._model

    def _with_hyperparameters(self, told: int) -> dict[int, GaussianProcess]:
        """Processes with the hyperparameters learned from the results up to the last milestone."""
        learned = milestone(self.initial, told)
        if self._learned_at is None or self._learned_at[0] != learned:
            keys, rewards = self._training_set(min(learned, told))
            features = self._features(keys)
            processes = {}
            for place in range(self.objectives):
                if place not in self._computed:
                    column = rewards[:, place]
                    processes[place] = GaussianProcess(self._features.groups)
                    processes[place].learn(features, RewardScale(column).targets(column))
            self._learned_at = (learned, processes)
        return self._learned_at[1]

    def _training_set(self, told: int) -> tuple[Indices, Array]:
        """Canonical indices and rewards, (results, objectives), of the best and the most recent of
        the first ``told`` results."""
        return training_set(self._history[:told], self._keys, self.most, first, self.objectives)


def _expected(process: GaussianProcess, features: Array) -> Array:
    return process.predict(features)[0]


def _optimistic(process: GaussianProcess, features: Array) -> Array:
    mean, deviation = process.predict(features)
    return mean + _OPTIMISM * deviation


def _front(means: Array) -> Indices:
    return non_dominated(np.round(means, 6))  # rounding of processors decides nothing


def _gain(model: _Model, rng: np.random.Generator) -> Merit:
    """What values are worth by the hypervolume that they add, where the range from the worst
    expected value to the best is 1 in each objective."""

    def rewards(targets: Array) -> Array:
        columns = zip(model.scales, targets.T, strict=True)
        found: Array = np.stack([scale.rewards(column) for scale, column in columns], axis=1)
        return found

    front = rewards(model.means[model.front])
    worst = rewards(model.means.min(axis=0)[np.newaxis])
    spans = front.max(axis=0) - worst
    spans[spans <= 0] = 1.0
    seed = int(rng.integers(2**63))  # for the same directions each time

    def scaled(points: Array) -> Array:
        shares: Array = (points - worst) / spans + _BELOW
        return shares

    front = scaled(front)
    return lambda targets: gains(scaled(rewards(targets)), front, np.random.default_rng(seed))


def _chebyshev(model: _Model, rng: np.random.Generator) -> Merit:
    """What values are worth for random weights of the objectives."""
    weights = rng.dirichlet(np.ones(model.means.shape[1]))
    ideal, spans = model.means.max(axis=0), np.ptp(model.means, axis=0)
    spans[spans <= 1e-6] = 1.0

    def worth(targets: Array) -> Array:
        weighted = weights * (targets - ideal) / spans
        found: Array = weighted.min(axis=1) + _SLOPE * weighted.sum(axis=1)
        return found

    return worth
