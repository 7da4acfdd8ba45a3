"""The search space of NASNet cells."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from cellwright.search_spaces.decision import Decision, Params, Value
from cellwright.search_spaces.errors import InvalidArchitecture, UnbuildableChild
from cellwright.search_spaces.genotype_space import GenotypeSpace
from cellwright.search_spaces.nasnet.genotype import Block, Cell, Genotype
from cellwright.search_spaces.nasnet.operation_sets import OPERATION_SETS, check_operations
from cellwright.search_spaces.nasnet.order import first_order
from cellwright.search_spaces.nasnet.pieces import build_piece, count_pieces
from cellwright.search_spaces.nasnet.skeleton import Skeleton
from cellwright.search_spaces.pieces import Piece

if TYPE_CHECKING:
    from cellwright.search_spaces.shared_network import SharedNetwork

CELLS = ("normal", "reduction")
COMBINATIONS = ("add", "concat")
CONCATENATIONS = ("unused", "all")
PARTS = ("input_1", "input_2", "operation_1", "operation_2", "combination")
_KINDS = ("hidden state", "hidden state", "operation", "operation", "combination")


class NASNetSpace(GenotypeSpace):
    """A normal and a reduction cell of blocks; by default the book's, see docs/nasnet.md.

    For each cell and block the decisions are, in this order, input 1, input 2, operation 1,
    operation 2 and combination (left out where only one is given). Hidden state 0 is the current
    input of a cell, 1 the output of the cell before, k + 2 the output of block k (from 0).

    Args:
        blocks: Blocks in each cell, at least 1.
        operations: Names in ``operation_set``, or your own (`register_operation`); the whole set by
            default.
        operation_set: What the names mean; see `operation_sets.OPERATION_SETS`.
        combinations: ``"add"``, ``"concat"`` or both.
        hierarchical: Whether a block may read the blocks before it, k + 2 states in all, or only
            the cell's two inputs.
        concatenation: What a cell returns: ``"all"`` of its blocks, or those ``"unused"`` by other
            blocks.
        repair: Whether a 1x1 convolution brings the channels back to a cell's filters after every
            ``concat`` and at the cell's end, as in the book's text, or concatenations stay wide,
            as in the paper; see `Genotype`. `wide` is the book's space without it.
        skeleton: What children are built in unless `build` is given another; the book's by
            default. It is part of the space's identity: other skeletons make other children.

    Raises:
        ValueError: If an argument is out of range.
        InvalidArchitecture: On an unknown operation or operation set.
    """

    options = frozenset({"skeleton", *(field.name for field in fields(Skeleton))})
    identified_by = (
        *("blocks", "operation_set", "combinations", "hierarchical", "concatenation", "repair"),
        "skeleton",
    )
    added_facts: Mapping[str, tuple[Any, str]] = {
        "repair": (False, "give repair=False (the space nasnet-wide by name) to go on as before")
    }

    def __init__(
        self,
        *,
        blocks: int = 5,
        operations: Sequence[str] | None = None,
        operation_set: str = "book",
        combinations: Sequence[str] = COMBINATIONS,
        hierarchical: bool = False,
        concatenation: str = "all",
        repair: bool = True,
        skeleton: Skeleton | None = None,
    ) -> None:
        if blocks < 1:
            raise ValueError(f"blocks must be at least 1, got {blocks}")
        if not combinations or not set(combinations) <= set(COMBINATIONS):
            raise ValueError(f"combinations must be of {COMBINATIONS}, got {combinations!r}")
        if concatenation not in CONCATENATIONS:
            raise ValueError(f"concatenation must be in {CONCATENATIONS}, got {concatenation!r}")
        if not isinstance(repair, bool):
            raise ValueError(f"repair must be True or False, got {repair!r}")
        names = tuple(OPERATION_SETS.get(operation_set, ()) if operations is None else operations)
        check_operations(operation_set, names)
        self.blocks = blocks
        self.operation_set = operation_set
        self.hierarchical = hierarchical
        self.concatenation = concatenation
        self.repair = repair
        self.combinations = tuple(combinations)
        self.skeleton = skeleton or Skeleton.book()
        self._parts = PARTS if len(self.combinations) > 1 else PARTS[:-1]

        def choices(block: int) -> tuple[tuple[Value, ...], ...]:
            states = tuple(range(block + 1 if hierarchical else 2))
            return (states, states, names, names, self.combinations)

        super().__init__(
            Decision(f"{cell}/{block}/{part}", values, kind)
            for cell in CELLS
            for block in range(1, blocks + 1)
            for part, values, kind in zip(self._parts, choices(block), _KINDS, strict=False)
        )

    @classmethod
    def wide(cls, **others: Any) -> NASNetSpace:
        """The book's space as it was before ``repair``: concatenations keep all their channels.

        Other arguments are those of `NASNetSpace`.
        """
        return cls(**{"repair": False, **others})

    @classmethod
    def published(cls, **others: Any) -> NASNetSpace:
        """The NASNet paper's space (Zoph et al. 2018): 13 operations, blocks that read blocks.

        50 decisions: 518,400 choices of inputs and 2.3e18 cells of each kind. ``others`` are
        arguments of `NASNetSpace` in place of these.
        """
        ours: dict[str, Any] = {
            "operation_set": "nasnet",
            "hierarchical": True,
            "concatenation": "unused",
            "repair": False,
            "skeleton": Skeleton.cifar(),
        }
        return cls(**{**ours, **others})

    @classmethod
    def amoebanet(cls, **others: Any) -> NASNetSpace:
        """AmoebaNet's space (Real et al. 2018): 8 operations, always added; 40 decisions.

        `mutate` is the paper's: hidden state or operation, equally likely, of one block.
        """
        ours = {"operation_set": "amoebanet", "combinations": ("add",)}
        return cls.published(**{**ours, **others})

    @classmethod
    def darts(cls, **others: Any) -> NASNetSpace:
        """DARTS's cells (Liu et al. 2019, section 3.3): 7 operations, always added; 32 decisions.

        A node is a block: two operations on two of the states before it, added. `none` leads
        nowhere in a finished cell and is left out. Of the paper's cells no node reads the same
        state twice; here one may.
        """
        ours: dict[str, Any] = {
            "blocks": 4,
            "operation_set": "darts",
            "combinations": ("add",),
            "concatenation": "all",
            "skeleton": Skeleton.darts(),
        }
        return cls.published(**{**ours, **others})

    def active(self, params: Mapping[str, Any]) -> tuple[bool, ...]:
        """All decisions; those of the normal cell alone where the space's skeleton has no other."""
        half = len(self.decisions) // 2
        return (True,) * half + (self.skeleton.reduction_cells > 0,) * half

    def canonical(self, params: Mapping[str, Any]) -> Params:
        """Order the halves of each block and the blocks of each cell; the first order wins.

        The halves of an ``add`` commute. Those of a ``concat``, and the blocks themselves, differ
        only in the order of channels, which the next layer's weights undo. A block goes nowhere
        before one that it reads, and what reads it follows it. So two cells that are the same
        graph have one canonical form; graphs that only compute the same are not recognised. Where
        the space's skeleton has no reduction cells, their decisions take their first choices.
        """
        return self.decode(self._ordered(self.encode(params)))

    def key(self, params: Mapping[str, Any]) -> tuple[int, ...]:
        """See `SearchSpace.key`."""
        if type(self).canonical is not NASNetSpace.canonical:
            return super().key(params)
        return self._ordered(self.encode(params))

    def key_at(self, indices: Sequence[int]) -> tuple[int, ...]:
        """See `SearchSpace.key_at`."""
        own = (NASNetSpace.canonical, NASNetSpace.key)
        if (type(self).canonical, type(self).key) != own:
            return super().key_at(indices)
        return self._ordered(tuple(indices))

    def _ordered(self, indices: tuple[int, ...]) -> tuple[int, ...]:
        step, half = len(self._parts), len(indices) // 2
        cells = [indices[:half], indices[half:]]
        if not self.skeleton.reduction_cells:
            cells[1] = (0,) * half
        ordered = (
            first_order([cell[start : start + step] for start in range(0, half, step)])
            for cell in cells
        )
        return tuple([index for blocks in ordered for block in blocks for index in block])

    def in_short(self, params: Mapping[str, Any]) -> str:
        """A line for each cell: its blocks in order, each operation with its hidden state."""
        return self.genotype(params).in_short()

    def genotype(self, params: Mapping[str, Any]) -> Genotype:
        """The two cells that ``params`` describe, their concatenation lists included."""
        self.validate(params)
        every = tuple(range(2, self.blocks + 2)) if self.concatenation == "all" else ()
        fixed = self.combinations if len(self._parts) < len(PARTS) else ()
        normal, reduction = (
            Cell(
                tuple(
                    Block(*(params[f"{cell}/{block}/{part}"] for part in self._parts), *fixed)
                    for block in range(1, self.blocks + 1)
                ),
                every,
            )
            for cell in CELLS
        )
        return Genotype(normal, reduction, operation_set=self.operation_set, repair=self.repair)

    def point_of(self, genotype: Any) -> Params:
        """The parameters of the same blocks. What a cell returns is this space's
        `concatenation`, and operations mean what they mean in this space's set.

        Raises:
            InvalidArchitecture: If it is no `Genotype`, has more or fewer blocks than this space's
                cells, or a block that they cannot have.
        """
        if not isinstance(genotype, Genotype):
            raise InvalidArchitecture(
                f"{self!r} searches cells of blocks, and {genotype!r:.100} has none"
            )
        values: dict[str, Any] = {}
        for kind, cell in zip(CELLS, (genotype.normal, genotype.reduction), strict=True):
            if len(cell.blocks) != self.blocks:
                raise InvalidArchitecture(
                    f"cells of {self!r} have {self.blocks} blocks, and the {kind} cell of "
                    f"{genotype.name or 'the genotype'} has {len(cell.blocks)}"
                )
            for number, block in enumerate(cell.blocks, start=1):
                values |= {f"{kind}/{number}/{part}": getattr(block, part) for part in PARTS}
        combined = {values[name] for name in values if name.endswith("/combination")}
        if not combined <= set(self.combinations):
            raise InvalidArchitecture(
                f"blocks of {self!r} combine by {', '.join(self.combinations)}, and those of "
                f"{genotype.name or 'the genotype'} by {', '.join(sorted(combined))}"
            )
        return self.decode(self.encode({name: values[name] for name in self.names}))

    def check_input(self, input_shape: Sequence[int], classes: int | None, **options: Any) -> None:
        """See `SearchSpace.check_input`."""
        self._skeleton(options).check(input_shape, classes)

    def build(
        self,
        params: Mapping[str, Any],
        input_shape: Sequence[int],
        classes: int | None,
        **options: Any,
    ) -> Any:
        """Make the child network; ``options`` are those of `child.build_child`.

        Without a ``skeleton`` among them it is the space's own, with the fields of it that
        ``options`` name: ``filters``, ``repeats``, ``reductions``. Of these only the space's own
        skeleton is known to `key`: children without reduction cells are recognised as the same
        network where it, and not ``options``, has ``reductions=0``.

        Raises:
            InvalidArchitecture: If ``params`` is no point of this space.
            UnbuildableChild: If the network cannot be made for this input, or ``options`` bring
                reduction cells into a space that has none.
        """
        from cellwright.search_spaces.nasnet.child import build_child

        return build_child(
            self.genotype(params),
            input_shape,
            classes,
            self._skeleton(options),
            seed=options.get("seed"),
        )

    def shared_weights(self, params: Mapping[str, Any], model: Any) -> dict[str, str]:
        """Every layer's name, which says the cell, the block, the side and the operation."""
        return {layer.name: layer.name for layer in model.layers if layer.weights}

    def shared_network(
        self, input_shape: Sequence[int], classes: int | None, **options: Any
    ) -> SharedNetwork:
        """See `SearchSpace.shared_network`, and `shared.shared_network` for which spaces of cells
        and skeletons it is.

        Raises:
            UnbuildableChild: If it is not for this one, or not for this input.
        """
        from cellwright.search_spaces.nasnet.shared import shared_network

        return shared_network(self, input_shape, classes, self._skeleton(options))

    def pieces(
        self,
        params: Mapping[str, Any],
        input_shape: Sequence[int],
        classes: int | None,
        **options: Any,
    ) -> Counter[Piece]:
        """See `SearchSpace.pieces`."""
        skeleton = self._skeleton(options)
        return count_pieces(self.genotype(params), input_shape, classes, skeleton)

    def build_piece(self, piece: Piece, **options: Any) -> Any:
        """See `SearchSpace.build_piece`."""
        return build_piece(piece, self.operation_set, self._skeleton(options))

    def _skeleton(self, options: Mapping[str, Any]) -> Skeleton:
        skeleton: Skeleton = options.get("skeleton") or self.skeleton
        own = {name: options[name] for name in options if name not in ("skeleton", "seed")}
        skeleton = skeleton.change(**own)
        if skeleton.reduction_cells and not self.skeleton.reduction_cells:
            raise UnbuildableChild(
                "the space's skeleton has no reduction cells, so that the space takes children "
                f"which differ in these alone for one, and here they would have {skeleton}: give "
                "the space this skeleton, NASNetSpace(skeleton=...)"
            )
        return skeleton
