"""Whether an exported file gives the outputs of the network."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from cellwright.search_spaces.errors import ExportFailed

Images = NDArray[np.float32]  # (number, height, width, channels), or (number, features)
Given = Images | Sequence[Any]  # as a caller has them: a list of images too
Outputs = NDArray[np.float32]  # (number, classes), or (number, 1)

TOLERANCE = 1e-4  # of a probability, or a share of larger outputs; both sides compute in float32


@dataclass(frozen=True)
class Exported:
    """A file that was written, and how it compares with the network.

    ``bytes`` counts the weights beside a Python file too. ``difference`` is the largest absolute
    difference between outputs, and ``same_class`` the share of images, 0 to 1, whose likeliest
    class is the same; both over the images of the check, beside the network in float32.
    ``same_class`` is None where outputs are not probabilities of two or more classes, as in
    regression.
    """

    path: Path
    bytes: int
    difference: float
    same_class: float | None


def check(
    paths: tuple[Path, ...],
    model: keras.Model,
    run: Callable[[Images], Outputs],
    images: Given | None = None,
    tolerance: float = TOLERANCE,
) -> Exported:
    """Run what was written beside ``model``; if they differ, the files are deleted.

    Args:
        paths: What was written; the first is the one to name.
        model: From images to outputs (number, classes), in float32.
        run: The same through the files.
        images: To compare on; 8 random ones if None.
        tolerance: Largest difference that is accepted, times the largest output if that is above 1.

    Raises:
        ExportFailed: If the files cannot be run, or outputs differ by more than ``tolerance``, or
            are no numbers.
        ValueError: If the images do not fit.
    """
    taken = images_of(model, images)
    expected = keras.ops.convert_to_numpy(model(taken, training=False))
    if not np.isfinite(expected).all():
        raise _refused(
            paths,
            "the network itself gives NaN or infinity on these images, so nothing can be compared "
            "with it. Train it again, with a lower learning rate, or give images like those that "
            "it was trained on",
        )
    try:
        found = run(taken)
    except Exception as error:
        reason = f"it cannot be run: {first_line(error)}. Choose another format"
        raise _refused(paths, reason) from error
    if found.shape != expected.shape:
        raise _refused(
            paths,
            f"its outputs have the shape {found.shape}, the network's {expected.shape}. Choose "
            "another format",
        )
    difference = float(np.abs(expected - found).max())
    tolerance *= max(1.0, float(np.abs(expected).max()))
    if math.isnan(difference):
        raise _refused(paths, "it gives NaN where the network gives numbers. Choose another format")
    if difference > tolerance:
        raise _refused(
            paths,
            f"its outputs differ from the network's, in float32, by up to {difference:.2g}, and "
            f"{tolerance:.2g} is allowed. Choose another format",
        )
    size = sum(path.stat().st_size for path in paths)
    return Exported(paths[0], size, difference, _same_class(expected, found))


def _same_class(expected: Outputs, found: Outputs) -> float | None:
    """None where the network's outputs are not probabilities of two or more classes."""
    sums = expected.sum(axis=-1)
    if expected.shape[-1] < 2 or expected.min() < 0 or np.abs(sums - 1).max() > 1e-3:
        return None
    return float(np.mean(expected.argmax(axis=-1) == found.argmax(axis=-1)))


def _refused(paths: tuple[Path, ...], reason: str) -> ExportFailed:
    for path in paths:
        path.unlink(missing_ok=True)
    return ExportFailed(f"{paths[0].name} was deleted: {reason}")


def first_line(error: Exception) -> str:
    """What an error says, without the pages that compilers add."""
    return str(error).strip().partition("\n")[0][:300] or type(error).__name__


def images_of(model: keras.Model, images: Given | None) -> Images:
    """``images`` if they fit ``model``; if None, 8 of noise in [0, 1), each in another colour.

    Args:
        model: A network of one input.
        images: An array (number, *shape), or a list of such images; any numbers.

    Raises:
        ValueError: If their size is another, they are of several sizes, or there are none.
    """
    shape = image_shape(model)
    if images is None:
        rng = np.random.default_rng(0)
        colours = rng.random((8, *(1 for _ in shape[:-1]), shape[-1]), dtype=np.float32)
        return colours * rng.random((8, *shape), dtype=np.float32)
    wanted = f"images must be (number, {', '.join(map(str, shape))})"
    if isinstance(images, list | tuple):
        sizes = sorted({np.shape(image) for image in images})
        if len(sizes) > 1:
            raise ValueError(f"{wanted}, got a list of images of several sizes: {sizes}")
    try:
        found = np.asarray(images).astype(np.float32, copy=False)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{wanted}, numbers, got {type(images).__name__}: {error}") from error
    if found.shape[1:] != shape or len(found) == 0:
        raise ValueError(f"{wanted}, got {found.shape}")
    return found


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
