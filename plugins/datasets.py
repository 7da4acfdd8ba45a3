"""What to search on: images, bundled, downloaded by Keras, from a file or folders; and tables."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cellwright.plugins.data_files import Part, read_folder, read_npz
from cellwright.search_spaces import InvalidData

if TYPE_CHECKING:
    from cellwright.plugins.preparation import Preparation

IMAGES = ("digits", "fashion_mnist", "cifar10")
TABLES = ("wine", "breast_cancer", "diabetes")
BUILT_IN = (*IMAGES, *TABLES)


@dataclass(frozen=True)
class Dataset:
    """What children are trained and validated on; nothing is in both parts.

    Args:
        x_train: Images (number, height, width, channels) in [0, 1], or rows of a table (number,
            features), as float32.
        y_train: Positions among ``class_names``, or the numbers to predict, with mean 0 and
            variance 1, where that is None.
        x_val: As ``x_train``; empty where all is trained on.
        y_val: As ``y_train``.
        class_names: In order; None where a number is predicted.
        weights: Of each row that is trained on, with mean 1; all alike if None.
        val_weights: Of each row that is validated on, likewise; they weigh the loss alone.
        target_mean, target_scale: A predicted number is ``target_mean + target_scale * output``.
        preparation: How a table became features; None for images.
        notes: What was done to the data that a user should know.
    """

    x_train: NDArray[np.float32]
    y_train: NDArray[Any]
    x_val: NDArray[np.float32]
    y_val: NDArray[Any]
    class_names: tuple[str, ...] | None
    weights: NDArray[np.float32] | None = None
    val_weights: NDArray[np.float32] | None = None
    target_mean: float = 0.0
    target_scale: float = 1.0
    preparation: Preparation | None = None
    notes: tuple[str, ...] = ()

    @property
    def input_shape(self) -> tuple[int, ...]:
        """(height, width, channels) of an image, (features,) of a table."""
        return self.x_train.shape[1:]

    @property
    def classes(self) -> int | None:
        """How many; None where a number is predicted."""
        return None if self.class_names is None else len(self.class_names)

    def save(self, path: Path) -> None:
        """Write the arrays, for another process: `load_dataset` of a ``.dataset.npz``."""
        facts = {"class_names": self.class_names, "target": (self.target_mean, self.target_scale)}
        arrays: dict[str, Any] = {
            name: getattr(self, name) for name in _ARRAYS if getattr(self, name) is not None
        }
        np.savez(path, facts=np.array(json.dumps(facts)), **arrays)


_ARRAYS = ("x_train", "y_train", "x_val", "y_val", "weights", "val_weights")


def load_dataset(
    source: str,
    *,
    validation: float = 0.2,
    seed: int = 0,
    label: str | None = None,
    drop: Sequence[str] = (),
    task: str = "auto",
    balanced: bool = False,
) -> Dataset:
    """Load and split what ``source`` names.

    Images may be whole numbers from 0 to 255 or 65535 (brought to [0, 1] by that), floats in
    [0, 1] or from 0 to 255, or booleans; labels whole numbers or text, shaped (n,) or (n, 1).

    Args:
        source: ``"digits"`` (bundled with scikit-learn), ``"fashion_mnist"`` or ``"cifar10"``
            (downloaded by Keras once), the path of a ``.npz`` with ``x_train`` and ``y_train`` (or
            ``x`` and ``y``; ``x_val`` and ``y_val`` are used where they are there, and ``x_test``
            never is), a folder that holds a folder of images for each class; or a table:
            ``"wine"``, ``"breast_cancer"`` or ``"diabetes"`` (bundled with scikit-learn), or the
            path of a ``.csv`` or ``.tsv`` file with a line of names (docs/tables.md).
        validation: Share of each class that is held out, in (0, 1).
        seed: Of the split.
        label: Name of the column to predict, in a CSV file; the last one if None.
        drop: Names of columns to leave out, in a CSV file.
        task: Of a table: ``"classification"``, ``"regression"``, or ``"auto"`` to go by the label.
        balanced: Weigh the rows of a table so that all classes count alike in training.

    Raises:
        InvalidData: If there is no such source, or it cannot be searched on; the message says why.
    """
    if not 0 < validation < 1:
        raise InvalidData(f"validation must be between 0 and 1, got {validation}")
    try:
        if source.endswith(".dataset.npz"):
            return _read_saved(Path(source))
        if source not in TABLES and Path(source).suffix.lower() not in (".csv", ".tsv"):
            if label is not None or drop or task != "auto" or balanced:
                raise InvalidData("label, drop, task and class weights are for tables (.csv)")
            return _load_images(source, validation, seed)
        from cellwright.plugins.tables import load_table

        return load_table(source, validation, seed, label, drop, task, balanced)
    except InvalidData as error:
        raise InvalidData(f"data {source!r}: {error}") from error


def _read_saved(path: Path) -> Dataset:
    with np.load(path, allow_pickle=False) as file:
        facts = json.loads(str(file["facts"]))
        arrays: dict[str, Any] = {name: file[name] for name in _ARRAYS if name in file.files}
    names, (mean, scale) = facts["class_names"], facts["target"]
    return Dataset(
        class_names=None if names is None else tuple(names),
        target_mean=mean,
        target_scale=scale,
        **arrays,
    )


def _load_images(source: str, validation: float, seed: int) -> Dataset:
    path = Path(source)
    held_out: Part | None = None
    if source in IMAGES:
        part = _digits() if source == "digits" else _from_keras(source)
    elif path.is_dir():
        part = read_folder(path)
    elif path.suffix.lower() == ".npz":
        part, held_out = read_npz(path)
    else:
        raise InvalidData(
            f"no such data{'' if path.exists() else ', and no such path'}: give "
            f"{', '.join(BUILT_IN)}, the path of a .npz or .csv file, or a folder with one folder "
            "of images for each class"
        )
    parts = [part] if held_out is None else [part, held_out]
    labels = [_labels(part) for part in parts]
    images = _images([part.x for part in parts])
    values = np.unique(labels[0])
    names = tuple(str(value) for value in values)
    y = [_positions(given, values) for given in labels]
    if held_out is None:
        return split(images[0], y[0], names, validation=validation, seed=seed)
    _check_classes(y[0], names, least=1)
    return Dataset(images[0], y[0], images[1], y[1], names)


def split(
    x: NDArray[np.float32],
    y: NDArray[np.int64],
    class_names: tuple[str, ...],
    *,
    validation: float = 0.2,
    seed: int = 0,
) -> Dataset:
    """Hold out ``validation`` of each class, at least one image of it.

    Raises:
        InvalidData: If there are fewer than two classes, or a class has fewer than two images.
    """
    _check_classes(y, class_names, least=2)
    train, held_out = split_rows(y, class_names, validation=validation, seed=seed)
    return Dataset(x[train], y[train], x[held_out], y[held_out], class_names)


def split_rows(
    y: NDArray[Any], class_names: tuple[str, ...] | None, *, validation: float, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Shuffled positions of what is trained on, and of what is held out.

    Of each class that has two at least one is held out, and one at least stays; numbers to predict
    (``class_names`` None) are split as one class. With ``validation`` 0 nothing is held out.
    """
    rng = np.random.default_rng(seed)
    labels = np.zeros(len(y), np.int64) if class_names is None else y
    train: list[Any] = []
    held_out: list[Any] = []
    for label in range(len(class_names or ("all",))):
        members = rng.permutation(np.flatnonzero(labels == label))
        count = min(max(1, round(validation * len(members))), len(members) - 1) if validation else 0
        held_out.append(members[:count])
        train.append(members[count:])
    train_index, val_index = (rng.permutation(np.concatenate(part)) for part in (train, held_out))
    return train_index, val_index


