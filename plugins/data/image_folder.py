"""A folder of images by class, with or without folders for training, validation and test above."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from cellwright.plugins.data.files import Part
from cellwright.plugins.data.image_file import (
    Damaged,
    ImageOptions,
    endings,
    read_image,
    size_of,
)
from cellwright.search_spaces import InvalidData

# What systems leave in folders, beside names that begin with a dot.
_LEFT_BY_SYSTEMS = {"__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini", "@eadir", "$recycle.bin"}
_PARTS = {"train": "train", "training": "train", "val": "val", "valid": "val",
          "validation": "val", "test": "test", "testing": "test"}  # fmt: skip
_NAMED = 10  # how many files a note names
_LOOKED_AT = 500  # how many headers are read for the advice on a size


@dataclass
class _Seen:
    """What a user should know about the files of a folder."""

    root: Path
    layout: list[str] = field(default_factory=list)
    others: list[Path] = field(default_factory=list)
    damaged: dict[Path, str] = field(default_factory=dict)
    transparent: int = 0
    several: int = 0

    @property
    def notes(self) -> tuple[str, ...]:
        notes = list(self.layout)
        if self.others:
            kinds = Counter(file.suffix.lower() or file.name for file in self.others)
            told = ", ".join(f"{kind} ({count})" for kind, count in kinds.most_common(_NAMED))
            notes.append(
                f"left out: {_files(len(self.others))} that are not in the folder of a class or do "
                f"not have the name of an image that Pillow reads: {told}"
            )
        if self.damaged:
            notes.append(f"left out, as they cannot be read: {self.told_damage}")
        if self.transparent:
            notes.append(f"transparent parts of {_files(self.transparent)} are put on white")
        if self.several:
            notes.append(f"{_files(self.several)} with several images: the first of each is read")
        return tuple(notes)

    @property
    def told_damage(self) -> str:
        named = [f"{file.relative_to(self.root)} ({reason})"
                 for file, reason in list(self.damaged.items())[:_NAMED]]  # fmt: skip
        more = len(self.damaged) - len(named)
        rest = f" and {more} more" if more else ""
        return f"{_files(len(self.damaged))}: {', '.join(named)}{rest}"


def _files(count: int) -> str:
    return f"{count} file{'' if count == 1 else 's'}"


def read_folder(path: Path, options: ImageOptions) -> tuple[Part, Part | None, tuple[str, ...]]:
    """Read images as float32 in [0, 1], all of one shape, each labelled with its folder's name.

    Folders ``train`` and ``val`` (or ``training``, ``valid``, ``validation``) with folders of
    classes in them are the two parts, and ``test`` is never read. Hidden files and what systems
    leave are skipped without a note.

    Returns:
        The training part, or all images; the validation part, if there is one; and notes.

    Raises:
        InvalidData: If there are fewer than two classes, a class is empty or holds folders, the
            images differ in size or in having colour and ``options`` do not say what they are to
            be, or ``options.strict`` is set and a file cannot be read.
    """
    seen = _Seen(path)
    files = [_files_by_class(part, seen) for part in _parts(path, seen)]
    parts = _read([pair for part in files for pair in part], options, seen)
    if seen.damaged and options.strict:
        raise InvalidData(
            f"these cannot be read: {seen.told_damage}. Mend or remove them, or leave strict out "
            "to search without them"
        )
    read = [[pair for pair in part if pair[0] not in seen.damaged] for part in files]
    labels = [np.array([label for _, label in part]) for part in read]
    for part, kept in zip(files, read, strict=True):
        empty = {label for _, label in part} - {label for _, label in kept}
        if empty:
            raise InvalidData(
                f"no image of class {min(empty)!r} can be read: {seen.told_damage}. Add images "
                "that can, or remove the folder"
            )
    first = len(read[0])
    held_out = Part(parts[first:], labels[1]) if len(files) == 2 else None
    return Part(parts[:first], labels[0]), held_out, seen.notes


def _visible(folder: Path) -> list[Path]:
    return sorted(
        path
        for path in folder.iterdir()
        if not path.name.startswith(".") and path.name.lower() not in _LEFT_BY_SYSTEMS
    )


def _folders(folder: Path) -> list[Path]:
    return [path for path in _visible(folder) if path.is_dir()]


def _parts(path: Path, seen: _Seen) -> list[Path]:
    """The folder to train on and the one to validate on, or ``path`` alone to be split."""
    there = _folders(path)
    named = [folder for folder in there if folder.name.lower() in _PARTS]
    if not any(_folders(folder) for folder in named):
        return [path]  # classes may have such names
    kinds: dict[str, list[Path]] = {"train": [], "val": [], "test": []}
    for folder in named:
        kinds[_PARTS[folder.name.lower()]].append(folder)
    twice = [kind for kind, folders in kinds.items() if len(folders) > 1]
    if len(named) < len(there) or not kinds["train"] or twice:
        raise InvalidData(
            f"the folder holds {', '.join(folder.name for folder in there)}. Folders of classes "
            "lie either directly in it, or all in train, val (if there is one) and test (if there "
            "is one), with nothing beside these; give a folder that is one of the two"
        )
    seen.others += [file for file in _visible(path) if not file.is_dir()]
    if kinds["val"]:
        seen.layout.append(f"children are validated on {kinds['val'][0].name}/")
    if kinds["test"]:
        seen.layout.append(
            f"{kinds['test'][0].name}/ is left alone: no child is trained or judged on it"
        )
    return [*kinds["train"], *kinds["val"]]


def _files_by_class(path: Path, seen: _Seen) -> list[tuple[Path, str]]:
    """Every image's file with the name of its class."""
    seen.others += [file for file in _visible(path) if not file.is_dir()]
    return [(file, folder.name) for folder in _classes(path) for file in _images_in(folder, seen)]


