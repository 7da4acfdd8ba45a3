"""Random changes to the examples of a batch during training.

They are ours and in NumPy, where `keras.layers` has layers for some of them. A training that goes
on from a checkpoint must change the same examples in the same way, in whichever thread a batch is
made, and children must be the same on every backend: what is drawn depends on the generator that is
given alone. Keras's layers draw from a state that every call moves on, and draw other numbers on
each backend; its RandAugment makes one choice for a whole batch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from cellwright.plugins.training.image_changes import cutout, rand_augment, shift

Array = Any
_IMAGES: dict[str, Callable[[Array, np.random.Generator], Array]] = {
    "shift": shift,
    "shift_flip": lambda images, rng: shift(images, rng, mirror=True),
    "rand_augment": rand_augment,
    "cutout": cutout,
}
_MIXED = ("mixup", "cutmix")
AUGMENTATIONS = ("none", *_IMAGES, *_MIXED)  # in the order in which several are done
WORDS = ", ".join(AUGMENTATIONS)
_SEVERAL = "several are joined by +, each once, as shift_flip+cutout+mixup"


def parts_of(how: Any) -> tuple[str, ...]:
    """The changes that a text such as ``"shift_flip+cutout"`` names, in the order in which they are
    done, which is that of `AUGMENTATIONS`; none for ``"none"``.

    Raises:
        ValueError: If it names another, one twice, or two that are one.
    """
    if not isinstance(how, str):
        raise ValueError(f"augmentation must be one of {WORDS}, as text, got {how!r}")
    words = [word.strip() for word in how.split("+")]
    for word in words:
        if word not in AUGMENTATIONS:
            raise ValueError(f"augmentation must be one of {WORDS}, got {word!r}; {_SEVERAL}")
    if len(set(words)) < len(words) or (len(words) > 1 and "none" in words):
        raise ValueError(f"augmentation cannot be {how!r}: {_SEVERAL}, and none stands alone")
    if {"shift", "shift_flip"} <= set(words):
        raise ValueError(
            f"augmentation cannot be {how!r}: shift_flip shifts already, leave shift out"
        )
    return tuple(word for word in AUGMENTATIONS[1:] if word in words)


def mixes(how: str) -> bool:
    """Whether ``how`` mixes the labels of examples."""
    return any(part in _MIXED for part in parts_of(how))


def check(how: str, input_shape: Sequence[int], classes: int | None) -> None:
    """Check that examples of ``input_shape`` can be changed so; ``classes`` is None where a number
    is predicted.

    Raises:
        ValueError: If what are no images would be changed as images, or numbers cut and mixed.
    """
    parts = parts_of(how)
    images = [part for part in parts if part != "mixup"]
    if len(input_shape) != 3 and images:
        raise ValueError(
            f"augmentation {'+'.join(images)} changes images of shape (height, width, channels), "
            f'and an example has the shape {tuple(input_shape)}: leave it out, or at "none"; mixup '
            "goes with any data"
        )
    if classes is None and "cutmix" in parts:
        raise ValueError(
            "augmentation cutmix mixes classes by the area that each has in an image, and a number "
            'is predicted here: leave it out, or at "none"; mixup goes with numbers too'
        )


def augment(images: Array, how: str, rng: np.random.Generator) -> Array:
    """Change each image as ``how`` says, but for what needs labels (`mixed`).

    Args:
        images: Array of shape (number, height, width, channels).
        how: One or several of `AUGMENTATIONS`; see `parts_of` and `image_changes`.
        rng: Draws the changes, for each image by itself.

    Returns:
        An array of the same shape; the pixels that move in are 0.
    """
    for part in parts_of(how):
        if part in _IMAGES:
            images = _IMAGES[part](images, rng)
    return images


def mixed(
    x: Array, others: Sequence[Array], how: str, rng: np.random.Generator
) -> tuple[Array, ...]:
    """Mix each example with another one of its batch, if ``how`` says so.

    ``mixup`` (Zhang et al. 2018) adds up both, with a share drawn from Beta(0.2, 0.2) for each.
    ``cutmix`` (Yun et al. 2019, images only) puts a rectangle of the other into an image, whose
    area is a share drawn from Beta(1, 1). Labels and weights are mixed by the same share. Where
    both are asked for, each batch gets one of them, drawn evenly.

    Args:
        x: Examples, (number, ...).
        others: Labels as shares of classes or as numbers, and weights, if there are any; (number,
            ...) each.
        how: As in `augment`.
        rng: Draws the pairs and shares.
    """
    chosen = [part for part in parts_of(how) if part in _MIXED]
    if not chosen:
        return (x, *others)
    one = chosen[rng.integers(len(chosen))] if len(chosen) > 1 else chosen[0]
    number = len(x)
    partner = rng.permutation(number)
    if one == "mixup":
        share = rng.beta(0.2, 0.2, number)
        x = _blend(x, share, partner)
    else:
        inside = _rectangles(x.shape[:3], 1 - rng.beta(1, 1, number), rng)
        x = np.where(inside[..., None], x[partner], x)
        share = 1 - inside.mean(axis=(1, 2))
    return (x, *(_blend(part, share, partner) for part in others))


def _blend(values: Array, share: Array, partner: Array) -> Array:
    """``share`` of each value and the rest of its partner's."""
    values = np.asarray(values)
    kind = values.dtype if values.dtype.kind == "f" else np.dtype(np.float32)
    weight = share.astype(kind).reshape(-1, *[1] * (values.ndim - 1))
    blended: Array = weight * values + (1 - weight) * values[partner]
    return blended


def _rectangles(shape: Sequence[int], areas: Array, rng: np.random.Generator) -> Array:
    """Where a rectangle with the image's aspect lies, whose centre is drawn from all pixels and
    which the border cuts off; (number, height, width)."""
    found = []
    for side in shape[1:]:
        half = np.sqrt(areas)[:, None] * side / 2
        centre = rng.integers(side, size=(len(areas), 1)) + 0.5
        found.append(np.abs(np.arange(side) + 0.5 - centre) <= half)
    rows, columns = found
    inside: Array = rows[:, :, None] & columns[:, None, :]
    return inside