def _check_classes(y: NDArray[np.int64], class_names: tuple[str, ...], *, least: int) -> None:
    if len(class_names) < 2:
        raise InvalidData(
            f"a search needs images of at least two classes, found {len(class_names)}: "
            f"{list(class_names)}"
        )
    counts = np.bincount(y, minlength=len(class_names))
    few = int(np.argmin(counts))
    if counts[few] < least:
        raise InvalidData(
            f"class {class_names[few]!r} has too few images ({counts[few]}); at least {least} are "
            "needed, one to train on and one to validate on"
        )


def _digits() -> Part:
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise InvalidData(
            "scikit-learn brings the digits and is not installed: "
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
            f"Keras downloads it the first time, and that failed: {error}. "
            "Without a network use digits, a .npz file or a folder of images"
        ) from error
    return Part(x, y)


def _labels(part: Part) -> NDArray[Any]:
    """Labels of shape (number,), as whole numbers, booleans or text."""
    images, y = np.shape(part.x), np.asarray(part.y)
    if y.ndim == 2 and y.shape[1] > 1 and images and y.shape[0] == images[0]:
        raise InvalidData(
            f"labels of shape {y.shape} look one-hot; give the number of each class, as "
            "labels.argmax(axis=1) does"
        )
    if not images or images[0] == 0 or y.size != images[0]:
        raise InvalidData(
            f"there are {images[0] if images else 0} images and {y.size} labels; the numbers must "
            "agree and be above 0"
        )
    y = y.ravel()
    if y.dtype.kind == "S":
        return np.char.decode(y, "utf-8", "replace")
    if y.dtype.kind == "f" and np.isfinite(y).all() and (y == np.round(y)).all():
        return y.astype(np.int64)
    if y.dtype.kind not in "uibU":
        raise InvalidData(
            f"labels must be whole numbers or text, one for each image; got {y.dtype} such as "
            f"{y[:3].tolist()}"
        )
    return y


