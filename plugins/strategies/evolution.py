"""Regularized (aging) evolution."""

from __future__ import annotations

from collections import deque

import numpy as np

from cellwright.plugins.strategies.first_draws import Signal, better_of_two
from cellwright.plugins.strategies.strategy import Strategy
from cellwright.search_spaces import Params, SearchSpace
from cellwright.search_spaces.arguments import (
    check_integer,
    check_number,
    check_signal,
)


class RegularizedEvolution(Strategy):
    """Tournament selection from a population that loses its oldest member to each child.

    Real, Aggarwal, Huang and Le, "Regularized Evolution for Image Classifier Architecture Search",
    2018, algorithm 1. The population consists of the last ``population`` children that scored. The
    first ``initial`` of them are drawn at random. After that a tournament sample is drawn with
    replacement, and a mutation of its best member is the child (`SearchSpace.mutate`). The paper's
    rare identity mutation is left out: it would train a network twice.

    The paper draws a whole population at random before the first tournament, which is little beside
    its 20,000 children. A search of a few hundred children does better if it begins early and now
    and then crosses two parents, each the best of its own sample: their child takes every decision
    from one of them, at random. The paper's settings are
    ``population=100, sample=25, initial=100, crossover=0``.

    Args:
        space: The space to search.
        seed: See `Strategy`.
        population: The paper's P, at least 2.
        sample: The paper's S, the size of a tournament, at least 1.
        initial: Children that score before the first tournament, at least 1; more than
            ``population`` count as ``population``.
        crossover: Share of the children that have two parents, in [0, 1]. If such a child equals
            one of its parents, a mutation of the first parent takes its place.
        signal: See `PredictorGuided`.

    Raises:
        ValueError: If an argument is out of range.
    """

    def __init__(
        self,
        space: SearchSpace,
        *,
        seed: int | None = None,
        population: int = 50,
        sample: int = 10,
        initial: int = 10,
        crossover: float = 0.5,
        signal: Signal | None = None,
    ) -> None:
        super().__init__(space, seed=seed)
        check_population(population, sample, initial, crossover)
        check_signal(signal)
        self.population = population
        self.sample = sample
        self.initial = min(initial, population)
        self.crossover = crossover
        self.signal = signal
        self._members: deque[tuple[tuple[int, ...], float]] = deque(maxlen=int(population))

    def _propose(self, number: int, rng: np.random.Generator) -> Params:
        if len(self._members) < self.initial:
            return better_of_two(self.space, rng, self.signal)
        parent = self._parent(rng)
        if self.crossover and rng.random() < self.crossover:
            other = self._parent(rng)
            child = crossed(parent, other, rng)
            if child not in (parent, other):
                return self.space.decode(child)
        return self.space.mutate(self.space.decode(parent), rng)

    def _parent(self, rng: np.random.Generator) -> tuple[int, ...]:
        """The best of a tournament sample, as the positions of its choices."""
        contestants = rng.integers(len(self._members), size=self.sample)
        parent, _ = max((self._members[i] for i in contestants), key=lambda member: member[1])
        return parent

    def _learn(self, indices: tuple[int, ...], reward: float) -> None:
        self._members.append((indices, reward))

    def _forget(self) -> None:
        self._members.clear()


def check_population(population: int, sample: int, initial: int, crossover: float) -> None:
    """Refuse settings of evolution that are out of range.

    Raises:
        ValueError: Naming the first of them.
    """
    check_integer("population", population, 2, 10**9)
    check_integer("sample", sample, 1, 10**9)
    check_integer("initial", initial, 1, 10**9)
    check_number("crossover", crossover, least=0, most=1)


def crossed(
    first: tuple[int, ...], second: tuple[int, ...], rng: np.random.Generator
) -> tuple[int, ...]:
    """Uniform crossover: each position comes from ``first`` or ``second``, equally likely."""
    kept = rng.random(len(first)) < 0.5
    return tuple(a if keep else b for a, b, keep in zip(first, second, kept, strict=True))
