"""Reading images and labels from files: a ``.npz``, or folders of images by class."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from cellwright.search_spaces import InvalidData

IMAGE_ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff")
# Pillow's modes without colour; the last ones hold more than 8 bits and would lose them as "L".
_GRAY = ("1", "L", "LA", "La", "I", "F", "I;16", "I;16L", "I;16B", "I;16N")
_DEEP = ("I", "F", "I;16", "I;16L", "I;16B", "I;16N")


class Part(NamedTuple):
    """Images and their labels as they were found."""

    x: Any
    y: Any


def read_npz(path: Path) -> tuple[Part, Part | None]:
    """Read the training part, and the validation part (``x_val``, ``y_val``) if there is one.

    Raises:
        InvalidData: If the file cannot be read or lacks an array.
    """
    if not path.is_file():
        raise InvalidData("there is no such file")
    try:
        arrays = _load(path)
    except Exception as error:  # NumPy and zipfile show damage in a dozen types
        raise InvalidData(
            f"the file cannot be read: {error}. Write it with numpy.savez(path, x_train=images, "
            "y_train=labels), both plain arrays of numbers or text; pickled objects are never read"
        ) from error
    for x, y in (("x_train", "y_train"), ("x", "y")):
        if {x, y} <= arrays.keys():
            train = Part(arrays[x], arrays[y])
            break
    else:
        raise InvalidData(
            f"the file must hold x_train and y_train, or x and y; found {sorted(arrays) or 'none'}"
        )
    if ("x_val" in arrays) != ("y_val" in arrays):
        raise InvalidData("the file holds only one of x_val and y_val; give both, or neither")
    return train, Part(arrays["x_val"], arrays["y_val"]) if "x_val" in arrays else None


def _load(path: Path) -> dict[str, Any]:
    """Read the arrays that are needed; the others may be anything."""
    if not zipfile.is_zipfile(path):
        raise ValueError("it is not a zip archive, as every .npz file is")
    with np.load(path, allow_pickle=False) as file:
        wanted = ("x_train", "y_train", "x", "y", "x_val", "y_val")
        return {name: np.asarray(file[name]) for name in wanted if name in file.files}


def read_folder(path: Path) -> Part:
    """Read images as float32 in [0, 1], all of one shape, each labelled with its folder's name.

    Hidden files and files that are not images are skipped.

    Raises:
        InvalidData: If there are fewer than two classes, a class is empty or holds folders, or an
            image cannot be read or differs from the first in size or in having colour.
    """
    images: list[Any] = []
    labels: list[str] = []
    first: Path | None = None
    for folder in _classes(path):
        for file in _images_in(folder):
            pixels = _read_image(file)
            first = first or file
            if images and pixels.shape != images[0].shape:
                raise InvalidData(
                    "images must all be of one size and all gray or all coloured (height, width, "
                    f"channels): {first} is {images[0].shape}, {file} is {pixels.shape}; "
                    "resize or convert them first"
                )
            images.append(pixels)
            labels.append(folder.name)
    return Part(np.stack(images), np.array(labels))


def _classes(path: Path) -> list[Path]:
    folders = sorted(p for p in path.iterdir() if p.is_dir() and not p.name.startswith("."))
    if len(folders) < 2:
        raise InvalidData(
            "there must be at least two folders of images, one for each class; found "
            f"{[folder.name for folder in folders] or 'none'}"
        )
    return folders


def _images_in(folder: Path) -> list[Path]:
    there = sorted(f for f in folder.iterdir() if not f.name.startswith("."))
    nested = [f.name for f in there if f.is_dir()]
    if nested:
        raise InvalidData(
            f"class folder {folder.name!r} holds folders ({', '.join(nested[:4])}); images must "
            "lie directly in the folder of their class. If those are the classes, give "
            f"{folder} itself"
        )
    files = [f for f in there if f.suffix.lower() in IMAGE_ENDINGS]
    if not files:
        raise InvalidData(
            f"class folder {folder.name!r} holds no images ({' '.join(IMAGE_ENDINGS)}); "
            "add images, or remove the folder"
        )
    return files


def _read_image(file: Path) -> Any:
    from PIL import Image

    try:
        with Image.open(file) as opened:
            mode = opened.mode
            kept = mode if mode in _DEEP else "L" if mode in _GRAY else "RGB"
            pixels = np.asarray(opened if mode == kept else opened.convert(kept))
    except Exception as error:  # Pillow shows damage as OSError, SyntaxError, ValueError and more
        raise InvalidData(f"{file} cannot be read as an image: {error}") from error
    if mode == "F":
        raise InvalidData(f"{file} holds floating-point pixels; save it with 8 or 16 bits")
    pixels = pixels.astype(np.float32) / (65535 if mode in _DEEP else 255)
    return pixels[..., None] if mode in _GRAY else pixels  # (height, width, channels)
