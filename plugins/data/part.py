"""One part of the data, to train on or to validate on, whatever holds its examples."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Batch = tuple[NDArray[Any], ...]  # inputs and targets, and weights if there are any


class Part(ABC):
    """Examples that can be gone through as often as one likes."""

    @property
    @abstractmethod
    def number(self) -> int:
        """How many examples there are."""

    @property
    @abstractmethod
    def input_shape(self) -> tuple[int, ...]:
        """Shape of the inputs of one: (height, width, channels), or (features,)."""

    @property
    def readers(self) -> int:
        """How many threads may read at a time."""
        return 1

    @abstractmethod
    def batches(self, size: int, epoch: int = 0) -> Iterator[Batch]:
        """All examples in their own order, ``size`` at a time; the last batch may hold fewer.

        A batch is (inputs, targets) or (inputs, targets, weights): inputs as float32 of shape
        (number, *input_shape), as a network reads them, and one target and one weight for each.
        ``epoch``, from 0, counts only where the order is another in each.
        """


class Rows(Part):
    """Examples of which any can be read in any order: the order is ours to choose."""

    @abstractmethod
    def take(self, positions: NDArray[np.int64]) -> Batch:
        """The examples at ``positions``, as a batch; without those that turn out to be damaged."""

    @property
    def left_out(self) -> int:
        """How many examples have turned out to be damaged so far."""
        return 0

    def batches(self, size: int, epoch: int = 0) -> Iterator[Batch]:
        for start in range(0, self.number, size):
            yield self.take(np.arange(start, min(start + size, self.number)))


@dataclass(frozen=True)
class ArrayRows(Rows):
    """Examples in arrays.

    Args:
        x: Inputs of shape (number, ...), in an array, or in what has its ``shape`` and gives an
            array when it is indexed by positions.
        y: One target for each.
        weights: One weight for each; None weighs all alike.
    """

    x: Any
    y: NDArray[Any]
    weights: NDArray[np.float32] | None = None

    @property
    def number(self) -> int:
        return len(self.y)

    @property
    def input_shape(self) -> tuple[int, ...]:
        return tuple(self.x.shape[1:])

    def take(self, positions: NDArray[np.int64]) -> Batch:
        others = (self.y,) if self.weights is None else (self.y, self.weights)
        return (self.x[positions], *(part[positions] for part in others))
