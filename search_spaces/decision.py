"""What is chosen: one of some values, or a number in a range."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from cellwright.search_spaces.arguments import check_flag, check_number, check_text
from cellwright.search_spaces.errors import InvalidArchitecture

Value = str | int | float | bool
"""What a decision may be: plain values alone, which every host stores as they are."""
Params = dict[str, Value]
"""An architecture as hosts know it: the value of each decision by the decision's name."""
When = Mapping[str, Value | Sequence[Value]]
_LEVELS = 5


@dataclass(frozen=True)
class Decision:
    """One categorical choice of an architecture.

    Args:
        name: Unique in its space, and readable in a dashboard: ``"normal/2/operation_1"``.
        choices: At least one value, all different, all of one type (``str``, ``int``, ``float``
            or ``bool``), so that every host can store them and give them back unchanged.
        kind: What sort of thing is decided, such as ``"operation"``. Mutation draws a kind first
            (`SearchSpace.mutate`). The default is the name's last part without its number.
        when: Decisions that stand before this one, and the value or values of each without which
            this one has no effect: ``{"clustering": True}``.

    Raises:
        ValueError: On an empty name, no choices, repeated choices, or unfit types.
    """

    name: str
    choices: tuple[Value, ...]
    kind: str = ""
    when: Any = field(default=(), repr=False)
    _index: dict[Value, int] = field(init=False, repr=False, compare=False, hash=False)

    def __post_init__(self) -> None:
        check_text("name", self.name)
        given: Any = self.choices
        if isinstance(given, str | bytes | Mapping | Set) or not isinstance(given, Iterable):
            raise TypeError(
                f"choices of {self.name!r} must be several values in order, got {given!r:.200}"
            )
        choices = tuple(given)
        if not choices:
            raise ValueError(f"choices of {self.name!r} must hold at least one value")
        types = {type(choice) for choice in choices}
        if len(types) > 1 or not types <= {str, int, float, bool}:
            raise ValueError(
                f"choices of {self.name!r} must share one type of str, int, float, bool; "
                f"got {choices!r}"
            )
        if any(isinstance(choice, float) and not math.isfinite(choice) for choice in choices):
            raise ValueError(f"choices of {self.name!r} must be finite, got {choices!r}")
        if len(set(choices)) < len(choices):
            raise ValueError(f"choices of {self.name!r} must be different, got {choices!r}")
        object.__setattr__(self, "choices", choices)
        kind = self.kind or self.name.rsplit("/", 1)[-1].rstrip("0123456789").rstrip("_")
        object.__setattr__(self, "kind", kind or self.name)
        object.__setattr__(self, "when", tuple((n, _values(v)) for n, v in dict(self.when).items()))
        object.__setattr__(self, "_index", {choice: i for i, choice in enumerate(choices)})

    def index(self, value: Any) -> int:
        """Position of ``value`` among the choices; ``1``, ``1.0`` and ``True`` count as equal.

        Raises:
            InvalidArchitecture: If ``value`` is none of them.
        """
        try:
            return self._index[value]
        except (KeyError, TypeError):
            raise InvalidArchitecture(
                f"{self.name} = {value!r} is not allowed; choose one of {list(self.choices)}"
            ) from None

    def read(self, value: Any) -> Value:
        """``value`` as a host gives it back, in the type of the choices.

        Raises:
            InvalidArchitecture: If it is not allowed.
        """
        return self.choices[self.index(value)]

    def nearest(self, value: Any) -> Value:
        """The allowed value that is nearest to what a user gave: a number outside of a range counts
        as the range's end, text as the number that it says. Where nothing is near, it is `read`.

        Raises:
            InvalidArchitecture: If nothing is near: another choice, what is no number, NaN.
        """
        return self.read(value)

    def applies(self, params: Mapping[str, Any]) -> bool:
        """Whether it has an effect, given the values in ``params`` of what it depends on.

        One that is missing there had no effect itself, so this one has none either.
        """
        return all(params.get(name) in values for name, values in self.when)


