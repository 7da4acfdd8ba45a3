"""What is searched in a benchmark: a space, and an answer for every architecture in it."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from cellwright.search_spaces import Params, SearchSpace


class Outcome(NamedTuple):
    """One evaluation."""

    value: float | None  # what the search is told; higher is better; None is a failed child
    report: float  # what the table shows, in its own units: never told


class Problem(Protocol):
    """One seed of a problem; the same for every contender."""

    @property
    def space(self) -> SearchSpace: ...

    def evaluate(self, params: Params, number: int) -> Outcome:
        """Evaluate ``params`` as trial ``number``, which fixes the noise."""


class Source(Protocol):
    """Where the problems of all seeds come from; it travels to other processes."""

    @property
    def name(self) -> str:
        """Names the problem among the raw results, settings included."""

    @property
    def minimise(self) -> bool:
        """Whether lower reports are better."""

    @property
    def unit(self) -> str:
        """What a report measures."""

    def load(self, seed: int) -> Problem: ...
