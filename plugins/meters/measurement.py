"""What a meter is, and what it gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from cellwright.plugins.data.data import Data
from cellwright.plugins.metrics import DIRECTIONS, Direction, Metric, known_metric
from cellwright.search_spaces import ExportFailed
from cellwright.search_spaces.backend import check_backend

if TYPE_CHECKING:
    from typing_extensions import TypeIs


@dataclass(frozen=True)
class Measurement:
    """What a meter found of one network.

    Attributes:
        value: In ``unit``; where it was measured several times, the median or what `Timing` says.
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
    """Anything that measures a ``keras.Model``, and declares the metric that it measures.

    A meter without a ``direction`` is taken too: its metric is then known by its name alone
    (`metric_of`), and refused as an objective, or on an axis of a front, if the name says nothing.

    Any meter may have a method ``check(data)``, which raises a ValueError, before the first child,
    on data with which it cannot measure anything; and ``file``, the format of the file that it
    makes of each child, ``"LiteRT"``, ``"ONNX"`` or ``"OpenVINO"``: it is refused before the first
    child where Keras runs on a backend under which none can be made.
    """

    @property
    def metric(self) -> str:
        """Under which a trial keeps the value: ``latency_ms``, ``size_bytes``, ..."""

    @property
    def unit(self) -> str:
        """Unit of the value: ``"ms"``, ``"bytes"``, ``"images/s"``, or what is counted."""

    @property
    def direction(self) -> Direction:
        """``"minimize"`` for a cost, ``"maximize"`` where more is better."""

    def __call__(self, model: Any) -> Measurement:
        """Measure ``model``.

        Raises:
            ValueError: If it is not a model that can be measured, or has no fixed input size.
            ChildFailed: If measuring it went wrong.
        """


class TrainedMeter(Protocol):
    """A meter of trained children: its ``after_training`` is true, and it is given the data too.

    All else is as in `Meter`.
    """

    @property
    def metric(self) -> str:
        """Under which a trial keeps the value: ``accuracy_int8``, ..."""

    @property
    def unit(self) -> str:
        """Unit of the value, empty for a plain number such as an accuracy."""

    @property
    def direction(self) -> Direction:
        """``"maximize"`` where more is better."""

    @property
    def after_training(self) -> bool:
        """True, which says that a child is measured once it is trained."""

    def __call__(self, model: Any, data: Data) -> Measurement:
        """Measure ``model``, which was trained on ``data``.

        Raises:
            ValueError, ChildFailed: See `Meter`.
        """


AnyMeter = Meter | TrainedMeter
"""A meter of untrained children or one of trained children, where either will do."""


def of_untrained(meter: AnyMeter | Sequence[AnyMeter] | None) -> tuple[Meter, ...]:
    """Those of `as_meters` that measure a child before it is trained."""
    return tuple(each for each in as_meters(meter) if not _is_late(each))


def of_trained(meter: AnyMeter | Sequence[AnyMeter] | None) -> tuple[TrainedMeter, ...]:
    """Those of `as_meters` that measure a child after it is trained."""
    return tuple(each for each in as_meters(meter) if _is_late(each))


def _is_late(meter: AnyMeter) -> TypeIs[TrainedMeter]:
    return bool(getattr(meter, "after_training", False))


def check_data(meter: AnyMeter | Sequence[AnyMeter] | None, data: Data) -> None:
    """Let every meter that has a ``check`` refuse the data that children are trained on.

    Raises:
        ValueError: If one does.
    """
    for each in as_meters(meter):
        check = getattr(each, "check", None)
        if check is not None:
            check(data)


def check_backends(meter: AnyMeter | Sequence[AnyMeter] | None) -> None:
    """Check that the files that meters make can be made under the backend that Keras runs on.

    Raises:
        ValueError: If one cannot.
    """
    for each in as_meters(meter):
        try:
            check_backend(getattr(each, "file", ""))
        except ExportFailed as error:
            raise ValueError(f"{each.metric} cannot be measured by {each!r}: {error}") from error


def metric_of(meter: AnyMeter) -> Metric | None:
    """The metric that a meter declares, or that is known by its name; None if nothing says which
    way it is better."""
    direction: Direction | None = getattr(meter, "direction", None)
    known = known_metric(meter.metric)
    if direction is None or known is not None:
        return known
    return Metric(meter.metric, getattr(meter, "unit", ""), direction)


def as_meters(meter: AnyMeter | Sequence[AnyMeter] | None) -> tuple[AnyMeter, ...]:
    """One meter, several or none as a tuple.

    Raises:
        ValueError: If something is no meter, two write the same metric, or one declares its metric
            otherwise than its name is known.
    """
    if meter is None:
        return ()
    meters = tuple(meter) if isinstance(meter, Sequence) else (meter,)
    for each in meters:
        if not callable(each) or not isinstance(getattr(each, "metric", None), str):
            raise ValueError(
                f"a meter is called with a model and has a metric, its name; got {each!r}"
            )
        _check_declaration(each)
    metrics = [each.metric for each in meters]
    twice = sorted({metric for metric in metrics if metrics.count(metric) > 1})
    if twice:
        raise ValueError(
            f"each meter must write a metric of its own, got {twice} more than once; give one of "
            "them another name, such as LiteRTLatency(int8=True, metric='latency_int8_ms')"
        )
    return meters


def _check_declaration(meter: AnyMeter) -> None:
    direction, unit = getattr(meter, "direction", None), getattr(meter, "unit", None)
    if direction is not None and direction not in DIRECTIONS.values():
        raise ValueError(
            f"the direction of a meter is 'maximize' or 'minimize', {meter!r} has {direction!r}"
        )
    known = known_metric(meter.metric)
    if known is None:
        return
    if direction not in (None, known.direction) or unit not in (None, known.unit):
        raise ValueError(
            f"{meter!r} declares {meter.metric!r} with unit {unit!r} and direction {direction!r}, "
            f"but by its name that metric has unit {known.unit!r} and direction "
            f"{known.direction!r}: give it another name"
        )


def measure(
    model: Any, meter: AnyMeter | Sequence[AnyMeter] | None, data: Data | None = None
) -> dict[str, float]:
    """The metrics that ``meter``, one or several, measure of a ``keras.Model``.

    Args:
        model: Trained, if a meter measures trained children.
        meter: Which.
        data: That the model was trained on, for such a meter.

    Raises:
        ValueError: If a meter needs the data, and there are none; and see `Meter`.
        ChildFailed: See `Meter`.
    """
    found = {each.metric: each(model).value for each in of_untrained(meter)}
    for late in of_trained(meter):
        if data is None:
            raise ValueError(
                f"{late!r} measures a trained child on the data that it was trained on: give the "
                "data too"
            )
        found[late.metric] = late(model, data).value
    return found


def check_whole(name: str, value: Any, least: int) -> None:
    """Check the argument ``name`` of a meter.

    Raises:
        ValueError: If it is no whole number of at least ``least``.
    """
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ValueError(f"{name} must be a whole number of at least {least}, got {value!r}")
