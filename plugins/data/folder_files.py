"""Which files of a folder are images, and of which class: its layout, without reading them."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from cellwright.plugins.data.image_file import ImageOptions, endings
from cellwright.search_spaces import InvalidData

# What systems leave in folders, beside names that begin with a dot.
LEFT_BY_SYSTEMS = {"__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini", "@eadir", "$recycle.bin"}
PARTS = {"train": "train", "training": "train", "val": "val", "valid": "val",
          "validation": "val", "test": "test", "testing": "test"}  # fmt: skip
_NAMED = 10  # how many files a note names


class ImageFile(NamedTuple):
    """A file of an image, and its class."""

    path: str
    label: str
    bytes: int


@dataclass
class Seen:
    """What a user should know about the files of a folder."""

    root: Path
    layout: list[str] = field(default_factory=list)
    others: list[Path] = field(default_factory=list)
    damaged: dict[str, str] = field(default_factory=dict)
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
        named = [f"{os.path.relpath(file, self.root)} ({reason})"
                 for file, reason in list(self.damaged.items())[:_NAMED]]  # fmt: skip
        more = len(self.damaged) - len(named)
        rest = f" and {more} more" if more else ""
        return f"{_files(len(self.damaged))}: {', '.join(named)}{rest}"


def _files(count: int) -> str:
    return f"{count} file{'' if count == 1 else 's'}"


def find_images(path: Path, seen: Seen) -> list[list[ImageFile]]:
    """The images to train on and those to validate on, or all in one list that is to be split.

    Folders ``train`` and ``val`` (or ``training``, ``valid``, ``validation``) with folders of
    classes in them are the two parts, and ``test`` is never read. Hidden files and what systems
    leave are skipped without a note.

    Raises:
        InvalidData: If there are fewer than two classes, or a class is empty or holds folders.
    """
    return [_files_by_class(part, seen) for part in _parts(path, seen)]


def without_damaged(
    found: list[list[ImageFile]], seen: Seen, options: ImageOptions
) -> list[list[ImageFile]]:
    """The files that can be read.

    Raises:
        InvalidData: If ``options.strict`` is set and a file cannot, or none of a class can.
    """
    if seen.damaged and options.strict:
        raise InvalidData(
            f"these cannot be read: {seen.told_damage}. Mend or remove them, or leave strict out "
            "to search without them"
        )
    read = [[file for file in part if file.path not in seen.damaged] for part in found]
    for part, kept in zip(found, read, strict=True):
        empty = {file.label for file in part} - {file.label for file in kept}
        if empty:
            raise InvalidData(
                f"no image of class {min(empty)!r} can be read: {seen.told_damage}. Add images "
                "that can, or remove the folder"
            )
    return read


def _visible(folder: Path) -> list[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        there = [
            entry
            for entry in entries
            if not entry.name.startswith(".") and entry.name.lower() not in LEFT_BY_SYSTEMS
        ]
    return sorted(there, key=lambda entry: entry.name)


def _folders(folder: Path) -> list[Path]:
    return [Path(entry) for entry in _visible(folder) if entry.is_dir()]


def _loose(folder: Path) -> list[Path]:
    """The files beside the folders."""
    return [Path(entry) for entry in _visible(folder) if not entry.is_dir()]


def _parts(path: Path, seen: Seen) -> list[Path]:
    """The folder to train on and the one to validate on, or ``path`` alone to be split."""
    there = _folders(path)
    named = [folder for folder in there if folder.name.lower() in PARTS]
    if not any(_folders(folder) for folder in named):
        return [path]  # classes may have such names
    kinds: dict[str, list[Path]] = {"train": [], "val": [], "test": []}
    for folder in named:
        kinds[PARTS[folder.name.lower()]].append(folder)
    twice = [kind for kind, folders in kinds.items() if len(folders) > 1]
    if len(named) < len(there) or not kinds["train"] or twice:
        raise InvalidData(
            f"the folder holds {', '.join(folder.name for folder in there)}. Folders of classes "
            "lie either directly in it, or all in train, val (if there is one) and test (if there "
            "is one), with nothing beside these; give a folder that is one of the two"
        )
    seen.others += _loose(path)
    if kinds["val"]:
        seen.layout.append(f"children are validated on {kinds['val'][0].name}/")
    if kinds["test"]:
        seen.layout.append(
            f"{kinds['test'][0].name}/ is left alone: no child is trained or judged on it"
        )
    return [*kinds["train"], *kinds["val"]]


def _files_by_class(path: Path, seen: Seen) -> list[ImageFile]:
    seen.others += _loose(path)
    return [file for folder in _classes(path) for file in _images_in(folder, seen)]


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


def _images_in(folder: Path, seen: Seen) -> list[ImageFile]:
    there = _visible(folder)
    nested = [entry.name for entry in there if entry.is_dir()]
    if nested:
        raise InvalidData(
            f"class folder {folder.name!r} holds folders ({', '.join(nested[:4])}); images must "
            "lie directly in the folder of their class. If those are the classes, give "
            f"{folder} itself"
        )
    images = [
        ImageFile(entry.path, folder.name, _bytes(entry))
        for entry in there
        if os.path.splitext(entry.name)[1].lower() in endings()
    ]
    others = [
        Path(entry) for entry in there if os.path.splitext(entry.name)[1].lower() not in endings()
    ]
    if not images:
        found = Counter(file.suffix.lower() or file.name for file in others).most_common(_NAMED)
        raise InvalidData(
            f"class folder {folder.name!r} holds no images that Pillow reads (.jpg, .png, .webp, "
            f".tif and {len(endings()) - 4} more endings); found "
            f"{', '.join(f'{kind} ({count})' for kind, count in found) or 'nothing'}. Add images, "
            "or remove the folder"
        )
    seen.others += others
    return images


def _bytes(entry: os.DirEntry[str]) -> int:
    try:
        return entry.stat().st_size
    except OSError:  # a link to nothing, which is found to be damaged when it is read
        return 0
