"""Predictions for files: a table's rows, images, or arrays."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

from cellwright.plugins.data.image_file import endings
from cellwright.plugins.data.new_images import images_below
from cellwright.plugins.data.preparation import Preparation
from cellwright.plugins.data.tables import is_table
from cellwright.plugins.model.arrays import ARRAYS, prepared, read_arrays
from cellwright.plugins.model.image_files import AT_ONCE, SeenFiles, read_files
from cellwright.plugins.model.new_tables import new_rows, open_table
from cellwright.plugins.model.readers import ImageReader
from cellwright.plugins.model.trained import TrainedModel
from cellwright.search_spaces import InvalidData


@dataclass(frozen=True)
class Predictions:
    """What a model predicts for the rows or images of some files.

    Args:
        names: For each prediction its ``file``, or its ``row`` from 1, or both, by these names.
        outputs: Probabilities of shape (rows, classes), or predicted numbers of shape (rows,).
        class_names: The classes; None if a number is predicted.
        notes: What a user should know: what was left out, filled, resized or not known.
    """

    names: Sequence[dict[str, Any]]
    outputs: NDArray[np.float64]
    class_names: tuple[str, ...] | None
    notes: tuple[str, ...]

    @property
    def predicted(self) -> list[Any]:
        """The name of the most likely class, or the number, for each row or image."""
        if self.class_names is None:
            return [float(value) for value in self.outputs]
        return [self.class_names[int(row)] for row in self.outputs.argmax(axis=1)]

    def write(self, file: TextIO) -> None:
        """Write a CSV table: ``file`` or ``row``, ``prediction``, and for classes ``probability``
        (that of the class) and ``p_NAME`` for each class."""
        writer = csv.writer(file, lineterminator="\n")
        first = list(dict.fromkeys(key for name in self.names for key in name)) or ["row"]
        classes = [] if self.class_names is None else [f"p_{name}" for name in self.class_names]
        more = ["probability", *classes] if classes else []
        writer.writerow([*first, "prediction", *more])
        for name, label, output in zip(self.names, self.predicted, self.outputs, strict=True):
            row = [*(name.get(key, "") for key in first)]
            if self.class_names is None:
                writer.writerow([*row, f"{label:.10g}"])
            else:
                shares = [f"{share:.6f}" for share in output]
                writer.writerow([*row, label, f"{output.max():.6f}", *shares])


def predict(
    model: TrainedModel, files: Sequence[str | Path], *, strict: bool = False
) -> Predictions:
    """Predict for files: tables (CSV, Parquet, Feather), or images and folders of images; or arrays
    (``.npz``, ``.npy``) for either.

    What was learned in training prepares them. docs/models.md says what becomes of categories,
    columns and sizes that the training did not have; ``notes`` say how often.

    Args:
        model: A model.
        files: Paths. Folders are searched for images with the folders in them.
        strict: Whether an image that cannot be read, or a column that a table lacks, is refused.
            If False the image is left out, the column is treated as missing, and ``notes`` say so.

    Raises:
        InvalidData: If a file does not exist, is of another kind than the model reads, or nothing
            is left to predict.
    """
    if not files:
        raise InvalidData("give at least one file to predict for")
    paths = [Path(file) for file in files]
    for path in paths:
        if not path.exists():
            raise InvalidData(f"there is no file {path}")
    read = _tables if isinstance(model.reader, Preparation) else _images
    names: list[dict[str, Any]] = []
    outputs: list[NDArray[np.float64]] = []
    notes: list[str] = []
    for batch, features in read(model, paths, strict, notes):
        names += batch
        outputs.append(model.outputs(features))
    if not names:
        raise InvalidData("; ".join(["nothing is left to predict for", *notes]))
    return Predictions(names, np.concatenate(outputs), model.class_names, tuple(notes))


Batches = Iterator[tuple[list[dict[str, Any]], NDArray[np.float32]]]


def _tables(model: TrainedModel, paths: list[Path], strict: bool, notes: list[str]) -> Batches:
    assert isinstance(model.reader, Preparation)
    for path in paths:
        try:
            if path.suffix.lower() in ARRAYS:
                name, array = read_arrays(path).pick("x", "x_test", "x_new")
                notes.append(f"{path.name}: the array {name!r} is read")
                features, said = prepared(model.reader, array)
            elif path.is_dir() or not is_table(path):
                raise InvalidData(
                    "this model reads tables: give a .csv, .tsv, .parquet or .feather file, or an "
                    "array in a .npz file"
                )
            else:
                table, said = new_rows(model.reader, open_table(path), model.label, strict=strict)
                features = model.reader.transform(table)
        except InvalidData as error:
            raise InvalidData(f"{path}: {error}") from error
        notes += said if len(paths) == 1 else [f"{path.name}: {note}" for note in said]
        of = {"file": str(path)} if len(paths) > 1 else {}
        yield [{**of, "row": row + 1} for row in range(len(features))], features


def _images(model: TrainedModel, paths: list[Path], strict: bool, notes: list[str]) -> Batches:
    assert isinstance(model.reader, ImageReader)
    files: list[Path] = []
    for path in paths:
        if path.suffix.lower() in ARRAYS and path.is_file():
            try:
                name, array = read_arrays(path).pick("x", "x_test", "x_new")
                features, said = prepared(model.reader, array)
            except InvalidData as error:
                raise InvalidData(f"{path}: {error}") from error
            notes += [f"{path.name}: the array {name!r} is read", *said]
            rows = [{"file": str(path), "row": row + 1} for row in range(len(features))]
            yield rows, features
        elif path.is_dir():
            found, said = images_below(path)
            files += found
            notes += said
        elif path.suffix.lower() in endings():
            files.append(path)
        else:
            raise InvalidData(
                f"{path}: this model reads images: give image files (.jpg, .png, ...), folders of "
                "them, or an array in a .npz file"
            )
    seen = SeenFiles()
    for start in range(0, len(files), AT_ONCE):
        kept, features = read_files(model.reader, files[start : start + AT_ONCE], strict, seen)
        yield [{"file": str(file)} for file in kept], features
    notes += seen.notes(model.reader)
