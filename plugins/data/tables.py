"""Tables to search on: CSV files, and the tables that are bundled with scikit-learn."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cellwright.plugins.data.dataset import Dataset, split_rows
from cellwright.plugins.data.preparation import MISSING, Preparation, Table, read_table
from cellwright.search_spaces import InvalidData

TABLES = ("wine", "breast_cancer", "diabetes")
TASKS = ("auto", "classification", "regression")
_CLASSES = 20  # at most so many different whole numbers are classes by default


class Target(NamedTuple):
    """What is predicted: class indices into ``class_names``, or numbers if that is None."""

    y: NDArray[Any]
    class_names: tuple[str, ...] | None


def load_table(
    source: str,
    validation: float,
    seed: int,
    label: str | None,
    drop: Sequence[str],
    task: str,
    balanced: bool,
) -> Dataset:
    """Load and split the table that ``source`` names; the arguments are those of `load_dataset`.

    Raises:
        InvalidData: If the table cannot be used; the message says why.
    """
    if source in TABLES:
        if label is not None or drop:
            raise InvalidData("its label is fixed, and none of its columns can be left out")
        table, label, values, notes = _bundled(source)
    else:
        table, label, values, notes = _from_csv(Path(source), label, drop)
    target, said = read_target(values, label, task)
    return table_dataset(
        table,
        target,
        weights=balanced_weights(target) if balanced else None,
        validation=validation,
        seed=seed,
        notes=(*notes, *said),
    )


def table_dataset(
    table: Table,
    target: Target,
    *,
    weights: NDArray[Any] | None = None,
    validation: float = 0.2,
    seed: int = 0,
    notes: Iterable[str] = (),
) -> Dataset:
    """Split a table by class, and fit its preparation on the training rows.

    Numbers to predict are scaled to mean 0 and variance 1, by the training rows too. A class with
    a single row is trained on but not validated on.

    Args:
        table: A table of at least two rows.
        target: What to predict for each row.
        weights: Weight of each row in the loss. None weighs all rows alike.
        validation: Share of the rows to hold out, in [0, 1); 0 trains on all rows.
        seed: Seed of the split.
        notes: What was done to the table before.

    Raises:
        InvalidData: If no column is left to learn from, or all numbers to predict are equal.
    """
    train, held_out = split_rows(target.y, target.class_names, validation=validation, seed=seed)
    preparation = Preparation.fit(table.rows(train))
    y, mean, scale = target.y, 0.0, 1.0
    said = list(preparation.notes)
    if target.class_names is None:
        mean, scale = float(y[train].mean()), float(y[train].std())
        if not scale > 0:
            raise InvalidData(f"the numbers to predict are all {mean:g}")
        y = ((y - mean) / scale).astype(np.float32)
        said.append(
            f"for training, the label is scaled to mean 0 and variance 1 (less {mean:.6g}, divided "
            f"by {scale:.6g}); losses are in that unit"
        )
    else:
        counts = np.bincount(y, minlength=len(target.class_names))
        rare = [n for n, count in zip(target.class_names, counts, strict=True) if count == 1]
        if rare and validation:
            said.append(f"one row only, trained on but not validated on: {', '.join(rare[:8])}")
    features = preparation.transform(table)
    trained, validated = split_weights(weights, train, held_out)
    return Dataset(
        features[train],
        y[train],
        features[held_out],
        y[held_out],
        target.class_names,
        weights=trained,
        val_weights=validated,
        target_mean=mean,
        target_scale=scale,
        preparation=preparation,
        notes=(*notes, *said),
    )


def read_target(values: NDArray[Any], name: str, task: str = "auto") -> tuple[Target, list[str]]:
    """Decide what a label column asks to predict; return that, and notes for the user.

    Text names classes, and so do whole numbers if at most 20 of them differ; other numbers are
    predicted as numbers. ``task`` overrides this.

    Raises:
        InvalidData: If the task is unknown or does not fit, there is only one value, each row is a
            class of its own, or a number is infinite or NaN.
    """
    if task not in TASKS:
        raise InvalidData(f"task must be one of {', '.join(TASKS)}, got {task!r}")
    numbers = _as_numbers(values)
    whole = numbers is not None and bool((numbers == np.round(numbers)).all())
    kinds = numbers if whole else values.astype(str)
    assert kinds is not None
    found, y = np.unique(kinds, return_inverse=True)
    if task == "regression" and numbers is None:
        raise InvalidData(f"label {name!r} holds text such as {str(values[0])!r}, not numbers")
    if len(found) < 2:
        raise InvalidData(f"label {name!r} has only one value, {found[:1].tolist()}")
    few = whole and len(found) <= _CLASSES
    if task == "regression" or (task == "auto" and numbers is not None and not few):
        assert numbers is not None
        return Target(numbers, None), [f"label {name!r}: a number is predicted"]
    if len(found) == len(values):
        raise InvalidData(
            f"label {name!r} has {len(found)} values in {len(values)} rows, each once: these are "
            "no classes. Name another column as the label, or give --task regression for a number"
        )
    class_names = tuple(str(int(v)) if whole else str(v) for v in found)
    note = (
        f"label {name!r}: {len(found)} classes, "
        f"the largest with {np.bincount(y).max() / len(y):.1%} of the rows"
    )
    more = "; --task regression predicts it as a number" if whole and task == "auto" else ""
    return Target(y.astype(np.int64), class_names), [note + more]


def split_weights(
    weights: NDArray[Any] | None, train: NDArray[Any], held_out: NDArray[Any]
) -> tuple[NDArray[np.float32] | None, NDArray[np.float32] | None]:
    """Weights of both parts, each with mean 1; None for an empty part or without weights."""
    if weights is None:
        return None, None
    parts = [weights[part] for part in (train, held_out)]
    first, second = [
        (part / part.mean()).astype(np.float32) if len(part) else None for part in parts
    ]
    return first, second


def balanced_weights(target: Target) -> NDArray[np.float64] | None:
    """Weights under which all classes count alike: rows / (classes x rows of the class).

    Raises:
        InvalidData: If a number is predicted.
    """
    if target.class_names is None:
        raise InvalidData("class weights need classes, but a number is predicted")
    counts = np.bincount(target.y, minlength=len(target.class_names))
    weights: NDArray[np.float64] = (len(target.y) / (len(counts) * counts))[target.y]
    return weights


def read_csv(path: Path) -> tuple[dict[str, list[str]], list[str]]:
    """Read a CSV file with a header line: columns of text by name, and notes for the user.

    The separator is the one among comma, semicolon, tab and bar that occurs most often in the first
    line. A first column that has no name and numbers the rows is left out.

    Raises:
        InvalidData: If the file cannot be read, a line has too few or too many cells, a name is
            given twice, or there are no rows.
    """
    if not path.is_file():
        raise InvalidData("there is no such file")
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            text = file.read()
            if "\0" in text:
                raise csv.Error("it holds NUL characters, so it is not text")
            first = text.partition("\n")[0]
            reader = csv.reader(
                io.StringIO(text, newline=""), delimiter=max(",;\t|", key=first.count), strict=True
            )
            lines = [(reader.line_num, line) for line in reader if any(map(str.strip, line))]
    except (UnicodeDecodeError, csv.Error, OSError) as error:
        raise InvalidData(f"the file cannot be read as CSV in UTF-8: {error}") from error
    if not lines or len(lines[0][1]) < 2:
        raise InvalidData(
            "a table needs a header line and at least two columns, separated by comma, "
            f"semicolon, tab or bar; the file begins with {first[:60]!r}"
        )
    names = [name.strip() for name in lines.pop(0)[1]]
    for number, line in lines:
        if len(line) != len(names):
            raise InvalidData(f"line {number} has {len(line)} cells, the header {len(names)}")
    if not lines:
        raise InvalidData("the table has a header line but no rows")
    cells = [
        [cell.strip() for cell in column] for column in zip(*(x for _, x in lines), strict=True)
    ]
    return _named(names, cells)


def _named(names: list[str], cells: list[list[str]]) -> tuple[dict[str, list[str]], list[str]]:
    twice = sorted({name for name in names if name and names.count(name) > 1})
    if twice:
        raise InvalidData(f"columns must have different names; given twice: {twice[:4]}")
    notes: list[str] = []
    if not names[0] and any(cells[0] == [str(i + k) for i in range(len(cells[0]))] for k in (0, 1)):
        names, cells = names[1:], cells[1:]
        notes.append("the first column has no name and numbers the rows; it is left out")
    unnamed = [position for position, name in enumerate(names) if not name]
    for position in unnamed:
        names[position] = f"column_{position + 1}"
        notes.append(f"a column without a name is called {names[position]!r}")
    return dict(zip(names, cells, strict=True)), notes


def _from_csv(
    path: Path, label: str | None, drop: Sequence[str]
) -> tuple[Table, str, NDArray[Any], list[str]]:
    """Features, the label's name and values, and notes."""
    columns, notes = read_csv(path)
    unknown = [name for name in [*drop, *filter(None, [label])] if name not in columns]
    if unknown:
        raise InvalidData(f"there is no column {unknown[0]!r}; the columns are {list(columns)}")
    kept = {name: cells for name, cells in columns.items() if name not in drop}
    if label is None and kept:
        label = list(kept)[-1]
        notes.append(f"no label was named: it is the last column, {label!r}")
    if label not in kept:
        raise InvalidData(f"the label {label!r} cannot be left out")
    values = np.array(kept.pop(label), dtype=object)
    if not kept:
        raise InvalidData("no column is left besides the label")
    rows, dropped = _usable(list(zip(*kept.values(), values, strict=True)))
    cells = np.array(list(kept.values()), dtype=object).T
    return read_table(cells, list(kept)).rows(rows), label, values[rows], notes + dropped


