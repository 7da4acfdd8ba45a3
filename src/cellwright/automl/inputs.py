"""Turns what an estimator is given, a table or images, into the numbers that a network reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellwright.plugins import Dataset
from cellwright.plugins.data.dataset import split_rows
from cellwright.plugins.data.preparation import Preparation
from cellwright.plugins.data.table import read_table
from cellwright.plugins.data.tables import split_weights, table_dataset
from cellwright.plugins.data.target import Target
from cellwright.search_spaces import InvalidData
from cellwright.search_spaces.task import check_channels_last


@dataclass(frozen=True)
class ImageScale:
    """Scales images of one ``shape`` (height, width, channels) to [0, 1].

    ``low`` and ``high`` are the lowest and the highest value in the images that `fit` was given.
    """

    shape: tuple[int, ...]
    low: float
    high: float

    @classmethod
    def fit(cls, x: NDArray[Any], shape: Sequence[int] | None = None) -> ImageScale:
        """Fit to images of shape (number, height, width) or (number, height, width, channels).

        With a ``shape`` they may be flat rows.

        Raises:
            InvalidData: If these are not images, have their channels first, or hold NaN or
                infinite values.
        """
        check_channels_last(x.shape)
        shape = tuple(shape or x.shape[1:])
        shape = (*shape, 1) if len(shape) == 2 else shape
        if len(shape) != 3 or x.dtype.kind not in "fiub":
            raise InvalidData(
                "images must be numbers of shape (number, height, width) or (number, height, "
                f"width, channels), or rows with an image_shape; got {x.dtype} of shape {x.shape}"
            )
        if not np.isfinite(x).all():
            raise InvalidData("images hold NaN or infinite values")
        low, high = float(x.min()), float(x.max())
        return cls(shape, low, high if high > low else low + 1.0)

    def transform(self, x: NDArray[Any]) -> NDArray[np.float32]:
        """Images of shape (number, height, width, channels) in about [0, 1].

        Raises:
            InvalidData: If the images have another size, or their channels first.
        """
        check_channels_last(x.shape)
        flat, gray = (int(np.prod(self.shape)),), self.shape[:2] if self.shape[2] == 1 else None
        if x.shape[1:] not in (self.shape, flat, gray):
            raise InvalidData(f"images of shape {self.shape} are expected, got {x.shape[1:]}")
        scaled: NDArray[np.float32] = (
            (x.reshape(-1, *self.shape).astype(np.float64) - self.low) / (self.high - self.low)
        ).astype(np.float32)
        return scaled


Reader = Preparation | ImageScale


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
    scale = ImageScale.fit(np.asarray(x), image_shape)
    images, y, mean, deviation = scale.transform(np.asarray(x)), target.y, 0.0, 1.0
    if target.class_names is None:
        mean, deviation = float(y[train].mean()), float(y[train].std()) or 1.0
        y = ((y - mean) / deviation).astype(np.float32)
    parts = (images[train], y[train], images[held_out], y[held_out], target.class_names)
    return Dataset(*parts, *split_weights(weights, train, held_out), mean, deviation), scale


def features(reader: Reader, x: Any) -> NDArray[np.float32]:
    """The features that the network reads, prepared from ``x``."""
    if isinstance(reader, ImageScale):
        return reader.transform(np.asarray(x))
    return reader.transform(reader.read(x))


def reader_to_json(reader: Reader) -> dict[str, Any]:
    """The kind of reader and its values, as JSON data."""
    if isinstance(reader, ImageScale):
        return {"images": asdict(reader)}
    return {"table": reader.to_json()}


def reader_from_json(data: dict[str, Any]) -> Reader:
    """The inverse of `reader_to_json`."""
    if "images" in data:
        images = data["images"]
        return ImageScale(tuple(images["shape"]), images["low"], images["high"])
    return Preparation.from_json(data["table"])
