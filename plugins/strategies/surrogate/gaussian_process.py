"""Gaussian-process regression in NumPy, with a relevance learned for each group of features."""

from __future__ import annotations

from copy import copy
from typing import Any

import numpy as np

from cellwright.plugins.strategies.adam import Adam
from cellwright.plugins.strategies.arrays import Array, Indices

# The logarithms of the hyperparameters have normal priors with these standard deviations. Their
# means are set by `GaussianProcess`, so that the whole variance is near 1 for any number of groups.
_SPREAD, _SPREAD_OF_SCALES = 1.2, 1.0
_LINEAR, _JOINT, _DISTANCE, _NOISE = 0.5, 0.5, 2.0, 0.1
_LEAST_NOISE = 1e-4  # keeps covariances of repeated architectures invertible


class GaussianProcess:
    """Exact inference with a covariance of two parts,

        k(x, x') = sum_c w_g(c) x_c x'_c  +  a exp(-1/2 sum_c v_g(c) (x_c - x'_c)^2),

    for what features do on their own and what they do together (Rasmussen and Williams 2006,
    sections 2.2 and 5.4). Column c of the features belongs to group g(c), and the columns of a
    group share their relevances w and v. On one-hot columns the second part is the exponentiated
    Hamming kernel.

    Args:
        groups: Group of each column, (columns,), from 0 without gaps.

    Attributes:
        theta: Logarithms of w and v for each group, of a, and of the noise's variance.
    """

    def __init__(self, groups: Indices) -> None:
        self.groups = groups
        self._order = np.argsort(groups, kind="stable")
        self._starts = np.searchsorted(groups[self._order], np.arange(groups.max() + 1))
        count = len(self._starts)
        means = [_LINEAR / count] * count + [_DISTANCE / count] * count + [_JOINT, _NOISE]
        self._prior = np.log(means)
        self._spread = np.array([_SPREAD] * (2 * count) + [_SPREAD_OF_SCALES] * 2)
        self.theta = self._prior.copy()

    def learn(self, features: Array, targets: Array, steps: int = 25) -> None:
        """Set the hyperparameters to the most probable ones given the targets.

        Args:
            features: (results, columns).
            targets: (results,), with mean 0 and variance 1.
            steps: Steps of Adam, from the prior's means: nothing that was learned before matters.
        """
        self.theta = self._prior.copy()
        adam = Adam(len(self.theta), 0.25, beta_1=0.8, beta_2=0.9, epsilon=1e-3)
        for _ in range(steps):
            adam.step(self.theta, self.gradient(features, targets))

    def condition(self, features: Array, targets: Array) -> None:
        """Condition on these results, and forget earlier ones.

        Args:
            features: (results, columns).
            targets: (results,).
        """
        self._features = features
        self._told = self._scaled(features)
        self._whiten = np.linalg.inv(np.linalg.cholesky(self.covariance(features)))
        self._weights = self._whiten.T @ (self._whiten @ targets)

    def beside(self, features: Array) -> GaussianProcess:
        """This process, once it were told that ``features`` score just what it expects of them.

        Means stay as they are, and deviations become smaller near these features (the "Kriging
        believer" of Ginsbourger, Le Riche and Carraro 2010, section 4.2.1).

        Args:
            features: Of architectures that are not scored yet, (rows, columns).
        """
        _, explained = self._posterior(features)
        left = np.linalg.inv(
            np.linalg.cholesky(self.covariance(features) - explained @ explained.T)
        )
        expecting = copy(self)
        expecting._features = np.concatenate([self._features, features])
        expecting._told = self._scaled(expecting._features)
        above = np.zeros((len(self._weights), len(features)))
        expecting._whiten = np.block(
            [[self._whiten, above], [-left @ explained @ self._whiten, left]]
        )
        expecting._weights = np.concatenate([self._weights, np.zeros(len(features))])
        return expecting

    def predict(self, features: Array) -> tuple[Array, Array]:
        """Mean and standard deviation of the noiseless targets, each (rows,)."""
        mean, explained = self._posterior(features)
        relevance, _, scale, _ = self._unpacked()
        prior = scale + features**2 @ relevance
        return mean, np.sqrt(np.maximum(prior - (explained**2).sum(1), 1e-12))

    def draw(self, features: Array, rng: np.random.Generator) -> Array:
        """Noiseless targets drawn from their joint posterior, (rows,)."""
        mean, explained = self._posterior(features)
        covariance = sum(self._parts(features, self._scaled(features))) - explained @ explained.T
        covariance[np.diag_indices(len(mean))] += 1e-6
        return mean + np.linalg.cholesky(covariance) @ rng.normal(size=len(mean))

    @property
    def noise(self) -> float:
        """Standard deviation between repeated measurements of one architecture."""
        return float(np.sqrt(np.exp(self.theta[-1]) + _LEAST_NOISE))

    def covariance(self, features: Array) -> Array:
        """Covariance of noisy targets, (rows, rows)."""
        linear, joint = self._parts(features, self._scaled(features))
        noisy: Array = linear + joint + np.eye(len(features)) * self.noise**2
        return noisy

    def gradient(self, features: Array, targets: Array) -> Array:
        """Gradient in ``theta`` of the negative logarithm of its posterior density (Rasmussen and
        Williams 2006, equation 5.9, and the priors)."""
        relevance, inverse_scales, _, noise = self._unpacked()
        linear, joint = self._parts(features, self._scaled(features))
        inverse = np.linalg.inv(linear + joint + np.eye(len(targets)) * self.noise**2)
        weights = inverse @ targets
        by_covariance = 0.5 * (inverse - np.outer(weights, weights))
        by_joint = by_covariance * joint
        # A column that is the same in all results says nothing of distances: its gradient is zero.
        # Adam would make much of what rounding leaves of it, which differs between processors.
        varies = (features != features[0]).any(0)
        by_column = [
            relevance * ((by_covariance @ features) * features).sum(0),
            varies
            * inverse_scales
            * ((by_joint @ features) * features - by_joint.sum(1)[:, None] * features**2).sum(0),
        ]
        by_scale, by_noise = by_joint.sum(), noise * np.trace(by_covariance)
        gradient = np.concatenate([*map(self._by_group, by_column), [by_scale, by_noise]])
        from_prior: Array = (self.theta - self._prior) / self._spread**2
        return gradient + from_prior

    def _posterior(self, features: Array) -> tuple[Array, Array]:
        across = sum(self._parts(features, self._told))  # (rows, results)
        return across @ self._weights, across @ self._whiten.T

    def _scaled(self, features: Array) -> tuple[Array, Array]:
        """Features times relevance, (columns, 2 * rows), and half their squared lengths."""
        relevance, inverse_scales, _, _ = self._unpacked()
        both = np.concatenate([features * relevance, features * inverse_scales])
        return np.ascontiguousarray(both.T), 0.5 * (features**2 @ inverse_scales)

    def _parts(self, left: Array, right: tuple[Array, Array]) -> tuple[Any, Any]:
        """Both parts of the covariance between ``left`` and the features that `_scaled` turned into
        ``right``."""
        _, inverse_scales, scale, _ = self._unpacked()
        linear, near = np.split(left @ right[0], 2, axis=1)  # (left, right) each
        near -= right[1]
        near -= 0.5 * (left**2 @ inverse_scales)[:, None]
        return linear, scale * np.exp(np.minimum(near, 0.0))

    def _unpacked(self) -> tuple[Array, Array, float, float]:
        """Both relevances for each column, the scale of the joint part, the noise's variance."""
        values = np.exp(self.theta)
        count = len(self._starts)
        return (
            values[:count][self.groups],
            values[count : 2 * count][self.groups],
            float(values[-2]),
            float(values[-1]),
        )

    def _by_group(self, columns: Array) -> Array:
        return np.add.reduceat(columns[self._order], self._starts)
