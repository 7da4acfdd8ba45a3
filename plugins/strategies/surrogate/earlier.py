"""What earlier searches of a space tell of a new one: what they would expect, as features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from cellwright.plugins.strategies.arrays import Array, Indices
from cellwright.plugins.strategies.outcome import Told
from cellwright.plugins.strategies.surrogate.features import Features
from cellwright.plugins.strategies.surrogate.gaussian_process import GaussianProcess
from cellwright.plugins.strategies.surrogate.reward_scale import RewardScale
from cellwright.plugins.strategies.surrogate.upkeep import highest, training_set
from cellwright.search_spaces import SearchSpace

_LEAST = 2  # results from which something can be learned


class WithEarlier:
    """Features, and beside them a column for each earlier search: the mean that a Gaussian process
    of its results expects.

    Each column is judged by a relevance of its own, as all features are, so that a search of other
    data that was much the same weighs much, and one that was not weighs little.

    Args:
        features: Of the space.
        searches: Canonical indices and rewards of the results of each, from `results_of`.

    Attributes:
        groups: See `Features`.
    """

    def __init__(self, features: Features, searches: Sequence[tuple[Indices, Array]]) -> None:
        self._features = features
        self._processes = []
        for keys, rewards in searches:
            process, columns = GaussianProcess(features.groups), features(keys)
            targets = RewardScale(rewards).targets(rewards)
            process.learn(columns, targets)
            process.condition(columns, targets)
            self._processes.append(process)
        new = features.groups.max() + 1 + np.arange(len(self._processes))
        self.groups = np.concatenate([features.groups, new])

    def __call__(self, indices: Indices) -> Array:
        """The features, (architectures, columns), of ``indices``, (architectures, decisions)."""
        columns = self._features(indices)
        expected = [process.predict(columns)[0][:, None] for process in self._processes]
        return np.concatenate([columns, *expected], axis=1)


def results_of(space: SearchSpace, search: Any, most: int) -> tuple[Indices, Array]:
    """Canonical indices, (results, decisions), and rewards, (results,), of an earlier search.

    Args:
        space: That it searched, and the new one does.
        search: For each of its trials a pair of the architecture, as parameters or as their
            positions (`SearchSpace.encode`), and the reward, None for a failed child. It may also
            be a `Strategy`'s history.
        most: Results that are kept: the best and the most recent.

    Raises:
        ValueError: If it is something else, or holds fewer than two results.
        InvalidArchitecture: If an architecture is no point of the space.
    """
    if isinstance(search, str | Mapping) or not isinstance(search, Sequence):
        raise ValueError(
            "each search of prior must be a list of pairs of an architecture and its reward, got "
            f"{search!r:.200}"
        )
    told = [_told(space, number, pair) for number, pair in enumerate(search)]
    if sum(result.reward is not None for result in told) < _LEAST:
        raise ValueError(f"a search of prior must hold at least {_LEAST} results, got {search!r}")
    keys = [space.key(result.params) for result in told]
    return training_set(told, keys, most, highest)


def _told(space: SearchSpace, number: int, pair: Any) -> Told:
    if isinstance(pair, Told):
        return pair
    if isinstance(pair, str | Mapping) or not isinstance(pair, Sequence) or len(pair) != 2:
        raise ValueError(
            f"each result of prior must be an architecture and its reward, got {pair!r:.200}"
        )
    architecture, reward = pair
    if not isinstance(architecture, Mapping):
        architecture = space.decode([int(position) for position in architecture])
    params = space.decode(space.encode(architecture))
    return Told(number, params, None if reward is None else float(reward))
