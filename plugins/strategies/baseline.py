"""Baselines: what a reward is compared with before it moves the policy."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Sequence


class Baseline(ABC):
    """Turns rewards, one after another, into advantages."""

    @abstractmethod
    def advantage(self, reward: float) -> float:
        """``reward`` less the baseline, which also takes the reward in."""

    @abstractmethod
    def reset(self) -> None:
        """Forget every reward."""


class MovingAverage(Baseline):
    """Exponential moving average of the rewards before this one (Zoph et al. 2018, appendix A).

    The first reward starts the average, so its advantage is 0.

    Args:
        decay: Share of the old average that is kept, in [0, 1); the paper's is 0.95.

    Raises:
        ValueError: If ``decay`` is out of range.
    """

    def __init__(self, decay: float = 0.95) -> None:
        if not 0 <= decay < 1:
            raise ValueError(f"decay must be in [0, 1), got {decay}")
        self.decay = decay
        self._average: float | None = None

    def advantage(self, reward: float) -> float:
        before = reward if self._average is None else self._average
        self._average = self.decay * before + (1 - self.decay) * reward
        return reward - before

    def reset(self) -> None:
        self._average = None


class Constant(Baseline):
    """One value for all rewards, such as the accuracy of guessing.

    Args:
        value: In the unit of the rewards, finite.

    Raises:
        ValueError: If ``value`` is not finite.
    """

    def __init__(self, value: float = 0.5) -> None:
        if not math.isfinite(value):
            raise ValueError(f"value must be a finite number, got {value}")
        self.value = value

    def advantage(self, reward: float) -> float:
        return reward - self.value

    def reset(self) -> None:
        pass


class RollingWindow(Baseline):
    """Mean of the last rewards, including this one (the book's rule).

    Args:
        size: Rewards in the window, at least 2.
        start: What the window holds at first; in the book a single 0.1.

    Raises:
        ValueError: If ``size`` is out of range.
    """

    def __init__(self, size: int = 20, start: Sequence[float] = (0.1,)) -> None:
        if size < 2:
            raise ValueError(f"size must be at least 2, got {size}")
        self.size = size
        self.start = tuple(start)
        self._window: deque[float] = deque(self.start, maxlen=size)

    def advantage(self, reward: float) -> float:
        self._window.append(reward)
        return reward - sum(self._window) / len(self._window)

    def reset(self) -> None:
        self._window = deque(self.start, maxlen=self.size)
