"""One image file as pixels: turned upright, in one of two kinds of colour, resized if asked."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cellwright.search_spaces import InvalidData

if TYPE_CHECKING:
    from PIL import Image

COLORS = ("rgb", "gray")
FITS = ("pad", "crop")
LONGEST = 4096  # pixels of a side; a slip such as 6464 is refused before it fills the memory
# Pillow's modes without colour; the last ones hold more than 8 bits and would lose them as "L".
_GRAY = ("1", "L", "LA", "La", "I", "F", "I;16", "I;16L", "I;16B", "I;16N")
_DEEP = ("I", "F", "I;16", "I;16L", "I;16B", "I;16N")
_ORIENTATION, _ON_ITS_SIDE = 0x0112, (5, 6, 7, 8)  # of EXIF
# Formats that Pillow recognises but cannot decode by itself: EPS starts Ghostscript, and the others
# need a handler of the user's, or Windows.
_NOT_BY_PILLOW = {"BUFR", "EPS", "GRIB", "HDF5", "MPEG", "WMF"}


@dataclass(frozen=True)
class ImageOptions:
    """How the images of a folder are read.

    Args:
        size: (height, width) to resize to; None to leave all as they are.
        color: ``"rgb"`` or ``"gray"``; None to leave all as they are.
        fit: How an image of another aspect is resized: ``"pad"`` shows all of it between black
            bars, ``"crop"`` fills the whole size with its middle.
        strict: Whether a file that cannot be read is an error.
    """

    size: tuple[int, int] | None = None
    color: str | None = None
    fit: str = "pad"
    strict: bool = False

    def __post_init__(self) -> None:
        if self.color not in (None, *COLORS):
            raise InvalidData(f"color must be one of {', '.join(COLORS)}, got {self.color!r}")
        if self.fit not in FITS:
            raise InvalidData(f"image_fit must be one of {', '.join(FITS)}, got {self.fit!r}")
        if self.fit != "pad" and self.size is None:
            raise InvalidData(
                f"image_fit={self.fit!r} says how images are resized: give an image_size too"
            )


def read_size(size: int | str | Sequence[int] | None) -> tuple[int, int] | None:
    """(height, width) in pixels of ``64``, ``"64"``, ``"64x48"`` or ``(64, 48)``.

    Raises:
        InvalidData: If it is none of these, or a side is not between 1 and `LONGEST` pixels.
    """
    if size is None:
        return None
    if isinstance(size, str):
        parts: list[Any] = [int(p) if p.isdecimal() else p for p in size.lower().split("x")]
    else:
        parts = list(size) if isinstance(size, Sequence) else [size]
    sides = parts * 2 if len(parts) == 1 else parts
    whole = all(isinstance(n, int | np.integer) and not isinstance(n, bool) for n in sides)
    if len(sides) != 2 or not whole or not all(1 <= n <= LONGEST for n in sides):
        raise InvalidData(
            "an image size is a side in pixels, such as 64, or height x width, such as 64x48, "
            f"with sides from 1 to {LONGEST}; got {size!r}"
        )
    return int(sides[0]), int(sides[1])


class Picture(NamedTuple):
    """An image as (height, width, channels), and what a user should know."""

    raw: NDArray[Any]  # uint8, or float32 where the file has more than 8 bits
    white: int  # the value of a white pixel
    transparent: bool  # parts of it were, and were put on white
    several: bool  # the file holds more than this one
    resized: bool = False  # it had another size

    @property
    def pixels(self) -> NDArray[np.float32]:
        """The image as float32 in [0, 1]."""
        pixels: NDArray[np.float32] = self.raw.astype(np.float32) / np.float32(self.white)
        return pixels.clip(0, 1)  # which resizing oversteps a little at an edge


class Damaged(Exception):
    """A file that Pillow cannot read; the message is the reason."""


@cache
def endings() -> frozenset[str]:
    """Endings of file names that Pillow reads by itself, in lower case, such as ``".jpg"``."""
    from PIL import Image

    Image.init()
    read = {*_formats(), "MPO"}  # which Pillow opens as JPEG
    return frozenset(
        ending for ending, name in Image.registered_extensions().items() if name in read
    )


@cache
def _formats() -> tuple[str, ...]:
    from PIL import Image

    Image.init()
    return tuple(name for name in Image.OPEN if name not in _NOT_BY_PILLOW)


def _opened(file: Path) -> Any:
    """The file as Pillow opens it, which its contents decide; its name only says what to try first,
    as trying all formats takes longer than decoding a small image."""
    from PIL import Image, UnidentifiedImageError

    likely = Image.registered_extensions().get(file.suffix.lower())
    if likely in _formats():
        with suppress(UnidentifiedImageError):
            return Image.open(file, formats=(likely,))
    return Image.open(file, formats=_formats())


def shape_of(file: Path, options: ImageOptions) -> tuple[int, int, int]:
    """(height, width, channels) of what `read_image` gives, told from the file's header.

    Raises:
        Damaged: If that cannot be read.
    """
    try:
        with _opened(file) as opened:
            height, width = opened.height, opened.width
            if opened.getexif().get(_ORIENTATION) in _ON_ITS_SIDE:
                height, width = width, height
            color = options.color or ("gray" if opened.mode in _GRAY else "rgb")
    except Exception as error:
        raise _damaged(error) from error
    return (*(options.size or (height, width)), 1 if color == "gray" else 3)


def read_image(file: Path, options: ImageOptions) -> Picture:
    """Read an image as a viewer shows it: EXIF's orientation is honoured.

    Raises:
        Damaged: If it cannot be read.
        InvalidData: If it is whole, but its pixels have no known scale.
    """
    try:
        with _opened(file) as opened:
            if options.size is not None:  # a large JPEG is decoded at a fraction of its size
                opened.draft(None, (2 * max(options.size),) * 2)
            return picture_of(opened, options, str(file))
    except InvalidData:
        raise
    except Exception as error:  # Pillow shows damage as OSError, SyntaxError, ValueError and more
        raise _damaged(error) from error


def picture_of(image: Image.Image, options: ImageOptions, name: str) -> Picture:
    """The same of an image that Pillow has opened; ``name`` is for errors."""
    from PIL import ImageOps

    # A phone's photo, which holds a preview too, is one image to its owner.
    several = getattr(image, "format", "") != "MPO" and getattr(image, "is_animated", False)
    image = ImageOps.exif_transpose(image)
    scale = _scale(name, image)
    image, transparent = _converted(image, options.color)
    resized = options.size is not None and (image.height, image.width) != options.size
    if options.size is not None:
        image = _resized(image, options.size, options.fit)
    raw: NDArray[Any] = np.asarray(image)
    raw = raw[..., None] if raw.ndim == 2 else raw
    if options.color == "rgb" and raw.shape[2] == 1:  # of more than 8 bits
        raw = np.repeat(raw, 3, axis=2)
    return Picture(raw, scale, transparent, several, resized)


def _damaged(error: Exception) -> Damaged:
    from PIL import UnidentifiedImageError

    if isinstance(error, UnidentifiedImageError):
        return Damaged("it is no image that Pillow reads")
    return Damaged(str(error) or type(error).__name__)


def _scale(file: str, image: Image.Image) -> int:
    """The value of a white pixel."""
    if image.mode == "F":
        raise InvalidData(f"{file} holds floating-point pixels; save it with 8 or 16 bits")
    if image.mode not in _DEEP:
        return 255
    low, high = (float(value) for value in np.asarray(image.getextrema()).ravel())
    if low < 0 or high > 65535:
        raise InvalidData(
            f"{file} holds pixels from {low:g} to {high:g}; save it with 8 or 16 bits"
        )
    return 65535


def _converted(image: Image.Image, color: str | None) -> tuple[Image.Image, bool]:
    """The image in mode L, RGB or, with more than 8 bits, F; and whether parts were transparent."""
    from PIL import Image

    if image.mode in _DEEP:
        return Image.fromarray(np.asarray(image).astype(np.float32)), False
    if image.mode == "LAB":  # which Pillow converts to nothing else
        image = image.convert("RGB")
    mode = "L" if color == "gray" or (color is None and image.mode in _GRAY) else "RGB"
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        if np.asarray(layer)[..., 3].min() < 255:
            white = Image.new("RGBA", layer.size, "white")
            return Image.alpha_composite(white, layer).convert(mode), True
        image = layer
    return image.convert(mode), False


def _resized(image: Image.Image, size: tuple[int, int], fit: str) -> Image.Image:
    from PIL import Image

    (height, width), by = size, Image.Resampling.BICUBIC
    across, down = width / image.width, height / image.height
    if fit == "crop":
        scale = max(across, down)
        left, top = (image.width - width / scale) / 2, (image.height - height / scale) / 2
        box = (max(left, 0), max(top, 0), min(image.width - left, image.width),
               min(image.height - top, image.height))  # fmt: skip
        return image.resize((width, height), by, box=box)
    scale = min(across, down)
    inner = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    canvas = Image.new(image.mode, (width, height))
    canvas.paste(image.resize(inner, by), ((width - inner[0]) // 2, (height - inner[1]) // 2))
    return canvas
