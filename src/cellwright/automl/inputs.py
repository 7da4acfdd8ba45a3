"""Splits and prepares what an estimator is given, a table or images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellwright.plugins import Dataset
from cellwright.plugins.data.dataset import split_rows
from cellwright.plugins.data.table import read_table
from cellwright.plugins.data.tables import split_weights, table_dataset
from cellwright.plugins.data.target import Target
from cellwright.plugins.model.readers import ImageReader, Reader


def make_dataset(
    x: Any,
    target: Target,
    weights: NDArray[Any] | None,
    image_shape: Sequence[int] | None,
    *,
    validation: float,
    seed: int,
) -> tuple[Dataset, Reader]:
    """Split and prepare data; return it, and the reader that prepares other data likewise.

    With ``validation`` 0 all rows are trained on.

    Raises:
        InvalidData: If there is nothing to learn from.
    """
    if image_shape is None and np.ndim(x) == 2:
        data = table_dataset(
            read_table(x), target, weights=weights, validation=validation, seed=seed
        )
        assert data.preparation is not None
        return data, data.preparation
    train, held_out = split_rows(target.y, target.class_names, validation=validation, seed=seed)
    scale = ImageReader.of(np.asarray(x), image_shape)
    images, y, mean, deviation = scale.transform(np.asarray(x)), target.y, 0.0, 1.0
    if target.class_names is None:
        mean, deviation = float(y[train].mean()), float(y[train].std()) or 1.0
        y = ((y - mean) / deviation).astype(np.float32)
    parts = (images[train], y[train], images[held_out], y[held_out], target.class_names)
    return Dataset(*parts, *split_weights(weights, train, held_out), mean, deviation), scale
