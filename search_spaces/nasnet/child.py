"""From a genotype and a skeleton to a Keras child network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras

from cellwright.search_spaces.context import Context, Tensor
from cellwright.search_spaces.drop_path import DropPath, Progress, cell_keep
from cellwright.search_spaces.keras_settings import channels_last
from cellwright.search_spaces.nasnet.ends import auxiliary_head, head, stem
from cellwright.search_spaces.nasnet.genotype import Block, Cell, Genotype
from cellwright.search_spaces.nasnet.operations import (
    build_operation,
    concatenate,
    factorized_reduction,
    pointwise,
)
from cellwright.search_spaces.nasnet.skeleton import Skeleton

Drop = Callable[[Tensor, Context], Tensor]


@channels_last()
def build_child(
    genotype: Genotype,
    input_shape: Sequence[int],
    classes: int | None,
    skeleton: Skeleton | None = None,
    *,
    seed: int | None = None,
    **fields: Any,
) -> keras.Model:
    """Stack cells into an image classifier that ends in a softmax, or a network for regression.

    Args:
        genotype: The cells, and the operation set that their names belong to.
        input_shape: (height, width, channels), from ``skeleton.least_size`` pixels a side.
        classes: At least 2; None for regression.
        skeleton: How the cells are stacked; `Skeleton.book()` by default.
        seed: Fixes the initial weights; the same seed and genotype give the same ones.
        fields: Those that replace the skeleton's own: ``filters``, ``repeats``, ``reductions``, ...

    Returns:
        An uncompiled model, (batch, height, width, channels) -> (batch, classes), or (batch, 1) for
        regression; with an auxiliary head a dictionary of two such outputs, ``"classes"`` and
        ``"auxiliary"``.

    Raises:
        UnbuildableChild: If the image is too small, or an argument is out of range.
        InvalidArchitecture: On an unknown operation.
    """
    skeleton = (skeleton or Skeleton.book()).change(**fields)
    skeleton.check(input_shape, classes)
    root = Context("", seed, skeleton.momentum, skeleton.epsilon, skeleton.border)
    image = keras.Input(tuple(input_shape), name="image")  # (batch, height, width, channels)
    outputs = list(stem(image, skeleton, root))
    drops = _drops(image, skeleton)
    for number, place in enumerate(skeleton.places(), start=1):
        at = root.inside(f"cell_{number}_{place.kind}")
        before = None if place.before is None else outputs[place.before]
        cell = getattr(genotype, place.kind)
        ops = Operations(
            genotype.operation_set,
            place.filters,
            place.stride,
            drops(number - 1),
            genotype.repair,
        )
        outputs.append(build_cell(cell, outputs[-1], before, ops, at, skeleton))
    found = head(outputs[-1], classes, skeleton, root)
    if skeleton.auxiliary:
        found = {
            "classes": found,
            "auxiliary": auxiliary_head(
                outputs[skeleton.auxiliary_after + skeleton.stems - 1], classes, root
            ),
        }
    return keras.Model(image, found, name=genotype.name or "child")


@dataclass(frozen=True)
class Operations:
    """How the operations of one cell are built: their set, width and stride, and drop-path; and
    whether what is concatenated is brought back to that width."""

    operation_set: str
    filters: int
    stride: int
    drop: Drop
    repair: bool

    def apply(self, name: str, x: Tensor, state: int, at: Context) -> Tensor:
        # Block outputs are already reduced: only the cell's two inputs are read with a stride.
        stride = self.stride if state < 2 else 1
        made = build_operation(self.operation_set, name, x, self.filters, stride, at)
        # As in the papers' code, an identity is never dropped, NASNet's even if a convolution.
        kept = name == "identity" or (name == "skip_connect" and stride == 1)
        return made if kept else self.drop(made, at)

    def join(self, parts: list[Tensor], at: Context) -> Tensor:
        """Concatenate, and bring the channels back to ``filters`` if they are to be repaired."""
        x = concatenate(parts, at)
        if not self.repair or x.shape[-1] == self.filters:
            return x
        return pointwise(x, self.filters, 1, at.inside("repair"))


def build_cell(
    cell: Cell,
    current: Tensor,
    before: Tensor | None,
    ops: Operations,
    at: Context,
    skeleton: Skeleton,
) -> Tensor:
    """One cell on its current input (hidden state 0) and the output of the cell before (1).

    Args:
        cell: What to build.
        current: The current input.
        before: The output of the cell before; None where there is none, in the first cell.
        ops: How operations are built.
        at: Where the cell is made.
        skeleton: By whose rules the inputs are brought to the cell's filters.
    """
    if skeleton.kind != "book":
        second = match(before, current, ops.filters, at.inside("before"), skeleton)
    else:
        second = match_always(before, current, ops.filters, at.inside("before"))
    states = [current_input(current, ops.filters, at, skeleton), second]
    for number, block in enumerate(cell.blocks, start=1):
        states.append(build_block(block, states, ops, at.inside(f"block_{number}")))
    parts = [
        _returned(states, state, ops.filters, ops.stride, at.inside(f"state_{state}"))
        for state in cell.concatenation
    ]
    # (batch, height / stride, width / stride, sum of channels, or filters if they are repaired)
    return ops.join(parts, at)


def build_block(block: Block, states: list[Tensor], ops: Operations, at: Context) -> Tensor:
    """Two operations on two hidden states, added or concatenated."""
    halves = [
        ops.apply(operation, states[state], state, at.inside(f"{side}_{operation}"))
        for side, state, operation in (
            ("left", block.input_1, block.operation_1),
            ("right", block.input_2, block.operation_2),
        )
    ]
    if block.combination == "add":
        return keras.layers.Add(name=f"{at.prefix}_add")(halves)
    return ops.join(halves, at)


def current_input(current: Tensor, filters: int, at: Context, skeleton: Skeleton) -> Tensor:
    """Bring the current input to ``filters`` by a 1x1 convolution, with ReLU before it but in the
    book."""
    at = at.inside("current")
    if skeleton.kind != "book":
        current = keras.layers.ReLU(name=f"{at.prefix}_relu")(current)
    return pointwise(current, filters, 1, at)


def match(
    before: Tensor | None, current: Tensor, filters: int, at: Context, skeleton: Skeleton
) -> Tensor:
    """Bring the output of the cell before to the current input's size and to ``filters``.

    The NASNet paper's rule: where there is none the current input stands in, as it is; one that
    already fits is left alone, which it is not in DARTS.
    """
    if before is None:
        return current
    fits = before.shape[1:3] == current.shape[1:3] and before.shape[-1] == filters
    if fits and not skeleton.is_darts:
        return before
    before = keras.layers.ReLU(name=f"{at.prefix}_relu")(before)
    if before.shape[1:3] != current.shape[1:3]:
        return factorized_reduction(before, filters, at, equal_halves=True)
    return pointwise(before, filters, 1, at)


def match_always(before: Tensor | None, current: Tensor, filters: int, at: Context) -> Tensor:
    """The book's rule: a 1x1 convolution in every cell, the first one's on the image."""
    if before is None:
        before = current
    if before.shape[1:3] == current.shape[1:3]:
        return pointwise(before, filters, 1, at)
    before = keras.layers.ReLU(name=f"{at.prefix}_relu")(before)
    return factorized_reduction(before, filters, at)


def _returned(states: list[Tensor], state: int, filters: int, stride: int, at: Context) -> Tensor:
    """A hidden state as the cell returns it: its own inputs in the size of its block outputs.

    No ReLU here, as in the paper's code.
    """
    x = states[state]
    if state > 1 or (stride == 1 and x.shape[-1] == filters):
        return x
    if stride == 1:
        return pointwise(x, filters, 1, at)
    return factorized_reduction(x, filters, at, equal_halves=True)


def _drops(image: Tensor, skeleton: Skeleton) -> Callable[[int], Drop]:
    """For each cell (from 0): what is done to the output of an operation."""
    if skeleton.drop_path_keep == 1:
        return lambda cell: lambda x, at: x
    progress = Progress(skeleton.drop_path_steps, name="progress")(image)

    def of_cell(cell: int) -> Drop:
        keep = cell_keep(skeleton.drop_path_keep, cell, skeleton.cells)

        def drop(x: Tensor, at: Context) -> Tensor:
            seed = at.seed_of("drop_path")
            return DropPath(keep, seed, name=f"{at.prefix}_drop_path")([x, progress])

        return drop

    return of_cell
