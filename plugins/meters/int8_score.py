"""How good a trained network still is in 8-bit integers, as LiteRT runs it on a phone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from cellwright.plugins.data.data import Data
from cellwright.plugins.meters.measurement import Measurement, check_whole
from cellwright.plugins.metrics import Direction
from cellwright.search_spaces import ChildFailed, ExportFailed

_CALIBRATION = 100  # images that the ranges are taken from, as many as `export_litert` takes
_BATCH = 1024  # images of the validation part that are held in memory at a time


@dataclass(frozen=True)
class Int8Accuracy:
    """Validation accuracy of the trained child in int8: what a phone or a microcontroller gets.

    The child is converted as `export_litert` does it with ``int8=True``. The ranges of its
    operations are taken from up to 100 images of the training part, and the accuracy is that of
    the whole validation part. It is measured after the training, in every host alike, and costs
    some seconds of each child (docs/export.md).

    Args:
        seed: Fixes which images these are, at least 0.
        threads: Of the CPU, at least 1.
        metric: Name of what is measured.

    Raises:
        ValueError: If an argument is out of range.
    """

    seed: int = 0
    threads: int = 1
    metric: str = "accuracy_int8"
    unit: ClassVar[str] = ""
    direction: ClassVar[Direction] = "maximize"
    needs: ClassVar[tuple[str, ...]] = ("ai_edge_litert",)
    file: ClassVar[str] = "LiteRT"
    after_training: ClassVar[bool] = True

    def __post_init__(self) -> None:
        _check_arguments(self)

    def check(self, data: Data) -> None:
        """Raises ValueError if nothing is held out, or a number is predicted."""
        _check_data(self, data)
        if data.classes is None:
            raise ValueError(
                f"{self.metric} is an accuracy, and these data have a number to predict: measure "
                "mae_int8 by the meter mae-int8, Int8Error()"
            )

    def __call__(self, model: Any, data: Data) -> Measurement:
        """The share of validation images that are told right, 0 to 1.

        Raises:
            ValueError: See `check`.
            ChildFailed: If LiteRT cannot hold or run the network in int8.
            ModuleNotFoundError: Without the extra ``export``.
        """
        self.check(data)
        outputs, labels = _in_int8(self, model, data)
        return _measured(self, np.mean(outputs.argmax(axis=-1) == labels), data)


@dataclass(frozen=True)
class Int8Error:
    """Mean absolute error of the trained child in int8, where a number is predicted.

    It is of the scaled number, like ``val_mae``. All else is as in `Int8Accuracy`.

    Args:
        seed, threads, metric: As there.

    Raises:
        ValueError: If an argument is out of range.
    """

    seed: int = 0
    threads: int = 1
    metric: str = "mae_int8"
    unit: ClassVar[str] = ""
    direction: ClassVar[Direction] = "minimize"
    needs: ClassVar[tuple[str, ...]] = ("ai_edge_litert",)
    file: ClassVar[str] = "LiteRT"
    after_training: ClassVar[bool] = True

    def __post_init__(self) -> None:
        _check_arguments(self)

    def check(self, data: Data) -> None:
        """Raises ValueError if nothing is held out, or there are classes."""
        _check_data(self, data)
        if data.classes is not None:
            raise ValueError(
                f"{self.metric} is the error of a predicted number, and these data have classes: "
                "measure accuracy_int8 by the meter accuracy-int8, Int8Accuracy()"
            )

    def __call__(self, model: Any, data: Data) -> Measurement:
        """The error over the validation part, 0 or above; see `Int8Accuracy`."""
        self.check(data)
        outputs, numbers = _in_int8(self, model, data)
        return _measured(self, np.mean(np.abs(outputs[:, 0] - numbers)), data)


_Meter = Int8Accuracy | Int8Error


def _check_arguments(meter: _Meter) -> None:
    check_whole("seed", meter.seed, 0)
    check_whole("threads", meter.threads, 1)


def _check_data(meter: _Meter, data: Data) -> None:
    if data.held_out is None:
        raise ValueError(
            f"{meter.metric} is measured on the validation part, and nothing is held out: give "
            "data with a validation part"
        )


def _in_int8(meter: _Meter, model: Any, data: Data) -> tuple[NDArray[np.float32], NDArray[Any]]:
    """What the int8 network gives of the validation part, (number, classes) or (number, 1), and
    what is right, (number,)."""
    from cellwright.search_spaces.export import convert_to_litert, run_litert

    assert data.held_out is not None
    images = data.some(_CALIBRATION, np.random.default_rng(meter.seed))[0]
    try:
        content = convert_to_litert(model, int8=True, images=images)
    except ExportFailed as error:
        raise ChildFailed(f"{meter.metric} cannot be measured: {error}") from error
    outputs, targets = [], []
    for batch in data.held_out.batches(_BATCH):
        try:
            outputs.append(run_litert(content, batch[0], threads=meter.threads))
        except (RuntimeError, ValueError) as error:  # XNNPACK refuses some int8 files
            raise ChildFailed(f"LiteRT cannot run the network in int8: {error}") from error
        targets.append(batch[1])
    return np.concatenate(outputs), np.concatenate(targets)


def _measured(meter: _Meter, value: Any, data: Data) -> Measurement:
    from importlib.metadata import version

    held_out = 0 if data.held_out is None else data.held_out.number
    how = (
        f"LiteRT {version('ai-edge-litert')}, int8, ranges from up to {_CALIBRATION} of "
        f"{data.train.number} training images, on {held_out} to validate on"
    )
    return Measurement(float(value), 0.0, 1, meter.unit, how)
