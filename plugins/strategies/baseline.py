"""Baselines: what a reward is compared with before it moves the policy."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from cellwright.search_spaces.arguments import check_integer, check_number


class Baseline(ABC):
    """Turns rewards, one after another, into advantages."""

    def __repr__(self) -> str:
        given = {name: x for name, x in vars(self).items() if not name.startswith("_")}
        return f"{type(self).__name__}({', '.join(f'{n}={x!r}' for n, x in given.items())})"

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
        check_number("decay", decay, least=0, below=1)
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
        check_number("value", value)
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

    def __init__(self, size: int = 20, start: Iterable[float] = (0.1,)) -> None:
        check_integer("size", size, 2)
        if not isinstance(start, Iterable):
            raise ValueError(f"start must be a list of rewards, got {start!r}")
        self.size = size
        self.start = tuple(start)
        for reward in self.start:
            check_number("start", reward)
        self._window: deque[float] = deque(self.start, maxlen=size)

    def advantage(self, reward: float) -> float:
        self._window.append(reward)
        return reward - sum(self._window) / len(self._window)

    def reset(self) -> None:
        self._window = deque(self.start, maxlen=self.size)


# What stands for a baseline in a config file or on a command line: its name, or its argument.
_NAMED: dict[str, Callable[..., Baseline]] = {
    "moving-average": MovingAverage,
    "rolling-window": RollingWindow,
    "constant": Constant,
}
_ARGUMENTS: dict[str, Callable[..., Baseline]] = {
    "decay": MovingAverage,
    "window": RollingWindow,
    "value": Constant,
}


def read_baseline(given: Baseline | Mapping[str, Any] | str | None) -> Baseline:
    """The baseline that is given as an object, by its name, or by its argument.

    Args:
        given: ``"moving-average"``, ``"rolling-window"`` or ``"constant"``; a mapping of one
            argument, ``{"decay": 0.95}``, ``{"window": 20}`` or ``{"value": 0.5}``, or the same as
            text, ``"{window: 20}"``; a `Baseline`; None for a `MovingAverage`.

    Raises:
        ValueError: If it is anything else, or the argument is out of range.
    """
    if given is None:
        return MovingAverage()
    if isinstance(given, Baseline):
        return given
    if isinstance(given, str) and given in _NAMED:
        return _NAMED[given]()
    arguments = _written(given) if isinstance(given, str) else given
    if isinstance(arguments, Mapping) and len(arguments) == 1:
        ((name, value),) = arguments.items()
        if name in _ARGUMENTS:
            try:
                return _ARGUMENTS[name](value)
            except ValueError as error:
                raise ValueError(f"baseline {given!r} cannot be made: {error}") from None
    raise ValueError(
        f"baseline must be {', '.join(_NAMED)}, or one argument as in {{decay: 0.95}}, "
        f"{{window: 20}} or {{value: 0.5}}, got {given!r}"
    )


def _written(text: str) -> dict[str, Any] | None:
    """``{window: 20}``, as YAML writes it, and JSON, where a command line hands it on as text."""
    found = re.fullmatch(r"\{\s*\"?(\w+)\"?\s*:\s*([^{}\s]+)\s*\}", text.strip())
    if found is None:
        return None
    for kind in (int, float):
        try:
            return {found[1]: kind(found[2])}
        except ValueError:
            continue
    return {found[1]: found[2]}