def _classes(path: Path) -> list[Path]:
    folders = _folders(path)
    if len(folders) < 2:
        below = [folder for folder in folders if len(_folders(folder)) > 1]
        raise InvalidData(
            "there must be at least two folders of images, one for each class; found "
            f"{[folder.name for folder in folders] or 'none'} in {path}"
            + (f". If the classes lie in it, give {below[0]} itself" if below else "")
        )
    return folders


def _images_in(folder: Path, seen: _Seen) -> list[Path]:
    there = _visible(folder)
    nested = [f.name for f in there if f.is_dir()]
    if nested:
        raise InvalidData(
            f"class folder {folder.name!r} holds folders ({', '.join(nested[:4])}); images must "
            "lie directly in the folder of their class. If those are the classes, give "
            f"{folder} itself"
        )
    files = [f for f in there if f.suffix.lower() in endings()]
    if not files:
        found = Counter(f.suffix.lower() or f.name for f in there).most_common(_NAMED)
        raise InvalidData(
            f"class folder {folder.name!r} holds no images that Pillow reads (.jpg, .png, .webp, "
            f".tif and {len(endings()) - 4} more endings); found "
            f"{', '.join(f'{kind} ({count})' for kind, count in found) or 'nothing'}. Add images, "
            "or remove the folder"
        )
    seen.others += [f for f in there if f not in set(files)]
    return files


def _read(files: Sequence[tuple[Path, str]], options: ImageOptions, seen: _Seen) -> Any:
    """Images of shape (number, height, width, channels); damaged files are left out."""
    images: Any = None
    count, first = 0, Path()
    for file, _ in files:
        try:
            picture = read_image(file, options)
        except Damaged as error:
            seen.damaged[file] = str(error)
            continue
        if images is None:  # in one piece, so that the memory is needed once
            images, first = np.empty((len(files), *picture.pixels.shape), np.float32), file
        if picture.pixels.shape != images.shape[1:]:
            raise InvalidData(
                "images must all be of one size and all gray or all coloured (height, width, "
                f"channels): {first} is {images.shape[1:]}, {file} is {picture.pixels.shape}; "
                + _advice(images.shape[1:], picture.pixels.shape, [path for path, _ in files])
            )
        images[count] = picture.pixels
        count += 1
        seen.transparent += picture.transparent
        seen.several += picture.several
    return np.empty((0, 1, 1, 1), np.float32) if images is None else images[:count]


def _advice(one: Sequence[int], other: Sequence[int], files: Sequence[Path]) -> str:
    """What makes images of two shapes alike."""
    told = []
    if one[:2] != other[:2]:
        some = [size_of(file) for file in files[:: math.ceil(len(files) / _LOOKED_AT)]]
        shorter = statistics.median(min(size) for size in some if size is not None)
        # The network sees what most photos have, in a size that a search can afford.
        side = min(64, 2 ** int(math.log2(shorter)))
        told.append(
            f"--image-size {side} (in code image_size={side}) resizes all of them and keeps their "
            "aspect"
        )
    if one[2] != other[2]:
        told.append("--color rgb or --color gray (in code color='rgb') converts all of them")
    return "; ".join(told)
