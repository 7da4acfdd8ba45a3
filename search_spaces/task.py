"""The check of the input and the task that a child network is made for, without a framework."""

from __future__ import annotations

from collections.abc import Sequence

from cellwright.search_spaces.errors import InvalidData, UnbuildableChild


def check_task(input_shape: Sequence[int], classes: int | None) -> None:
    """Check that there are images, and something to learn about them.

    Raises:
        UnbuildableChild: If ``input_shape`` is not (height, width, channels) of positive integers,
            has its channels first, or there are fewer than 2 classes.
    """
    shape = tuple(input_shape)
    if len(shape) == 1:
        raise UnbuildableChild(
            f"this space makes networks that read images, but the data are a table of {shape[0]} "
            "features; MLPSpace (--space mlp) is for tables"
        )
    if len(shape) != 3 or not _positive(shape):
        raise UnbuildableChild(
            f"input_shape must be (height, width, channels) of positive integers, got {shape!r}"
        )
    first = channels_first((None, *shape))
    if first is not None:
        raise UnbuildableChild(first)
    _check_classes(classes)


def check_features(input_shape: Sequence[int], classes: int | None) -> None:
    """Check that there is an input of any fixed shape, and something to learn about it.

    Raises:
        UnbuildableChild: If ``input_shape`` is empty or holds anything but positive integers, or
            there are fewer than 2 classes.
    """
    shape = tuple(input_shape)
    if not shape or not _positive(shape):
        raise UnbuildableChild(
            f"input_shape must be (features,), or several positive integers, got {shape!r}"
        )
    _check_classes(classes)


def channels_first(shape: Sequence[int | None]) -> str | None:
    """What to do if images of this shape, (number, ...), seem to have their channels first.

    Returns:
        The advice, or None if the shape is (number, height, width, channels) or not of images.
    """
    if len(shape) != 4:
        return None
    channels, *size = shape[1:]
    if channels not in (1, 3) or not all(side is not None and side > 4 for side in size):
        return None
    return (
        f"images of shape {tuple(shape)} have their channels first; networks read (number, height, "
        f"width, channels), here {(shape[0], *size, channels)}: transpose them, as "
        "numpy.moveaxis(images, 1, -1) does"
    )


def check_channels_last(shape: Sequence[int]) -> None:
    """Check the shape of an array of examples.

    Raises:
        InvalidData: If it is one of images that seem to have their channels first.
    """
    advice = channels_first(shape)
    if advice is not None:
        raise InvalidData(advice)


def _positive(shape: tuple[int, ...]) -> bool:
    return all(isinstance(n, int) and n >= 1 for n in shape)


def _check_classes(classes: int | None) -> None:
    if classes is not None and classes < 2:
        raise UnbuildableChild(f"classes must be at least 2, or None for regression, got {classes}")
