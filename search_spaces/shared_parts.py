"""What a network whose choices are inputs is made of: parts, the options of each choice, slots."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from cellwright.search_spaces.context import Context, Tensor

Array = NDArray[np.float32]
Build = Callable[..., Tensor]  # (at, *inputs) -> output


class Part:
    """A piece of a network as a function of its weights, all in one row.

    Args:
        build: Called as ``build(at, *inputs)``; makes the layers.
        at: Where. Its ``momentum`` must be 0: what the normalisations then keep of a batch is the
            mean and the variance of this batch.
        shapes: Of the inputs, without the batch.
    """

    def __init__(self, build: Build, at: Context, shapes: Sequence[tuple[int, ...]]) -> None:
        self.prefix = at.prefix
        inputs = [keras.Input(shape) for shape in shapes]
        output = build(at, *inputs)
        self.model = keras.Model(inputs, output)
        self.shapes = [tuple(one.shape) for one in self.model.trainable_variables]
        self.moment_shapes = [tuple(one.shape) for one in self.model.non_trainable_variables]
        self.size = sum(map(_length, self.shapes))
        self.moments = sum(map(_length, self.moment_shapes))

    def __call__(
        self,
        inputs: Sequence[Tensor],
        row: Tensor,
        moments: Tensor | None,
        kernel: Tensor | None = None,
    ) -> tuple[Tensor, Tensor | None]:
        """The output, and, where ``moments`` is None, the mean and variance of this batch by which
        each normalisation went, in one row; otherwise those that were given are used.

        With ``kernel``, all larger kernels are 0 beyond the centre of so many pixels; see
        `_centre`."""
        kept = [one.value for one in self.model.non_trainable_variables]
        if moments is not None:
            kept = _parts(moments, self.moment_shapes)
        weights = _parts(row, self.shapes)
        if kernel is not None:
            weights = [_centre(weight, kernel) for weight in weights]
        output, seen = self.model.stateless_call(
            weights, kept, list(inputs), training=moments is None
        )
        if moments is not None:
            return output, None
        flat = [keras.ops.reshape(one, (-1,)) for one in seen]
        return output, keras.ops.concatenate(flat) if flat else keras.ops.zeros((0,))

    def initial(self, prefix: str, seed: str) -> Array:
        """Fresh weights, as Keras draws them for layers whose names begin with ``prefix``."""
        at, rows = Context(f"{prefix}/{seed}", 0), [np.zeros(0, np.float32)]
        for layer, variable in self._owned(trainable=True):
            if variable.name in ("gamma", "beta", "bias"):
                value = np.full(variable.shape, float(variable.name == "gamma"))
            else:
                draw = at.initializer(f"{layer.name[len(self.prefix) :]}/{variable.name}")
                value = keras.ops.convert_to_numpy(draw(variable.shape, dtype="float32"))
            rows.append(value.astype(np.float32).reshape(-1))
        return np.concatenate(rows)

    def by_layer(self, prefix: str, row: Array, moments: Array) -> dict[str, list[Array]]:
        """Weights of the layers of a child, in the order of ``layer.weights``, by their names,
        which begin with ``prefix``."""
        found: dict[str, list[Array]] = {}
        for trainable, flat in ((True, row), (False, moments)):
            for layer, variable in self._owned(trainable=trainable):
                size = _length(tuple(variable.shape))
                name = prefix + layer.name[len(self.prefix) :]
                found.setdefault(name, []).append(flat[:size].reshape(variable.shape).copy())
                flat = flat[size:]
        return found

    def _owned(self, *, trainable: bool) -> list[tuple[Any, Any]]:
        kind = "trainable_variables" if trainable else "non_trainable_variables"
        return [(layer, one) for layer in self.model.layers for one in getattr(layer, kind)]


@dataclass
class Option:
    """One of the choices of a slot: the prefix of its layers' names in a child, and its part, or
    its parts where it is another one for other inputs, of which each has all weights or none."""

    prefix: str
    variants: tuple[Part, ...]

    @property
    def part(self) -> Part:
        return max(self.variants, key=lambda part: part.size)


@dataclass
class Slot:
    """Where one of several options stands in the network, or the only one.

    Attributes:
        options: Of a decision's choices, in their order; or one.
        decision: Position among the choices of the network; None where nothing is chosen.
        place: In `SharedNetwork.groups`: number of the group, and of the slot in it.
    """

    options: tuple[Option, ...]
    decision: int | None
    place: tuple[int, int] = (0, 0)

    def option(self, choices: Sequence[int] | NDArray[np.integer[Any]]) -> int:
        """Which of the options, and of its rows of weights, a child has."""
        return 0 if self.decision is None else int(choices[self.decision])

    @property
    def parts(self) -> tuple[Part, ...]:
        """The first variants of all options, then their second ones."""
        return tuple(
            option.variants[number]
            for number in range(len(self.options[0].variants))
            for option in self.options
        )


@dataclass
class Group:
    """Slots of equally many options, and of rows of weights as long.

    Attributes:
        size, moments: Length of a row of weights, and of one of moments.
    """

    size: int
    moments: int
    slots: list[Slot] = field(default_factory=list)

    def rows(self, choices: Sequence[int] | NDArray[np.integer[Any]]) -> NDArray[np.intp]:
        """The row of each slot."""
        return np.array([slot.option(choices) for slot in self.slots], dtype=np.intp)


def _length(shape: tuple[int, ...]) -> int:
    return int(np.prod(shape, dtype=np.int64))


def _parts(row: Tensor, shapes: Sequence[tuple[int, ...]]) -> list[Tensor]:
    if not shapes:
        return []
    ends = np.cumsum([_length(shape) for shape in shapes]).tolist()
    pieces = keras.ops.split(row, ends)[: len(shapes)]
    return [keras.ops.reshape(piece, shape) for piece, shape in zip(pieces, shapes, strict=True)]


def _centre(weight: Tensor, kernel: Tensor) -> Tensor:
    """A convolution's kernel, (height, width, channels, channels), with 0 in all but the middle
    ``kernel`` x ``kernel`` pixels; weights of other layers as they are.

    A convolution with it computes what one with the smaller kernel does: with ``"same"`` padding,
    kernels of 3 and more odd numbers of pixels have their middle on the same pixel, whatever the
    stride.
    """
    if len(weight.shape) != 4 or max(weight.shape[:2]) == 1:
        return weight
    rows, columns = (np.abs(np.arange(size) - size // 2) for size in weight.shape[:2])
    away = np.maximum(rows[:, None], columns)[:, :, None, None]
    return weight * keras.ops.cast(keras.ops.less_equal(2 * away + 1, kernel), "float32")
