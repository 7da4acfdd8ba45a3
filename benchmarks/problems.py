"""What is searched in a benchmark: a space, and an answer for every architecture in it."""

from __future__ import annotations

import math
from typing import NamedTuple, Protocol

from cellwright.plugins.strategies.outcome import Rewards
from cellwright.search_spaces import Params, SearchSpace


class Outcome(NamedTuple):
    """One evaluation."""

    value: Rewards | None  # what the search is told; higher is better; None is a failed child
    report: Rewards  # what the table shows, in its own units; a search never sees it


class Standing(Protocol):
    """How one search stands, computed from its outcomes in their order."""

    def add(self, outcome: Outcome) -> float:
        """Take in an outcome; return the figure that the table shows from then on."""


class Best:
    """The report of the best value so far; NaN before the first."""

    def __init__(self) -> None:
        self._value, self._report = -math.inf, math.nan

    def add(self, outcome: Outcome) -> float:
        value, report = outcome
        if isinstance(value, float) and isinstance(report, float) and value > self._value:
            self._value, self._report = value, report
        return self._report


class Problem(Protocol):
    """One seed of a problem; the same for every contender."""

    @property
    def space(self) -> SearchSpace: ...

    def evaluate(self, params: Params, number: int) -> Outcome:
        """Evaluate ``params`` as trial ``number``, which fixes the noise."""


class Source(Protocol):
    """Where the problems of all seeds come from; it can be sent to other processes."""

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

    def standing(self) -> Standing:
        """The standing of a search that has not begun."""
