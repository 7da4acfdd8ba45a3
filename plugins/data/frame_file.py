"""Reads Parquet and Feather files, by pandas and pyarrow."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cellwright.plugins.data.columns import Cells, Reading
from cellwright.plugins.data.values import Given, look, series_of
from cellwright.search_spaces import InvalidData

ENDINGS = (".parquet", ".feather")


@dataclass
class FrameFile:
    """A file in memory whose columns have types; ``notes`` are what a user should know about it."""

    frame: Any
    notes: tuple[str, ...] = ()

    @property
    def names(self) -> list[str]:
        """Names of the columns."""
        return [str(name) for name in self.frame.columns]

    def column(self, name: str) -> Reading | Cells:
        """What the column ``name`` may be."""
        return look(name, self.values(name))

    def values(self, name: str) -> Given:
        """The values of the column ``name``."""
        return series_of(self.frame[self.frame.columns[self.names.index(name)]])


def read_frame(path: Path) -> FrameFile:
    """Read a Parquet or Feather file.

    Raises:
        InvalidData: If it cannot be read, pandas or pyarrow is not installed, or it holds no rows.
    """
    if not path.is_file():
        raise InvalidData("there is no such file")
    try:
        import pandas  # noqa: F401  pyarrow makes frames of it
        import pyarrow.feather
        import pyarrow.parquet
    except ImportError as error:
        raise InvalidData(
            f"{path.suffix} files need pandas and pyarrow: pip install 'cellwright[tables]'"
        ) from error
    parquet = path.suffix.lower() == ".parquet"
    read = pyarrow.parquet.read_table if parquet else pyarrow.feather.read_table
    with readable(path.suffix[1:]):
        table = read(path)
        frame, notes = frame_of(table, table.schema)
    if not len(frame):
        raise InvalidData("the table has no rows")
    return FrameFile(frame, notes)


@contextmanager
def readable(kind: str) -> Iterator[None]:
    """Read a file of a ``kind``, such as ``"parquet"``, in this block.

    Raises:
        InvalidData: In place of what pyarrow and pandas raise where it is damaged.
    """
    try:
        yield
    except InvalidData:
        raise
    except Exception as error:  # a dozen types
        raise InvalidData(f"the file cannot be read as {kind}: {error}") from error


def frame_of(table: Any, schema: Any) -> tuple[Any, tuple[str, ...]]:
    """A table of pyarrow's as a data frame, and notes on it.

    All values are looked at here: pandas decodes text where it is used, and would fail there if it
    is no UTF-8.

    Args:
        table: The file, or columns or rows of it.
        schema: Of the file. Parquet keeps categories of text alone as such; pandas notes the
            others in it. An index that has a name becomes a column, which a note says.

    Raises:
        pyarrow.ArrowInvalid: If a value is damaged.
    """
    table.validate(full=True)
    frame = table.to_pandas()
    noted = schema.pandas_metadata or {"columns": []}
    declared = [c["name"] for c in noted["columns"] if c["pandas_type"] == "categorical"]
    frame = frame.astype({name: "category" for name in declared if name in frame.columns})
    if all(name is None for name in frame.index.names):
        return frame, ()
    note = "the index of the data frame that was written has a name, and is a column"
    return frame.reset_index(), (note,)
