"""A limit on what a child network may cost: one beyond it is not trained."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cellwright.plugins.meters import Meter, as_meters, metric_of
from cellwright.plugins.scoring.rewards import MnasNetReward, Reward
from cellwright.search_spaces import OverLimit, Params

Predictor = Callable[[Params], float]


@dataclass(frozen=True)
class Limit:
    """The most that a child may have of one metric that is known before it is trained.

    Args:
        metric: ``"parameters"``, the metric of a meter (``"latency_ms"``, ...), or
            ``"predicted_latency_ms"`` where there is a predictor.
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


@dataclass(frozen=True)
class Screening:
    """What is measured of a child before it is trained, and the limit on it.

    Args:
        meter: One meter, several or none.
        predictor: Gives ``predicted_latency_ms``: takes the parameters, returns seconds.
        limit: A limit on one of `metrics`, or none.

    Raises:
        ValueError: If the limit is on a metric that nothing measures, or of which more is better;
            or if `as_meters` raises it.
    """

    meter: Meter | Sequence[Meter] | None = None
    predictor: Predictor | None = None
    limit: Limit | None = None

    def __post_init__(self) -> None:
        if self.limit is not None and self.limit.metric not in self.metrics:
            raise ValueError(
                f"the limit is on {self.limit.metric!r}, and what is known of a child before its "
                f"training is {', '.join(self.metrics)}: give a meter or a predictor for it"
            )
        if self.limit is not None and self.is_maximised(self.limit.metric):
            raise ValueError(
                f"a limit is the most that a child may have of a cost, and more of "
                f"{self.limit.metric!r} is better: leave the limit out, or measure a cost"
            )

    def is_maximised(self, name: str) -> bool:
        """Whether a meter declares that more of its metric ``name`` is better."""
        declared = (metric_of(meter) for meter in as_meters(self.meter))
        return any(m.name == name and m.direction == "maximize" for m in declared if m)

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of what `measure` gives, which can be limited."""
        predicted = () if self.predictor is None else ("predicted_latency_ms",)
        return (*predicted, "parameters", *(meter.metric for meter in as_meters(self.meter)))

    def check_reward(self, reward: Reward | None) -> None:
        """Check that what ``reward`` weighs is measured, as far as that can be known.

        Raises:
            ValueError: If it is a `MnasNetReward` of a latency that nothing measures, or of a
                metric of which more is better.
        """
        weighed = reward.latency if isinstance(reward, MnasNetReward) else ""
        if weighed.endswith("latency_ms") and weighed not in self.metrics:
            raise ValueError(
                f"MnasNetReward weighs {weighed}, and nothing measures it: give a meter, such as "
                "KerasLatency(), or a predictor"
            )
        if self.is_maximised(weighed):
            raise ValueError(
                f"MnasNetReward weighs a cost, and more of {weighed!r} is better: leave the target "
                "out, or measure a cost"
            )

    def measure(self, network: Params, build: Callable[[], Any]) -> tuple[dict[str, float], Any]:
        """Measure a child, beginning with what costs least.

        Args:
            network: Its architecture.
            build: Makes the child; called after the prediction.

        Returns:
            `metrics`, and the untrained child.

        Raises:
            OverLimit: As soon as the limited metric is known to be beyond the limit.
        """
        known: dict[str, float] = {}
        if self.predictor is not None:
            self._add(known, "predicted_latency_ms", self.predictor(network) * 1000)
        model = build()
        self._add(known, "parameters", float(model.count_params()))
        for meter in as_meters(self.meter):
            self._add(known, meter.metric, meter(model).value)
        return known, model

    def _add(self, known: dict[str, float], metric: str, value: float) -> None:
        known[metric] = value
        if self.limit is not None:
            self.limit.check(known)
