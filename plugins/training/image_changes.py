"""Random changes to images, each by itself: what `augmentation` names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Array = Any  # images of shape (number, height, width, channels)


def shift(images: Array, rng: np.random.Generator, *, mirror: bool = False) -> Array:
    """Shift each image by up to an eighth of its height and width, as is usual on CIFAR.

    Args:
        images: Array of shape (number, height, width, channels).
        rng: Draws the changes, for each image by itself.
        mirror: Whether half of the images are mirrored left to right (unsuitable for digits and
            letters).

    Returns:
        An array of the same shape; the pixels that move in are 0.
    """
    number, height, width, _ = images.shape
    down, right = height // 8, width // 8
    padded = np.pad(images, ((0, 0), (down, down), (right, right), (0, 0)))
    rows = rng.integers(2 * down + 1, size=(number, 1)) + np.arange(height)  # (number, height)
    columns = rng.integers(2 * right + 1, size=(number, 1)) + np.arange(width)  # (number, width)
    if mirror:
        mirrored = rng.random(number) < 0.5
        columns[mirrored] = columns[mirrored, ::-1]
    each = np.arange(number)[:, None, None]
    return padded[each, rows[:, :, None], columns[:, None, :]]  # (number, height, width, channels)


def cutout(images: Array, rng: np.random.Generator) -> Array:
    """Set a square to 0, whose side is half of the shorter side of the image, and whose centre is
    any pixel, so that the border may cut it off (DeVries and Taylor 2017)."""
    number, height, width, _ = images.shape
    side = max(1, min(height, width) // 2)
    inside = []
    for length in (height, width):
        first = rng.integers(length, size=(number, 1)) - side // 2
        places = np.arange(length)
        inside.append((places >= first) & (places < first + side))
    rows, columns = inside
    return np.where((rows[:, :, None] & columns[:, None, :])[..., None], 0, images).astype(
        images.dtype
    )


_OPERATIONS, _MAGNITUDE = 2, 0.3  # of RandAugment: how many in a row, and how strong, from 0 to 1


def rand_augment(images: Array, rng: np.random.Generator) -> Array:
    """Change each image by two operations, drawn from `_CHANGES` with equal chances (RandAugment,
    Cubuk et al. 2020, at magnitude 9 of 30).

    The paper's Posterize, Equalize and Sharpness are left out: they are for images of 256 values.
    Colours are changed within the range that the batch has.
    """
    images = images if images.dtype.kind == "f" else images.astype(np.float32)
    low, high = float(images.min()), float(images.max())
    chosen = rng.integers(len(_CHANGES), size=(_OPERATIONS, len(images)))
    strengths = _MAGNITUDE * rng.choice((-1.0, 1.0), size=chosen.shape)
    for which, strength in zip(chosen, strengths, strict=True):
        changed = images.copy()
        for place, change in enumerate(_CHANGES):
            mine = which == place
            if mine.any():
                changed[mine] = change(images[mine], strength[mine], low, high)
        images = np.clip(changed, low, high)
    return images


def _moved(images: Array, matrix: Array, offset: Array) -> Array:
    """Each image where pixel p takes the value at ``matrix`` p + ``offset``, measured from the
    middle, (number, 2, 2) and (number, 2); 0 from outside, the nearest pixel inside."""
    number, height, width, _ = images.shape
    middle = np.array([height - 1, width - 1]) / 2
    grid = np.stack(np.meshgrid(np.arange(height), np.arange(width), indexing="ij"), axis=-1)
    places = np.einsum("nij,hwj->nhwi", matrix, grid - middle) + offset[:, None, None] + middle
    rows, columns = np.moveaxis(np.rint(places).astype(int), -1, 0)
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    each = np.arange(number)[:, None, None]
    found = images[each, rows.clip(0, height - 1), columns.clip(0, width - 1)]
    return found * inside[..., None].astype(images.dtype)


def _matrices(a: Any, b: Any, c: Any, d: Any) -> Array:
    rows = np.broadcast_arrays(a, b, c, d)
    return np.stack(rows, axis=-1).reshape(-1, 2, 2)


def _rotate(images: Array, strength: Array, low: float, high: float) -> Array:
    """By up to 30 degrees."""
    angle = np.deg2rad(30 * strength)
    matrix = _matrices(np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle))
    return _moved(images, matrix, np.zeros((len(images), 2)))


def _shear(images: Array, strength: Array, low: float, high: float) -> Array:
    """By up to .3 of the height, along the rows."""
    return _moved(images, _matrices(1, 0, 0.3 * strength, 1), np.zeros((len(images), 2)))


def _shear_columns(images: Array, strength: Array, low: float, high: float) -> Array:
    return _moved(images, _matrices(1, 0.3 * strength, 0, 1), np.zeros((len(images), 2)))


def _translate(images: Array, strength: Array, low: float, high: float) -> Array:
    """By up to a third of the height."""
    away = np.stack([strength * images.shape[1] / 3, np.zeros(len(images))], axis=1)
    return _moved(images, _matrices(1, 0, 0, np.ones(len(images))), away)


def _translate_columns(images: Array, strength: Array, low: float, high: float) -> Array:
    away = np.stack([np.zeros(len(images)), strength * images.shape[2] / 3], axis=1)
    return _moved(images, _matrices(1, 0, 0, np.ones(len(images))), away)


def _identity(images: Array, strength: Array, low: float, high: float) -> Array:
    return images


def _brightness(images: Array, strength: Array, low: float, high: float) -> Array:
    return low + (images - low) * _factor(images, strength)


def _contrast(images: Array, strength: Array, low: float, high: float) -> Array:
    """Away from, or towards, the mean of the image."""
    mean = images.mean(axis=(1, 2, 3), keepdims=True)
    return mean + (images - mean) * _factor(images, strength)


def _color(images: Array, strength: Array, low: float, high: float) -> Array:
    """Away from, or towards, gray; no change to images of one channel."""
    gray = images.mean(axis=3, keepdims=True)
    return gray + (images - gray) * _factor(images, strength)


def _auto_contrast(images: Array, strength: Array, low: float, high: float) -> Array:
    """The darkest and the brightest pixel of an image get the values that the batch has."""
    darkest, brightest = (f(images, axis=(1, 2, 3), keepdims=True) for f in (np.min, np.max))
    span = np.where(brightest > darkest, brightest - darkest, 1).astype(images.dtype)
    stretched = low + (images - darkest) / span * (high - low)
    return np.where(brightest > darkest, stretched, images)


def _solarize(images: Array, strength: Array, low: float, high: float) -> Array:
    """Values above a threshold are turned round."""
    threshold = high - np.abs(strength).reshape(-1, 1, 1, 1) * (high - low)
    return np.where(images > threshold, low + high - images, images)


def _factor(images: Array, strength: Array) -> Array:
    """Up to .9 less or more."""
    return (1 + 0.9 * strength).astype(images.dtype).reshape(-1, 1, 1, 1)


_CHANGES: tuple[Callable[[Array, Array, float, float], Array], ...] = (
    _identity, _rotate, _shear, _shear_columns, _translate, _translate_columns, _brightness,
    _contrast, _color, _auto_contrast, _solarize,
)  # fmt: skip
