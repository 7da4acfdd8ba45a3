"""A network whose choices are inputs: one graph for all children of a space, whose weights they
share (Bender et al. 2018; Guo et al. 2019).

It is written once as a function of a `Pass`, the choices and the inputs. What it is made of are
parts, small Keras models that the space's own child builder makes, so that a child which is given
the weights of the parts that it consists of computes the same. Weights and moments of the
normalisations come in as arrays: nothing is assigned inside a branch, which JAX would refuse.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from cellwright.search_spaces.context import Context, Tensor
from cellwright.search_spaces.keras_settings import as_shipped
from cellwright.search_spaces.shared_parts import Array, Build, Group, Option, Part, Slot

Function = Callable[..., Any]
Options = Sequence[tuple[str, Sequence[Build]]]


class Pass:
    """One way through the network, from the inputs to the outputs."""

    def __init__(
        self,
        slots: Mapping[str, Slot],
        rows: Any,
        moments: Any | None,
        traced: Callable[[Function], Function] = lambda function: function,
        functions: dict[Hashable, Function] | None = None,
    ) -> None:
        self._slots, self._traced = slots, traced
        self._functions = {} if functions is None else functions
        self._rows = [keras.ops.unstack(group, axis=0) for group in rows]
        self._given = None if moments is None else [keras.ops.unstack(x, axis=0) for x in moments]
        self.seen: dict[tuple[int, int], Tensor] = {}

    def fixed(self, name: str, build: Build, *inputs: Tensor) -> Tensor:
        """What every child has: ``build(at, *inputs)``, its layers' names beginning with
        ``name``."""
        return self.chosen(name, None, 0, [(name, [build])], name, *inputs)

    def chosen(
        self,
        name: str,
        decision: int | None,
        index: Tensor,
        options: Options,
        key: Hashable,
        *inputs: Tensor,
        kernel: Tensor | None = None,
    ) -> Tensor:
        """The output of one of several options.

        Args:
            name: Of the slot.
            decision: See `Slot`.
            index: Which part: the first variants of all options, then their second ones.
            options: The prefix of each one's layers' names, and the builders of its variants; the
                same builder again is the same variant, which is made once.
            key: Equal for slots whose options are the same but for that prefix.
            inputs: Of each part.
            kernel: Pixels of the child's kernels, of which larger ones have the centre alone; None
                leaves them as they are.
        """
        slot = self._slots[name]
        group, number = slot.place
        operands = [self._rows[group][number], kernel, *inputs]
        if self._given is not None:
            operands.insert(2, self._given[group][number])
        output, seen = self._switch(slot)(index, *operands)
        self.seen[slot.place] = seen
        return output

    def _switch(self, slot: Slot) -> Function:
        """The slot as a function, which slots of the same parts share: it is traced once."""
        parts = slot.parts
        known = (self._given is None, *map(id, parts))
        if known not in self._functions:
            width = max(part.moments for part in parts)
            apart = list(dict.fromkeys(parts))
            made = [partial(_apply, part, width, self._given is None) for part in apart]
            which = np.array([apart.index(part) for part in parts], np.int32)

            def switch(index: Tensor, *operands: Tensor) -> Any:
                if len(made) == 1:
                    return made[0](*operands)
                if len(apart) < len(parts):
                    index = keras.ops.take(which, index)
                return keras.ops.switch(index, made, *operands)

            self._functions[known] = self._traced(switch)
        return self._functions[known]


def _apply(
    part: Part, width: int, measures: bool, row: Tensor, kernel: Tensor | None, *others: Tensor
) -> Any:
    """A part's output, and its moments in a row of ``width``."""
    if not measures:
        output, _ = part(others[1:], row, others[0], kernel)
        return output, keras.ops.zeros((0,))
    output, moments = part(others, row, None, kernel)
    return output, keras.ops.pad(moments, [(0, width - part.moments)])


class _Recording(Pass):
    """The first way through, on which the parts are made."""

    def __init__(self, how: Context) -> None:
        super().__init__({}, [], None)
        self.how = how
        self._made: dict[Hashable, Part] = {}
        self.slots: dict[str, Slot] = {}

    def chosen(
        self,
        name: str,
        decision: int | None,
        index: Tensor,
        options: Options,
        key: Hashable,
        *inputs: Tensor,
        kernel: Tensor | None = None,
    ) -> Tensor:
        shapes = [tuple(one.shape[1:]) for one in inputs]
        made = []
        for number, (prefix, variants) in enumerate(options):
            parts = []
            for build in variants:
                known = (key, number, variants.index(build), *shapes)
                if known not in self._made:
                    self._made[known] = Part(build, self.how.inside(prefix), shapes)
                parts.append(self._made[known])
            made.append(Option(prefix, tuple(parts)))
        self.slots[name] = Slot(tuple(made), decision)
        return keras.KerasTensor(made[0].variants[0].model.output_shape)


