"""What "better" means where there are several objectives: fronts, ranks, crowding, hypervolume.

``values`` always have shape (points, objectives), and all objectives are maximised. One point
dominates another if it is worse in no objective and better in at least one.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from cellwright.plugins.strategies.arrays import Array, Indices


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


def hypervolume(values: ArrayLike, reference: Sequence[float]) -> float:
    """The area that points of two objectives dominate, down to the ``reference`` point.

    Zitzler and Thiele, "Multiobjective Optimization Using Evolutionary Algorithms", 1998. A point
    that is not above the reference in both objectives adds nothing.

    Raises:
        ValueError: If there are not two objectives, or as in `non_dominated`.
    """
    points = _table(values)
    if points.shape[1] != 2 or len(reference) != 2:
        raise ValueError(
            f"hypervolume takes two objectives, got values of shape {points.shape} and the "
            f"reference {tuple(reference)}"
        )
    above = np.maximum(points - np.asarray(reference), 0.0)
    widths, heights = above[np.argsort(-above[:, 0], kind="stable")].T
    steps = np.diff(np.maximum.accumulate(heights), prepend=0.0)
    return float((widths * steps).sum())


def _table(values: ArrayLike) -> Array:
    points = np.asarray(values, dtype=np.float64)
    if points.size == 0 and points.ndim < 2:
        points = points.reshape(0, 2)
    if points.ndim != 2:
        raise ValueError(f"values must have shape (points, objectives), got {points.shape}")
    if np.isnan(points).any():
        raise ValueError("values must not hold NaN; leave failed children out")
    return points
