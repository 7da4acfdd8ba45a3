"""What the rest of the house asks of the data, arrays or not."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

import numpy as np

from cellwright.plugins.data.part import Batch, Part, Rows

if TYPE_CHECKING:
    from cellwright.plugins.data.preparation import Preparation


class Data(ABC):
    """Training and validation data for children; no example is in both parts.

    Attributes:
        class_names: Names of the classes, in order; None if a number is predicted.
        target_mean, target_scale: A predicted number is ``target_mean + target_scale * output``.
        preparation: How a table became features; None for images.
        notes: What a user should know about how the data were prepared.
        label: Name of the column that is predicted, in a table of a file.
        white: What images were divided by: 1, 255 or 65535, or the value of a white pixel in files.
    """

    class_names: tuple[str, ...] | None
    target_mean: float
    target_scale: float
    preparation: Preparation | None
    notes: tuple[str, ...]
    label: str | None
    white: float

    @property
    @abstractmethod
    def train(self) -> Part:
        """The examples to train on."""

    @property
    @abstractmethod
    def held_out(self) -> Part | None:
        """The examples to validate on; None if nothing is held out."""

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """16 hexadecimal digits that are equal for equal examples, labels and weights, in equal
        parts and orders."""

    @property
    def input_shape(self) -> tuple[int, ...]:
        """(height, width, channels) for images, (features,) for a table."""
        return self.train.input_shape

    @property
    def classes(self) -> int | None:
        """Number of classes; None if a number is predicted."""
        return None if self.class_names is None else len(self.class_names)

    def some(self, number: int, rng: np.random.Generator | None = None) -> Batch:
        """``number`` training examples, or all if there are fewer, to stand for the others.

        Args:
            number: How many, at least 1.
            rng: Draws them at random, each once; where the data give their examples in an order of
                their own, the first ones are shuffled. Without it they are the first ones.

        Returns:
            A batch, as `Part.batches` gives them.
        """
        part = self.train
        if isinstance(part, Rows):
            order = np.arange(part.number) if rng is None else rng.permutation(part.number)
            return part.take(order[:number])
        first = next(iter(part.batches(number)))
        order = np.arange(len(first[0])) if rng is None else rng.permutation(len(first[0]))
        return tuple(array[order] for array in first)
