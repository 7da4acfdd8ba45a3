"""Whether an exported file gives the outputs of the network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from cellwright.search_spaces.errors import ExportFailed

Images = NDArray[np.float32]  # (number, height, width, channels), or (number, features)
Outputs = NDArray[np.float32]  # (number, classes), or (number, 1)

TOLERANCE = 1e-4  # of a probability, or a share of larger outputs; both sides compute in float32


@dataclass(frozen=True)
class Exported:
    """A file that was written, and how it compares with the network.

    ``bytes`` counts the weights beside a Python file too. ``difference`` is the largest absolute
    difference between outputs, and ``same_class`` the share of images, 0 to 1, whose highest output
    is the same; both over the images of the check.
    """

    path: Path
    bytes: int
    difference: float
    same_class: float


def check(
    paths: tuple[Path, ...],
    model: keras.Model,
    run: Callable[[Images], Outputs],
    images: Images | None = None,
    tolerance: float = TOLERANCE,
) -> Exported:
    """Run what was written beside ``model``; if they differ, the files are deleted.

    Args:
        paths: What was written; the first is the one to name.
        model: From images to outputs (number, classes).
        run: The same through the files.
        images: To compare on; 8 random ones if None.
        tolerance: Largest difference that is accepted, times the largest output if that is above 1.

    Raises:
        ExportFailed: If the files cannot be run, or outputs differ by more than ``tolerance``, or
            are no numbers.
    """
    images = images_of(model, images)
    expected = keras.ops.convert_to_numpy(model(images, training=False))
    try:
        found = run(images)
    except Exception as error:
        reason = f"it cannot be run: {first_line(error)}"
        raise _refused(paths, reason) from error
    difference = float(np.abs(expected - found).max())
    tolerance *= max(1.0, float(np.abs(expected).max()))
    if not difference <= tolerance:  # so that NaN is refused too
        raise _refused(
            paths,
            f"its outputs differ from the network's by up to {difference:.2g}, and {tolerance:.2g} "
            "is allowed. If the network's own are NaN, nothing can be exported of it",
        )
    same = float(np.mean(expected.argmax(axis=-1) == found.argmax(axis=-1)))
    return Exported(paths[0], sum(path.stat().st_size for path in paths), difference, same)


def _refused(paths: tuple[Path, ...], reason: str) -> ExportFailed:
    for path in paths:
        path.unlink(missing_ok=True)
    return ExportFailed(f"{paths[0].name} was deleted: {reason}. Choose another format")


def first_line(error: Exception) -> str:
    """What an error says, without the pages that compilers add."""
    return str(error).strip().partition("\n")[0][:300]


def images_of(model: keras.Model, images: Images | None) -> Images:
    """``images`` if they fit ``model``; if None, 8 of noise in [0, 1), each in another colour.

    Raises:
        ValueError: If their size is another, or there are none.
    """
    shape = image_shape(model)
    if images is None:
        rng = np.random.default_rng(0)
        colours = rng.random((8, *(1 for _ in shape[:-1]), shape[-1]), dtype=np.float32)
        return colours * rng.random((8, *shape), dtype=np.float32)
    if images.shape[1:] != shape or len(images) == 0:
        raise ValueError(
            f"images must be (number, {', '.join(map(str, shape))}), got {images.shape}"
        )
    return images.astype(np.float32, copy=False)


def image_shape(model: keras.Model) -> tuple[int, ...]:
    """(height, width, channels), or (features,).

    Raises:
        ExportFailed: If the network takes images of any size.
    """
    shape: tuple[Any, ...] = model.input_shape[1:]
    if None in shape:
        raise ExportFailed(
            f"an exported network takes inputs of one size, this one's are {shape}; build it "
            "with a fixed height and width"
        )
    return shape
