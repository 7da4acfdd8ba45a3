"""Data that are read while children train, and never lie in memory as a whole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cellwright.plugins.data.data import Data
from cellwright.plugins.data.dataset import ARRAYS
from cellwright.plugins.data.part import Part

if TYPE_CHECKING:
    from cellwright.plugins.data.preparation import Preparation


@dataclass(frozen=True)
class Stream(Data):
    """Training and validation data that are read in batches; made by `load_dataset` or `stream`.

    Args:
        to_train: The examples to train on.
        to_validate: Those to validate on; None if nothing is held out.
        class_names: Names of the classes, in order; None if a number is predicted.
        identity: The fingerprint, from what can be told without reading everything.
        target_mean: A predicted number is ``target_mean + target_scale * output``.
        target_scale: See ``target_mean``.
        preparation: How a table became features; None for images.
        notes: What a user should know about how the data were prepared.
        label: Name of the column that is predicted, in a table of a file.
        white: What images were divided by, as in `Dataset`.
    """

    to_train: Part
    to_validate: Part | None
    class_names: tuple[str, ...] | None
    identity: str
    target_mean: float = 0.0
    target_scale: float = 1.0
    preparation: Preparation | None = None
    notes: tuple[str, ...] = ()
    label: str | None = None
    white: float = 1.0

    def __getattr__(self, name: str) -> Any:
        if name in ARRAYS:
            raise AttributeError(
                f"a stream has no {name}, as its examples are never all in memory: use "
                "data.train.batches(size) and data.held_out.batches(size), or "
                "load_dataset(..., stream=False) where arrays fit"
            )
        raise AttributeError(f"'Stream' object has no attribute {name!r}")

    @property
    def train(self) -> Part:
        return self.to_train

    @property
    def held_out(self) -> Part | None:
        return self.to_validate

    @property
    def fingerprint(self) -> str:
        return self.identity
