"""Which child each step of a supernet's training trains: single paths."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cellwright.search_spaces import SearchSpace

PATHS = ("uniform", "fair")


def uniform(space: SearchSpace, rng: np.random.Generator) -> list[NDArray[np.int32]]:
    """The choices of one child, every choice equally likely (Guo et al. 2019, section 3.3)."""
    return [np.array(space.encode(space.sample(rng)), np.int32)]


def fair(space: SearchSpace, rng: np.random.Generator) -> list[NDArray[np.int32]]:
    """The choices of as many children as the largest decision has choices, in which each choice
    of a decision occurs equally often (strict fairness: Chu et al. 2019, algorithm 1), or, where
    the numbers do not divide, at most once more than another."""
    counts = [len(decision.choices) for decision in space.decisions]
    number = max(counts)
    # A permutation of each decision's choices, and another one, until each child has one.
    columns = [
        np.concatenate([rng.permutation(count) for _ in range(-(-number // count))])[:number]
        for count in counts
    ]
    return list(np.stack(columns, axis=1).astype(np.int32))


def drawn(paths: str, space: SearchSpace, rng: np.random.Generator) -> list[NDArray[np.int32]]:
    """The children of one update: one for ``"uniform"`` paths, several for ``"fair"`` ones."""
    return fair(space, rng) if paths == "fair" else uniform(space, rng)
