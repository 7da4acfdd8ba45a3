"""When a predictor is fitted anew, and to which results, so that a proposal costs as much after
5,000 results as after 300."""

from __future__ import annotations

import numpy as np

from cellwright.plugins.strategies.arrays import Indices

_FRESH = 100  # a predictor is fitted anew when it lacks one result in so many
_GROWTH = 1.2  # and its hyperparameters when there are so many times the results


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


def best_and_recent(best: Indices, told: int, most: int) -> Indices:
    """Rising indices of ``most`` results: these ``best``, and of the others the most recent."""
    others = np.setdiff1d(np.arange(told), best)
    return np.sort(np.concatenate([best, others[len(best) - most :]]))
