"""Candidates that are evolved towards what a predictor promises."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from cellwright.plugins.strategies.arrays import Array, Indices
from cellwright.search_spaces import Params, SearchSpace

PARENTS = 20  # of the children of each round
_ROUNDS = 3  # in which the most promising candidates are mutated
# With many workers a proposal is a step of few: 128 workers take four in 500 evaluations. Each must
# lead as far as the predictor can see, and not only as far as three mutations do.
_FURTHER, _MOST_ROUNDS = 0.6, 20  # rounds for each architecture that runs, and at most so many
_CHILDREN = 100  # in each round
_FINALISTS = 100  # candidates among which a draw from the posterior decides
_FORMS = 20_000  # canonical forms that are kept

Merit = Callable[[Indices], Array]  # of candidates, (rows, decisions): (rows,), higher is better


class Candidates:
    """Candidates of a space, as rows of choices, one for each decision.

    Args:
        space: The space that is searched.
    """

    def __init__(self, space: SearchSpace) -> None:
        self._space = space
        self._decisions = space.decisions
        self._forms: dict[bytes, tuple[int, ...]] = {}
        own = type(space).canonical is not SearchSpace.canonical
        self._has_forms = own or any(decision.when for decision in space.decisions)
        self._sizes = np.array([len(decision.choices) for decision in space.decisions])

    def evolved(
        self,
        parents: Indices,
        merit: Merit,
        settled: Params,
        running: int,
        rng: np.random.Generator,
    ) -> Indices:
        """Candidates evolved over a few rounds, all different, the most promising first.

        Args:
            parents: Where to start, (at least one, decisions); random candidates come beside them.
            merit: What candidates promise.
            settled: Decisions that are not open, and their values.
            running: How many other architectures run: the more, the more rounds.
            rng: Where chance comes from.

        Returns:
            Choices, (at most 100, decisions).
        """
        drawn = rng.integers(self._sizes, size=(_CHILDREN // 2, len(self._sizes)))
        made = self.children(parents, rng)
        pool = self._with(settled, np.concatenate([parents, made, drawn]))
        merits = merit(pool)
        further = min(int(_FURTHER * running), _MOST_ROUNDS)
        for _ in range(max(_ROUNDS, further)):
            best = pool[best_first(merits)[:PARENTS]]
            made = self._with(settled, self.children(best, rng))
            pool = np.concatenate([pool, made])
            merits = np.concatenate([merits, merit(made)])
        distinct = {candidate.tobytes(): candidate for candidate in pool[best_first(merits)]}
        return np.array(list(distinct.values())[:_FINALISTS])

    def canonical(self, candidates: Indices) -> Indices:
        """The canonical forms of candidates, of the same shape: what a predictor has learned."""
        if not self._has_forms:
            return candidates
        if len(self._forms) > _FORMS:
            self._forms.clear()
        found = []
        for candidate in candidates:
            content = candidate.tobytes()
            if content not in self._forms:
                self._forms[content] = self._space.key_at(candidate.tolist())
            found.append(self._forms[content])
        return np.array(found, dtype=np.intp)

    def children(self, parents: Indices, rng: np.random.Generator) -> Indices:
        """Mutated parents, a quarter of them crossed with another first; each has at least one
        decision changed."""
        count, decisions = _CHILDREN, len(self._sizes)
        one, other = parents[rng.integers(len(parents), size=(2, count))]
        crossed = (rng.random((count, 1)) < 0.25) & (rng.random((count, decisions)) < 0.5)
        made = np.where(crossed, other, one)
        further = rng.geometric(0.5, size=(count, 1)) - 1  # decisions changed beyond one
        places = rng.random((count, decisions)) < further / decisions
        places[np.arange(count), rng.integers(decisions, size=count)] = True
        shifts = rng.integers(1, np.maximum(self._sizes, 2), size=(count, decisions))
        changed: Indices = np.where(places, (made + shifts) % self._sizes, made)
        return changed

    def _with(self, settled: Params, candidates: Indices) -> Indices:
        for place, decision in enumerate(self._decisions):
            if decision.name in settled:
                candidates[:, place] = decision.index(settled[decision.name])
        return candidates


def best_first(values: Array) -> Indices:
    """Positions by falling value. Values that differ only by rounding stay in their order, so that
    it is the same on any processor."""
    return np.argsort(-np.round(values, 6), kind="stable")