def _positions(labels: NDArray[Any], values: NDArray[Any]) -> NDArray[np.int64]:
    """Labels as positions among the sorted ``values`` of the images that are trained on."""
    if (labels.dtype.kind == "U") != (values.dtype.kind == "U"):
        raise InvalidData("labels are text in one part and numbers in the other")
    unknown = np.setdiff1d(labels, values)
    if unknown.size:
        raise InvalidData(
            f"labels {unknown[:5].tolist()} are validated on and not trained on; the classes are "
            f"{values[:20].tolist()}"
        )
    return np.searchsorted(values, labels).astype(np.int64)


def _images(parts: list[Any]) -> list[NDArray[np.float32]]:
    """Images as float32 (number, height, width, channels) in [0, 1], all by one scale."""
    shaped = [_shaped(np.asarray(part)) for part in parts]
    shapes = {part.shape[1:] for part in shaped}
    floats = {part.dtype.kind == "f" for part in shaped}
    if len(shapes) > 1 or len(floats) > 1:
        raise InvalidData(
            "images to train on and to validate on must be of one size and one kind of number; "
            f"got {' and '.join(f'{part.dtype} of shape {part.shape}' for part in shaped)}"
        )
    low = min(float(part.min()) for part in shaped)
    high = max(float(part.max()) for part in shaped)
    white = np.float32(_white(low, high, floats.pop()))
    return [np.ascontiguousarray(part, np.float32) / white for part in shaped]


def _shaped(x: NDArray[Any]) -> NDArray[Any]:
    if x.ndim == 3:
        x = x[..., None]
    if x.ndim != 4 or x.size == 0 or x.dtype.kind not in "uifb":
        raise InvalidData(
            "images must be numbers of shape (number, height, width) or "
            f"(number, height, width, channels), got {x.dtype} of shape {x.shape}"
        )
    if x.shape[1] in (1, 3) and x.shape[3] > 4:
        raise InvalidData(
            f"images of shape {x.shape} seem to have their channels first; put them last, as "
            "numpy.moveaxis(images, 1, -1) does"
        )
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