class _Range(Decision):
    """A number from ``low`` to ``high``, both included.

    A host's own sampler draws any number in it. A strategy of ours chooses among ``choices``:
    ``levels`` numbers, evenly spaced (on a logarithmic scale with ``log``), ``low`` and ``high``
    among them. For a number in between a strategy is told the nearest of these.
    """

    low: float
    high: float
    log: bool

    def __init__(
        self,
        name: str,
        low: float,
        high: float,
        *,
        log: bool = False,
        levels: int = _LEVELS,
        when: When | None = None,
    ) -> None:
        check_text("name", name)
        check_flag("log", log)
        if not low < high or not math.isfinite(high - low):
            raise ValueError(f"{name!r} must have low < high, both finite; got {low!r}, {high!r}")
        if log and low <= 0:
            raise ValueError(f"{name!r} is on a logarithmic scale: low must be above 0, got {low}")
        if levels < 2:
            raise ValueError(f"levels of {name!r} must be at least 2, got {levels}")
        for field_name, value in (("low", low), ("high", high), ("log", log)):
            object.__setattr__(self, field_name, value)
        places = np.linspace(self._place(low), self._place(high), levels)
        inner = np.exp(places) if log else places
        choices = [low, *(self._rounded(x) for x in inner[1:-1]), high]
        super().__init__(name, tuple(dict.fromkeys(choices)), "hyperparameter", when or ())

    def between(self, low: Any, high: Any, when: When | None = None) -> Decision:
        """This range from ``low`` to ``high``, on the same scale and with as many levels.

        Args:
            low, high: The new bounds.
            when: The new conditions; by default the same ones.

        Raises:
            ValueError: If that is no range.
        """
        make: Any = type(self)
        conditions = dict(self.when) if when is None else when
        made: Decision = make(
            self.name, low, high, log=self.log, levels=len(self.choices), when=conditions
        )
        return made

    def index(self, value: Any) -> int:
        """Position of the choice that is nearest to ``value``, on this range's scale.

        Raises:
            InvalidArchitecture: If ``value`` is no number of this range.
        """
        place = self._place(self.read(value))
        return min(
            range(len(self.choices)), key=lambda i: abs(self._place(self.choices[i]) - place)
        )

    def nearest(self, value: Any) -> Value:
        """See `Decision.nearest`."""
        try:
            return self.read(value)
        except InvalidArchitecture:
            number = _number(value)
            if math.isnan(number):
                raise
        bounded = min(max(number, self.low), self.high)
        return self.read(round(bounded) if isinstance(self, Int) else bounded)

    def _place(self, value: Any) -> float:
        return math.log(value) if self.log else float(value)

    def _rounded(self, value: float) -> Value:
        raise NotImplementedError

    def _refuse(self, value: Any, kind: str) -> InvalidArchitecture:
        return InvalidArchitecture(
            f"{self.name} = {value!r} is not allowed; give {kind} from {self.low} to {self.high}"
        )


class Float(_Range):
    """A real hyperparameter, such as ``Float("learning_rate", 1e-4, 1e-2, log=True)``.

    Args:
        name: See `Decision`.
        low, high: Its range, both included.
        log: Whether the scale is logarithmic; ``low`` must then be above 0.
        levels: How many values a strategy of ours chooses among, at least 2; a host's own sampler
            draws from the whole range.
        when: See `Decision`.

    Raises:
        ValueError: On a range that is empty or not finite.
    """

    def __init__(
        self,
        name: str,
        low: float,
        high: float,
        *,
        log: bool = False,
        levels: int = _LEVELS,
        when: When | None = None,
    ) -> None:
        check_number("low", low)
        check_number("high", high)
        super().__init__(name, float(low), float(high), log=log, levels=levels, when=when)

    def read(self, value: Any) -> Value:
        """``value`` as a float; see `Decision.read`."""
        number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
        # A host may round a bound: JSON and single precision do.
        slack = 1e-6 * max(abs(self.low), abs(self.high))
        if not number or not self.low - slack <= value <= self.high + slack:
            raise self._refuse(value, "a number")
        return min(max(float(value), self.low), self.high)

    def _rounded(self, value: float) -> Value:
        return float(f"{value:.6g}")


class Int(_Range):
    """A whole hyperparameter, such as ``Int("batch_size", 16, 256, log=True)``.

    Args:
        name, low, high, log, levels, when: See `Float`; the bounds are whole numbers.

    Raises:
        ValueError: On a range that is empty or not of whole numbers.
    """

    def __init__(
        self,
        name: str,
        low: int,
        high: int,
        *,
        log: bool = False,
        levels: int = _LEVELS,
        when: When | None = None,
    ) -> None:
        low, high = as_whole("low", low), as_whole("high", high)
        super().__init__(name, low, high, log=log, levels=levels, when=when)

    def read(self, value: Any) -> Value:
        """``value`` as an int; see `Decision.read`."""
        number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
        if not number or not self.low <= value <= self.high or value != round(value):
            raise self._refuse(value, "a whole number")
        return int(value)

    def _rounded(self, value: float) -> Value:
        return round(value)


def _number(value: Any) -> float:
    """NaN for what is no number, and says none."""
    if isinstance(value, bool) or not isinstance(value, str | int | float | np.number):
        return math.nan
    try:
        return float(value)
    except (ValueError, OverflowError):
        return math.nan


def as_whole(name: str, value: Any) -> int:
    """``value`` as an int, which a host may give as 32.0.

    Raises:
        ValueError: If it is no whole number; ``name`` says what it is.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | np.number):
        raise ValueError(f"{name} must be a whole number, got {value!r}")
    if not math.isfinite(value) or value != int(value):
        raise ValueError(f"{name} must be a whole number, got {value!r}")
    return int(value)


def _values(given: Any) -> tuple[Value, ...]:
    return (given,) if isinstance(given, Value) else tuple(given)
