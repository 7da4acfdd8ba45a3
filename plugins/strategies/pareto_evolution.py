"""Evolution with non-dominated selection, for several objectives."""

from __future__ import annotations

import numpy as np

from cellwright.plugins.strategies.evolution import check_population, crossed
from cellwright.plugins.strategies.pareto import best_first
from cellwright.plugins.strategies.strategy import Strategy
from cellwright.search_spaces import Params, SearchSpace

Indices = tuple[int, ...]


class ParetoEvolution(Strategy):
    """Steady-state evolution that ranks as NSGA-II does (Deb et al. 2002).

    The first ``initial`` children are drawn at random. After that each child is made as soon as it
    is asked for: a tournament sample is drawn with replacement from the population, and the one of
    the lowest rank, in a rank the least crowded, becomes the parent of a mutation
    (`SearchSpace.mutate`). With probability ``crossover`` the parent is first crossed with the
    winner of a second tournament, decision by decision. The population is the best ``population``
    results so far by the same order, so that it costs as much after 5,000 results as after 50, and
    no generation is waited for. Ranks do not depend on the objectives' units.

    The population is small and the tournament large for NSGA-II: a search of a few hundred
    children has no time for more.

    Args:
        space: Where to search.
        seed: See `Strategy`.
        objectives: Numbers in a reward, all to be maximised, at least 2.
        population: Results among which parents are drawn, at least 2.
        sample: Of each tournament, at least 1; NSGA-II's has 2.
        initial: Children that score before the first tournament, at least 1; no more are waited for
            than ``population``.
        crossover: Probability in [0, 1].

    Raises:
        ValueError: On an argument out of range.
    """

    def __init__(
        self,
        space: SearchSpace,
        *,
        seed: int | None = None,
        objectives: int = 2,
        population: int = 20,
        sample: int = 5,
        initial: int = 10,
        crossover: float = 0.5,
    ) -> None:
        super().__init__(space, seed=seed, objectives=objectives)
        if objectives < 2:
            raise ValueError(
                f"objectives must be at least 2, got {objectives}; RegularizedEvolution has one"
            )
        check_population(population, sample, initial, crossover)
        self.population = population
        self.sample = sample
        self.initial = min(initial, population)
        self.crossover = crossover
        self._members: list[tuple[Indices, tuple[float, ...]]] = []  # the best first

    def _propose(self, number: int, rng: np.random.Generator) -> Params:
        if len(self._members) < self.initial:
            return self.space.sample(rng)
        child = self._parent(rng)
        if rng.random() < self.crossover:
            child = crossed(self._parent(rng), child, rng)
        return self.space.mutate(self.space.decode(child), rng)

    def _parent(self, rng: np.random.Generator) -> Indices:
        """The best of a tournament sample; the members stand in their order."""
        return self._members[int(rng.integers(len(self._members), size=self.sample).min())][0]

    def _learn(self, indices: Indices, reward: tuple[float, ...]) -> None:
        members = [*self._members, (indices, reward)]
        order = best_first([values for _, values in members])
        self._members = [members[place] for place in order[: self.population]]

    def _forget(self) -> None:
        self._members = []
