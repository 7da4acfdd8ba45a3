"""Labels of images: which can be used, and what to do about those that cannot."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellwright.search_spaces import InvalidData

_AS_NUMBERS = "numpy.unique(labels, return_inverse=True)[1]"


def class_labels(y: Any, images: int) -> NDArray[Any]:
    """Labels of shape (number,), as whole numbers, booleans or text.

    Args:
        y: Labels of shape (number,) or (number, 1).
        images: How many images they belong to.

    Raises:
        InvalidData: If they are one-hot, neither whole numbers nor text, or not one for each image.
    """
    labels: NDArray[Any] = np.asarray(y)
    if labels.ndim == 2 and labels.shape[1] > 1 and images and labels.shape[0] == images:
        raise InvalidData(
            f"labels of shape {labels.shape} look one-hot; give the number of each class, as "
            "labels.argmax(axis=1) does"
        )
    if not images or labels.size != images:
        raise InvalidData(
            f"there are {images} images and {labels.size} labels; the numbers must agree and be "
            "above 0"
        )
    labels = labels.ravel()
    if labels.dtype.kind == "O" and all(isinstance(label, str | bytes) for label in labels):
        labels = labels.astype(bytes if isinstance(labels[0], bytes) else str)
    if labels.dtype.kind == "S":
        return np.char.decode(labels, "utf-8", "replace")
    if (
        labels.dtype.kind == "f"
        and np.isfinite(labels).all()
        and (labels == np.round(labels)).all()
    ):
        return labels.astype(np.int64)
    if labels.dtype.kind not in "uibU":
        raise InvalidData(
            f"labels must be whole numbers or text, one for each image; got {labels.dtype} such as "
            f"{labels[:3].tolist()}"
        )
    return labels


def positions_of(labels: NDArray[Any], values: NDArray[Any]) -> NDArray[np.int64]:
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


def check_numbered(y: Any, images: int, classes: int) -> None:
    """Check labels that a network of ``classes`` outputs is trained on just as they are.

    Raises:
        InvalidData: As `class_labels`, and if they are text, or not all from 0 to ``classes - 1``.
    """
    labels = class_labels(y, images)
    if labels.dtype.kind == "U":
        raise InvalidData(
            f"labels are text such as {labels[:3].tolist()}; give the number of each class, as "
            f"{_AS_NUMBERS} does"
        )
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= classes:
        raise InvalidData(
            f"labels run from {low} to {high}, and {classes} classes are numbered from 0 to "
            f"{classes - 1}; give the number of each class, as {_AS_NUMBERS} does, or another "
            "number of classes"
        )


def check_one_hot(y: Any, images: int, classes: int) -> None:
    """Check labels for a loss that takes them one-hot, of shape (number, classes).

    Raises:
        InvalidData: If they have another shape, or are no numbers.
    """
    y = np.asarray(y)
    if y.shape != (images, classes) or y.dtype.kind not in "uifb":
        raise InvalidData(
            f"the loss takes one-hot labels of shape {(images, classes)}, and got {y.dtype} of "
            f"shape {y.shape}; give keras.utils.to_categorical(labels, {classes}), or compile with "
            "sparse_categorical_crossentropy, which takes the number of each class"
        )


def check_numbers(y: Any, rows: int) -> None:
    """Check numbers to predict, of shape (number,) or (number, 1).

    Raises:
        InvalidData: If they are no finite numbers, or not one for each row.
    """
    y = np.asarray(y)
    if not rows or y.size != rows:
        raise InvalidData(
            f"there are {rows} rows and {y.size} numbers to predict; the numbers must agree and be "
            "above 0"
        )
    if y.dtype.kind not in "uifb" or not np.isfinite(y).all():
        raise InvalidData(
            f"what is to be predicted must be finite numbers; got {y.dtype} such as "
            f"{y.ravel()[:3].tolist()}"
        )
