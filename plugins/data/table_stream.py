"""A Parquet file as a stream: no more than one of its columns is in memory at a time."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellwright.plugins.data.columns import UNUSED, Cells, Reading
from cellwright.plugins.data.frame_file import frame_of, readable
from cellwright.plugins.data.memory import in_words
from cellwright.plugins.data.npz_stream import Mapped, stamp_of
from cellwright.plugins.data.part import ArrayRows
from cellwright.plugins.data.preparation import Preparation
from cellwright.plugins.data.streams import Stream
from cellwright.plugins.data.table import OnDemand, Table
from cellwright.plugins.data.tables import prepare, split_weights, table_in
from cellwright.plugins.data.target import balanced_weights, read_target
from cellwright.plugins.data.values import Given, known, look, nothing, series_of
from cellwright.search_spaces import InvalidData

PARQUET = ".parquet"
_ROWS = 65_536  # of the file, that are prepared at a time


@dataclass(frozen=True)
class ParquetFile:
    """A Parquet file of which a column, or some rows, are read when they are asked for."""

    path: Path

    @cached_property
    def file(self) -> Any:
        """The file as pyarrow has it.

        Raises:
            InvalidData: If it cannot be read, or pandas or pyarrow is not installed.
        """
        if not self.path.is_file():
            raise InvalidData("there is no such file")
        try:
            import pandas  # noqa: F401  pyarrow makes frames of it
            import pyarrow.parquet
        except ImportError as error:
            raise InvalidData(
                ".parquet files need pandas and pyarrow: pip install 'cellwright[tables]'"
            ) from error
        with readable("parquet"):
            return pyarrow.parquet.ParquetFile(self.path)

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return int(self.file.metadata.num_rows)

    @property
    def names(self) -> list[str]:
        """Names of the columns."""
        return [str(name) for name in self._frame(self._empty)[0].columns]

    @property
    def notes(self) -> Sequence[str]:
        """What a user should know about the file."""
        return self._frame(self._empty)[1]

    def column(self, name: str) -> Reading | Cells:
        """What the column ``name`` may be."""
        return look(name, self.values(name))

    def values(self, name: str) -> Given:
        """The values of the column ``name``."""
        with readable("parquet"):
            column = self.file.read(columns=[name])
        frame, _ = self._frame(column)
        if name not in map(str, frame.columns):  # of an index, which pandas puts apart
            frame = frame.reset_index()
        return series_of(frame[frame.columns[[str(n) for n in frame.columns].index(name)]])

    def blocks(self) -> Iterator[Any]:
        """All rows, in frames of some of them."""
        import pyarrow

        batches = self.file.iter_batches(_ROWS)
        while True:
            with readable("parquet"):
                batch = next(batches, None)
            if batch is None:
                return
            yield self._frame(pyarrow.Table.from_batches([batch]))[0]

    @property
    def _empty(self) -> Any:
        return self.file.schema_arrow.empty_table()

    def _frame(self, table: Any) -> tuple[Any, tuple[str, ...]]:
        with readable("parquet"):
            return frame_of(table, self.file.schema_arrow)


def bytes_of_table(path: Path) -> int:
    """Memory that arrays of a Parquet file would need at their largest, as a rough guess: twice its
    numbers as float64, and its text as Python's; 0 if that cannot be told."""
    try:
        file = ParquetFile(path).file
        text = sum(str(kind) in ("string", "large_string") for kind in file.schema_arrow.types)
        return int(file.metadata.num_rows) * (16 * len(file.schema_arrow.types) + 60 * text)
    except Exception:  # the file is damaged, which reading it says
        return 0


