"""Turns what a user has, a table or images, into the numbers that a network reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellwright.plugins.data.data import Data
from cellwright.plugins.data.files import white_of
from cellwright.plugins.data.image_file import ImageOptions
from cellwright.plugins.data.preparation import Preparation
from cellwright.search_spaces import InvalidData
from cellwright.search_spaces.task import check_channels_last


@dataclass(frozen=True)
class ImageReader:
    """Scales images of one shape to about [0, 1], as they were scaled for training.

    Args:
        shape: (height, width, channels) of all images.
        low, high: The pixel values that become 0 and 1.
        fit: How an image file of another size is resized, see `ImageOptions`.
    """

    shape: tuple[int, ...]
    low: float = 0.0
    high: float = 1.0
    fit: str = "pad"

    @classmethod
    def of(cls, x: NDArray[Any], shape: Sequence[int] | None = None) -> ImageReader:
        """Fit to images of shape (number, height, width) or (number, height, width, channels).

        Their lowest value becomes 0, and their highest 1. With a ``shape`` they may be flat rows.

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

    @property
    def of_files(self) -> ImageOptions:
        """How to read an image file for the network.

        Raises:
            InvalidData: If its images are neither gray nor coloured.
        """
        height, width, channels = self.shape
        if channels not in (1, 3):
            raise InvalidData(
                f"this model reads images of {channels} channels, and files hold 1 or 3: give them "
                "as an array in a .npz file"
            )
        return ImageOptions((height, width), "gray" if channels == 1 else "rgb", self.fit)

    def from_files(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        """Scale pixels of files, from 0 (black) to 1 (white), as those of training were.

        Raises:
            InvalidData: If the images of training had no scale that files have.
        """
        advice = "give new images as an array in a .npz file, in the scale of those for training"
        try:
            white = white_of(self.low, self.high, True)
        except InvalidData as error:
            raise InvalidData(
                f"this model was trained on images in a scale of their own: {error}; {advice}"
            ) from error
        if self.high < white / 2:
            raise InvalidData(
                f"this model was trained on images whose brightest pixel is {self.high:g}, which "
                f"is no scale that files have; {advice}"
            )
        if (self.low, self.high) == (0.0, white):
            return pixels
        scaled: NDArray[np.float32] = (pixels * white - self.low) / (self.high - self.low)
        return scaled.astype(np.float32)


Reader = Preparation | ImageReader


def reader_of(data: Data, image_fit: str = "pad") -> Reader:
    """What prepares new data as ``data`` were."""
    if data.preparation is not None:
        return data.preparation
    return ImageReader(tuple(data.input_shape), 0.0, data.white, image_fit)


def features(reader: Reader, x: Any) -> NDArray[np.float32]:
    """The features that the network reads, prepared from an array or a data frame ``x``."""
    if isinstance(reader, ImageReader):
        return reader.transform(np.asarray(x))
    return reader.transform(reader.read(x))


def shape_of(reader: Reader) -> tuple[int, ...]:
    """The shape of one example, as the network reads it."""
    if isinstance(reader, ImageReader):
        return reader.shape
    return (reader.features,)