Forward = Callable[[Pass, Tensor, Tensor], Tensor]


class SharedNetwork:
    """A network whose choices are inputs.

    Args:
        forward: Called as ``forward(way, choices, inputs)``: the network in terms of a `Pass`.
            ``choices`` are int32, (decisions,), as ``space.encode`` gives.
        decisions: How many choices of its own the network has.
        input_shape: Of an example.
        how: Of its layers: epsilon of the normalisations and padding of pools.
        resolve: Given the choices of a child (`SearchSpace.encode`), returns the network's own,
            (decisions,), which are equal for equal networks; by default they are the same.
        channels: Given the choices of a child, returns, by the names of its layers, which channels
            of the shared layer's input are its own; of layers that are not named the leading ones.

    Attributes:
        groups: All slots; see `Group`. Weights and moments of the network are one array for each
            group, (slots, rows, size); those of a child one array for each, (slots, size).
        traced: Given a function of tensors, gives one that a backend traces once for each shape.
    """

    traced: Callable[[Function], Function] = staticmethod(lambda function: function)

    @as_shipped()
    def __init__(
        self,
        forward: Forward,
        decisions: int,
        input_shape: Sequence[int],
        how: Context,
        *,
        resolve: Callable[[NDArray[np.int32]], NDArray[np.int32]] = lambda choices: choices,
        channels: Callable[[Sequence[int]], Mapping[str, Sequence[int]]] = lambda choices: {},
    ) -> None:
        self.forward, self.resolve, self.channels = forward, resolve, channels
        self._functions: dict[Hashable, Function] = {}
        recording = _Recording(replace(how, momentum=0.0))
        forward(recording, np.zeros(decisions, "int32"), keras.KerasTensor((None, *input_shape)))
        self.slots = recording.slots
        groups: dict[tuple[int, int, int], Group] = {}
        for slot in self.slots.values():
            size, moments = (
                max(getattr(option.part, name) for option in slot.options)
                for name in ("size", "moments")
            )
            kind = (len(slot.options), size, moments)
            group = groups.setdefault(kind, Group(size, moments))
            slot.place = (list(groups).index(kind), len(group.slots))
            group.slots.append(slot)
        self.groups = tuple(groups.values())

    def parts(self) -> list[Part]:
        """All parts, each once."""
        return list(dict.fromkeys(part for slot in self.slots.values() for part in slot.parts))

    def initial(self, seed: int) -> list[Array]:
        """Fresh weights; the same seed gives the same ones."""
        tables = [
            np.zeros((len(group.slots), len(group.slots[0].options), group.size), np.float32)
            for group in self.groups
        ]
        for slot in self.slots.values():
            group, number = slot.place
            for place in range(len(slot.options)):
                option = slot.options[place]
                row = option.part.initial(option.prefix, str(seed))
                tables[group][number, place, : len(row)] = row
        return tables

    def rows(
        self, tables: Sequence[Array], choices: Sequence[int] | NDArray[np.integer[Any]]
    ) -> list[Array]:
        """What one child has of ``tables``."""
        return [
            table[np.arange(len(table)), group.rows(choices)]
            for table, group in zip(tables, self.groups, strict=True)
        ]

    def __call__(
        self, choices: Tensor, inputs: Tensor, rows: Sequence[Tensor], moments: Any | None = None
    ) -> tuple[Tensor, list[Tensor]]:
        """The outputs of one child on a batch, (batch, outputs).

        Args:
            choices: int32, (decisions,); resolved.
            inputs: (batch, ...).
            rows: Its weights.
            moments: Means and variances of the normalisations; None for those of this batch.

        Returns:
            The outputs, and the moments by which the normalisations went, (slots, moments) for each
            group; none if they were given.
        """
        way = Pass(self.slots, rows, moments, self.traced, self._functions)
        outputs = self.forward(way, choices, inputs)
        if moments is not None:
            return outputs, []
        return outputs, [
            keras.ops.stack([way.seen[number, slot] for slot in range(len(group.slots))])
            for number, group in enumerate(self.groups)
        ]

    def by_layer(
        self, choices: Sequence[int], rows: Sequence[Array], moments: Sequence[Array]
    ) -> dict[str, list[Array]]:
        """Weights for the plain child's layers, by name, in the order of ``layer.weights``.

        There may be more of them than the child has layers: an operation that reads another state
        may do without. And they may be larger than those of the child, which has the leading
        channels and the centres of kernels (`given_weights.fitting`).
        """
        found: dict[str, list[Array]] = {}
        for slot in self.slots.values():
            group, number = slot.place
            option = slot.options[slot.option(choices)]
            found |= option.part.by_layer(
                option.prefix, rows[group][number], moments[group][number]
            )
        for name, own in self.channels(choices).items():
            if name in found:
                found[name][0] = found[name][0].take(own, axis=-2)  # (..., inputs, outputs)
        return found
