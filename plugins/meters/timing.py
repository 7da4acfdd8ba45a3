"""How often something is run, until its time is known well enough."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

_LEAST_RUNS = 5


@dataclass(frozen=True)
class Timing:
    """Runs in rounds, each until its median is stable: how closely, and within which limits.

    The median of n sorted times lies, 19 times of 20, between those of ranks n/2 +- 0.98 sqrt(n)
    (the binomial distribution, nearly normal). A round ends once both are within ``precision`` of
    the median. The times of neighbouring runs are not independent, for what else the machine does
    lasts longer than one of them: it makes whole rounds slow, and none quick. So the lower quartile
    of the rounds' medians is what counts, which two quick rounds of five decide.

    Args:
        warm_up: Runs before the first timed one, at least 1.
        precision: As a share of the median, above 0.
        least_seconds: How long to time at least, in all rounds, from 0 on; at least 5 runs are
            timed in any case.
        most_seconds: When timing ends, in all rounds, however far the times spread.
        rounds: At least 1.
        pause: Seconds between two rounds, from 0 on, in which the machine may do what else it has
            to do.

    Raises:
        ValueError: If an argument is out of range.
    """

    warm_up: int = 5
    precision: float = 0.02
    least_seconds: float = 0.25
    most_seconds: float = 2.0
    rounds: int = 5
    pause: float = 0.1

    def __post_init__(self) -> None:
        if self.warm_up < 1:
            raise ValueError(f"warm_up must be at least 1, got {self.warm_up}")
        if not self.precision > 0:
            raise ValueError(f"precision must be above 0, got {self.precision}")
        if not 0 <= self.least_seconds <= self.most_seconds:
            raise ValueError(
                "least_seconds must be in 0..most_seconds, "
                f"got {self.least_seconds} and {self.most_seconds}"
            )
        if self.rounds < 1:
            raise ValueError(f"rounds must be at least 1, got {self.rounds}")
        if not 0 <= self.pause < math.inf:
            raise ValueError(f"pause must be a number of seconds from 0 on, got {self.pause}")

    def milliseconds(self, run: Callable[[], Any]) -> tuple[float, float, int]:
        """The time of a run, the distance between the quartiles of all runs, both in milliseconds,
        and how many runs were timed."""
        for _ in range(self.warm_up):
            run()
        rounds = []
        for number in range(self.rounds):
            if number:
                time.sleep(self.pause)
            rounds.append(self._round(run))
        everything = [seconds for each in rounds for seconds in each]
        low, _, high = statistics.quantiles(everything, n=4)
        quick = float(np.quantile([statistics.median(each) for each in rounds], 0.25))
        return 1000 * quick, 1000 * (high - low), len(everything)

    def _round(self, run: Callable[[], Any]) -> list[float]:
        seconds: list[float] = []
        begin, check = time.perf_counter(), math.ceil(_LEAST_RUNS / self.rounds)
        while True:
            start = time.perf_counter()
            run()
            end = time.perf_counter()
            seconds.append(end - start)
            if len(seconds) < check:
                continue
            check = math.ceil(1.1 * check)  # sorting all times after each run would take longer
            timed = self.rounds * (end - begin)
            if timed >= self.most_seconds or (
                timed >= self.least_seconds and _is_stable(seconds, self.precision)
            ):
                return seconds


def _is_stable(values: list[float], precision: float) -> bool:
    ordered, n = sorted(values), len(values)
    half = 0.98 * math.sqrt(n)
    low, high = math.floor(n / 2 - half), math.ceil(n / 2 + half)
    if low < 0 or high >= n:
        return False
    median = statistics.median(ordered)
    return max(median - ordered[low], ordered[high] - median) <= precision * median


def random_image(model: Any) -> np.ndarray[Any, np.dtype[np.float32]]:
    """One random image of the size that a ``keras.Model`` takes, (1, height, width, channels).

    Raises:
        ValueError: If the model takes images of any size, or several inputs.
    """
    shape = model.input_shape
    if isinstance(shape, list | dict) or None in shape[1:]:
        raise ValueError(f"a model of fixed input size is needed, got input shape {shape}")
    return np.random.default_rng(0).random((1, *shape[1:]), dtype=np.float32)
