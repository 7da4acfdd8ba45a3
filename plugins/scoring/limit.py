"""What is measured of a child network before and after its training, and a limit on it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cellwright.plugins.data.data import Data
from cellwright.plugins.meters import AnyMeter, as_meters, measure, metric_of
from cellwright.plugins.meters.latency_predictor import check_precisions
from cellwright.plugins.meters.measurement import (
    check_backends,
    check_data,
    of_trained,
    of_untrained,
)
from cellwright.plugins.metrics import Direction
from cellwright.plugins.scoring.rewards import MnasNetReward, Reward
from cellwright.search_spaces import OverLimit, Params
from cellwright.search_spaces.arguments import check_number, check_text

Predictor = Callable[[Params], float]


@dataclass(frozen=True)
class Limit:
    """The most that a child may have of a cost, or the least of what is better the more there is.

    A child beyond a limit on what is known before its training is not trained. One that a meter of
    trained children finds to be beyond it, such as ``Limit("accuracy_int8", at_least=0.9)``, has
    been trained in vain. In every host either counts alike.

    Args:
        metric: ``"parameters"``, the metric of a meter (``"latency_ms"``, ...), or
            ``"predicted_latency_ms"`` where there is a predictor.
        at_most: In the unit of ``metric``, above 0.
        at_least: Likewise; one of the two is given.

    Raises:
        ValueError: If the one that is given is not above 0 and finite, or both or neither are.
    """

    metric: str
    at_most: float | None = None
    at_least: float | None = None

    def __post_init__(self) -> None:
        if (self.at_most is None) == (self.at_least is None):
            raise ValueError(
                f"a limit is at_most or at_least, got {self.at_most} and {self.at_least}: give one"
            )
        name = "at_most" if self.at_least is None else "at_least"
        check_text("metric", self.metric)
        check_number(name, self.value, above=0)

    def __repr__(self) -> str:
        name = "at_most" if self.at_least is None else "at_least"
        return f"Limit(metric={self.metric!r}, {name}={self.value!r})"

    @classmethod
    def on(cls, metric: str, value: float, direction: Direction) -> Limit:
        """At most ``value`` of what is minimised, at least as much of what is maximised."""
        return cls(metric, value) if direction == "minimize" else cls(metric, at_least=value)

    @property
    def value(self) -> float:
        """The number, whichever of the two it is."""
        found = self.at_most if self.at_least is None else self.at_least
        assert found is not None
        return found

    def check(self, known: Mapping[str, float], *, trained: bool = False) -> None:
        """Do nothing if the metric is within the limit, or not yet known.

        Args:
            known: What was measured.
            trained: Whether the child has been trained by now.

        Raises:
            OverLimit: If it is beyond.
        """
        if self.excess(known) > 0:
            raise OverLimit(
                self.metric,
                known[self.metric],
                self.value,
                known,
                at_least=self.at_least is not None,
                trained=trained,
            )

    def excess(self, known: Mapping[str, float]) -> float:
        """By how much ``known`` is beyond the limit; 0 or less within it, -inf if not known."""
        if self.metric not in known:
            return -math.inf
        beyond = known[self.metric] - self.value
        return beyond if self.at_least is None else -beyond


@dataclass(frozen=True)
class Screening:
    """What is measured of a child before and after it is trained, and the limit on it.

    Args:
        meter: One meter, several or none.
        predictor: Gives ``predicted_latency_ms``: takes the parameters, returns seconds.
        limit: A limit on one of `metrics` or `late_metrics`, or none.

    Raises:
        ValueError: If the limit is on a metric that nothing measures, or is the most of what more
            is better of, or the least of a cost; or if `as_meters` raises it.
    """

    meter: AnyMeter | Sequence[AnyMeter] | None = None
    predictor: Predictor | None = None
    limit: Limit | None = None

    def __post_init__(self) -> None:
        if self.limit is None:
            return
        name, measured = self.limit.metric, (*self.metrics, *self.late_metrics)
        if name not in measured:
            raise ValueError(
                f"the limit is on {name!r}, and what is measured of a child is "
                f"{', '.join(measured)}: give a meter or a predictor for it"
            )
        if self.limit.at_most is not None and self.is_maximised(name):
            raise ValueError(
                f"at_most is the most that a child may have of a cost, and more of {name!r} is "
                f"better: give Limit({name!r}, at_least=...)"
            )
        if self.limit.at_least is not None and not self.is_maximised(name):
            raise ValueError(
                f"at_least is for what is better the more there is of it, and {name!r} is a cost: "
                f"give Limit({name!r}, at_most=...)"
            )

    def is_maximised(self, name: str) -> bool:
        """Whether a meter declares that more of its metric ``name`` is better."""
        declared = (metric_of(meter) for meter in as_meters(self.meter))
        return any(m.name == name and m.direction == "maximize" for m in declared if m)

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of what `measure` gives."""
        predicted = () if self.predictor is None else ("predicted_latency_ms",)
        return (*predicted, "parameters", *(meter.metric for meter in of_untrained(self.meter)))

    @property
    def late_metrics(self) -> tuple[str, ...]:
        """Names of what `measure_trained` gives."""
        return tuple(meter.metric for meter in of_trained(self.meter))

    def check_data(self, data: Data) -> None:
        """Let the meters refuse the data.

        Raises:
            ValueError: If one of them cannot measure children that are trained on these.
        """
        check_data(self.meter, data)

    def check_backends(self) -> None:
        """Check that the meters' files can be made under the backend that Keras runs on.

        Raises:
            ValueError: See `measurement.check_backends`.
        """
        check_backends(self.meter)

    def check_precisions(self, precisions: Iterable[str | None]) -> None:
        """Check that what is predicted of children is predicted in their precision.

        Raises:
            ValueError: See `latency_predictor.check_precisions`.
        """
        check_precisions(getattr(self.predictor, "meter", None), precisions)

    def check_reward(self, reward: Reward | None) -> None:
        """Check that what ``reward`` weighs is measured, as far as that can be known.

        Raises:
            ValueError: If it is a `MnasNetReward` of a latency that nothing measures, or of a
                metric of which more is better.
        """
        weighed = reward.latency if isinstance(reward, MnasNetReward) else ""
        measured = (*self.metrics, *self.late_metrics)
        if weighed.endswith("latency_ms") and weighed not in measured:
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
        for meter in of_untrained(self.meter):
            self._add(known, meter.metric, meter(model).value)
        return known, model

    def measure_trained(
        self, model: Any, data: Data | None, found: Mapping[str, float]
    ) -> dict[str, float]:
        """Measure a trained child.

        Args:
            model: The child.
            data: That it was trained on; not needed where no meter measures trained children.
            found: What is known of it by now.

        Returns:
            `late_metrics`.

        Raises:
            ValueError: If the data are needed, and there are none.
            ChildFailed: If it cannot be measured.
            OverLimit: If the limited metric is among these, and beyond the limit.
        """
        late = measure(model, of_trained(self.meter), data)
        if self.limit is not None and self.limit.metric in late:
            self.limit.check({**found, **late}, trained=True)
        return late

    def _add(self, known: dict[str, float], metric: str, value: float) -> None:
        known[metric] = value
        if self.limit is not None:
            self.limit.check(known)
