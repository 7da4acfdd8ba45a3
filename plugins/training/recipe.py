"""How a child network is trained, as plain data."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Real

from cellwright.plugins.training.augmentation import AUGMENTATIONS
from cellwright.search_spaces.decision import as_whole


@dataclass(frozen=True)
class Recipe:
    """How a child is trained; the book's defaults are 6 epochs of Adam at 0.001 in batches of 128.

    Args:
        epochs: Number of epochs, at least 1.
        batch_size: Examples in a batch, at least 1; a smaller data set is one batch.
        learning_rate: Adam's learning rate, above 0 and finite.
        seed: Seed of the order of the examples and of augmentation.
        weight_decay: Adam's weight decay, decoupled from the gradient (AdamW); at least 0, finite.
        augmentation: ``"none"``, ``"shift"`` or ``"shift_flip"``; see `augment`.
        patience: Epochs without a lower validation loss after which training ends, at least 1. The
            weights and metrics are those of the epoch with the lowest. None trains all epochs.

    Whole numbers may be given as floats, such as 32.0.

    Raises:
        ValueError: If a value is out of range, or should be a whole number and is not.
    """

    epochs: int = 6
    batch_size: int = 128
    learning_rate: float = 1e-3
    seed: int = 0
    weight_decay: float = 0.0
    augmentation: str = "none"
    patience: int | None = None

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "patience"):
            if (given := getattr(self, name)) is not None:
                object.__setattr__(self, name, as_whole(name, given))
        for name in ("learning_rate", "weight_decay"):
            if not isinstance(given := getattr(self, name), Real):
                raise ValueError(f"{name} must be a number, got {given!r}")
        for name in ("epochs", "batch_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if not 0 < self.learning_rate < math.inf:
            raise ValueError(f"learning_rate must be above 0 and finite, got {self.learning_rate}")
        if self.patience is not None and self.patience < 1:
            raise ValueError(f"patience must be at least 1, or None, got {self.patience}")
        if not 0 <= self.weight_decay < math.inf:
            raise ValueError(f"weight_decay must be 0 or above, got {self.weight_decay}")
        if self.augmentation not in AUGMENTATIONS:
            raise ValueError(
                f"augmentation must be one of {list(AUGMENTATIONS)}, got {self.augmentation!r}"
            )
