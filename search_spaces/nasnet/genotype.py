"""Genotype: what a published cell is, apart from any space that it was found in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from cellwright.search_spaces.arguments import check_kind, check_parts
from cellwright.search_spaces.errors import InvalidArchitecture

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from cellwright.search_spaces.nasnet.skeleton import Skeleton


@dataclass(frozen=True)
class Block:
    """Two operations on two hidden states, combined (Zoph et al. 2018, section 3.1).

    Hidden state 0 is the cell's current input, 1 the output of the cell before, and k + 2 the
    output of the cell's block k (from 0).
    """

    input_1: int
    input_2: int
    operation_1: str
    operation_2: str
    combination: str = "add"

    def in_short(self) -> str:
        """The block without the word "state", such as ``sep_3x3(1) add identity(0)``."""
        return (
            f"{self.operation_1}({self.input_1}) {self.combination} "
            f"{self.operation_2}({self.input_2})"
        )

    def __str__(self) -> str:
        return (
            f"{self.operation_1} of state {self.input_1} {self.combination} "
            f"{self.operation_2} of state {self.input_2}"
        )


@dataclass(frozen=True)
class Cell:
    """The blocks of one cell in order, and the hidden states whose concatenation it returns."""

    blocks: tuple[Block, ...]
    concatenation: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        check_parts("blocks", self.blocks, Block)
        object.__setattr__(self, "blocks", tuple(self.blocks))
        for number, block in enumerate(self.blocks):
            for state in (block.input_1, block.input_2):
                if type(state) is not int or not 0 <= state < number + 2:
                    raise InvalidArchitecture(
                        f"block {number + 1} reads hidden state {state!r}; "
                        f"allowed are 0..{number + 1}"
                    )
            for operation in (block.operation_1, block.operation_2):
                if not isinstance(operation, str) or not operation:
                    raise InvalidArchitecture(
                        f"block {number + 1} has the operation {operation!r}, which is no name"
                    )
            if block.combination not in ("add", "concat"):
                raise InvalidArchitecture(
                    f"block {number + 1} combines by {block.combination!r}; "
                    "allowed are 'add' and 'concat'"
                )
        states = tuple(self.concatenation) or self.unused_states()
        allowed = range(len(self.blocks) + 2)
        if not self.blocks or any(type(one) is not int or one not in allowed for one in states):
            raise InvalidArchitecture(
                f"a cell of {len(self.blocks)} blocks cannot concatenate hidden states {states}"
            )
        object.__setattr__(self, "concatenation", states)

    def unused_states(self) -> tuple[int, ...]:
        """The block outputs that no block reads: the paper's rule for what a cell returns."""
        used = {state for block in self.blocks for state in (block.input_1, block.input_2)}
        return tuple(k + 2 for k in range(len(self.blocks)) if k + 2 not in used)


@dataclass(frozen=True)
class Genotype:
    """A normal and a reduction cell: all that the child builder needs to know of a search.

    Attributes:
        normal, reduction: The cells.
        name: What the genotype is called; may be empty.
        operation_set: The one that the operations' names belong to (`operation_sets`).
        repair: Whether a 1x1 convolution with batch normalisation brings the channels back to the
            cell's filters after every ``concat`` of a block, and after the concatenation at the
            cell's end (the book's text). Without it both stay as wide as they come out (the paper).
    """

    normal: Cell
    reduction: Cell
    name: str = ""
    operation_set: str = "book"
    repair: bool = False

    def __post_init__(self) -> None:
        for name in ("normal", "reduction"):
            check_kind(name, getattr(self, name), Cell, "a Cell")

    def to_dict(self) -> dict[str, Any]:
        """Plain lists, dictionaries, strings and numbers, ready for JSON.

        ``repair`` is there only if it is set, as in the files of earlier versions.
        """
        data = asdict(self)
        if not self.repair:
            del data["repair"]
        return data

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Genotype:
        """The inverse of `to_dict`.

        Raises:
            InvalidArchitecture: If a cell, a block or one of its parts is missing or unfit.
        """
        try:
            normal, reduction = (
                Cell(
                    tuple(Block(**block) for block in data[kind]["blocks"]),
                    tuple(data[kind].get("concatenation", ())),
                )
                for kind in ("normal", "reduction")
            )
        except (AttributeError, KeyError, TypeError) as error:
            raise InvalidArchitecture(f"not a genotype: {error}") from None
        name, operation_set = data.get("name", ""), data.get("operation_set", "book")
        repair = data.get("repair", False)
        if not isinstance(repair, bool):
            raise InvalidArchitecture(
                f"not a genotype: repair must be true or false, got {repair!r}"
            )
        for part, value in (("name", name), ("operation_set", operation_set)):
            if not isinstance(value, str):
                raise InvalidArchitecture(f"not a genotype: {part} must be text, got {value!r}")
        return cls(normal, reduction, name, operation_set, repair)

    def words(self) -> list[str]:
        """Each cell and its blocks, a line each, and whether channels are repaired."""
        repaired = ["1x1 convolutions after every concat and at the end of each cell"]
        return [
            line
            for kind, cell in (("normal", self.normal), ("reduction", self.reduction))
            for line in (
                f"{kind} cell",
                *(f"  block {k}: {block}" for k, block in enumerate(cell.blocks, start=1)),
            )
        ] + repaired * self.repair

    def in_short(self) -> str:
        """A line for each cell: its blocks in order, each operation with its hidden state."""
        return "\n".join(
            f"{kind}: " + "; ".join(block.in_short() for block in cell.blocks)
            for kind, cell in (("normal", self.normal), ("reduction", self.reduction))
        )

    def build(
        self,
        input_shape: Sequence[int],
        classes: int | None,
        skeleton: Skeleton | None = None,
        *,
        seed: int | None = None,
        **fields: Any,
    ) -> Any:
        """Make a network of these cells, of any size: so what was found small is transferred.

        ``genotype.build((32, 32, 3), 10, Skeleton.cifar(6, 32))`` is NASNet-A 6 @ 768 if the cells
        are NASNet-A's. See `child.build_child`.

        Raises:
            InvalidArchitecture: If an operation is not in its set.
            UnbuildableChild: If the network cannot be made for this input.
        """
        from cellwright.search_spaces.nasnet.child import build_child

        return build_child(self, input_shape, classes, skeleton, seed=seed, **fields)

    def figures(self, model: Any = None) -> dict[str, Figure]:
        """Both cells as graphs, ``"normal cell"`` and ``"reduction cell"``.

        With a ``model`` that was built from them also the ``"skeleton"``, with its shapes.
        """
        from cellwright.search_spaces.nasnet.drawing import draw_cell
        from cellwright.search_spaces.nasnet.overview import draw_skeleton

        prefix = f"{self.name}: " if self.name else ""
        figures = {
            f"{kind} cell": draw_cell(cell, title=f"{prefix}{kind} cell", repair=self.repair)
            for kind, cell in (("normal", self.normal), ("reduction", self.reduction))
        }
        if model is not None:
            figures["skeleton"] = draw_skeleton(model, title=f"{prefix}skeleton")
        return figures
