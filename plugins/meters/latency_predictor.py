"""Latency of a child before it is built: the sum of its pieces, each timed once on this machine."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from cellwright.plugins.meters.keras_latency import KerasLatency
from cellwright.plugins.meters.latency_table import Correction, LatencyTable, Transfer, describe
from cellwright.plugins.meters.latency_transfer import (
    errors_left_out,
    fit,
    in_proportion,
    line,
    proportion,
)
from cellwright.plugins.meters.litert_latency import LiteRTLatency
from cellwright.plugins.meters.measurement import Measurement, Meter, check_backends
from cellwright.search_spaces import ChildFailed, SearchSpace
from cellwright.search_spaces.arguments import check_kind, check_path
from cellwright.search_spaces.pieces import Piece

Report = Callable[[int, int, str], None]

_SAMPLES_IN_VAIN = 2000


def check_precisions(meter: Any, precisions: Iterable[str | None]) -> None:
    """Check that pieces are timed in the precision that children compute in.

    Args:
        meter: Times the pieces.
        precisions: Those of the children; None is what Keras is set to, as it is for pieces.

    Raises:
        ValueError: If Keras times the pieces, and children are made in half precision.
    """
    half = sorted({name for name in precisions if name not in (None, "float32")})
    if half and isinstance(meter, KerasLatency):
        raise ValueError(
            "latencies are predicted from pieces that Keras times in float32, and children compute "
            f"in {', '.join(half)}: time pieces by LiteRT, whose files are in float32 for any "
            "precision, or have Keras measure each child and leave the prediction out"
        )


@dataclass
class LatencyPredictor:
    """Predicts the seconds of one image, from parameters, in less than a millisecond.

    A space says which pieces a child consists of (`SearchSpace.pieces`), the meter times each as a
    network of its own, and their times are added up along the graph. What depends on the network as
    a whole, such as the cost of calling it and data that no longer lie in the cache when they are
    read, is fitted on a few whole children by `calibrate`.

    ::

        predict = LatencyPredictor(NASNetSpace(), (32, 32, 3), 10, path="latency.json")
        predict.fill()       # once a machine
        predict.calibrate()  # likewise
        predict(params)      # seconds

    Args:
        space: With `SearchSpace.pieces`.
        input_shape: (height, width, channels) of the images.
        classes: At least 2; None for regression.
        options: For ``space.build``, such as ``{"filters": 16}``.
        meter: Times a piece; any meter of a latency will do.
        path: The table's file, which is read if it exists and written as pieces are timed; None
            keeps no file. Only one process at a time should fill it.
        lazy: Whether a missing piece is timed when it is needed, in about a second, instead of
            raising an error.

    Raises:
        ValueError: If the file's table is of another machine, meter, space, input or options; or
            if it is ``lazy`` and has no table yet, and the meter needs another backend of Keras.
        CorruptedState: If the file cannot be read.
    """

    space: SearchSpace
    input_shape: Sequence[int]
    classes: int | None
    options: Mapping[str, Any] = field(default_factory=dict)
    meter: Meter = field(default_factory=LiteRTLatency)
    path: str | Path | None = None
    lazy: bool = False

    def __post_init__(self) -> None:
        check_kind("space", self.space, SearchSpace, "a SearchSpace")
        check_kind("input_shape", self.input_shape, Sequence, "the shape of an example")
        if self.path is not None:
            check_path("path", self.path)
        shape = self.input_shape = tuple(self.input_shape)
        about = describe(self.space, shape, self.classes, self.options, self.meter)
        self.table = LatencyTable(about)
        if self.path is not None:
            self.table = LatencyTable.load(Path(self.path), about, self.space)
        if self.lazy and not self.table.pieces:
            check_backends(self.meter)

    def __call__(self, params: Mapping[str, Any]) -> float:
        """Predicted seconds of the child that ``params`` describe.

        Raises: See `milliseconds`.
        """
        return self.milliseconds(params) / 1000

    def milliseconds(self, params: Mapping[str, Any]) -> float:
        """The same in the unit of the table.

        Raises:
            InvalidArchitecture: If ``params`` is no point of the space.
            NotImplementedError: If the space does not say what its networks consist of.
            ValueError: If pieces are missing, unless they are timed ``lazy``.
            ChildFailed: If timing one of these went wrong.
        """
        return self.table.correction(self.total(params))

    def total(self, params: Mapping[str, Any]) -> float:
        """The sum of the pieces in the unit of the table, without the `Correction`."""
        known = self.table.pieces
        count = self._count(params)
        missing = [piece for piece in count if piece not in known]
        if missing and self.lazy:
            self._time(missing)
        elif missing:
            raise ValueError(
                f"{len(missing)} pieces were not timed on this machine, such as {missing[0]}; call "
                "fill() first, or give lazy=True"
            )
        return sum(times * known[piece].value for piece, times in count.items())

    def fill(
        self, params: Mapping[str, Any] | None = None, *, report: Report | None = None
    ) -> list[Piece]:
        """Time what is missing, and keep it.

        What was timed stays in the file if this is stopped, and the next call goes on.

        Args:
            params: Only the pieces of this child; None for those of the space (`every_piece`).
            report: Called before each piece with its number (from 1), how many there are, and what
                it is.

        Returns:
            The pieces that were timed.

        Raises:
            ValueError: If the meter needs another backend of Keras than the one that runs.
            ChildFailed: If timing one went wrong.
        """
        wanted = self.every_piece() if params is None else sorted(self._count(params))
        missing = [piece for piece in wanted if piece not in self.table.pieces]
        self._time(missing, report)
        return missing

    def every_piece(self, seed: int = 0) -> list[Piece]:
        """The pieces that occur in the space, sorted.

        They are those of random architectures, drawn until 2,000 in a row show nothing new. A piece
        that hardly any architecture has may be missing; see ``lazy``.
        """
        rng = np.random.default_rng(seed)
        found: set[Piece] = set()
        in_vain = 0
        while in_vain < _SAMPLES_IN_VAIN:
            before = len(found)
            found.update(self._count(self.space.sample(rng)))
            in_vain = in_vain + 1 if len(found) == before else 0
        return sorted(found)

    def calibrate(
        self, children: int = 12, *, seed: int = 0, report: Report | None = None
    ) -> Correction:
        """Fit the `Correction` to whole children that are built and measured, and keep it.

        It minimises the squares of the relative errors, so that small children count as much as
        large ones.

        Args:
            children: How many random architectures, at least 2; each takes some seconds.
            seed: Seed of the draw of architectures.
            report: As in `fill`.

        Raises:
            ValueError: On fewer than 2 children, if pieces are missing and not timed ``lazy``, or
                if the meter needs another backend of Keras than the one that runs.
            ChildFailed: If measuring one went wrong.
        """
        if children < 2:
            raise ValueError(f"children must be at least 2, got {children}")
        check_backends(self.meter)
        samples = self._samples(children, seed)
        totals = np.array([self.total(params) for params in samples])
        found = self._measure_all(samples, report)
        return self.fit(totals, np.array([one.value for one in found]))

    def transfer(
        self,
        earlier: str | Path,
        children: int = 10,
        *,
        seed: int = 0,
        report: Report | None = None,
    ) -> Transfer:
        """Take over the table of another device, in place of `fill` and `calibrate`.

        Whole children are measured here, and the other table's times are multiplied by factors that
        are fitted to these, one for each operation (`latency_transfer.fit`).

        Args:
            earlier: The other device's file. Its machine and meter may be others than here.
            children: How many random architectures, at least 3; each takes some seconds.
            seed: Seed of the draw of architectures.
            report: As in `fill`.

        Returns:
            The factors, and the error of predictions, which the table keeps, too.

        Raises:
            ValueError: On fewer than 3 children; if there are pieces in this table already; if the
                other one is of another space, input or options, or lacks pieces of the children; or
                if the meter needs another backend of Keras than the one that runs.
            FileNotFoundError: If there is no such file.
            CorruptedState: If it cannot be read.
            ChildFailed: If measuring one went wrong.
        """
        if children < 3:
            raise ValueError(f"children must be at least 3, got {children}")
        if self.table.pieces:
            raise ValueError(
                f"{self.path or 'this table'} has pieces that were timed here: give another path, "
                "or predict with these"
            )
        about = self.table.about
        known = LatencyTable.load(Path(earlier), about, self.space, elsewhere=True)
        check_backends(self.meter)
        samples = self._samples(children, seed)
        counts = [self._count(params) for params in samples]
        if missing := {piece for count in counts for piece in count} - known.pieces.keys():
            raise ValueError(f"{earlier} lacks pieces of this space, such as {min(missing)}")
        operations, times = known.by_operation(counts)
        found = self._measure_all(samples, report)
        measured = np.array([one.value for one in found])
        fitted = fit(times, measured)
        factors = dict(zip(operations, map(float, fitted.factors), strict=True))
        error, error_in_proportion = (
            float(np.median(np.abs(errors_left_out(way, times, measured))))
            for way in (fit, in_proportion)
        )
        machine, meter = str(known.about["machine"]), str(known.about["meter"])
        self.table.transfer = Transfer(
            machine, meter, factors, children, error, error_in_proportion
        )
        for piece, there in known.pieces.items():
            value, spread = (factors[piece.operation] * x for x in (there.value, there.spread))
            self.table.add(piece, replace(found[0], value=value, spread=spread, repeats=1))
        least = float(np.min(times @ fitted.factors))
        self.table.correction = Correction(1.0, fitted.constant, children, least)
        self._save()
        return self.table.transfer

    def fit(self, totals: Any, measured: Any) -> Correction:
        """The `Correction` from sums of pieces to what whole children took, kept in the table.

        Args:
            totals: `total` of each child, (children,).
            measured: Milliseconds that each took, (children,).
        """
        factor, constant = line(totals, measured) or (proportion(totals, measured), 0.0)
        self.table.correction = Correction(factor, constant, len(totals), float(np.min(totals)))
        self._save()
        return self.table.correction

    def measure(self, params: Mapping[str, Any]) -> float:
        """Build the child and measure it: milliseconds.

        Raises:
            InvalidArchitecture, UnbuildableChild: See ``space.build``.
            ChildFailed: If measuring it went wrong.
        """
        return self._measure(params).value

    def _measure(self, params: Mapping[str, Any]) -> Measurement:
        child = self.space.build(params, self.input_shape, self.classes, **self.options)
        return self.meter(child)

    def _measure_all(
        self, samples: Sequence[Mapping[str, Any]], report: Report | None
    ) -> list[Measurement]:
        found = []
        for number, params in enumerate(samples, start=1):
            if report is not None:
                report(number, len(samples), "child")
            found.append(self._measure(params))
        return found

    def _samples(self, number: int, seed: int) -> list[Mapping[str, Any]]:
        rng = np.random.default_rng(seed)
        return [self.space.sample(rng) for _ in range(number)]

    def _count(self, params: Mapping[str, Any]) -> Mapping[Piece, int]:
        return self.space.pieces(params, self.input_shape, self.classes, **self.options)

    def _time(self, pieces: Sequence[Piece], report: Report | None = None) -> None:
        if pieces:
            check_backends(self.meter)
        for number, piece in enumerate(pieces, start=1):
            if report is not None:
                report(number, len(pieces), str(piece))
            model = self.space.build_piece(piece, **self.options)
            try:
                self.table.add(piece, self.meter(model))
            except ChildFailed as error:
                raise ChildFailed(f"piece {piece}: {error}") from error
            self._save()

    def _save(self) -> None:
        if self.path is not None:
            self.table.save(Path(self.path))
