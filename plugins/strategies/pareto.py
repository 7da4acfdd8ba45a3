"""What "better" means where there are several objectives: fronts, ranks, crowding, hypervolume.

``values`` always have shape (points, objectives), and all objectives are maximised. One point
dominates another if it is worse in no objective and better in at least one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from cellwright.plugins.strategies.arrays import Array, Indices

_DIRECTIONS = 128  # in which hypervolume is estimated


def non_dominated(values: ArrayLike) -> Indices:
    """Rising indices of the points that no other dominates; equal points are all among them.

    To minimise an objective, give its negative::

        front = non_dominated([(trial.accuracy, -trial.latency_ms) for trial in trials])

    Raises:
        ValueError: If ``values`` has another shape, or contains NaN.
    """
    points = _table(values)
    left = np.lexsort(-points.T[::-1])  # every point comes after those that dominate it
    front: list[int] = []
    while len(left):
        first, others = points[left[0]], points[left]
        front.extend(left[(others == first).all(axis=1)].tolist())
        left = left[(others > first).any(axis=1)]
    return np.sort(np.array(front, dtype=np.intp))


def ranks(values: ArrayLike) -> Indices:
    """Non-dominated sorting: rank 0 is the front, rank 1 the front of the other points, and so on.

    Deb, Pratap, Agarwal and Meyarivan, "A Fast and Elitist Multiobjective Genetic Algorithm:
    NSGA-II", 2002, section III-A. Memory grows with the square of the number of points.

    Returns:
        (points,), each 0 or above.

    Raises:
        ValueError: See `non_dominated`.
    """
    points = _table(values)
    one, other = points[:, np.newaxis], points[np.newaxis]
    nowhere_worse, somewhere_better = (one >= other).all(axis=2), (one > other).any(axis=2)
    dominates = np.asarray(nowhere_worse & somewhere_better)  # (points, points)
    dominators = dominates.sum(axis=0)
    found = np.full(len(points), -1, dtype=np.intp)
    rank = 0
    while len(front := np.flatnonzero((found < 0) & (dominators == 0))):
        found[front] = rank
        dominators -= dominates[front].sum(axis=0)
        rank += 1
    return found


def crowding_distance(values: ArrayLike) -> Array:
    """How far each point of one front is from its neighbours; infinite at the ends.

    This is the sum, over the objectives, of the distance between the next lower and the next higher
    point, as a share of the front's range (Deb et al. 2002, section III-B).

    Returns:
        (points,), each 0 or above.

    Raises:
        ValueError: See `non_dominated`.
    """
    points = _table(values)
    distance = np.zeros(len(points))
    for column in points.T if len(points) else ():
        order = np.argsort(column, kind="stable")
        spread = column[order[-1]] - column[order[0]]
        distance[order[[0, -1]]] = np.inf
        if spread > 0:
            distance[order[1:-1]] += (column[order[2:]] - column[order[:-2]]) / spread
    return distance


def best_first(values: ArrayLike) -> Indices:
    """Indices by rising rank, and within a rank the least crowded first (NSGA-II's crowded
    comparison, Deb et al. 2002, section III-B); points that are still equal stay in their order.

    Raises:
        ValueError: See `non_dominated`.
    """
    points = _table(values)
    rank = ranks(points)
    distance = np.zeros(len(points))
    for front in range(rank.max(initial=-1) + 1):
        distance[rank == front] = crowding_distance(points[rank == front])
    return np.lexsort((-distance, rank))


def first(values: ArrayLike, count: int) -> Indices:
    """The first ``count`` indices of `best_first`, front by front, in an order of their own within
    a front that is taken whole. Time grows with the number of points only, not with its square.

    Raises:
        ValueError: See `non_dominated`.
    """
    points = _table(values)
    left, found = np.arange(len(points)), np.empty(0, dtype=np.intp)
    while len(found) < count and len(left):
        front = left[non_dominated(points[left])]
        if len(found) + len(front) > count:
            apart = np.argsort(-crowding_distance(points[front]), kind="stable")
            front = front[apart[: count - len(found)]]
        found = np.concatenate([found, front])
        left = np.setdiff1d(left, front)
    return found


def hypervolume(values: ArrayLike, reference: Sequence[float]) -> float:
    """The volume that points dominate, down to the ``reference`` point: an area for two objectives.

    Zitzler and Thiele, "Multiobjective Optimization Using Evolutionary Algorithms", 1998. A point
    that is not above the reference in all objectives adds nothing. The volume is summed slice by
    slice along the last objective (While et al., "A Faster Algorithm for Calculating Hypervolume",
    2006, section III): exact, and slow for large fronts of more than four objectives.

    Raises:
        ValueError: If there are fewer than two objectives, if ``reference`` has another number of
            them, or as in `non_dominated`.
    """
    points = _table(values)
    if not points.size:  # of any number of objectives
        points = np.empty((0, max(2, len(reference))))
    if points.shape[1] < 2 or len(reference) != points.shape[1]:
        raise ValueError(
            f"hypervolume takes two objectives or more and a reference with as many numbers, got "
            f"values of shape {points.shape} and the reference {tuple(reference)}"
        )
    return _volume(np.maximum(points - np.asarray(reference), 0.0))


def _volume(above: Array) -> float:
    """What points dominate, down to 0."""
    if above.shape[1] == 2:
        widths, heights = above[np.argsort(-above[:, 0], kind="stable")].T
        steps = np.diff(np.maximum.accumulate(heights), prepend=0.0)
        return float((widths * steps).sum())
    above = above[non_dominated(above)]
    above = above[np.argsort(-above[:, -1], kind="stable")]
    depths = -np.diff(above[:, -1], append=0.0)
    slices = [(float(depth), above[: place + 1, :-1]) for place, depth in enumerate(depths)]
    return sum(depth * _volume(points) for depth, points in slices if depth)


def gains(values: Array, front: Array, rng: np.random.Generator) -> Array:
    """The hypervolume that each point would add to a front on its own, down to 0.

    With two objectives it is exact. With more it is estimated by random hypervolume scalarisations
    (Golovin and Zhang, "Random Hypervolume Scalarizations for Provable Multi-Objective Black Box
    Optimization", 2020, lemma 5), the same directions for all points. A point that adds nothing has
    minus its distance from a place where it would, in its nearest objective: 0 or less.

    Args:
        values: Points, (points, objectives).
        front: Points that do not dominate each other, (at least one, objectives), 0 or above.
        rng: Draws the directions.
    """
    behind = np.full(len(values), -np.inf)
    for point in front:
        np.maximum(behind, (point - values).min(axis=1), out=behind)
    np.maximum(behind, -values.min(axis=1), out=behind)
    gain = _added_area(values, front) if values.shape[1] == 2 else _added(values, front, rng)
    return np.where(gain > 0, gain, -np.maximum(behind, 0.0))


def _added_area(values: Array, front: Array) -> Array:
    x, y = np.unique(front, axis=0).T  # x rises, y falls
    left, right = np.append(0.0, x), np.append(x, np.inf)
    widths = np.maximum(np.minimum(values[:, :1], right) - left, 0.0)
    added: Array = (widths * np.maximum(values[:, 1:] - np.append(y, 0.0), 0.0)).sum(axis=1)
    return added


def _added(values: Array, front: Array, rng: np.random.Generator) -> Array:
    objectives = values.shape[1]
    directions = np.abs(rng.normal(size=(_DIRECTIONS, objectives)))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    constant = math.pi ** (objectives / 2) / (2**objectives * math.gamma(objectives / 2 + 1))

    def reach(points: Array) -> Array:  # to the power of the dimension, (directions, points)
        least = np.full((_DIRECTIONS, len(points)), np.inf)
        for along, column in zip(directions.T, np.maximum(points, 0.0).T, strict=True):
            np.minimum(least, column / along[:, np.newaxis], out=least)
        powers: Array = least**objectives
        return powers

    further = reach(values) - reach(front).max(axis=1, keepdims=True)
    added: Array = constant * np.maximum(further, 0.0).mean(axis=0)
    return added


def _table(values: ArrayLike) -> Array:
    points = np.asarray(values, dtype=np.float64)
    if points.size == 0 and points.ndim < 2:
        points = points.reshape(0, 2)
    if points.ndim != 2:
        raise ValueError(f"values must have shape (points, objectives), got {points.shape}")
    if np.isnan(points).any():
        raise ValueError("values must not hold NaN; leave failed children out")
    return points
