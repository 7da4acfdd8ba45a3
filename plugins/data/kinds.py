"""What kind of data a user gives, told without importing any framework."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from cellwright.search_spaces import InvalidData

ARRAYS, STREAM, PY_DATASET, GENERATOR = "arrays", "tf.data.Dataset", "PyDataset", "generator"


def kind_of(x: Any) -> str:
    """What Keras is to train on: `ARRAYS` for what is not batches yet, or what batches they are.

    Batches of another kind are told by the name of their class.
    """
    tf, keras = sys.modules.get("tensorflow"), sys.modules.get("keras")
    if keras is not None and isinstance(x, keras.utils.PyDataset):
        return PY_DATASET
    if tf is not None and isinstance(x, tf.data.Dataset):
        return STREAM
    if hasattr(x, "__next__"):
        return GENERATOR
    if hasattr(x, "__array__") or isinstance(x, Sequence | Mapping):
        return ARRAYS
    return type(x).__name__


def first_of(x: Any) -> tuple[Any, Any]:
    """The first batch, and what to train on in place of ``x``, from which it may have been taken.

    Raises:
        InvalidData: If there is no batch.
    """
    if kind_of(x) == PY_DATASET:
        return x[0], x
    batches = iter(x)
    try:
        first = next(batches)
    except StopIteration:
        raise InvalidData(
            f"the {kind_of(x)} gives no batch. A generator gives each batch once, and must go on "
            "for all epochs of all trials"
        ) from None
    return first, itertools.chain([first], batches) if batches is x else x
