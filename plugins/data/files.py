"""Reading images and labels from a ``.npz`` file."""

from __future__ import annotations

import zipfile
from collections.abc import Collection
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
        raise unreadable(error) from error
    train, *held_out = (Pair(arrays[x], arrays[y]) for x, y in members(arrays))
    return train, held_out[0] if held_out else None


def read_labels(path: Path, name: str) -> Any:
    """One array of the file."""
    with np.load(path, allow_pickle=False) as file:
        return np.asarray(file[name])


def unreadable(error: Exception) -> InvalidData:
    """What to do about a file that gave ``error``."""
    return InvalidData(
        f"the file cannot be read: {error}. Write it with numpy.savez(path, x_train=images, "
        "y_train=labels), both plain arrays of numbers or text; pickled objects are never read"
    )


def members(names: Collection[str]) -> list[tuple[str, str]]:
    """The names of images and labels to train on, and of those to validate on if they are there.

    Raises:
        InvalidData: If they are not among ``names``.
    """
    pairs = [pair for pair in (("x_train", "y_train"), ("x", "y")) if {*pair} <= {*names}]
    if not pairs:
        raise InvalidData(
            f"the file must hold x_train and y_train, or x and y; found {sorted(names) or 'none'}"
        )
    if ("x_val" in names) != ("y_val" in names):
        raise InvalidData("the file holds only one of x_val and y_val; give both, or neither")
    return [pairs[0], *([("x_val", "y_val")] if "x_val" in names else [])]


def _load(path: Path) -> dict[str, Any]:
    """Read the arrays that are needed; the others may be anything."""
    if not zipfile.is_zipfile(path):
        raise ValueError("it is not a zip archive, as every .npz file is")
    with np.load(path, allow_pickle=False) as file:
        wanted = ("x_train", "y_train", "x", "y", "x_val", "y_val")
        return {name: np.asarray(file[name]) for name in wanted if name in file.files}


def white_of(low: float, high: float, floats: bool) -> int:
    """The value of a white pixel: the smallest usual one that is not below ``high``."""
    # Floats a little above 1 are overshoot of a [0, 1] scale, not a very dark 0..255.
    if low < 0 or high > 65535 or (floats and 1 < high < 2):
        raise InvalidData(
            f"pixels run from {low:g} to {high:g}; give [0, 1], or 0 to 255, or 0 to 65535"
        )
    return next(white for white in (1, 255, 65535) if high <= white)
