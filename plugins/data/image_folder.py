"""A folder of images by class as arrays, with or without folders for training and validation."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from cellwright.plugins.data.files import Pair
from cellwright.plugins.data.folder_files import ImageFile, Seen, without_damaged
from cellwright.plugins.data.image_file import Damaged, ImageOptions, read_image, shape_of
from cellwright.search_spaces import InvalidData

_LOOKED_AT = 500  # how many headers are read for the advice on a size


def read_files(
    found: list[list[ImageFile]], options: ImageOptions, seen: Seen
) -> tuple[Pair, Pair | None, tuple[str, ...]]:
    """Read images as float32 in [0, 1], all of one shape, each labelled with its folder's name.

    Returns:
        The training part, or all images; the validation part, if ``found`` has one; and notes.

    Raises:
        InvalidData: If the images differ in size or in having colour and ``options`` do not say
            what they are to be; and see `without_damaged`.
    """
    parts = _read([file for part in found for file in part], options, seen)
    read = without_damaged(found, seen, options)
    labels = [np.array([file.label for file in part]) for part in read]
    first = len(read[0])
    held_out = Pair(parts[first:], labels[1]) if len(found) == 2 else None
    return Pair(parts[:first], labels[0]), held_out, seen.notes


def _read(files: Sequence[ImageFile], options: ImageOptions, seen: Seen) -> Any:
    """Images of shape (number, height, width, channels); damaged files are left out."""
    images: Any = None
    count, first = 0, ""
    for file in files:
        try:
            picture = read_image(Path(file.path), options)
        except Damaged as error:
            seen.damaged[file.path] = str(error)
            continue
        pixels = picture.pixels
        if images is None:  # in one piece, so that the memory is needed once
            images, first = np.empty((len(files), *pixels.shape), np.float32), file.path
        if pixels.shape != images.shape[1:]:
            raise of_two_shapes((first, images.shape[1:]), (file.path, pixels.shape), files)
        images[count] = pixels
        count += 1
        seen.transparent += picture.transparent
        seen.several += picture.several
    return np.empty((0, 1, 1, 1), np.float32) if images is None else images[:count]


def of_two_shapes(
    one: tuple[str, Sequence[int]], other: tuple[str, Sequence[int]], files: Sequence[ImageFile]
) -> InvalidData:
    """What is wrong with two files whose images have the given shapes, and what to do about it."""
    return InvalidData(
        "images must all be of one size and all gray or all coloured (height, width, channels): "
        f"{one[0]} is {tuple(one[1])}, {other[0]} is {tuple(other[1])}; "
        + _advice(one[1], other[1], files)
    )


def _advice(one: Sequence[int], other: Sequence[int], files: Sequence[ImageFile]) -> str:
    """What makes images of two shapes alike."""
    told = []
    if one[:2] != other[:2]:
        some = _sizes(files[:: math.ceil(len(files) / _LOOKED_AT)])
        shorter = statistics.median(min(size) for size in some)
        # The network sees what most photos have, in a size that a search can afford.
        side = min(64, 2 ** int(math.log2(shorter)))
        told.append(
            f"--image-size {side} (in code image_size={side}) resizes all of them and keeps their "
            "aspect"
        )
    if one[2] != other[2]:
        told.append("--color rgb or --color gray (in code color='rgb') converts all of them")
    return "; ".join(told)


def _sizes(files: Sequence[ImageFile]) -> Iterator[tuple[int, int]]:
    """(height, width) of those whose headers can be read."""
    for file in files:
        with suppress(Damaged):
            yield shape_of(Path(file.path), ImageOptions())[:2]
