"""A scale of rewards on which a regressor learns well."""

from __future__ import annotations

import numpy as np

from cellwright.plugins.strategies.arrays import Array

_ROUNDING = 1e-12  # rewards that differ by less, relative to their size, count as equal


class RewardScale:
    """A monotone map of rewards to targets of mean 0 and variance 1, and back.

    The unit is the distance of the best reward from the median. Rewards above the median keep their
    distances. Those below it are drawn together by a logarithm: how bad a bad architecture is says
    little about good ones, and a child that learned nothing would outweigh all others.

    Args:
        rewards: The rewards from which the scale is made, (rewards,), at least one, finite.
    """

    def __init__(self, rewards: Array) -> None:
        self._size = float(np.abs(rewards).max()) or 1.0  # so that no difference overflows
        scaled = rewards / self._size
        self._median = float(np.median(scaled))
        spreads = (float(scaled.max()) - self._median, float(np.ptp(scaled)))
        self._unit = next((spread for spread in spreads if spread > _ROUNDING), 1.0)
        self._mean, self._deviation = 0.0, 1.0
        targets = self.targets(rewards)
        self._mean, self._deviation = float(targets.mean()), float(targets.std()) or 1.0

    def targets(self, rewards: Array) -> Array:
        """Targets of ``rewards``, of the same shape."""
        units = (rewards / self._size - self._median) / self._unit
        compressed = np.where(units < 0, -np.log1p(np.maximum(-units, 0)), units)
        return (compressed - self._mean) / self._deviation

    def rewards(self, targets: Array) -> Array:
        """The inverse of `targets`."""
        compressed = targets * self._deviation + self._mean
        units = np.where(compressed < 0, -np.expm1(np.clip(-compressed, 0, 700)), compressed)
        return (units * self._unit + self._median) * self._size
