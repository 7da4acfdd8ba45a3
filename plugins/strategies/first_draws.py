"""The first architectures of a search: drawn at random, or the better of two by a cheap score."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from cellwright.search_spaces import Params, SearchSpace

Signal = Callable[[Params], float]  # the higher, the better the architecture is expected to be


def better_of_two(space: SearchSpace, rng: np.random.Generator, signal: Signal | None) -> Params:
    """A random architecture; with a ``signal``, of two the one for which it is higher."""
    first = space.sample(rng)
    return first if signal is None else max(first, space.sample(rng), key=signal)
