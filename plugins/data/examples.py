"""Examples and batches as users' own data give them, as what a network reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cellwright.plugins.data.image_file import ImageOptions, picture_of
from cellwright.search_spaces import InvalidData
from cellwright.search_spaces.task import check_channels_last

# Names under which examples that are dictionaries usually have their parts.
_INPUTS = ("image", "img", "pixel_values", "x", "inputs", "features")
TARGETS = ("label", "labels", "y", "target", "targets", "class")
_WHITE = {
    "uint8": 255,
    "uint16": 65535,
}  # the value of a white pixel; other numbers stay as they are


class Given(NamedTuple):
    """An example or a batch as NumPy arrays."""

    x: Any  # an array, or an image of Pillow's
    y: NDArray[Any]
    weights: NDArray[Any] | None = None

    @property
    def is_batch(self) -> bool:
        """Whether there is a target for each of several examples."""
        return self.y.ndim > 0


@dataclass(frozen=True)
class Reading:
    """How examples are read.

    Args:
        keys: Names of inputs and targets, for examples that are dictionaries; None finds them.
        options: How images are resized and converted.
        classes: Number of classes; None if a number is predicted.
        shape: Of the inputs of one example, once it is known.
    """

    keys: tuple[str, str] | None
    options: ImageOptions
    classes: int | None
    shape: tuple[int, ...] | None = None

    def parts(self, given: Any) -> Given:
        """Inputs, targets and weights of an example or a batch.

        Raises:
            InvalidData: If it is neither a dictionary that has them, nor a tuple of two or three.
        """
        if isinstance(given, Mapping):
            x, y = (_named(given, names) for names in self._names)
            return Given(_image_or_array(x), _array(y))
        if isinstance(given, tuple | list) and 2 <= len(given) <= 3:
            rest = [_array(part) for part in given[1:]]
            return Given(_image_or_array(given[0]), *rest)
        length = f" of {len(given)}" if hasattr(given, "__len__") else ""
        raise InvalidData(
            "an example or a batch must be (inputs, targets) or (inputs, targets, weights), or a "
            f"dictionary; got {type(given).__name__}{length}"
        )

    def target(self, spec: Any) -> Any:
        """The part of ``spec``, made as an example is, that stands for its target."""
        return _named(spec, self._names[1]) if isinstance(spec, Mapping) else spec[1]

    @property
    def _names(self) -> Sequence[tuple[str, ...]]:
        return (_INPUTS, TARGETS) if self.keys is None else [(key,) for key in self.keys]

    def batch(self, given: Given) -> tuple[NDArray[Any], ...]:
        """A batch as `Part.batches` gives it.

        Raises:
            InvalidData: If a network cannot be trained on it.
        """
        x, white = given.x, 1
        if self.options != ImageOptions():
            x = np.stack([self._pixels(one) for one in x])
        else:
            white = _WHITE.get(str(x.dtype), 1)
        return self._checked(x, white, given)

    def several(self, examples: Sequence[Given]) -> tuple[NDArray[Any], ...]:
        """Examples as a batch."""
        pixels = [self._pixels(one.x) for one in examples]
        shapes = {each.shape for each in pixels}
        if len(shapes) > 1:
            raise InvalidData(
                f"examples must all be of one shape, got {' and '.join(map(str, sorted(shapes)))}; "
                "give image_size and color, such as image_size=64, color='rgb', to make them alike"
            )
        x = np.stack(pixels)
        y = np.stack([one.y for one in examples])
        weights = [one.weights for one in examples if one.weights is not None]
        given = Given(x, y, np.stack(weights) if weights else None)
        return self._checked(x, 1, given)

    def _pixels(self, x: Any) -> NDArray[Any]:
        """The inputs of one example; images of whole numbers are scaled to [0, 1]."""
        if hasattr(x, "getexif") or self.options != ImageOptions():
            from PIL import Image

            if not hasattr(x, "getexif"):
                x = np.asarray(x)
                if x.dtype != np.uint8:
                    raise InvalidData(
                        "image_size, color and image_fit are for images of Pillow's or in bytes "
                        f"(uint8), got {x.dtype}"
                    )
                x = Image.fromarray(x[..., 0] if x.ndim == 3 and x.shape[2] == 1 else x)
            return picture_of(x, self.options, "an image").pixels
        array: NDArray[Any] = _numbers(np.asarray(x))
        white = _WHITE.get(str(array.dtype), 1)
        scaled: NDArray[np.float32] = array.astype(np.float32)
        return scaled if white == 1 else scaled / np.float32(white)

    def _checked(self, x: NDArray[Any], white: int, given: Given) -> tuple[NDArray[Any], ...]:
        x = _numbers(x)
        x = x[..., None] if x.ndim == 3 else x
        if x.ndim not in (2, 4):
            raise InvalidData(
                "inputs must be of shape (features,), (height, width) or (height, width, "
                f"channels), got {x.shape[1:]}"
            )
        if self.shape is not None and x.shape[1:] != self.shape:
            raise InvalidData(
                f"inputs were of shape {self.shape} at first, and now are {x.shape[1:]}"
            )
        if self.shape is None:
            check_channels_last(x.shape)
        x = np.asarray(x, np.float32)
        x = x if white == 1 else x / np.float32(white)
        if x.dtype.kind == "f" and not np.isfinite(np.sum(x, dtype=np.float64)):
            raise InvalidData("inputs hold NaN or infinite values")
        y = self._targets(given.y, len(x))
        if given.weights is None:
            return x, y
        return x, y, np.asarray(given.weights, np.float32).reshape(len(x))

    def _targets(self, y: NDArray[Any], number: int) -> NDArray[Any]:
        if y.ndim == 2 and y.shape[1] > 1:
            raise InvalidData(
                f"targets of shape {y.shape[1:]} look one-hot; give the number of each class, as "
                "labels.argmax(axis=1) does"
            )
        if y.size != number or y.dtype.kind not in "uifb":
            raise InvalidData(
                f"there must be one number to predict, or one class's number, for each example; "
                f"got {number} examples and targets of {y.dtype} and shape {y.shape}"
            )
        y = y.reshape(number)
        if self.classes is None:
            if not np.isfinite(y).all():
                raise InvalidData("numbers to predict hold NaN or infinite values")
            return y.astype(np.float32)
        whole = y.astype(np.int64)
        if (whole != y).any() or whole.min() < 0 or whole.max() >= self.classes:
            raise InvalidData(
                f"classes are numbered from 0 to {self.classes - 1}, and targets run from "
                f"{y.min()} to {y.max()}; give another number of classes, or number them so"
            )
        return whole


def _named(given: Mapping[Any, Any], names: Sequence[str]) -> Any:
    found = [name for name in names if name in given]
    if len(found) != 1:
        raise InvalidData(
            f"examples have {', '.join(map(str, given))}: name their inputs and targets, as in "
            "keys=('image', 'label')"
        )
    return given[found[0]]


def _numbers(x: NDArray[Any]) -> NDArray[Any]:
    if x.dtype.kind not in "uifb":
        raise InvalidData(f"inputs must be numbers, got {x.dtype}")
    return x


def _image_or_array(x: Any) -> Any:
    return x if hasattr(x, "getexif") else _array(x)  # Pillow's images have it, and nothing else


def _array(value: Any) -> NDArray[Any]:
    """An array of what may be a tensor of TensorFlow, JAX or PyTorch."""
    if hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    array: NDArray[Any] = np.asarray(value)
    if array.dtype.kind == "O" and array.ndim:
        raise InvalidData("inputs or targets of different shapes are in one batch: make them alike")
    return array
