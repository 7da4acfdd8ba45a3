"""Arrays in ``.npz`` and ``.npy`` files, for a model that is trained already."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellwright.plugins.data.preparation import Preparation
from cellwright.plugins.model.new_tables import told
from cellwright.plugins.model.readers import ImageReader, Reader
from cellwright.search_spaces import InvalidData

ARRAYS = (".npz", ".npy")


@dataclass(frozen=True)
class Arrays:
    """The arrays of a file by name; that of a ``.npy`` file is called ``x``."""

    found: Mapping[str, NDArray[Any]]

    def pick(self, *names: str) -> tuple[str, NDArray[Any]]:
        """The first array that has one of the names, or the only one; and its name.

        Raises:
            InvalidData: If there is none.
        """
        only = list(self.found) if len(self.found) == 1 else []
        for name in (*names, *only):
            if name in self.found:
                return name, self.found[name]
        raise InvalidData(
            f"the file must hold one array, or one that is called {' or '.join(names)}; it holds "
            f"{', '.join(sorted(self.found)) or 'none'}"
        )


def read_arrays(path: Path) -> Arrays:
    """Read all arrays of a file that hold no pickled objects.

    Raises:
        InvalidData: If it cannot be read.
    """
    try:
        with path.open("rb") as file:
            read = np.load(file, allow_pickle=False)
            if isinstance(read, np.ndarray):
                return Arrays({"x": read})
            found = {}
            for name in read.files:
                with suppress(ValueError):  # pickled objects, which may not be needed
                    found[name] = read[name]
            return Arrays(found)
    except Exception as error:  # NumPy and zipfile show damage in a dozen types
        raise InvalidData(
            f"the file cannot be read: {error}. Write it with numpy.savez(path, x=array), of "
            "numbers or text; pickled objects are never read"
        ) from error


def prepared(reader: Reader, x: NDArray[Any]) -> tuple[NDArray[np.float32], list[str]]:
    """An array as the network reads it, and notes for the user.

    Raises:
        InvalidData: If it is no such table, or no such images, as the training had.
    """
    if isinstance(reader, Preparation):
        if x.ndim != 2:
            raise InvalidData(
                f"a table of shape (rows, {len(reader.names)}) is expected, got {x.shape}"
            )
        table = reader.read(x)
        return reader.transform(table), told(reader, table)
    if not x.size or x.dtype.kind not in "fiub":
        raise InvalidData(f"images must be numbers, got {x.dtype} of shape {x.shape}")
    if x.dtype.kind == "f" and not np.isfinite(x).all():
        raise InvalidData("images hold NaN or infinite values")
    if x.shape in (reader.shape, reader.shape[:2]):
        x = x[None]
    return reader.transform(x), _scale(reader, float(x.min()), float(x.max()))


def _scale(reader: ImageReader, low: float, high: float) -> list[str]:
    """A note if pixels can hardly be in the scale of the training's."""
    span = reader.high - reader.low
    beyond = high > reader.high + span / 2 or low < reader.low - span / 2
    if beyond or high < reader.low + span / 100:
        return [
            f"these images run from {low:g} to {high:g}, and those of the training from "
            f"{reader.low:g} to {reader.high:g}: check that they are in one scale"
        ]
    return []
