"""Tables to search on: files, and the tables that are bundled with scikit-learn."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from cellwright.plugins.data.columns import Cells, Reading
from cellwright.plugins.data.csv_file import is_csv, read_csv
from cellwright.plugins.data.dataset import Dataset, split_rows
from cellwright.plugins.data.frame_file import ENDINGS, read_frame
from cellwright.plugins.data.preparation import Preparation
from cellwright.plugins.data.table import Table, read_table, table_of
from cellwright.plugins.data.target import Target, balanced_weights, read_target
from cellwright.plugins.data.values import Given, absent
from cellwright.search_spaces import InvalidData

TABLES = ("wine", "breast_cancer", "diabetes")


class Source(Protocol):
    """A file of columns."""

    @property
    def names(self) -> list[str]:
        """Names of the columns."""

    @property
    def notes(self) -> Sequence[str]:
        """What a user should know about the file."""

    def column(self, name: str) -> Reading | Cells:
        """What a column may be."""

    def values(self, name: str) -> Given:
        """The values of a column, as they are in the file."""


def is_table(path: Path) -> bool:
    """Whether the name of a file says that it is a table."""
    return is_csv(path) or path.suffix.lower() in ENDINGS


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
        table, label, given, notes = bundled_table(source)
    else:
        path = Path(source)
        file = read_csv(path) if is_csv(path) else read_frame(path)
        table, label, given, _, notes = table_in(file, label, drop, at_once)
    target, said = read_target(given.values, label, task, declared=given.text, shown=table.decimals)
    data = table_dataset(
        table,
        target,
        weights=balanced_weights(target) if balanced else None,
        validation=validation,
        seed=seed,
        notes=(*notes, *said),
    )
    return replace(data, label=label)


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
    made = prepare(table, target, validation=validation, seed=seed)
    features = made.preparation.transform(table)
    trained, validated = split_weights(weights, made.train, made.held_out)
    return Dataset(
        features[made.train],
        made.y[made.train],
        features[made.held_out],
        made.y[made.held_out],
        target.class_names,
        weights=trained,
        val_weights=validated,
        target_mean=made.mean,
        target_scale=made.scale,
        preparation=made.preparation,
        notes=(*notes, *made.notes),
    )


class Prepared(NamedTuple):
    """A table that is split, and how its training rows say that it is to be read.

    ``train`` and ``held_out`` are positions of rows, ``y`` the targets of all rows as a network
    learns them: less ``mean``, divided by ``scale``.
    """

    train: NDArray[np.int64]
    held_out: NDArray[np.int64]
    preparation: Preparation
    y: NDArray[Any]
    mean: float
    scale: float
    notes: tuple[str, ...]


def prepare(table: Table, target: Target, *, validation: float, seed: int) -> Prepared:
    """Split a table by class, and learn from the training rows how it is read; see `table_dataset`.

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
    return Prepared(train, held_out, preparation, y, mean, scale, tuple(said))


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


def table_in(
    source: Source,
    label: str | None,
    drop: Sequence[str],
    read: Callable[[Any, Sequence[str]], Table],
) -> tuple[Table, str, Given, NDArray[np.int64], list[str]]:
    """Features, the label's name and values, which rows of the file these are, and notes.

    Args:
        source: The file.
        label, drop: See `load_dataset`.
        read: Reads some of its columns, such as `at_once`.

    Raises:
        InvalidData: If there is no such column, or nothing is left to learn from.
    """
    notes = list(source.notes)
    unknown = [name for name in [*drop, *filter(None, [label])] if name not in source.names]
    if unknown:
        raise InvalidData(f"there is no column {unknown[0]!r}; the columns are {source.names}")
    kept = [name for name in source.names if name not in drop]
    if label is None and kept:
        label = kept[-1]
        notes.append(f"no label was named: it is the last column, {label!r}")
    if label not in kept:
        raise InvalidData(f"the label {label!r} cannot be left out")
    kept.remove(label)
    if not kept:
        raise InvalidData("no column is left besides the label")
    table = read(source, kept)
    values, declared = source.values(label)
    rows, dropped = _usable(table, values)
    return table.rows(rows), label, Given(values[rows], declared), rows, notes + dropped


def at_once(source: Source, names: Sequence[str]) -> Table:
    """The columns ``names``, all of them in memory."""
    return table_of(names, [source.column(name) for name in names])


def _usable(table: Table, label: NDArray[Any]) -> tuple[NDArray[np.int64], list[str]]:
    """Positions of the rows that have a label and do not repeat an earlier row.

    A row on both sides of a split would be memorised in training and then validated on.
    """
    labelled = np.flatnonzero(~absent(label))
    different = first_of_equals(
        lambda: (column[labelled] for column in itertools.chain(table.columns, [label]))
    )
    kept = labelled[different]
    notes = []
    if len(labelled) < len(label):
        notes.append(
            f"{len(label) - len(labelled)} of {len(label)} rows have no label and are left out"
        )
    if copies := len(labelled) - len(kept):
        notes.append(f"{copies} of {len(labelled)} rows repeat others and are left out")
    if len(kept) < 2:
        raise InvalidData(f"{len(kept)} rows with a label are left; at least 2 are needed")
    return kept, notes


def first_of_equals(columns: Callable[[], Iterator[NDArray[Any]]]) -> NDArray[np.int64]:
    """Positions of the rows that are unlike all rows before them.

    Rows are compared where their hashes are equal, so that a row is never left out for its hash.

    Args:
        columns: Gives all columns, one after the other; it is called twice.
    """
    hashes = np.zeros(len(next(columns())), dtype=np.uint64)
    for column in columns():
        hashes *= np.uint64(0x9E3779B97F4A7C15)
        hashes ^= hashes >> np.uint64(29)
        if column.dtype == np.float64:
            hashes += np.where(np.isnan(column), 0.5, column + 0.0).view(np.uint64)
        else:
            codes = np.fromiter(map(hash, column.tolist()), np.int64, len(column))
            hashes += codes.view(np.uint64)
    order = np.argsort(hashes, kind="stable")
    again = np.flatnonzero(hashes[order][1:] == hashes[order][:-1]) + 1
    one, other = order[again - 1], order[again]
    same = np.ones(len(again), dtype=bool)
    for column in columns():
        a, b = column[one], column[other]
        same &= ((a == b) | ((a != a) & (b != b))).astype(bool)
    different = np.ones(len(hashes), dtype=bool)
    different[other[same]] = False
    return np.flatnonzero(different)


def bundled_table(source: str) -> tuple[Table, str, Given, list[str]]:
    """One of `TABLES`: features, the label's name and values, and notes.

    Raises:
        InvalidData: If scikit-learn, which brings it, is not installed.
    """
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
    table = read_table(found.data, [str(name) for name in found.feature_names])
    return table, "target", Given(y), []
