"""What a network of cells whose choices are inputs is told of a child.

Hidden states differ in their channels from child to child: an ``add`` has a cell's filters, a
``concat`` that is not repaired twice as many, and a cell returns as many as its unused states have
together. In the network all of them are as wide as the widest, filled up with zeros, and a cell
returns room for every block. So it is told, beside the choices, which states those are that a child
returns, and where an operation reads one as wide as its filters, which it may leave as it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from cellwright.search_spaces.decision import Decision, Params
from cellwright.search_spaces.nasnet.genotype import Block, Cell, Genotype
from cellwright.search_spaces.nasnet.skeleton import Place, Skeleton

Variant = tuple[bool, bool]  # does it read a block's output, and are its channels not the filters


class Cells(Protocol):
    """What is asked of a space of cells; see `NASNetSpace`."""

    names: tuple[str, ...]
    decisions: tuple[Decision, ...]
    blocks: int
    operation_set: str
    combinations: tuple[str, ...]
    hierarchical: bool
    concatenation: str
    repair: bool

    def decode(self, indices: Sequence[int]) -> Params:
        """See `SearchSpace.decode`."""

    def genotype(self, params: Mapping[str, Any]) -> Genotype:
        """See `NASNetSpace.genotype`."""


@dataclass(frozen=True)
class Form:
    """A cell as the network has it.

    Attributes:
        name: Prefix of its layers' names.
        place: Where it stands.
        second: Channels of hidden state 1: those of the stem where it is read as it is.
        combinations: Of the space.
        widens: Whether a ``concat`` has twice the filters.
    """

    name: str
    place: Place
    second: int
    combinations: tuple[str, ...]
    widens: bool

    @property
    def width(self) -> int:
        """Channels to which every hidden state is filled up.

        They are the filters only if all states have these in every child, so that by its channels
        an operation knows what it reads.
        """
        filters = self.place.filters
        widest = max(filters, self.second, self.room)
        return filters + 1 if widest == filters != self.second else widest

    @property
    def room(self) -> int:
        """Channels that a block's output may have at most."""
        return max(self._made)

    @property
    def _made(self) -> list[int]:
        return [self.of_block(combination) for combination in self.combinations]

    def of_block(self, combination: str) -> int:
        """Channels of the output of a block that combines so."""
        return self.place.filters * (2 if combination == "concat" and self.widens else 1)

    def variants(self, block: int, hierarchical: bool) -> list[Variant]:
        """What an operation of a block, from 1, may read. With a stride block outputs are smaller
        than the cell's inputs; without one the first block has the variants of the others, so that
        all share one function."""
        filters, reduces = self.place.filters, self.place.stride > 1
        found = {(False, False), (False, self.second != filters)}
        if hierarchical and (block > 1 or not reduces):
            found |= {(reduces, channels != filters) for channels in self._made}
        return sorted(found)

    def variant(self, cell: Cell, block: int, state: int, hierarchical: bool) -> int:
        """Which of them it is where a child's block reads ``state``."""
        channels = self.channels(cell.blocks, state)
        read = (state > 1 and self.place.stride > 1, channels != self.place.filters)
        return self.variants(block, hierarchical).index(read)

    def channels(self, blocks: Sequence[Block], state: int) -> int:
        """Channels of a hidden state of a child."""
        if state > 1:
            return self.of_block(blocks[state - 2].combination)
        return self.second if state else self.place.filters

    def returned(self, cell: Cell) -> list[int]:
        """Which channels of the room for every block's output are what a child's cell returns."""
        return [
            (state - 2) * self.room + channel
            for state in cell.concatenation
            for channel in range(self.channels(cell.blocks, state))
        ]


def forms(space: Cells, skeleton: Skeleton) -> list[Form]:
    """The cells of a skeleton in their order."""
    return [
        Form(
            f"cell_{number}_{place.kind}",
            place,
            # Where no cell is before, the paper's skeletons take the stem as it is.
            place.filters
            if place.before is not None or skeleton.kind == "book"
            else skeleton.stem_width,
            space.combinations,
            "concat" in space.combinations and not space.repair,
        )
        for number, place in enumerate(skeleton.places(), start=1)
    ]


