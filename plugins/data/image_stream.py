"""A folder of images as a stream: files are read and decoded while children train."""

from __future__ import annotations

import hashlib
import math
import os
import threading
import warnings
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellwright.plugins.data.dataset import check_classes, split_rows
from cellwright.plugins.data.folder_files import ImageFile, Seen, without_damaged
from cellwright.plugins.data.image_file import (
    Damaged,
    ImageOptions,
    Picture,
    read_image,
    shape_of,
)
from cellwright.plugins.data.image_folder import of_two_shapes
from cellwright.plugins.data.labels import positions_of
from cellwright.plugins.data.part import Batch, Rows
from cellwright.plugins.data.streams import Stream
from cellwright.plugins.data.threads import threads
from cellwright.search_spaces import InvalidData

_HASHED = 1000  # files whose content is part of the fingerprint
_RUN = 200  # files that a thread looks at in one go
_TRIED = 100  # files that are decoded before the search, to find damage early


def folder_stream(
    found: list[list[ImageFile]],
    seen: Seen,
    options: ImageOptions,
    *,
    validation: float,
    seed: int,
    notes: Sequence[str] = (),
) -> Stream:
    """The images of ``found`` as a stream, split as arrays of them would be.

    Args:
        found: One list of files that is to be split, or two, to train on and to validate on.
        seen: What is known of the folder, to which is added what a look at the files shows.
        options: How a file is read.
        validation, seed: See `load_dataset`.
        notes: Why it is a stream.

    Raises:
        InvalidData: See `look_at`; and if a class has too few images.
    """
    read, shape = look_at(found, options, seen)
    values = np.unique([file.label for file in read[0]])
    names = tuple(str(value) for value in values)
    labels = [positions_of(np.array([file.label for file in part]), values) for part in read]
    files = [file for part in read for file in part]
    try:
        check_classes(labels[0], names, least=2 if validation and len(read) == 1 else 1)
    except InvalidData as error:  # a class may lack images that were left out
        raise InvalidData("; ".join([str(error), *seen.notes])) from error
    y = np.concatenate(labels)
    if len(read) == 2:
        parts = [np.arange(len(read[0])), np.arange(len(read[0]), len(files))]
    else:
        parts = list(split_rows(y, names, validation=validation, seed=seed))
    to_train, to_validate = (
        ImageRows([files[i].path for i in part], y[part], shape, options) for part in parts
    )
    return Stream(
        to_train,
        to_validate if to_validate.number else None,
        names,
        files_fingerprint(seen.root, files, options, parts),
        notes=(*seen.notes, *notes),
    )


@dataclass(frozen=True)
class ImageRows(Rows):
    """Images in files, of which a batch is read and decoded when it is asked for.

    Args:
        files: Their paths.
        y: The class of each.
        shape: (height, width, channels) of every image.
        options: How a file is read.
    """

    files: Sequence[str]
    y: NDArray[np.int64]
    shape: tuple[int, int, int]
    options: ImageOptions
    damaged: dict[str, str] = field(default_factory=dict, repr=False)
    lock: Any = field(default_factory=threading.Lock, repr=False)

    @property
    def number(self) -> int:
        return len(self.files)

    @property
    def input_shape(self) -> tuple[int, ...]:
        return self.shape

    @property
    def readers(self) -> int:
        return threads()

    @property
    def left_out(self) -> int:
        return len(self.damaged)

    def take(self, positions: NDArray[np.int64]) -> Batch:
        """Images and classes; a file that cannot be read is left out, with a warning.

        Raises:
            InvalidData: If ``options.strict`` is set and a file cannot be read, none of these can,
                or an image has another shape.
        """
        pictures, kept = [], []
        for position in positions:
            picture = self._read(self.files[position])
            if picture is not None:
                pictures.append(picture)
                kept.append(position)
        if not kept:
            raise InvalidData(f"none of {len(positions)} images can be read: {self._reason()}")
        return as_pixels(pictures), self.y[kept]

    def _read(self, file: str) -> Picture | None:
        try:
            picture = read_image(Path(file), self.options)
        except Damaged as error:
            self._leave_out(file, str(error))
            return None
        if picture.raw.shape != self.shape:
            raise of_two_shapes(("the others", self.shape), (file, picture.raw.shape), ())
        return picture

    def _leave_out(self, file: str, reason: str) -> None:
        with self.lock:
            new = file not in self.damaged
            self.damaged[file] = reason
        if self.options.strict:
            raise InvalidData(
                f"{file} cannot be read: {reason}. Mend or remove it, or leave strict out to "
                "search without it"
            )
        if new:
            warnings.warn(f"{file} is left out, as it cannot be read: {reason}", stacklevel=2)

    def _reason(self) -> str:
        return "; ".join(f"{file} ({reason})" for file, reason in list(self.damaged.items())[:3])


