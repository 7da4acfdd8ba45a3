"""A limit on what a child network may cost: one beyond it is not trained."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from cellwright.search_spaces import OverLimit


@dataclass(frozen=True)
class Limit:
    """The most that a child may have of one metric that is known before it is trained.

    Args:
        metric: ``"parameters"``, the metric of the evaluation's meter (``"latency_ms"``, ...), or
            ``"predicted_latency_ms"`` where it has a predictor.
        at_most: In the unit of ``metric``, above 0.

    Raises:
        ValueError: If ``at_most`` is not above 0 and finite.
    """

    metric: str
    at_most: float

    def __post_init__(self) -> None:
        if not 0 < self.at_most < math.inf:
            raise ValueError(f"at_most must be above 0 and finite, got {self.at_most}")

    def check(self, known: Mapping[str, float]) -> None:
        """Do nothing if the metric is within the limit, or not yet known.

        Raises:
            OverLimit: If it is beyond.
        """
        if self.excess(known) > 0:
            raise OverLimit(self.metric, known[self.metric], self.at_most, known)

    def excess(self, known: Mapping[str, float]) -> float:
        """By how much ``known`` is beyond the limit; 0 or less within it, -inf if not known."""
        return known.get(self.metric, -math.inf) - self.at_most
