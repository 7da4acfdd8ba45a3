"""When a predictor is fitted anew, and to which results, so that a proposal costs as much after
5,000 results as after 300."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from cellwright.plugins.strategies.arrays import Array, Indices
from cellwright.plugins.strategies.outcome import Range, Rewards, Told, lesson
from cellwright.search_spaces.arguments import check_integer

_FRESH = 100  # a predictor is fitted anew when it lacks one result in so many
_GROWTH = 1.2  # and its hyperparameters when there are so many times the results


def check_sizes(initial: int, most: int) -> None:
    """Check from how many results a predictor learns, and to how many it is fitted at most.

    Raises:
        ValueError: Naming the argument and what was given.
    """
    check_integer("initial", initial, 2)
    check_integer("most", most)
    if most < initial:
        raise ValueError(f"most must be at least initial, {initial}, got {most}")


def fitted_to(told: int) -> int:
    """To how many results a predictor is fitted when there are ``told``."""
    return told - told % max(1, told // _FRESH)


def milestone(initial: int, told: int) -> int:
    """From how many results the hyperparameters are learned when there are ``told``, the first time
    from ``initial``."""
    found = initial
    while int(found * _GROWTH) + 1 <= told:
        found = int(found * _GROWTH) + 1
    return found


def training_set(
    results: Sequence[Told],
    keys: Sequence[tuple[int, ...]],
    most: int,
    best: Callable[[Array, int], Indices],
    objectives: int = 1,
) -> tuple[Indices, Array]:
    """Canonical indices and rewards of at most ``most`` results: half of them the best, the others
    the most recent, all in their order. One that failed counts as the worst in each objective, or
    as 0 where all have failed.

    Args:
        results: At least one.
        keys: Of their architectures; there may be more, of later results.
        most: At least 2.
        best: Given rewards and a number, the indices of so many of the best.
        objectives: How many numbers a reward has.

    Returns:
        (results, decisions), and (results,) or, of several objectives, (results, objectives).
    """
    seen = Range().over(results)
    found = [lesson(result, seen, objectives) for result in results]
    nothing: Rewards = 0.0 if objectives == 1 else (0.0,) * objectives
    worst = np.min([reward for reward in found if reward is not None] or [nothing], axis=0)
    rewards = np.array([worst if reward is None else reward for reward in found])
    chosen = np.arange(len(rewards))
    if len(rewards) > most:
        kept = best(rewards, most // 2)
        others = np.setdiff1d(chosen, kept)
        chosen = np.sort(np.concatenate([kept, others[len(kept) - most :]]))
    return np.array([keys[place] for place in chosen.tolist()], dtype=np.intp), rewards[chosen]


def highest(rewards: Array, count: int) -> Indices:
    """Positions of the ``count`` highest rewards, (count,), the highest first."""
    return np.argsort(-rewards, kind="stable")[:count]
