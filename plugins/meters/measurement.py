"""What a meter is, and what it gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True)
class Measurement:
    """What a meter found of one network.

    Attributes:
        value: In ``unit``; the median where it was measured several times.
        spread: Distance between the quartiles, in ``unit``; 0 for what is counted or measured once.
        repeats: Times that it was measured.
        unit: ``"ms"``, ``"bytes"``, or what is counted, such as ``"multiply-adds"``.
        how: How it was taken, in words: runtime and version, precision, threads, warm-up.
    """

    value: float
    spread: float
    repeats: int
    unit: str
    how: str

    def __str__(self) -> str:
        spread = f" (quartiles {self.spread:.2g} apart)" if self.spread else ""
        return f"{self.value:.4g} {self.unit}{spread}"


class Meter(Protocol):
    """Anything that measures a ``keras.Model``, and names the metric that it measures."""

    @property
    def metric(self) -> str:
        """Under which a trial keeps the value: ``latency_ms``, ``size_bytes``, ..."""

    def __call__(self, model: Any) -> Measurement:
        """Measure ``model``.

        Raises:
            ValueError: If it is not a model that can be measured, or has no fixed input size.
            ChildFailed: If measuring it went wrong.
        """


def as_meters(meter: Meter | Sequence[Meter] | None) -> tuple[Meter, ...]:
    """One meter, several or none as a tuple.

    Raises:
        ValueError: If something is no meter, or two write the same metric.
    """
    if meter is None:
        return ()
    meters = tuple(meter) if isinstance(meter, Sequence) else (meter,)
    for each in meters:
        if not callable(each) or not isinstance(getattr(each, "metric", None), str):
            raise ValueError(
                f"a meter is called with a model and has a metric, its name; got {each!r}"
            )
    metrics = [each.metric for each in meters]
    twice = sorted({metric for metric in metrics if metrics.count(metric) > 1})
    if twice:
        raise ValueError(
            f"each meter must write a metric of its own, got {twice} more than once; give one of "
            "them another name, such as LiteRTLatency(int8=True, metric='latency_int8_ms')"
        )
    return meters


def measure(model: Any, meter: Meter | Sequence[Meter] | None) -> dict[str, float]:
    """The metrics that ``meter``, one or several, measure of a ``keras.Model``.

    Raises:
        ValueError, ChildFailed: See `Meter`.
    """
    return {each.metric: each(model).value for each in as_meters(meter)}
