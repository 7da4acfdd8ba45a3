"""The first architectures of a search: drawn at random, or the better of two draws."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from cellwright.search_spaces import Params, SearchSpace

Signal = Callable[[Params], float]  # a cheap score, higher for architectures that promise more


def better_of_two(space: SearchSpace, rng: np.random.Generator, signal: Signal | None) -> Params:
    """A random architecture; with a ``signal``, the one of two for which that is higher."""
    first = space.sample(rng)
    return first if signal is None else max(first, space.sample(rng), key=signal)