class Told:
    """The network's own choices: those of the space, and what follows from them.

    Args:
        space: Of the children.
        skeleton: In which they are stacked.
        stems: Channels of what is before the first cell.

    Attributes:
        forms: Its cells.
        number: How many choices.
    """

    def __init__(self, space: Cells, skeleton: Skeleton, stems: Sequence[int]) -> None:
        self.space, self.stems = space, stems
        self.forms = forms(space, skeleton)
        self._at = {name: number for number, name in enumerate(space.names)}
        blocks = range(1, space.blocks + 1)
        for kind in ("normal", "reduction"):
            self._add(f"{kind}_alone")
            for block in blocks:
                self._add(f"{kind}_{block}_returned")
        for form in self.forms:
            self._add(f"{form.name}_fits")
            for channel in range(form.place.filters):
                self._add(f"{form.name}_before_{channel}")
            for block in blocks:
                for side in (1, 2):
                    self._add(f"{form.name}_{block}_{side}")
        self.number = len(self._at)

    def _add(self, name: str) -> None:
        self._at[name] = len(self._at)

    def at(self, name: str) -> int:
        """Where the network finds a decision of the space, or one of these:

        ``KIND_BLOCK_returned``: 1 where the cell returns this block's output, else 0;
        ``KIND_alone``: 1 where it returns one alone. ``CELL_fits``: 1 where the output of the cell
        before has as many channels as this one's filters; those are ``CELL_before_CHANNEL``.
        ``CELL_BLOCK_SIDE``: the variant of the operation; see `Form.variants`. Blocks count from 1.
        """
        return self._at[name]

    def resolve(self, choices: NDArray[np.int32]) -> NDArray[np.int32]:
        """All of them, from those of the space."""
        genotype = self._genotype(choices)
        told = np.zeros(self.number, np.int32)
        told[: len(choices)] = choices
        for kind in ("normal", "reduction"):
            returned = getattr(genotype, kind).concatenation
            told[self.at(f"{kind}_alone")] = len(returned) == 1
            for state in returned:
                told[self.at(f"{kind}_{state - 1}_returned")] = 1
        outputs = self._outputs(genotype)
        for form in self.forms:
            before = form.place.before
            if before is not None and len(outputs[before]) == form.place.filters:
                told[self.at(f"{form.name}_fits")] = 1
                start = self.at(f"{form.name}_before_0")
                told[start : start + form.place.filters] = outputs[before]
            cell = getattr(genotype, form.place.kind)
            for number, block in enumerate(cell.blocks, start=1):
                for side, state in enumerate((block.input_1, block.input_2), start=1):
                    variant = form.variant(cell, number, state, self.space.hierarchical)
                    told[self.at(f"{form.name}_{number}_{side}")] = variant
        return told

    def inputs(self, choices: Sequence[int], last: str) -> dict[str, list[int]]:
        """The channels of their inputs that a child's layers have, by their names, where these are
        not the leading ones; ``last`` is the name of the output layer."""
        genotype = self._genotype(choices)
        outputs = self._outputs(genotype)
        found = {last: outputs[-1]}
        for number, form in enumerate(self.forms, start=len(self.stems)):
            found[f"{form.name}_current_pointwise"] = outputs[number - 1]
            found[f"{form.name}_repair_pointwise"] = form.returned(
                getattr(genotype, form.place.kind)
            )
            before = form.place.before
            for part in ("pointwise", "even", "odd"):
                name = f"{form.name}_before_{part}"
                found[name] = outputs[0 if before is None else before]
        return found

    def _genotype(self, choices: Sequence[int] | NDArray[np.int32]) -> Genotype:
        own = [int(choice) for choice in choices[: len(self.space.names)]]
        return self.space.genotype(self.space.decode(own))

    def _outputs(self, genotype: Genotype) -> list[list[int]]:
        """The channels of a child in what is before the first cell, and in each cell's output."""
        found = [list(range(width)) for width in self.stems]
        for form in self.forms:
            if self.space.repair:
                found.append(list(range(form.place.filters)))
            else:
                found.append(form.returned(getattr(genotype, form.place.kind)))
        return found
