"""How good a model is on examples whose label is known."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

from cellwright.plugins.model.labelled import Labelled, Task, read_labelled
from cellwright.plugins.model.trained import TrainedModel

_LEAST = 1e-7  # probabilities below it count as it, as in Keras's cross-entropy


@dataclass(frozen=True)
class ClassScore:
    """One class: its name, and in [0, 1] the share of its predictions that are right
    (``precision``), the share of its examples that are found (``recall``) and their harmonic mean
    (``f1``); and the ``number`` of its examples. A share of nothing is 0."""

    name: str
    precision: float
    recall: float
    f1: float
    number: int


@dataclass(frozen=True)
class Scores:
    """What a model scores on some examples.

    Args:
        metrics: For classes ``accuracy`` in [0, 1] and ``loss``, the mean cross-entropy in nats;
            for a number ``mae`` and ``rmse`` in its own unit, ``r2``, and ``loss``, the mean
            squared error of the number that is scaled as in training.
        number: Examples in all.
        classes: A row for each class; empty if a number is predicted.
        confusion: How many examples of each class (rows) were taken for each (columns), of shape
            (classes, classes); None if a number is predicted.
        truth, predicted: The numbers, of shape (examples,), or positions of classes.
        notes: What a user should know about how the examples were read.
    """

    metrics: dict[str, float]
    number: int
    classes: tuple[ClassScore, ...]
    confusion: NDArray[np.int64] | None
    truth: NDArray[Any]
    predicted: NDArray[Any]
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Metrics, number of examples, classes, confusion matrix and notes, as JSON data."""
        return {
            "metrics": self.metrics,
            "number": self.number,
            "classes": [asdict(row) for row in self.classes],
            "confusion": None if self.confusion is None else self.confusion.tolist(),
            "notes": list(self.notes),
        }

    def write(self, file: TextIO) -> None:
        """Write the table of classes as CSV; for a number, a row for each metric."""
        writer = csv.writer(file, lineterminator="\n")
        if not self.classes:
            writer.writerows([("metric", "value"), *self.metrics.items()])
            return
        writer.writerow(["class", "precision", "recall", "f1", "number"])
        writer.writerows(tuple(asdict(row).values()) for row in self.classes)


def evaluate(
    model: TrainedModel, data: str | Path, *, label: str | None = None, strict: bool = False
) -> Scores:
    """Score a model on examples whose label is known; the arguments are those of `read_labelled`.

    Raises:
        InvalidData: If the data cannot be read, or are not such as the model reads.
    """
    task = Task(model.reader, model.class_names, model.label)
    examples = read_labelled(task, data, label=label, strict=strict)
    made, name = model.made.get("data"), Path(data).name
    if isinstance(made, Mapping) and made.get("name") == name and not examples.test:
        note = (
            f"the model was trained on data of this name, {name}: if these are the same examples, "
            "the score says little about others"
        )
        examples = examples._replace(notes=(*examples.notes, note))
    return score(model, examples)


def score(model: TrainedModel, examples: Labelled) -> Scores:
    """Score a model on examples that are read already."""
    outputs, truth = model.outputs(examples.x), examples.y
    if model.class_names is None:
        return _of_numbers(model, outputs, truth, examples.notes)
    predicted = outputs.argmax(axis=1)
    likelihood = outputs[np.arange(len(truth)), truth].clip(_LEAST, 1 - _LEAST)
    metrics = {
        "accuracy": float((predicted == truth).mean()),
        "loss": float(-np.log(likelihood).mean()),
    }
    from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

    known = range(len(model.class_names))
    table = precision_recall_fscore_support(truth, predicted, labels=known, zero_division=0)
    rows = tuple(
        ClassScore(name, float(precision), float(recall), float(f1), int(number))
        for name, precision, recall, f1, number in zip(model.class_names, *table, strict=True)
    )
    confusion = confusion_matrix(truth, predicted, labels=known).astype(np.int64)
    return Scores(metrics, len(truth), rows, confusion, truth, predicted, examples.notes)


def _of_numbers(
    model: TrainedModel, predicted: NDArray[Any], truth: NDArray[Any], notes: tuple[str, ...]
) -> Scores:
    error = predicted - truth
    metrics = {
        "mae": float(np.abs(error).mean()),
        "rmse": float(np.sqrt((error**2).mean())),
        "loss": float(((error / model.target_scale) ** 2).mean()),
    }
    if len(truth) > 1 and float(np.ptp(truth)) > 0:  # of one number R² is not defined
        from sklearn.metrics import r2_score

        metrics["r2"] = float(r2_score(truth, predicted))
    else:
        notes = (*notes, "R² needs numbers that differ, and is left out")
    return Scores(metrics, len(truth), (), None, truth, predicted, notes)
