"""What a last training is on: the data, the part that is held out, and the test."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cellwright.plugins import Data, load_dataset
from cellwright.plugins.data.images import IMAGES, has_test
from cellwright.plugins.data.new_images import holds
from cellwright.plugins.model.arrays import read_arrays
from cellwright.plugins.model.labelled import Labelled, Task, read_labelled
from cellwright.plugins.model.readers import reader_of
from cellwright.search_spaces import CellwrightError


@dataclass(frozen=True)
class Sources:
    """What to train on, and what to score at last.

    Args:
        data: As `load_dataset` takes it.
        options: Arguments of `load_dataset` beside it.
        test: Examples that no training sees, as `read_labelled` takes them; None takes the test
            part of ``data``, if there is one.
        validation: Share of ``data`` that is held out and scored after each epoch, in (0, 1); None
            holds nothing out.

    Raises:
        CellwrightError: If the share is out of range.
    """

    data: str
    options: Mapping[str, Any] = field(default_factory=dict)
    test: str | None = None
    validation: float | None = None

    def __post_init__(self) -> None:
        if self.validation is not None and not 0 < self.validation < 1:
            raise CellwrightError(
                f"--validation is the share to hold out, between 0 and 1, got {self.validation}"
            )

    @property
    def image_fit(self) -> str:
        """How image files of another size are resized."""
        return self.options.get("image_fit") or "pad"


def load_all(sources: Sources) -> Data:
    """The data to train on: all, or all but the share that is held out.

    Raises:
        InvalidData: If they cannot be used.
    """
    if sources.validation is None:
        return load_dataset(sources.data, **sources.options, whole=True)
    return load_dataset(sources.data, **sources.options, validation=sources.validation)


def about_validation(sources: Sources) -> list[str]:
    """A note if the data have a validation part of their own, whose size nobody chose here."""
    path = Path(sources.data)
    if sources.validation is None or not (path.is_dir() or path.suffix.lower() == ".npz"):
        return []
    own = holds(path, "val") if path.is_dir() else "x_val" in read_arrays(path).found
    if not own:
        return []
    return [
        f"--validation {sources.validation:g}: the data have a validation part of their own, which "
        "is held out in its place"
    ]


def load_test(sources: Sources, data: Data) -> Labelled | None:
    """The examples to score at last, read as ``data`` were; None if there are none.

    Raises:
        InvalidData: If they cannot be read.
    """
    source, label = sources.test, sources.options.get("label")
    if source is None and _has_test(sources.data):
        source, label = sources.data, None
    if source is None:
        return None
    task = Task(reader_of(data, sources.image_fit), data.class_names, data.label)
    strict = bool(sources.options.get("strict"))
    return read_labelled(task, source, label=label, strict=strict)


def _has_test(source: str) -> bool:
    path = Path(source)
    if source in IMAGES:
        return has_test(source)
    if path.is_dir():
        return holds(path, "test")
    if path.suffix.lower() == ".npz" and not source.endswith(".dataset.npz"):
        return {"x_test", "y_test"} <= read_arrays(path).found.keys()
    return False