def _usable(rows: list[tuple[str, ...]]) -> tuple[NDArray[np.int64], list[str]]:
    """Positions of the rows that have a label (their last cell) and do not repeat an earlier row.

    A row on both sides of a split would be memorised in training and then validated on.
    """
    labelled = [i for i, row in enumerate(rows) if row[-1].lower() not in MISSING]
    different = list({rows[i]: i for i in reversed(labelled)}.values())[::-1]
    notes = []
    if len(labelled) < len(rows):
        notes.append(
            f"{len(rows) - len(labelled)} of {len(rows)} rows have no label and are left out"
        )
    if copies := len(labelled) - len(different):
        notes.append(f"{copies} of {len(labelled)} rows repeat others and are left out")
    if len(different) < 2:
        raise InvalidData(f"{len(different)} rows with a label are left; at least 2 are needed")
    return np.array(different), notes


def _as_numbers(values: NDArray[Any]) -> NDArray[np.float64] | None:
    try:
        numbers = values.astype(np.float64)
    except ValueError:
        return None
    if not np.isfinite(numbers).all():
        raise InvalidData("a label is infinite or NaN")
    return numbers


def _bundled(source: str) -> tuple[Table, str, NDArray[Any], list[str]]:
    try:
        from sklearn import datasets
    except ImportError as error:
        raise InvalidData(
            "it comes with scikit-learn, which is not installed: "
            "pip install 'cellwright[tensorflow]'"
        ) from error
    found = getattr(datasets, f"load_{source}")()
    y = found.target
    if source != "diabetes":
        y = np.array(found.target_names, dtype=object)[y]
    return read_table(found.data, [str(name) for name in found.feature_names]), "target", y, []
