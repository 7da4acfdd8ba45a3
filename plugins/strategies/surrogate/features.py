"""Architectures as numbers that a regressor can learn from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np

from cellwright.plugins.strategies.arrays import Array, Indices
from cellwright.search_spaces import SearchSpace

_DRAWN = 1000  # architectures from which the scales of graph features are taken


class Features:
    """Columns for a regressor: sums of one-hot columns, and what a space says of its graphs.

    - One-hot: a column for each choice of each decision.
    - Counts: how often each choice is taken among several decisions of one kind whose names begin
      with the same part (the operations of the normal cell, say).
    - Ranks: a number's rank among the choices, for decisions between three or more numbers.
    - Words: for choices of several words, such as ``"64 relu"``, a column for each word that
      several choices of the decision have, and the rank of the number in them.
    - Graph features: those of `SearchSpace.graph_features`, less those that never vary.

    Counts, ranks, words and graph features have variance 1 over architectures drawn at random.

    Args:
        space: Whose architectures are encoded.

    Attributes:
        groups: The group of each column, (columns,), from 0 without gaps. Columns that a regressor
            is to judge together share one: those of a decision, of a family of counts, of a rank,
            or of a decision's words. A graph feature has one of its own.
    """

    def __init__(self, space: SearchSpace) -> None:
        self._sizes = [len(decision.choices) for decision in space.decisions]
        self._firsts = np.cumsum([0, *self._sizes[:-1]], dtype=np.intp)
        blocks = [
            *self._one_hot(), *self._counts(space), *self._ranks(space), *self._words(space),
        ]  # fmt: skip
        self._sums = np.concatenate(blocks, axis=1)  # (one-hot columns, columns)
        groups = np.repeat(np.arange(len(blocks)), [block.shape[1] for block in blocks])
        self._graph = space.graph_features
        drawn = np.random.default_rng(0).integers(self._sizes, size=(_DRAWN, len(self._sizes)))
        graph = self._graph(drawn)
        self._mean, deviation = graph.mean(axis=0), graph.std(axis=0)
        self._varied = np.flatnonzero(deviation > 0)
        self._deviation = deviation[self._varied]
        self.groups = np.concatenate([groups, len(blocks) + np.arange(len(self._varied))])

    def __call__(self, indices: Indices) -> Array:
        """The features, (architectures, columns), of ``indices``, (architectures, decisions)."""
        one_hot = np.zeros((len(indices), len(self._sums)))
        np.put_along_axis(one_hot, indices + self._firsts, 1.0, axis=1)
        sums: Array = one_hot @ self._sums
        if not len(self._varied):
            return sums
        graph = (self._graph(indices) - self._mean)[:, self._varied] / self._deviation
        return np.concatenate([sums, graph], axis=1)

    def _one_hot(self) -> Iterator[Array]:
        for position in range(len(self._sizes)):
            yield self._block([position], np.eye(self._sizes[position]))

    def _counts(self, space: SearchSpace) -> Iterator[Array]:
        families: dict[tuple[object, ...], list[int]] = {}
        for position, decision in enumerate(space.decisions):
            first, slash, _ = decision.name.partition("/")
            family = (first if slash else "", decision.kind, decision.choices)
            families.setdefault(family, []).append(position)
        for positions in families.values():
            size = self._sizes[positions[0]]
            if len(positions) > 1 and size > 1:
                variance = len(positions) * (size - 1) / size**2
                yield self._block(positions, np.eye(size) / np.sqrt(variance))

    def _ranks(self, space: SearchSpace) -> Iterator[Array]:
        for position, decision in enumerate(space.decisions):
            choices = decision.choices
            if len(choices) > 2 and not isinstance(choices[0], str | bool):
                yield self._block([position], _ranks(np.array(choices, dtype=float))[:, None])

    def _words(self, space: SearchSpace) -> Iterator[Array]:
        for position, decision in enumerate(space.decisions):
            texts = [str(choice).split() for choice in decision.choices]
            counts = Counter(word for words in texts if len(words) > 1 for word in words)
            shared = [word for word, count in counts.items() if count > 1]
            if shared:
                has = np.array([[word in words for word in shared] for words in texts], dtype=float)
                has = has[:, has.std(axis=0) > 0]  # a word of all choices tells none apart
                if has.size:
                    yield self._block([position], has / has.std(axis=0))
            numbers = np.array([_number(words) for words in texts])
            known = np.isfinite(numbers)
            if shared and len(set(numbers[known])) > 2:
                values = np.zeros(len(numbers))
                values[known] = _ranks(numbers[known])
                yield self._block([position], values[:, None])

    def _block(self, positions: list[int], values: Array) -> Array:
        """Columns that add up ``values``, (choices, columns), over the decisions at
        ``positions``."""
        block = np.zeros((sum(self._sizes), values.shape[1]))
        for position in positions:
            first = self._firsts[position]
            block[first : first + len(values)] = values
        return block


def _ranks(numbers: Array) -> Array:
    """Ranks among the distinct values, scaled to mean 0 and variance 1."""
    places = np.unique(numbers, return_inverse=True)[1].astype(float)
    ranks: Array = (places - places.mean()) / places.std()
    return ranks


def _number(words: list[str]) -> float:
    """The first number among the words; NaN without one."""
    return next((float(word) for word in words if word.replace(".", "", 1).isdigit()), np.nan)