def as_pixels(pictures: Sequence[Picture]) -> NDArray[np.float32]:
    """Images of one shape as float32 of shape (number, height, width, channels) in [0, 1].

    They stay bytes until they are together, and are then scaled at once: the results are those of
    `Picture.pixels`.
    """
    if all(picture.raw.dtype == np.uint8 for picture in pictures):
        stacked: NDArray[Any] = np.stack([picture.raw for picture in pictures])
        scaled: NDArray[np.float32] = np.divide(stacked, np.float32(255), dtype=np.float32)
        return scaled
    return np.stack([picture.pixels for picture in pictures])


def look_at(
    found: list[list[ImageFile]], options: ImageOptions, seen: Seen
) -> tuple[list[list[ImageFile]], tuple[int, int, int]]:
    """The files that can be read as far as one can tell now, and the shape of all images.

    If ``options`` say both size and colour, no file can be of another shape, and only some are
    tried. Otherwise the headers of all are read.

    Raises:
        InvalidData: If images are of several shapes, and see `without_damaged`.
    """
    files = [file for part in found for file in part]
    size, color = options.size, options.color
    if size is not None and color is not None:
        some = files[:: math.ceil(len(files) / _TRIED)]
        _each(some, lambda file: read_image(Path(file.path), options), seen)
        if seen.damaged:
            seen.layout.append(
                f"of {len(some)} images that were tried, {len(seen.damaged)} cannot be read; "
                "others that cannot are left out with a warning when a child comes upon them"
            )
        return without_damaged(found, seen, options), (*size, 3 if color == "rgb" else 1)
    shapes = _each(files, lambda file: shape_of(Path(file.path), options), seen)
    kept = without_damaged(found, seen, options)
    first = next(shape for shape in shapes if shape is not None)
    for file, shape in zip(files, shapes, strict=True):
        if shape is not None and shape != first:
            start = files[shapes.index(first)]
            raise of_two_shapes((start.path, first), (file.path, shape), files)
    return kept, first


def _each(files: Sequence[ImageFile], ask: Any, seen: Seen) -> list[Any]:
    """What ``ask`` gives for each file; None for damaged ones, which are noted."""

    def one(file: ImageFile) -> Any:
        try:
            return ask(file)
        except Damaged as error:
            return error

    def several(files: Sequence[ImageFile]) -> list[Any]:
        return [one(file) for file in files]

    runs = [files[start : start + _RUN] for start in range(0, len(files), _RUN)]
    with ThreadPoolExecutor(threads()) as pool:
        told = [answer for run in pool.map(several, runs) for answer in run]
    for file, answer in zip(files, told, strict=True):
        if isinstance(answer, Damaged):
            seen.damaged[file.path] = str(answer)
    return [None if isinstance(answer, Damaged) else answer for answer in told]


def files_fingerprint(
    root: Path, files: Sequence[ImageFile], options: ImageOptions, parts: Iterable[NDArray[Any]]
) -> str:
    """16 hexadecimal digits of names, sizes and some contents, so that it takes seconds.

    What is hashed: of every file the path below ``root`` and the number of bytes; the whole content
    of `_HASHED` files that are evenly spread over the list, or of all if there are fewer; how
    images are read; and the positions in each of ``parts``. So a file of the same name and size
    with another content is noticed for certain only if it is one of these.
    """
    digest = hashlib.blake2b(digest_size=8)
    digest.update(repr((options.size, options.color, options.fit)).encode())
    for file in files:
        digest.update(f"{os.path.relpath(file.path, root)}\0{file.bytes}\n".encode())
    for file in files[:: math.ceil(len(files) / _HASHED)]:
        try:
            digest.update(Path(file.path).read_bytes())
        except OSError as error:
            digest.update(type(error).__name__.encode())
    for part in parts:
        digest.update(f"{len(part)};".encode() + np.ascontiguousarray(part, np.int64).tobytes())
    return digest.hexdigest()
