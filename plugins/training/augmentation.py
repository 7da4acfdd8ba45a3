"""Random changes to images during training."""

from __future__ import annotations

from typing import Any

import numpy as np

AUGMENTATIONS = ("none", "shift", "shift_flip")


def augment(images: Any, how: str, rng: np.random.Generator) -> Any:
    """Shift each image by up to an eighth of its height and width, as is usual on CIFAR.

    Args:
        images: Array of shape (number, height, width, channels).
        how: ``"none"``, ``"shift"``, or ``"shift_flip"``, which also mirrors half of the images
            left to right (unsuitable for digits and letters).
        rng: Draws the changes, for each image by itself.

    Returns:
        An array of the same shape; the pixels that move in are 0.
    """
    if how == "none":
        return images
    number, height, width, _ = images.shape
    down, right = height // 8, width // 8
    padded = np.pad(images, ((0, 0), (down, down), (right, right), (0, 0)))
    rows = rng.integers(2 * down + 1, size=(number, 1)) + np.arange(height)  # (number, height)
    columns = rng.integers(2 * right + 1, size=(number, 1)) + np.arange(width)  # (number, width)
    if how == "shift_flip":
        mirrored = rng.random(number) < 0.5
        columns[mirrored] = columns[mirrored, ::-1]
    each = np.arange(number)[:, None, None]
    return padded[each, rows[:, :, None], columns[:, None, :]]  # (number, height, width, channels)
