"""Examples whose label is known, read as the training's were: what a model is scored on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cellwright.plugins.data.images import IMAGES, bundled_test, has_test
from cellwright.plugins.data.labels import class_labels
from cellwright.plugins.data.new_images import holds, images_by_class
from cellwright.plugins.data.preparation import Preparation
from cellwright.plugins.data.tables import TABLES, bundled_table, is_table
from cellwright.plugins.data.target import known_classes, read_numbers
from cellwright.plugins.data.values import absent
from cellwright.plugins.model.arrays import ARRAYS, prepared, read_arrays
from cellwright.plugins.model.image_files import AT_ONCE, SeenFiles, read_files
from cellwright.plugins.model.new_tables import new_rows, open_table, told
from cellwright.plugins.model.readers import ImageReader, Reader
from cellwright.search_spaces import InvalidData


class Task(NamedTuple):
    """What a model reads and predicts: all that is needed to read examples for it."""

    reader: Reader
    class_names: tuple[str, ...] | None
    label: str | None = None


class Labelled(NamedTuple):
    """Features, and for each row its class as a position in ``class_names``, or the number.

    ``test`` says whether they are the test part of data that have one.
    """

    x: NDArray[np.float32]
    y: NDArray[Any]
    notes: tuple[str, ...]
    test: bool = False


def read_labelled(
    task: Task, source: str | Path, *, label: str | None = None, strict: bool = False
) -> Labelled:
    """Read examples with their labels.

    Args:
        task: What the model reads and predicts.
        source: A table's file; a folder of images by class, of which ``test`` is read if it holds
            ``train`` and ``test``; a ``.npz`` file, of which the first of ``x_test``, ``x``,
            ``x_val`` and ``x_train`` is read with its labels; or a name as `load_dataset` takes it:
            of ``fashion_mnist`` and ``cifar10`` the test images are read.
        label: Name of the label's column in a table; by default the one that the model knows.
        strict: See `predict`.

    Raises:
        InvalidData: If they cannot be read, or a label is none of the model's classes.
    """
    path, name = Path(source), str(source)
    try:
        if isinstance(task.reader, Preparation):
            return _table(task, name, label, strict)
        if label is not None:
            raise InvalidData("a label is a column of a table, and these are images: leave it out")
        if name in IMAGES:
            part, notes = bundled_test(name)
            return _arrays(task, part.x, part.y, notes)._replace(test=has_test(name))
        if not path.exists():
            raise InvalidData("there is no such file or folder")
        if path.is_dir():
            return _folder(task, path, strict)
        if path.suffix.lower() == ".npz":
            return _npz(task, path)
        raise InvalidData("give a folder of images by class, or a .npz file with x_test and y_test")
    except InvalidData as error:
        raise InvalidData(f"data {name!r}: {error}") from error


def _table(task: Task, name: str, label: str | None, strict: bool) -> Labelled:
    assert isinstance(task.reader, Preparation)
    path = Path(name)
    if name not in TABLES and not path.exists():
        raise InvalidData("there is no such file")
    if path.suffix.lower() in ARRAYS:
        return _npz(task, path)
    if name in TABLES:
        table, label, values, notes = bundled_table(name)
        if table.names != task.reader.names:
            raise InvalidData("its columns are not those that the model reads")
        labels = values.values
        notes += told(task.reader, table)
    elif is_table(path):
        source = open_table(path)
        label = label or task.label
        if label is None:
            raise InvalidData("the model does not know the name of its label: give --label COLUMN")
        if label not in source.names:
            raise InvalidData(
                f"there is no column {label!r}, which holds the label; the columns are "
                f"{source.names}. --label names another"
            )
        table, notes = new_rows(task.reader, source, label, strict=strict)
        notes = [note for note in notes if not note.startswith(f"the column {label!r} is what")]
        labels = source.values(label).values
    else:
        raise InvalidData("this model reads tables: give a .csv, .parquet or .feather file")
    there = np.flatnonzero(~absent(labels))
    if not len(there):
        raise InvalidData(f"no row has a label in {label!r}")
    if missing := len(labels) - len(there):
        notes.append(f"{missing} of {len(labels)} rows have no label and are left out")
        table = table.rows(there)
    y = _labels(task, labels[there], label)
    return Labelled(task.reader.transform(table), y, tuple(notes))


def _labels(task: Task, values: NDArray[Any], label: str) -> NDArray[Any]:
    if task.class_names is None:
        return read_numbers(values, label)
    return known_classes(values, label, task.class_names)


def _npz(task: Task, path: Path) -> Labelled:
    found = read_arrays(path).found
    for x, y in (("x_test", "y_test"), ("x", "y"), ("x_val", "y_val"), ("x_train", "y_train")):
        if x in found and y in found:
            read = _arrays(task, found[x], found[y], [f"scored on {x} and {y}"])
            return read._replace(test=x == "x_test")
    raise InvalidData(
        f"the file must hold x_test and y_test, or x and y; it holds "
        f"{', '.join(sorted(found)) or 'none'}"
    )


def _arrays(task: Task, x: NDArray[Any], y: NDArray[Any], notes: Sequence[str]) -> Labelled:
    features, said = prepared(task.reader, np.asarray(x))
    given = np.asarray(y).ravel()
    if task.class_names is not None:
        given = class_labels(y, len(features))
    labels = _labels(task, given, "y")
    if len(labels) != len(features):
        raise InvalidData(f"there are {len(features)} examples and {len(labels)} labels")
    return Labelled(features, labels, (*notes, *said))


def _folder(task: Task, path: Path, strict: bool) -> Labelled:
    assert isinstance(task.reader, ImageReader)
    if task.class_names is None:
        raise InvalidData("this model predicts a number, which a folder of images does not hold")
    pairs, notes = images_by_class(path)
    unknown = sorted({name for _, name in pairs} - set(task.class_names))
    if unknown:
        raise InvalidData(
            f"the folder {unknown[0]!r} is none of the model's classes, "
            f"{', '.join(map(repr, task.class_names[:20]))}"
        )
    named, seen = dict(pairs), SeenFiles()
    files, parts = [], []
    for start in range(0, len(pairs), AT_ONCE):
        some = [file for file, _ in pairs[start : start + AT_ONCE]]
        kept, features = read_files(task.reader, some, strict, seen)
        files += kept
        parts.append(features)
    notes += seen.notes(task.reader)
    if not files:
        raise InvalidData("; ".join(["no image is left", *notes]))
    y = known_classes(np.array([named[file] for file in files]), "folder", task.class_names)
    return Labelled(np.concatenate(parts), y, tuple(notes), holds(path, "test"))
