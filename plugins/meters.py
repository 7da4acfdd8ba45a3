"""Meters: what a built child network costs to run."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np


@dataclass(frozen=True)
class Measurement:
    """What a meter found: the median of ``repeats`` timings and how far they spread.

    ``seconds`` is the median, ``spread`` the distance between the quartiles, both in seconds.
    """

    seconds: float
    spread: float
    repeats: int


class Meter(Protocol):
    """Anything that times a ``keras.Model``."""

    def __call__(self, model: Any) -> Measurement:
        """Measure ``model``."""


@dataclass(frozen=True)
class KerasLatency:
    """Latency of one image through the compiled model, on this machine.

    The model is traced and warmed up first, so that neither compiling nor cold caches are timed.

    Args:
        repeats: Timed predictions, at least 3.
        warm_up: Predictions before the first timed one, at least 1.
    """

    repeats: int = 30
    warm_up: int = 5

    def __post_init__(self) -> None:
        if self.repeats < 3 or self.warm_up < 1:
            raise ValueError(
                "repeats must be at least 3 and warm_up at least 1, "
                f"got {self.repeats} and {self.warm_up}"
            )

    def __call__(self, model: Any) -> Measurement:
        """Median and spread of `repeats` predictions of one random image.

        Raises:
            ValueError: If the model's input has no fixed size.
        """
        shape = model.input_shape[1:]
        if None in shape:
            raise ValueError(f"a model of fixed input size is needed, got input shape {shape}")
        image = np.random.default_rng(0).random((1, *shape), dtype=np.float32)
        for _ in range(self.warm_up):
            model.predict_on_batch(image)
        seconds = []
        for _ in range(self.repeats):
            start = time.perf_counter()
            model.predict_on_batch(image)
            seconds.append(time.perf_counter() - start)
        low, median, high = statistics.quantiles(seconds, n=4)
        return Measurement(median, high - low, self.repeats)
