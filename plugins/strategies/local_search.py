"""Hill climbing with restarts."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from cellwright.plugins.strategies.strategy import Strategy
from cellwright.search_spaces import Params, SearchSpace
from cellwright.search_spaces.arguments import check_integer

Point = tuple[int, ...]  # the position of each decision's choice


class LocalSearch(Strategy):
    """Climbs over neighbours that differ in one decision, and starts anew where none is better.

    White, Nolen and Savani, "Exploring the Loss Landscape in Neural Architecture Search", 2020,
    algorithm 1, in the variant that moves to a better neighbour at once (their section 4), since a
    strategy cannot wait for all of them. A climb begins with ``initial`` random draws and goes on
    from the best of them. When all neighbours of a place are known and none was better, the next
    climb begins. Trials that run at the same time try different neighbours.

    Args:
        space: The space to search.
        seed: See `Strategy`.
        initial: Random draws before each climb, at least 1.

    Raises:
        ValueError: If ``initial`` is out of range.
    """

    _learned = ("_draws", "_place", "_height", "_around", "_passed")

    def __init__(self, space: SearchSpace, *, seed: int | None = None, initial: int = 10) -> None:
        super().__init__(space, seed=seed)
        check_integer("initial", initial)
        self.initial = initial
        self._forget()

    def _propose(self, number: int, rng: np.random.Generator) -> Params:
        for choice in rng.permutation(len(self._around)):
            params = {**self.space.decode(self._around[choice]), **self._settled(number)}
            if self._is_new(params):
                return params
        return self.space.sample(rng)

    def _learn(self, indices: Point, reward: float) -> None:
        if self._place and self._is_top() and _distance(indices, self._place) > 1:
            self._begin()
        if self._place is None:
            self._draws.append((reward, indices))
            if len(self._draws) == self.initial:
                self._move(*max(self._draws, key=lambda draw: draw[0]))
        elif reward > self._height:
            self._move(reward, indices)

    def _forget(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self._draws: list[tuple[float, Point]] = []
        self._place: Point | None = None  # None while the first places of a climb are drawn
        self._height = 0.0
        self._around: list[Point] = []
        self._passed = 0  # the neighbours before this position are known

    def _move(self, reward: float, indices: Point) -> None:
        self._height, self._place = reward, indices
        self._around, self._passed = list(self._neighbours(indices)), 0

    def _is_top(self) -> bool:
        """Whether all neighbours of the place are known."""
        while self._passed < len(self._around):
            if self.space.key(self.space.decode(self._around[self._passed])) not in self._known:
                return False
            self._passed += 1
        return True

    def _neighbours(self, indices: Point) -> Iterator[Point]:
        for position, decision in enumerate(self.space.decisions):
            for choice in range(len(decision.choices)):
                if choice != indices[position]:
                    yield (*indices[:position], choice, *indices[position + 1 :])


def _distance(one: Point, other: Point) -> int:
    return sum(a != b for a, b in zip(one, other, strict=True))
