"""Images to search on: bundled, downloaded by Keras, from a ``.npz`` file or from folders."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellwright.plugins.data.dataset import Dataset, check_classes, split
from cellwright.plugins.data.files import Part, read_npz
from cellwright.plugins.data.image_file import ImageOptions
from cellwright.plugins.data.image_folder import read_folder
from cellwright.plugins.data.labels import class_labels
from cellwright.search_spaces import InvalidData
from cellwright.search_spaces.task import check_channels_last

IMAGES = ("digits", "fashion_mnist", "cifar10")


def load_images(source: str, validation: float, seed: int, options: ImageOptions) -> Dataset:
    """Load one of `IMAGES`, a ``.npz`` file or a folder, split as `load_dataset` describes.

    ``options`` are for folders.

    Raises:
        InvalidData: If the images cannot be used; the message says why.
    """
    path = Path(source)
    held_out: Part | None = None
    notes: tuple[str, ...] = ()
    if options != ImageOptions() and (source in IMAGES or not path.is_dir()):
        raise InvalidData("image_size, color, image_fit and strict are for folders of images")
    if source in IMAGES:
        part = _digits() if source == "digits" else _from_keras(source)
    elif path.is_dir():
        part, held_out, notes = read_folder(path, options)
    else:
        part, held_out = read_npz(path)
    parts = [part] if held_out is None else [part, held_out]
    labels = [class_labels(part.y, len(part.x) if np.shape(part.x) else 0) for part in parts]
    images = _images([part.x for part in parts])
    values = np.unique(labels[0])
    names = tuple(str(value) for value in values)
    y = [_positions(given, values) for given in labels]
    try:
        if held_out is None:
            data = split(images[0], y[0], names, validation=validation, seed=seed)
            return replace(data, notes=notes)
        check_classes(y[0], names, least=1)
    except InvalidData as error:  # a class may lack images that were left out
        raise InvalidData("; ".join([str(error), *notes])) from error
    return Dataset(images[0], y[0], images[1], y[1], names, notes=notes)


def _digits() -> Part:
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise InvalidData(
            "the digits come with scikit-learn, which is not installed: "
            "pip install 'cellwright[tensorflow]'"
        ) from error
    digits = load_digits()
    return Part(digits.images / 16.0, digits.target)


def _from_keras(source: str) -> Part:
    import keras

    try:
        (x, y), _ = getattr(keras.datasets, source).load_data()
    except Exception as error:
        raise InvalidData(
            f"Keras downloads it on first use, and the download failed: {error}. "
            "Without a network, use digits, a .npz file or a folder of images"
        ) from error
    return Part(x, y)


def _positions(labels: NDArray[Any], values: NDArray[Any]) -> NDArray[np.int64]:
    """Labels as positions in ``values``, the sorted labels of the training part."""
    if (labels.dtype.kind == "U") != (values.dtype.kind == "U"):
        raise InvalidData("labels are text in one part and numbers in the other")
    unknown = np.setdiff1d(labels, values)
    if unknown.size:
        raise InvalidData(
            f"labels {unknown[:5].tolist()} are in the validation part only; the classes are "
            f"{values[:20].tolist()}"
        )
    return np.searchsorted(values, labels).astype(np.int64)


def _images(parts: list[Any]) -> list[NDArray[np.float32]]:
    """Images as float32 (number, height, width, channels) in [0, 1], all scaled alike."""
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
    white = np.float32(_white(low, high, floats.pop()))
    arrays = [np.ascontiguousarray(part, np.float32) for part in shaped]
    return arrays if white == 1 else [part / white for part in arrays]


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


def _white(low: float, high: float, floats: bool) -> int:
    """The value of a white pixel: the smallest usual one that is not below ``high``."""
    # Floats a little above 1 are overshoot of a [0, 1] scale, not a very dark 0..255.
    if low < 0 or high > 65535 or (floats and 1 < high < 2):
        raise InvalidData(
            f"pixels run from {low:g} to {high:g}; give [0, 1], or 0 to 255, or 0 to 65535"
        )
    return next(white for white in (1, 255, 65535) if high <= white)
