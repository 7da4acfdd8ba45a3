"""Images to search on: bundled, downloaded by Keras, from a ``.npz`` file or from folders."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellwright.plugins.data.dataset import Dataset, check_classes, split
from cellwright.plugins.data.files import Pair, read_npz, white_of
from cellwright.plugins.data.folder_files import ImageFile, Seen, find_images
from cellwright.plugins.data.image_file import Damaged, ImageOptions, shape_of
from cellwright.plugins.data.image_folder import read_files
from cellwright.plugins.data.image_stream import folder_stream
from cellwright.plugins.data.labels import class_labels, positions_of
from cellwright.plugins.data.memory import too_large
from cellwright.plugins.data.npz_stream import bytes_of_arrays, npz_stream
from cellwright.plugins.data.streams import Stream
from cellwright.search_spaces import InvalidData
from cellwright.search_spaces.task import check_channels_last

IMAGES = ("digits", "fashion_mnist", "cifar10")


def load_images(
    source: str, validation: float, seed: int, options: ImageOptions, stream: bool | None
) -> Dataset | Stream:
    """Load one of `IMAGES`, a ``.npz`` file or a folder, split as `load_dataset` describes.

    ``options`` are for folders. With ``validation`` 0 nothing is held out.

    Raises:
        InvalidData: If the images cannot be used; the message says why.
    """
    path = Path(source)
    held_out: Pair | None = None
    notes: tuple[str, ...] = ()
    if options != ImageOptions() and (source in IMAGES or not path.is_dir()):
        raise InvalidData("image_size, color, image_fit and strict are for folders of images")
    if source in IMAGES:
        part = _digits() if source == "digits" else _from_keras(source)
    elif path.is_dir():
        seen = Seen(path)
        found = find_images(path, seen)
        if not validation:
            found = [[file for part in found for file in part]]
            seen.layout = [f"{path.name}/ is read as a whole, but for a test folder"] * bool(
                seen.layout
            )
        if stream is None and (reason := too_large(_bytes_of(found, options))) is not None:
            stream, notes = True, (as_stream(reason),)
        if stream:
            return folder_stream(
                found, seen, options, validation=validation, seed=seed, notes=notes
            )
        part, held_out, notes = read_files(found, options, seen)
    else:
        if stream is None and (reason := too_large(bytes_of_arrays(path))) is not None:
            stream, notes = True, (as_stream(reason),)
        if stream:
            return npz_stream(path, validation=validation, seed=seed, notes=notes)
        part, held_out = read_npz(path)
    return _as_arrays(part, held_out, validation, seed, notes)


def as_stream(reason: str) -> str:
    """The note on data that are read as a stream although nobody asked for it."""
    return (
        f"{reason}: they are read from their files while children train, as --stream (in code "
        "stream=True) says; --no-stream (stream=False) makes the arrays all the same"
    )


def _bytes_of(found: Sequence[Sequence[ImageFile]], options: ImageOptions) -> int:
    """Memory for arrays of all images, which are there twice while they are split."""
    number = sum(map(len, found))
    for file in found[0]:
        with suppress(Damaged):
            return 2 * number * 4 * math.prod(shape_of(Path(file.path), options))
    return 0


def _as_arrays(
    part: Pair, held_out: Pair | None, validation: float, seed: int, notes: tuple[str, ...]
) -> Dataset:
    parts = [part] if held_out is None else [part, held_out]
    labels = [class_labels(part.y, len(part.x) if np.shape(part.x) else 0) for part in parts]
    images, white = _images([part.x for part in parts])
    values = np.unique(labels[0])
    names = tuple(str(value) for value in values)
    y = [positions_of(given, values) for given in labels]
    try:
        if held_out is None and validation:
            data = split(images[0], y[0], names, validation=validation, seed=seed)
            return replace(data, notes=notes, white=white)
        check_classes(y[0], names, least=1)
        if not validation:
            x, every = np.concatenate(images), np.concatenate(y)
            return Dataset(x, every, x[:0], every[:0], names, notes=notes, white=white)
    except InvalidData as error:  # a class may lack images that were left out
        raise InvalidData("; ".join([str(error), *notes])) from error
    return Dataset(images[0], y[0], images[1], y[1], names, notes=notes, white=white)


def _digits() -> Pair:
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise InvalidData(
            "the digits come with scikit-learn, which is not installed: "
            "pip install 'cellwright[tensorflow]'"
        ) from error
    digits = load_digits()
    return Pair(digits.images / 16.0, digits.target)


def bundled_test(source: str) -> tuple[Pair, list[str]]:
    """The test part of one of `IMAGES`, or all of one that has none; and notes.

    Raises:
        InvalidData: If it cannot be loaded.
    """
    if source == "digits":
        return _digits(), ["the digits have no test part: all of them are read"]
    return _from_keras(source, test=True), [f"the test images of {source} are read"]


def has_test(source: str) -> bool:
    """Whether one of `IMAGES` has a test part."""
    return source != "digits"


def _from_keras(source: str, test: bool = False) -> Pair:
    import keras

    try:
        x, y = getattr(keras.datasets, source).load_data()[test]
    except Exception as error:
        raise InvalidData(
            f"Keras downloads it on first use, and the download failed: {error}. "
            "Without a network, use digits, a .npz file or a folder of images"
        ) from error
    return Pair(x, y)


def _images(parts: list[Any]) -> tuple[list[NDArray[np.float32]], float]:
    """Images as float32 (number, height, width, channels) in [0, 1], all scaled alike; and what a
    white pixel was before."""
    shaped = [_shaped(np.asarray(part)) for part in parts]
    shapes = {part.shape[1:] for part in shaped}
    floats = {part.dtype.kind == "f" for part in shaped}
    if len(shapes) > 1 or len(floats) > 1:
        raise InvalidData(
            "training and validation images must be of one size and one kind of number; "
            f"got {' and '.join(f'{part.dtype} of shape {part.shape}' for part in shaped)}"
        )
    low = min(float(part.min()) for part in shaped)
    high = max(float(part.max()) for part in shaped)
    white = np.float32(white_of(low, high, floats.pop()))
    arrays = [np.ascontiguousarray(part, np.float32) for part in shaped]
    return (arrays if white == 1 else [part / white for part in arrays]), float(white)


def _shaped(x: NDArray[Any]) -> NDArray[Any]:
    if x.ndim == 3:
        x = x[..., None]
    if x.ndim != 4 or x.size == 0 or x.dtype.kind not in "uifb":
        raise InvalidData(
            "images must be numbers of shape (number, height, width) or "
            f"(number, height, width, channels), got {x.dtype} of shape {x.shape}"
        )
    check_channels_last(x.shape)
    if x.dtype.kind == "f" and not np.isfinite(x).all():
        raise InvalidData("images hold NaN or infinite values")
    return x
