"""Evolution with non-dominated selection, for several objectives."""

from __future__ import annotations

import numpy as np

from cellwright.plugins.strategies.evolution import check_population, crossed
from cellwright.plugins.strategies.pareto import best_first
from cellwright.plugins.strategies.strategy import Strategy, check_several
from cellwright.search_spaces import Params, SearchSpace


class ParetoEvolution(Strategy):
    """Steady-state evolution that ranks as NSGA-II does (Deb et al. 2002).

    The first ``initial`` children are drawn at random. After that each child is made as soon as it
    is asked for. A tournament sample is drawn with replacement from the population; its winner is
    the member of the lowest rank, and among those the least crowded. The child is a mutation of it
    (`SearchSpace.mutate`). With probability ``crossover`` the winner is first crossed with that of
    a second tournament, decision by decision. The population consists of the best ``population``
    results so far, in the same order: a proposal costs as much after 5,000 results as after 50, and
    there is no generation to wait for. Ranks do not depend on the objectives' units.

    The population is small and the tournament large for NSGA-II: a search of a few hundred
    children has no time for more.

    Args:
        space: The space to search.
        seed: See `Strategy`.
        objectives: Numbers in a reward, all to be maximised, at least 2.
        population: Results from which parents are drawn, at least 2.
        sample: Size of a tournament, at least 1; NSGA-II's is 2.
        initial: Children that score before the first tournament, at least 1; more than
            ``population`` count as ``population``.
        crossover: Probability of a second parent, in [0, 1].

    Raises:
        ValueError: If an argument is out of range.
    """

    _learned = ("_members",)

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
        check_several(objectives, "RegularizedEvolution")
        super().__init__(space, seed=seed, objectives=objectives)
        check_population(population, sample, initial, crossover)
        self.population = population
        self.sample = sample
        self.initial = min(initial, population)
        self.crossover = crossover
        self._members: list[tuple[tuple[int, ...], tuple[float, ...]]] = []  # the best first

    def _propose(self, number: int, rng: np.random.Generator) -> Params:
        if len(self._members) < self.initial:
            return self.space.sample(rng)
        child = self._parent(rng)
        if rng.random() < self.crossover:
            child = crossed(self._parent(rng), child, rng)
        return self.space.mutate(self.space.decode(child), rng)

    def _parent(self, rng: np.random.Generator) -> tuple[int, ...]:
        """The winner of a tournament: the first of the sample, as the best members come first."""
        return self._members[int(rng.integers(len(self._members), size=self.sample).min())][0]

    def _learn(self, indices: tuple[int, ...], reward: tuple[float, ...]) -> None:
        members = [*self._members, (indices, reward)]
        order = best_first([values for _, values in members])
        self._members = [members[place] for place in order[: self.population]]

    def _forget(self) -> None:
        self._members = []
