"""Noisy synthetic spaces of any size, with interactions of known order and a known best.

They are for sizes that no table covers. The decisions stand in a hidden random order. Every window
of one, two, ... up to k neighbours in that order has a table of normal numbers, one for each
combination of their choices, centred along each of its axes. The tables of order o are therefore
pure interactions of o decisions (their analysis of variance has no other part), and the variance of
each order over all architectures is exactly its share. This is the adjacent-neighbour NK landscape
with centred tables; its best is found by dynamic programming (Wright, Thompson and Zhang, "The
computational complexity of N-K fitness functions", 2000).

Labels and positions give nothing away, as every table is drawn anew for each seed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.problems import Best, Outcome, Problem
from cellwright.search_spaces import Decision, Params, SearchSpace

Array = NDArray[np.float64]


@dataclass(frozen=True)
class SyntheticSource:
    """Synthetic spaces, one for each seed.

    Args:
        sizes: Number of choices of each decision, at least 2; see `parse_sizes`.
        shares: Shares of the true score's variance that interactions of order 1, 2, ... have.
        noise: Standard deviation of the noise that a search sees, in standard deviations of the
            true score over random architectures; at least 0.

    Raises:
        ValueError: If an argument is out of range.
    """

    sizes: tuple[int, ...]
    shares: tuple[float, ...] = (0.5, 0.3, 0.2)
    noise: float = 0.25
    minimise = False
    unit = "true score (0 = random, 1 = best)"

    def __post_init__(self) -> None:
        if min(self.sizes, default=0) < 2:
            raise ValueError(f"sizes must be at least 2 each, got {self.sizes}")
        if not 1 <= len(self.shares) <= len(self.sizes):
            raise ValueError(f"shares must be for 1 to {len(self.sizes)} orders: {self.shares}")
        if min(self.shares) < 0 or not sum(self.shares):
            raise ValueError(f"shares must be at least 0 and not all 0, got {self.shares}")
        if self.noise < 0:
            raise ValueError(f"noise must be at least 0, got {self.noise}")

    @property
    def name(self) -> str:
        parts = [f"{self.sizes.count(size)}x{size}" for size in dict.fromkeys(self.sizes)]
        shares = " ".join(f"{share:g}" for share in self.shares)
        return f"synthetic {'+'.join(parts)}, shares {shares}, noise {self.noise:g}"

    def load(self, seed: int) -> Problem:
        return SyntheticProblem(self, seed)

    def standing(self) -> Best:
        return Best()


def parse_sizes(text: str) -> tuple[int, ...]:
    """Sizes of all decisions: ``"20x6+30x2"`` is twenty of six choices, then thirty of two.

    Raises:
        ValueError: If the text has any other form.
    """
    parts = [re.fullmatch(r"(\d+)x(\d+)", part) for part in text.split("+")]
    if None in parts:
        raise ValueError(f"expected decisions x choices, as 50x4 or 20x6+30x2; got {text!r}")
    return tuple(int(part[2]) for part in parts if part for _ in range(int(part[1])))


class SyntheticProblem:
    """The space of one seed; `score` is the true score, with mean 0 and maximum 1."""

    def __init__(self, source: SyntheticSource, seed: int) -> None:
        self.space = SearchSpace(
            Decision(f"decision_{number:02}", tuple(f"choice_{i}" for i in range(size)))
            for number, size in enumerate(source.sizes)
        )
        rng = np.random.default_rng((seed, 0))
        self._seed = seed
        self._order = rng.permutation(len(source.sizes))
        sizes = [source.sizes[place] for place in self._order]
        windows = _windows(sizes, source.shares, rng)
        best = _highest(windows)
        self._windows = [window / best for window in windows]
        self._noise = source.noise / best  # the variance of all windows together is 1

    def score(self, params: Params) -> float:
        """The true score."""
        places = np.asarray(self.space.encode(params))[self._order]
        return float(
            sum(
                window[tuple(places[start : start + window.ndim])]
                for start, window in enumerate(self._windows)
            )
        )

    def evaluate(self, params: Params, number: int) -> Outcome:
        truth = self.score(params)
        noise = np.random.default_rng((self._seed, 1, number)).normal()
        return Outcome(truth + self._noise * float(noise), truth)


def _windows(
    sizes: Sequence[int], shares: Sequence[float], rng: np.random.Generator
) -> list[Array]:
    """A table for each window of ``len(shares)`` neighbours, which sums up all orders."""
    widest = len(shares)
    count = len(sizes) - widest + 1
    windows = [np.zeros(sizes[start : start + widest]) for start in range(count)]
    for order, share in enumerate(shares, start=1):
        tables = [
            _interaction(sizes[start : start + order], rng)
            for start in range(len(sizes) - order + 1)
        ]
        variance = sum(np.mean(table**2) for table in tables)
        scale = np.sqrt(share / sum(shares) / variance)
        for start, table in enumerate(tables):
            home = min(start, count - 1)  # the last window takes what starts after it
            before, after = start - home, widest - order - (start - home)
            windows[home] += scale * table.reshape((1,) * before + table.shape + (1,) * after)
    return windows


def _interaction(sizes: Sequence[int], rng: np.random.Generator) -> Array:
    """Normal numbers minus their mean along each axis, shape ``sizes``."""
    table = rng.normal(size=tuple(sizes))
    for axis in range(table.ndim):
        table -= table.mean(axis=axis, keepdims=True)
    return table


def _highest(windows: Sequence[Array]) -> float:
    """The maximum of the sum of all windows, found by deciding one place after the other."""
    ahead = windows[0]  # best sum so far, for each combination of the places in the window
    for window in windows[1:]:
        ahead = window + ahead.max(axis=0)[..., np.newaxis]
    return float(ahead.max())
