"""Multilayer perceptrons on the wine data: each child is trained once, and its result is kept.

The data are 4,898 white wines (Cortez et al. 2009) in three classes of quality. Duplicate
rows are dropped before the split, and neither the index nor ``quality``, from which the class is
made, is a feature, which leaves 3,961 rows of 11 features. For each seed, a fifth of each class is
the test set, a fifth of the rest is for validation, and features are standardised by the training
part.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cellwright.plugins.data.dataset import Dataset, split
from cellwright.search_spaces import MLPSpace

CLASSES = ("low", "medium", "high")
EPOCHS, BATCH, LEARNING_RATE = 10, 128, 0.01  # the series' epochs and learning rate
SPACE = MLPSpace()


class Wine(NamedTuple):
    """Training and validation data, and a test set that no search sees."""

    data: Dataset
    x_test: NDArray[np.float32]
    y_test: NDArray[np.int64]


def load_wine(path: Path, seed: int) -> Wine:
    """The wine data, split by ``seed``."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    left_out = {"", "quality", "quality_label"}
    names = [name for name in rows[0] if name not in left_out]
    distinct = dict.fromkeys(
        (*(float(row[name]) for name in names), CLASSES.index(row["quality_label"])) for row in rows
    )
    table = np.array(list(distinct))
    x, y = table[:, :-1].astype(np.float32), table[:, -1].astype(np.int64)
    rest = split(x, y, CLASSES, validation=0.2, seed=seed)
    inner = split(rest.x_train, rest.y_train, CLASSES, validation=0.2, seed=seed)
    mean, deviation = inner.x_train.mean(axis=0), inner.x_train.std(axis=0)
    train, val, test = ((x - mean) / deviation for x in (inner.x_train, inner.x_val, rest.x_val))
    return Wine(Dataset(train, inner.y_train, val, inner.y_val, CLASSES), test, rest.y_val)


@dataclass(frozen=True)
class Child:
    """The result of a child.

    Attributes:
        tokens: The network (`MLPSpace.tokens`).
        seed: Seed of the split, the initial weights and the order of the rows.
        repeat: 0; another number gives other initial weights and another order on the same split.
        kind: ``"fresh"``, or the name of another way to train the same network.
        accuracies: Validation accuracy after each epoch.
        test: Test accuracy after the last epoch.
    """

    tokens: tuple[int, ...]
    seed: int
    repeat: int
    kind: str
    accuracies: tuple[float, ...]
    test: float

    @property
    def reward(self) -> float:
        """The series' reward: validation accuracy, averaged over epochs with weights 1, 2, ..."""
        return float(np.average(self.accuracies, weights=range(1, len(self.accuracies) + 1)))


class Children:
    """Trains children, and keeps every result in a file, one line of JSON each.

    Args:
        file: File of results, which is read if it exists and added to.
        wine: Path of the data.
    """

    def __init__(self, file: Path, wine: Path) -> None:
        self.file, self.wine = file, wine
        self._splits: dict[int, Wine] = {}
        self._known: dict[tuple[Any, ...], Child] = {}
        if file.exists():
            for line in file.read_text(encoding="utf-8").splitlines():
                self._remember(Child(**json.loads(line)))

    def all(self) -> list[Child]:
        return list(self._known.values())

    def split(self, seed: int) -> Wine:
        if seed not in self._splits:
            self._splits[seed] = load_wine(self.wine, seed)
        return self._splits[seed]

    def get(
        self,
        params: Mapping[str, Any],
        seed: int,
        repeat: int = 0,
        *,
        kind: str = "fresh",
        epochs: int = EPOCHS,
        weights: Any = None,
    ) -> Child:
        """The result of a child, which is trained if its result is not known."""
        key = (SPACE.tokens(params), seed, repeat, kind)
        if key not in self._known:
            found = _train(params, self.split(seed), seed + 1000 * repeat, epochs, weights)
            child = Child(*key, tuple(found[0]), found[1])
            self._remember(child)
            self.file.parent.mkdir(parents=True, exist_ok=True)
            with self.file.open("a", encoding="utf-8") as file:
                file.write(json.dumps(asdict(child)) + "\n")
        return self._known[key]

    def _remember(self, child: Child) -> None:
        child = Child(
            tuple(child.tokens), child.seed, child.repeat, child.kind, tuple(child.accuracies),
            child.test,
        )  # fmt: skip
        self._known[child.tokens, child.seed, child.repeat, child.kind] = child


def _train(
    params: Mapping[str, Any], wine: Wine, seed: int, epochs: int, weights: Any
) -> tuple[Sequence[float], float]:
    import keras

    from cellwright.plugins import Evaluation, Recipe

    accuracies: list[float] = []
    recipe = Recipe(epochs, BATCH, LEARNING_RATE, seed=seed)
    shared = {} if weights is None else {"weights": weights}
    evaluation = Evaluation(SPACE, wine.data, recipe, seed=seed, **shared)
    _, model = evaluation.run(
        params, lambda epoch, metrics: accuracies.append(round(metrics["val_accuracy"], 6))
    )
    guesses = keras.ops.convert_to_numpy(model(wine.x_test, training=False)).argmax(axis=1)
    test = round(float(np.mean(guesses == wine.y_test)), 6)
    keras.backend.clear_session()
    return accuracies, test