def table_stream(
    path: Path,
    *,
    validation: float,
    seed: int,
    label: str | None,
    drop: Sequence[str],
    task: str,
    balanced: bool,
    notes: Sequence[str] = (),
) -> Stream:
    """The table in a Parquet file as a stream, split and prepared as arrays of it would be.

    How the columns are read is learned column by column. The features are then written into a
    temporary folder, some rows at a time, from which children read them; it is deleted when the
    stream is.

    Args:
        path: Of the file.
        validation, seed, label, drop, task, balanced: See `load_dataset`.
        notes: Why it is a stream.

    Raises:
        InvalidData: If the table cannot be used; the message says why.
    """
    source = ParquetFile(path)
    if not source.rows:
        raise InvalidData("the table has no rows")
    table, label, given, rows, said = table_in(source, label, drop, on_demand)
    target, more = read_target(given.values, label, task, declared=given.text, shown=table.decimals)
    made = prepare(table, target, validation=validation, seed=seed)
    folder = tempfile.TemporaryDirectory(prefix="cellwright-")
    features = write_features(source, table, made.preparation, rows, Path(folder.name, "features"))
    shape = (len(rows), made.preparation.features)
    whole = Mapped(features, 0, np.dtype(np.float32), shape, kept=folder)
    weights = split_weights(
        balanced_weights(target) if balanced else None, made.train, made.held_out
    )
    parts = [
        ArrayRows(Mapped(features, 0, whole.dtype, shape, part, kept=folder), made.y[part], weighed)
        for part, weighed in zip((made.train, made.held_out), weights, strict=True)
    ]
    size = in_words(features.stat().st_size)
    written = f"its features are written into {folder.name} ({size}) as long as this process runs"
    return Stream(
        parts[0],
        parts[1] if len(made.held_out) else None,
        target.class_names,
        stamp_of([whole], parts),
        target_mean=made.mean,
        target_scale=made.scale,
        preparation=made.preparation,
        notes=(*said, *more, *made.notes, *notes, written),
        label=label,
    )


def on_demand(source: ParquetFile, names: Sequence[str]) -> Table:
    """The columns ``names``, each of which is read when it is asked for."""
    looked: dict[str, Cells] = {}
    found: dict[str, tuple[str, str | None]] = {}  # by the name: its style and its note
    for name in names:
        column = source.column(name)
        if isinstance(column, Cells):
            column.cells = partial(_cells_of, source, name)
            looked[name] = column
        else:
            found[name] = (column.style, column.note)
    shown = {column.decimal for column in looked.values() if column.decimal}
    for name, column in looked.items():
        reading = column.read(shown)
        found[name] = (reading.style, reading.note)
    styles = tuple(found[name][0] for name in names)

    def read(position: int) -> NDArray[Any]:
        if styles[position] == UNUSED:
            return nothing(source.rows)
        name = names[position]
        return known(name, source.values(name).values, styles[position])

    return Table(
        tuple(names),
        OnDemand(read, len(names)),
        styles,
        tuple(f"column {name!r} {found[name][1]}" for name in names if found[name][1]),
        tuple(sorted(shown)),
    )


def _cells_of(source: ParquetFile, name: str) -> list[str]:
    column = source.column(name)
    assert isinstance(column, Cells)
    return column.cells()


def write_features(
    source: ParquetFile,
    table: Table,
    preparation: Preparation,
    rows: NDArray[np.int64],
    path: Path,
) -> Path:
    """Write the features of the rows at the positions ``rows``, which rise, into a file of float32,
    row by row."""
    first = 0
    with path.open("wb") as file:
        for frame in source.blocks():
            here = rows[np.searchsorted(rows, first) : np.searchsorted(rows, first + len(frame))]
            columns = {str(name): frame[name] for name in frame.columns}
            read = tuple(
                nothing(len(frame))
                if style == UNUSED
                else known(name, series_of(columns[name]).values, style)
                for name, style in zip(table.names, table.styles, strict=True)
            )
            block = Table(table.names, read, table.styles).rows(here - first)
            file.write(np.ascontiguousarray(preparation.transform(block), np.float32).tobytes())
            first += len(frame)
    return path
