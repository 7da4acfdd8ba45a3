"""Reading images and labels from a ``.npz`` file."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from cellwright.search_spaces import InvalidData


class Pair(NamedTuple):
    """Images and their labels as they were found."""

    x: Any
    y: Any


def read_npz(path: Path) -> tuple[Pair, Pair | None]:
    """Read the training part, and the validation part (``x_val``, ``y_val``) if there is one.

    Raises:
        InvalidData: If the file cannot be read or lacks an array.
    """
    if not path.is_file():
        raise InvalidData("there is no such file")
    try:
        arrays = _load(path)
    except Exception as error:  # NumPy and zipfile show damage in a dozen types
        raise InvalidData(
            f"the file cannot be read: {error}. Write it with numpy.savez(path, x_train=images, "
            "y_train=labels), both plain arrays of numbers or text; pickled objects are never read"
        ) from error
    for x, y in (("x_train", "y_train"), ("x", "y")):
        if {x, y} <= arrays.keys():
            train = Pair(arrays[x], arrays[y])
            break
    else:
        raise InvalidData(
            f"the file must hold x_train and y_train, or x and y; found {sorted(arrays) or 'none'}"
        )
    if ("x_val" in arrays) != ("y_val" in arrays):
        raise InvalidData("the file holds only one of x_val and y_val; give both, or neither")
    return train, Pair(arrays["x_val"], arrays["y_val"]) if "x_val" in arrays else None


def _load(path: Path) -> dict[str, Any]:
    """Read the arrays that are needed; the others may be anything."""
    if not zipfile.is_zipfile(path):
        raise ValueError("it is not a zip archive, as every .npz file is")
    with np.load(path, allow_pickle=False) as file:
        wanted = ("x_train", "y_train", "x", "y", "x_val", "y_val")
        return {name: np.asarray(file[name]) for name in wanted if name in file.files}
