"""Image files that a network has not seen, read as those of its training were."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cellwright.plugins.data.image_file import Damaged, read_image
from cellwright.plugins.model.readers import ImageReader
from cellwright.search_spaces import InvalidData

AT_ONCE = 256  # images that are read at a time
_NAMED = 10  # how many damaged files a note names


class SeenFiles:
    """What a user should know about image files that were read one after the other."""

    def __init__(self) -> None:
        self.damaged: list[str] = []
        self.resized = self.transparent = self.several = 0

    def notes(self, reader: ImageReader) -> list[str]:
        """A line for each kind."""
        height, width, _ = reader.shape
        told = []
        if self.damaged:
            more = len(self.damaged) - _NAMED
            told.append(
                f"left out, as they cannot be read: {_files(len(self.damaged))}: "
                f"{', '.join(self.damaged[:_NAMED])}{f' and {more} more' if more > 0 else ''}"
            )
        if self.resized:
            how = "padded" if reader.fit == "pad" else "cropped"
            told.append(
                f"{_files(self.resized)} of other sizes or shapes are resized to {height}x{width} "
                f"and {how}, as in training"
            )
        if self.transparent:
            told.append(f"transparent parts of {_files(self.transparent)} are put on white")
        if self.several:
            told.append(f"{_files(self.several)} with several images: the first of each is read")
        return told


def read_files(
    reader: ImageReader, files: Sequence[Path], strict: bool, seen: SeenFiles
) -> tuple[list[Path], NDArray[np.float32]]:
    """The files that can be read, and their images as the network reads them.

    Raises:
        InvalidData: If ``strict`` and one cannot be read.
    """
    options = reader.of_files
    kept, images = [], []
    for file in files:
        try:
            picture = read_image(file, options)
        except Damaged as error:
            if strict:
                raise InvalidData(f"{file} cannot be read: {error}") from error
            seen.damaged.append(f"{file} ({error})")
            continue
        kept.append(file)
        images.append(picture.pixels)
        seen.resized += picture.resized
        seen.transparent += picture.transparent
        seen.several += picture.several
    stacked = np.stack(images) if images else np.zeros((0, *reader.shape), np.float32)
    return kept, reader.from_files(stacked)


def _files(count: int) -> str:
    return f"{count} file{'' if count == 1 else 's'}"
