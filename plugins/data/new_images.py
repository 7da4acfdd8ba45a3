"""Image files outside of a training: those to predict, and those of a test by class."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from cellwright.plugins.data.folder_files import LEFT_BY_SYSTEMS, PARTS
from cellwright.plugins.data.image_file import endings
from cellwright.search_spaces import InvalidData

_NAMED = 6


def images_below(folder: Path) -> tuple[list[Path], list[str]]:
    """All images in a folder and the folders in it, by name, and notes on what is left out.

    Hidden files and what systems leave are skipped without a note.

    Raises:
        InvalidData: If there is none.
    """
    found: list[Path] = []
    others: list[Path] = []
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if _visible(name))
        for name in sorted(filter(_visible, names)):
            file = Path(place, name)
            (found if file.suffix.lower() in endings() else others).append(file)
    if not found:
        raise InvalidData(
            f"{folder} holds no image that Pillow reads (.jpg, .png, .webp, .tif and "
            f"{len(endings()) - 4} more endings){_kinds(others, '; it holds ')}"
        )
    notes = []
    if others:
        notes.append(
            f"{len(others)} file{'' if len(others) == 1 else 's'} in {folder} without the name of "
            f"an image left out{_kinds(others, ': ')}"
        )
    return found, notes


def images_by_class(folder: Path) -> tuple[list[tuple[Path, str]], list[str]]:
    """The images of a test, each with the name of its folder, and notes.

    ``folder`` holds a folder for each class, or ``train``, ``val`` and ``test`` with such folders
    in them, of which ``test`` is read.

    Raises:
        InvalidData: If there are no such folders, or a folder of a class holds folders.
    """
    notes = []
    if parts := _parts(folder):
        tests = [part for part in parts if PARTS[part.name.lower()] == "test"]
        if len(tests) != 1:
            raise InvalidData(
                f"{folder} holds {', '.join(part.name for part in parts)} and "
                f"{'no test folder' if not tests else 'two test folders'}: give one of them itself"
            )
        folder = tests[0]
        notes.append(f"the images are those in {folder.name}/")
    classes = [path for path in sorted(folder.iterdir()) if path.is_dir() and _visible(path.name)]
    if not classes:
        raise InvalidData(f"{folder} holds no folders: one for each class is expected")
    pairs = []
    for path in classes:
        nested = [each.name for each in path.iterdir() if each.is_dir() and _visible(each.name)]
        if nested:
            raise InvalidData(
                f"the folder {path} holds folders ({', '.join(sorted(nested)[:4])}), and images "
                "must lie directly in the folder of their class"
            )
        found, said = images_below(path)
        pairs += [(file, path.name) for file in found]
        notes += said
    return pairs, notes


def holds(folder: Path, part: str) -> bool:
    """Whether a folder holds folders of classes for this part: ``"train"``, ``"val"``, ``"test"``,
    by any of its names."""
    return any(PARTS[path.name.lower()] == part for path in _parts(folder))


def _parts(folder: Path) -> list[Path]:
    """Folders such as ``train`` and ``test`` in which there are folders; else none."""
    there = [path for path in sorted(folder.iterdir()) if path.is_dir() and _visible(path.name)]
    named = [path for path in there if path.name.lower() in PARTS]
    nested = [p for p in named if any(q.is_dir() and _visible(q.name) for q in p.iterdir())]
    return named if nested else []


def _visible(name: str) -> bool:
    return not name.startswith(".") and name.lower() not in LEFT_BY_SYSTEMS


def _kinds(files: Sequence[Path], before: str) -> str:
    kinds = Counter(file.suffix.lower() or file.name for file in files).most_common(_NAMED)
    return before + ", ".join(f"{kind} ({count})" for kind, count in kinds) if kinds else ""
