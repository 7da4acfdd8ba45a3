"""How long the pieces of a space's networks take on this machine, kept as a JSON file."""

from __future__ import annotations

import json
import logging
import math
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellwright.plugins.checked import check_finite, read_as
from cellwright.plugins.files import atomic_write
from cellwright.plugins.meters.measurement import Measurement, Meter
from cellwright.search_spaces import CorruptedState, SearchSpace
from cellwright.search_spaces.identity import (
    Comparison,
    added,
    brief,
    compare,
    old_fingerprint,
    renewed,
)
from cellwright.search_spaces.pieces import Piece

Floats = NDArray[np.float64]
VERSION = 1
_log = logging.getLogger(__name__)
_MEASURED = ("value", "spread", "repeats")  # of a `Measurement`, for each piece
_REMEDY = "Delete it, and the pieces are timed anew"
_DEVICE = ("machine", "meter")  # what a table is about that another device's differs in


@dataclass(frozen=True)
class Correction:
    """What a whole network takes: ``constant`` + ``factor`` x the sum of its pieces.

    As a rule the constant is below 0 and the factor above 1: each piece was timed with the
    runtime's own work for one call, which a network needs once, and with its weights in the
    processor's cache, where those of a whole network have no room.

    Attributes:
        factor: 1 if the sum is taken as it is.
        constant: Milliseconds.
        children: Whole networks that both were fitted to.
        least: The smallest sum among these. What is below it is predicted in proportion, so that no
            network is said to take less than nothing.
    """

    factor: float = 1.0
    constant: float = 0.0
    children: int = 0
    least: float = 0.0

    def __call__(self, total: float) -> float:
        """Milliseconds of a network whose pieces take ``total``."""
        if total >= self.least:
            return self.constant + self.factor * total
        return total / self.least * (self.constant + self.factor * self.least)


@dataclass(frozen=True)
class Transfer:
    """How a table came from that of another device; see `LatencyPredictor.transfer`.

    Attributes:
        machine: The other device, as its table names it.
        meter: What timed the pieces there.
        factors: What a piece takes here, in multiples of its time there, by operation.
        children: Whole networks that were measured here.
        error: Of predictions: the median of |predicted - measured| / measured over these networks,
            each predicted without its own measurement.
        error_in_proportion: The same of predictions that multiply all times there by one factor.
    """

    machine: str
    meter: str
    factors: Mapping[str, float]
    children: int
    error: float
    error_in_proportion: float


