"""Arrays that children are trained and validated on, and how they are split."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cellwright.plugins.checked import as_kind, check_finite
from cellwright.plugins.data.data import Data
from cellwright.plugins.data.part import ArrayRows
from cellwright.plugins.files import atomic_write_bytes, read_npz
from cellwright.search_spaces import CorruptedState, InvalidData
from cellwright.search_spaces.task import check_channels_last

if TYPE_CHECKING:
    from cellwright.plugins.data.preparation import Preparation


@dataclass(frozen=True)
class Dataset(Data):
    """Training and validation data in arrays; no example is in both parts.

    Args:
        x_train: Images of shape (number, height, width, channels) in [0, 1], or rows of a table of
            shape (number, features), as float32.
        y_train: Class indices into ``class_names``; or, if that is None, the numbers to predict,
            scaled to mean 0 and variance 1.
        x_val: Like ``x_train``; empty if nothing is held out.
        y_val: Like ``y_train``.
        class_names: Names of the classes, in order; None if a number is predicted.
        weights: Weight of each training row, with mean 1. None weighs all rows alike.
        val_weights: Weight of each validation row, likewise; it affects the loss only.
        target_mean, target_scale: A predicted number is ``target_mean + target_scale * output``.
        preparation: How a table became features; None for images.
        notes: What a user should know about how the data were prepared.
        label: Name of the column that is predicted, in a table of a file.
        white: What images were divided by: 1, 255 or 65535, or the value of a white pixel in files.

    Raises:
        InvalidData: If images have their channels first.
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
    label: str | None = None
    white: float = 1.0

    def __post_init__(self) -> None:
        for part in (self.x_train, self.x_val):
            check_channels_last(np.shape(part))

    @property
    def train(self) -> ArrayRows:
        return ArrayRows(self.x_train, self.y_train, self.weights)

    @property
    def held_out(self) -> ArrayRows | None:
        if not len(self.x_val):
            return None
        return ArrayRows(self.x_val, self.y_val, self.val_weights)

    @functools.cached_property
    def fingerprint(self) -> str:
        digest = hashlib.blake2b(digest_size=8)
        for name in ARRAYS:
            array = getattr(self, name)
            if array is not None:
                array = np.ascontiguousarray(array)
                digest.update(f"{name} {array.dtype.str} {array.shape};".encode())
                digest.update(array.reshape(-1).view(np.uint8).data)
        return digest.hexdigest()

    def save(self, path: Path) -> None:
        """Write all but ``preparation`` and ``notes`` to ``path``, for another process.

        The name must end in ``.dataset.npz``, by which `load_dataset` knows the file.
        """
        facts = {"class_names": self.class_names, "target": (self.target_mean, self.target_scale)}
        arrays: dict[str, Any] = {
            name: getattr(self, name) for name in ARRAYS if getattr(self, name) is not None
        }
        with atomic_write_bytes(path) as file:
            np.savez(file, facts=np.array(json.dumps(facts)), **arrays)


ARRAYS = ("x_train", "y_train", "x_val", "y_val", "weights", "val_weights")


_REMEDY = "Write it again with Dataset.save"


@dataclass(frozen=True)
class _Facts:
    """What a saved dataset tells beside its arrays."""

    class_names: tuple[str, ...] | None
    target: tuple[float, float]


def read_saved(path: Path) -> Dataset:
    """What `Dataset.save` wrote.

    Raises:
        InvalidData: If the file is damaged, or its arrays do not belong together.
    """
    try:
        arrays: dict[str, Any] = read_npz(path)
        if missing := [name for name in ("facts", *ARRAYS[:4]) if name not in arrays]:
            raise ValueError(f"{path} holds no {', '.join(missing)}")
        facts = as_kind(json.loads(str(arrays["facts"])), _Facts, path, _REMEDY)
        check_finite(facts.target, path, _REMEDY, "target")
        if facts.target[1] == 0:
            raise ValueError(f"{path}, target[1]: the scale of the label is 0")
        arrays = {name: arrays[name] for name in ARRAYS if name in arrays}
        _check_arrays(arrays, facts.class_names)
        return Dataset(
            class_names=facts.class_names,
            target_mean=facts.target[0],
            target_scale=facts.target[1],
            **arrays,
        )
    except (OSError, ValueError, RecursionError, CorruptedState) as error:
        raise InvalidData(f"{error}".removesuffix(f". {_REMEDY}") + f". {_REMEDY}") from error


def _check_arrays(arrays: Mapping[str, NDArray[Any]], class_names: tuple[str, ...] | None) -> None:
    """Refuse arrays that do not belong together.

    Raises:
        ValueError: Naming the array.
    """
    for x, y, weights in (ARRAYS[0:2] + ARRAYS[4:5], ARRAYS[2:4] + ARRAYS[5:6]):
        if arrays[x].dtype.kind not in "fiub" or arrays[x].ndim not in (2, 4):
            raise ValueError(f"{x} is {arrays[x].dtype} of shape {arrays[x].shape}, and must be "
                             "numbers, as images or as rows of a table")  # fmt: skip
        if not np.isfinite(arrays[x]).all():
            raise ValueError(f"{x} holds NaN or infinite values")
        for name in (y, weights):
            if name not in arrays:
                continue
            if arrays[name].shape != arrays[x].shape[:1] or arrays[name].dtype.kind not in "fiu":
                raise ValueError(f"{name} is {arrays[name].dtype} of shape {arrays[name].shape}, "
                                 f"and must be {len(arrays[x])} numbers, as {x} is")  # fmt: skip
            if not np.isfinite(arrays[name]).all():
                raise ValueError(f"{name} holds NaN or infinite values")
        labels = arrays[y]
        if class_names is not None and (
            labels.dtype.kind == "f" or (labels < 0).any() or (labels >= len(class_names)).any()
        ):
            raise ValueError(f"{y} must be positions among the {len(class_names)} classes")
    if not len(arrays["x_train"]):
        raise ValueError("x_train holds no examples")
    if len(arrays["x_val"]) and arrays["x_val"].shape[1:] != arrays["x_train"].shape[1:]:
        raise ValueError("x_val and x_train hold examples of different shapes")


def split(
    x: NDArray[np.float32],
    y: NDArray[np.int64],
    class_names: tuple[str, ...],
    *,
    validation: float = 0.2,
    seed: int = 0,
) -> Dataset:
    """Hold out the share ``validation`` of each class, but at least one image.

    Raises:
        InvalidData: If there are fewer than two classes, or a class has fewer than two images.
    """
    check_classes(y, class_names, least=2)
    train, held_out = split_rows(y, class_names, validation=validation, seed=seed)
    return Dataset(x[train], y[train], x[held_out], y[held_out], class_names)


def split_rows(
    y: NDArray[Any], class_names: tuple[str, ...] | None, *, validation: float, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Shuffled positions of the rows to train on, and of those to hold out.

    A class with two rows or more has at least one in each part; a single row is trained on.
    Numbers to predict (``class_names`` is None) are split as one class. With ``validation`` 0
    nothing is held out.
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


def check_classes(y: NDArray[np.int64], class_names: tuple[str, ...], *, least: int) -> None:
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
