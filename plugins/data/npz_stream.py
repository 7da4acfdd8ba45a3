"""A ``.npz`` file of images as a stream: a batch is read from the file when it is asked for."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellwright.plugins.data.dataset import check_classes, split_rows
from cellwright.plugins.data.files import members, read_labels, unreadable, white_of
from cellwright.plugins.data.labels import class_labels, positions_of
from cellwright.plugins.data.memory import in_words
from cellwright.plugins.data.part import ArrayRows
from cellwright.plugins.data.streams import Stream
from cellwright.search_spaces import InvalidData
from cellwright.search_spaces.task import check_channels_last

_HASHED = 1000  # images whose content is part of the fingerprint
_PIECE = 64 * 1024 * 1024  # bytes that are looked at in one go


@dataclass(frozen=True)
class Mapped:
    """An array in a file, of which rows are read when it is indexed by positions.

    Args:
        file: Holds the array's bytes from ``offset`` on, row by row.
        dtype, whole: The type of its numbers, and its shape.
        rows: Which of its rows these are, in their order; None for all.
        white: The value of a white pixel, by which numbers are divided.
        kept: The folder of the file, if it is deleted when nobody uses it any more.
    """

    file: Path
    offset: int
    dtype: np.dtype[Any]
    whole: tuple[int, ...]
    rows: NDArray[np.int64] | None = None
    white: int = 1
    kept: tempfile.TemporaryDirectory[str] | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """(number, height, width, channels)."""
        number = self.whole[0] if self.rows is None else len(self.rows)
        return (number, *self.whole[1:], *((1,) if len(self.whole) == 3 else ()))

    def raw(self, positions: Any) -> NDArray[Any]:
        """Rows as they are in the file, which is mapped into memory only meanwhile: what is mapped
        counts as memory of the process."""
        mapped = np.memmap(self.file, self.dtype, "r", self.offset, self.whole)
        return np.array(mapped[positions if self.rows is None else self.rows[positions]])

    def pieces(self) -> Iterator[NDArray[Any]]:
        """All rows, some at a time."""
        row = max(1, int(np.prod(self.whole[1:])) * self.dtype.itemsize)
        step = max(1, _PIECE // row)
        for start in range(0, self.whole[0], step):
            yield self.raw(slice(start, start + step))

    def __getitem__(self, positions: NDArray[np.int64]) -> NDArray[np.float32]:
        read = self.raw(positions).astype(np.float32).reshape(-1, *self.shape[1:])
        return read if self.white == 1 else read / np.float32(self.white)


@dataclass(frozen=True)
class Joined:
    """Two arrays of images of one shape, one after the other."""

    first: Mapped
    second: Mapped

    @property
    def shape(self) -> tuple[int, ...]:
        """(number, height, width, channels)."""
        return (self.first.shape[0] + self.second.shape[0], *self.first.shape[1:])

    def __getitem__(self, positions: NDArray[np.int64]) -> NDArray[np.float32]:
        positions = np.asarray(positions)
        images = np.empty((len(positions), *self.shape[1:]), np.float32)
        early = positions < self.first.shape[0]
        images[early] = self.first[positions[early]]
        images[~early] = self.second[positions[~early] - self.first.shape[0]]
        return images


def bytes_of_arrays(path: Path) -> int:
    """Memory that arrays of all images would need at their largest; 0 if that cannot be told."""
    try:
        with zipfile.ZipFile(path) as file:
            names = {name.removesuffix(".npy") for name in file.namelist()}
            shapes = [_header(file, x)[0] for x, _ in members(names)]
    except Exception:  # the file is damaged, which reading it says
        return 0
    return sum(3 * 4 * int(np.prod(shape)) for shape in shapes)


def npz_stream(path: Path, *, validation: float, seed: int, notes: Sequence[str] = ()) -> Stream:
    """The images of ``path`` as a stream, split as arrays of them would be.

    Arrays that were written by ``numpy.savez`` are read where they lie. Those that
    ``numpy.savez_compressed`` wrote are unpacked into a temporary folder first, which is deleted
    when the stream is.

    Args:
        path: Of a file with the arrays that `load_dataset` names.
        validation, seed: See `load_dataset`; with 0 nothing is held out.
        notes: Why it is a stream.

    Raises:
        InvalidData: If the images cannot be used; the message says why.
    """
    if not path.is_file():
        raise InvalidData("there is no such file")
    try:
        with zipfile.ZipFile(path) as file:
            pairs = members({name.removesuffix(".npy") for name in file.namelist()})
            given = [_map(file, path, x) for x, _ in pairs]
        labels = [read_labels(path, y) for _, y in pairs]
    except InvalidData:
        raise
    except Exception as error:
        raise unreadable(error) from error
    notes = [*notes, *(note for _, note in given if note)]
    images = [mapped for mapped, _ in given]
    if len({(each.shape[1:], each.dtype.kind == "f") for each in images}) > 1:
        raise InvalidData(
            "training and validation images must be of one size and one kind of number; got "
            + " and ".join(f"{each.dtype} of shape {each.whole}" for each in images)
        )
    white = _white(images)
    images = [replace(each, white=white) for each in images]
    known = [class_labels(y, each.shape[0]) for y, each in zip(labels, images, strict=True)]
    values = np.unique(known[0])
    names = tuple(str(value) for value in values)
    y = [positions_of(each, values) for each in known]
    check_classes(y[0], names, least=2 if validation and len(y) == 1 else 1)
    if len(y) == 2:
        parts = [ArrayRows(x, labels) for x, labels in zip(images, y, strict=True)]
    else:
        split = split_rows(y[0], names, validation=validation, seed=seed)
        parts = [ArrayRows(replace(images[0], rows=rows), y[0][rows]) for rows in split]
    stamp = stamp_of(images, parts)
    if not validation and len(y) == 2:
        parts = [ArrayRows(Joined(*images), np.concatenate(y))]
    return Stream(
        parts[0],
        parts[1] if validation else None,
        names,
        stamp,
        notes=tuple(notes),
        white=float(white),
    )


def _header(file: zipfile.ZipFile, name: str) -> tuple[tuple[int, ...], bool, np.dtype[Any], int]:
    """Shape, order, type and where the numbers of an array begin in its member of the archive."""
    with file.open(f"{name}.npy") as member:
        version = np.lib.format.read_magic(member)
        read = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }[version]
        shape, fortran, dtype = read(member)
        return shape, fortran, dtype, member.tell()


def _map(file: zipfile.ZipFile, path: Path, name: str) -> tuple[Mapped, str | None]:
    """An array where it lies, or unpacked, which the note says."""
    shape, fortran, dtype, begins = _header(file, name)
    if len(shape) not in (3, 4) or 0 in shape or dtype.kind not in "uifb":
        raise InvalidData(
            "images must be numbers of shape (number, height, width) or "
            f"(number, height, width, channels), got {dtype} of shape {shape}"
        )
    check_channels_last(shape if len(shape) == 4 else (*shape, 1))
    if fortran:
        raise InvalidData(
            f"{name} is stored column by column, and a stream reads rows: write it with "
            f"numpy.savez(path, {name}=numpy.ascontiguousarray({name}), ...)"
        )
    info = file.getinfo(f"{name}.npy")
    if info.compress_type == zipfile.ZIP_STORED:
        return Mapped(path, _start(path, info) + begins, dtype, shape), None
    folder = tempfile.TemporaryDirectory(prefix="cellwright-")
    unpacked = Path(folder.name, f"{name}.npy")
    with file.open(info) as packed, open(unpacked, "wb") as written:
        shutil.copyfileobj(packed, written, _PIECE)
    note = (
        f"{name} is compressed: it is unpacked into {folder.name} ({in_words(info.file_size)}) as "
        "long as this process runs; numpy.savez writes it so that it can be read where it lies"
    )
    return Mapped(unpacked, begins, dtype, shape, kept=folder), note


def _start(path: Path, info: zipfile.ZipInfo) -> int:
    """Where a member's bytes begin in the archive: after its own header, of 30 bytes, a name and
    an extra field whose lengths it tells (PKWARE's APPNOTE, 4.3.7)."""
    with open(path, "rb") as file:
        file.seek(info.header_offset + 26)
        lengths = file.read(4)
    name, extra = (int.from_bytes(lengths[i : i + 2], "little") for i in (0, 2))
    return info.header_offset + 30 + name + extra


def _white(images: Sequence[Mapped]) -> int:
    low, high = np.inf, -np.inf
    for piece in (piece for each in images for piece in each.pieces()):
        if piece.dtype.kind == "f" and not np.isfinite(piece).all():
            raise InvalidData("images hold NaN or infinite values")
        low, high = min(low, float(piece.min())), max(high, float(piece.max()))
        if piece.dtype == np.uint8 and high > 1:
            break  # no byte is above 255
    return white_of(low, high, images[0].dtype.kind == "f")


def stamp_of(images: Sequence[Mapped], parts: Sequence[ArrayRows]) -> str:
    """Of the shapes, `_HASHED` images of each array, all labels, and which are in which part."""
    digest = hashlib.blake2b(digest_size=8)
    for each in images:
        digest.update(f"{each.dtype.str} {each.whole} {each.white};".encode())
        some = np.linspace(0, each.whole[0] - 1, min(_HASHED, each.whole[0]), dtype=np.int64)
        digest.update(each.raw(np.unique(some)).tobytes())
    for part in parts:
        digest.update(np.ascontiguousarray(part.y).tobytes() + b";")
        if part.x.rows is not None:
            digest.update(np.ascontiguousarray(part.x.rows).tobytes())
    return digest.hexdigest()