@dataclass
class LatencyTable:
    """Measured pieces, what they are pieces of, and how they were measured.

    Attributes:
        about: What the table is good for: the machine, the meter, the space, the input, the classes
            and the options of the children. See `describe`.
        how: As the meter says it (`Measurement.how`); empty until a piece was measured.
        unit: Unit of the measurements: milliseconds.
        pieces: What was measured of each.
        correction: From their sum to a whole network.
        transfer: Where the pieces come from, if they were timed on another device.
    """

    about: Mapping[str, Any]
    how: str = ""
    unit: str = "ms"
    pieces: dict[Piece, Measurement] = field(default_factory=dict)
    correction: Correction = field(default_factory=Correction)
    transfer: Transfer | None = None

    def add(self, piece: Piece, found: Measurement) -> None:
        """Keep what was measured.

        Raises:
            ValueError: If it was measured in another way than the pieces before.
        """
        if self.how and found.how != self.how:
            raise ValueError(
                f"the table's pieces were measured by {self.how}, and now by {found.how}; give "
                "another path to start a new table"
            )
        self.how, self.unit = found.how, found.unit
        self.pieces[piece] = found

    def by_operation(self, counts: Sequence[Mapping[Piece, int]]) -> tuple[list[str], Floats]:
        """The operations of this table, and what each takes in networks, (networks, operations).

        Args:
            counts: How often each piece is in each network; all pieces are in the table.
        """
        operations = sorted({piece.operation for piece in self.pieces})
        times = np.zeros((len(counts), len(operations)))
        for row, count in zip(times, counts, strict=True):
            for piece, number in count.items():
                row[operations.index(piece.operation)] += number * self.pieces[piece].value
        return operations, times

    def save(self, path: Path) -> None:
        """Write the whole table in one step: a reader finds the old one or the new one."""
        rows = [
            {**piece._asdict(), **{name: getattr(found, name) for name in _MEASURED}}
            for piece, found in sorted(self.pieces.items())
        ]
        head = {
            "version": VERSION,
            "about": self.about,
            "how": self.how,
            "unit": self.unit,
            "correction": vars(self.correction),
            **({} if self.transfer is None else {"transfer": vars(self.transfer)}),
        }
        lines = ",\n".join("  " + json.dumps(row) for row in rows)
        text = (
            json.dumps(head, indent=1).removesuffix("\n}") + f',\n "pieces": [\n{lines}\n ]\n}}\n'
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as file:
            file.write(text)

    @classmethod
    def load(
        cls, path: Path, about: Mapping[str, Any], space: SearchSpace, *, elsewhere: bool = False
    ) -> LatencyTable:
        """Read a table, or start an empty one where there is no file.

        Args:
            path: The file.
            about: What the table is to be good for; see `describe`.
            space: The space in it.
            elsewhere: Whether it may be of another machine and meter, and has to exist.

        Raises:
            ValueError: If the file is about something else, naming what differs.
            FileNotFoundError: If there is none that has to exist.
            CorruptedState: If it cannot be read.
        """
        about = json.loads(json.dumps(about))
        if not path.exists():
            if elsewhere:
                raise FileNotFoundError(f"there is no latency table {path}")
            return cls(about)
        found = read_as(path, _Stored, _REMEDY)
        check_finite(vars(found.correction), path, _REMEDY, "correction")
        for number, row in enumerate(found.pieces):
            _check_row(row, f"pieces[{number}]", path)
        before = found.about
        try:
            spaces = _compare(space, before["space"])
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise CorruptedState(
                f"{path}, about.space: {error!r} where a space is described. {_REMEDY}"
            ) from error
        pieces = {
            Piece(row.operation, row.shape, row.filters, row.stride): Measurement(
                row.value, row.spread, row.repeats, unit=found.unit, how=found.how
            )
            for row in found.pieces
        }
        changed = [
            f"{name} was {before.get(name)!r} and is now {about.get(name)!r}"
            for name in sorted({*before, *about} - {"space", *(_DEVICE if elsewhere else ())})
            if before.get(name) != about.get(name)
        ]
        if spaces.different:
            changed.append(f"of the space, {spaces.different}")
        if changed:
            raise ValueError(
                f"{path} is another latency table: {'; '.join(changed)}. Give another path to "
                "start a new one"
            )
        if spaces.doubtful:
            _log.warning("%s may be of another space than %r: %s", path, space, spaces.doubtful)
        about = {**about, "space": brief(renewed(space, before["space"]))}
        if elsewhere:
            about |= {name: before.get(name) for name in _DEVICE}
        return cls(about, found.how, found.unit, pieces, found.correction, found.transfer)


@dataclass(frozen=True)
class _Row:
    """A piece and its measurement, as the file holds them."""

    operation: str
    shape: tuple[int, int, int]
    filters: int
    stride: int
    value: float
    spread: float
    repeats: int


@dataclass(frozen=True)
class _Stored:
    """What the file of a table holds."""

    version: int
    about: dict[str, Any]
    how: str
    unit: str
    correction: Correction
    pieces: list[_Row]
    transfer: Transfer | None = None


def _check_row(row: _Row, place: str, path: Path) -> None:
    """Refuse sizes below 1, and times that cannot be.

    Raises:
        CorruptedState: Naming the file and the place.
    """
    sizes = {"shape": min(row.shape), "stride": row.stride, "repeats": row.repeats}
    for name, size in sizes.items():
        if size < 1:
            raise CorruptedState(f"{path}, {place}.{name}: it must be at least 1. {_REMEDY}")
    for name in ("value", "spread"):
        value = getattr(row, name)
        if not 0 <= value < math.inf:
            raise CorruptedState(
                f"{path}, {place}.{name}: a finite time from 0 on is expected, got {value}. "
                f"{_REMEDY}"
            )


def describe(
    space: SearchSpace,
    input_shape: tuple[int, ...],
    classes: int | None,
    options: Mapping[str, Any],
    meter: Meter,
) -> dict[str, Any]:
    """What a table is about, as plain data."""
    return {
        "machine": machine(),
        "meter": repr(meter) if is_dataclass(meter) else type(meter).__qualname__,
        "space": brief(space.identity()),
        "input_shape": list(input_shape),
        "classes": classes,
        "options": {name: _plain(value) for name, value in options.items() if name != "seed"},
    }


def _compare(space: SearchSpace, noted: Mapping[str, Any]) -> Comparison:
    """How ``space`` differs from the one that a table notes, also one of an earlier version.

    These noted the public attributes, those that are no plain data by their ``repr``.
    """
    if "facts" in noted:
        return compare(space, noted)
    if noted["decisions"] != old_fingerprint(space):
        return compare(space, str(noted["decisions"]))
    now = {name: _plain(getattr(space, name, None)) for name in noted}
    changed = [
        f"{name} was {noted[name]!r} and is now {now[name]!r}"
        for name in noted
        if name not in ("kind", "decisions", "anchors", "options") and noted[name] != now[name]
    ]
    return Comparison("; ".join(changed), "; ".join(added(space, noted).values()))


def machine() -> str:
    """The processor of this machine, its cores, and its system."""
    name = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():  # Linux, where platform.processor() says as little as x86_64
        lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines()
        models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
        name = models[0] if models else name
    return f"{name}, {os.cpu_count()} cores, {platform.machine()}, {platform.system()}"


def _plain(value: Any) -> Any:
    if isinstance(value, str | int | float | None):
        return value
    return [_plain(part) for part in value] if isinstance(value, list | tuple) else repr(value)
