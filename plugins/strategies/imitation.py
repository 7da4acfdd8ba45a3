"""The best results so far, which a policy imitates beside its gradient."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from cellwright.plugins.strategies.arrays import Array, Indices

BEST = 32  # results that are kept
_AT_A_TIME = 16  # of them in each step

Scored = tuple[float, tuple[int, ...]]  # a reward and its architecture


class Imitated(NamedTuple):
    """Architectures to imitate in one step.

    Attributes:
        actions: (architectures, decisions).
        shares: Of the loss, which sum to 1, (architectures,).
    """

    actions: Indices
    shares: Array


def with_result(best: list[Scored], indices: tuple[int, ...], reward: float) -> list[Scored]:
    """The best results, one more considered; of one architecture the last result counts, and of
    equal rewards the earlier."""
    others = [scored for scored in best if scored[1] != indices]
    return sorted([*others, (reward, indices)], key=lambda scored: -scored[0])[:BEST]


def drawn_from(best: list[Scored], rng: np.random.Generator) -> Imitated:
    """Some of the best results, drawn for one step; the better of them have the larger shares.

    The shares fall linearly with the rank.
    """
    count = len(best)
    places = rng.choice(count, min(count, _AT_A_TIME), replace=False)
    shares = (count - places).astype(float)
    return Imitated(np.array([best[place][1] for place in places]), shares / shares.sum())
