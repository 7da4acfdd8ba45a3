"""What the spaces of blocks share."""

from __future__ import annotations

import itertools
from abc import abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from cellwright.search_spaces.decision import Params
from cellwright.search_spaces.errors import InvalidArchitecture
from cellwright.search_spaces.genotype_space import GenotypeSpace
from cellwright.search_spaces.mnasnet.block import MnasBlock
from cellwright.search_spaces.mnasnet.genotype import MnasNetGenotype
from cellwright.search_spaces.mnasnet.pieces import build_piece, count_pieces
from cellwright.search_spaces.pieces import Piece
from cellwright.search_spaces.task import check_task


class BlocksSpace(GenotypeSpace):
    """A space whose points are a `MnasNetGenotype` each."""

    options = frozenset(
        {
            "width",
            "depth",
            "filters",
            "stem_stride",
            "dropout",
            "drop_connect",
            "momentum",
            "pixels",
        }
    )
    # After the few hundred steps of a child's training, what a longer momentum of normalisations
    # averages would still be its start, and the child predict one class for everything.
    usual_options: Mapping[str, Any] = {"momentum": 0.9}

    @abstractmethod
    def genotype(self, params: Mapping[str, Any]) -> MnasNetGenotype:
        """The blocks that ``params`` describe.

        Raises:
            InvalidArchitecture: If ``params`` is no point of this space.
        """

    def point_of(self, genotype: Any) -> Params:
        """The parameters whose blocks are nearest to those of ``genotype``, each by itself.

        Raises:
            InvalidArchitecture: If it is no `MnasNetGenotype`, or has more or fewer blocks.
        """
        blocks = len({name.partition("/")[0] for name in self.names})
        if not isinstance(genotype, MnasNetGenotype) or len(genotype.blocks) != blocks:
            found = len(getattr(genotype, "blocks", ()))
            raise InvalidArchitecture(
                f"networks of {self!r} have {blocks} blocks, and {genotype!r:.60} has {found}"
            )
        point = self.decode([0] * len(self.decisions))
        for number, wanted in enumerate(genotype.blocks, start=1):
            of_block = [one for one in self.decisions if one.name.startswith(f"block_{number}/")]
            choices = [
                {one.name: value for one, value in zip(of_block, values, strict=True)}
                for values in itertools.product(*(one.choices for one in of_block))
            ]
            made = (self.genotype({**point, **chosen}).blocks[number - 1] for chosen in choices)
            apart = [_apart(block, wanted) for block in made]
            point |= choices[apart.index(min(apart))]
        return point

    def check_input(self, input_shape: Sequence[int], classes: int | None, **options: Any) -> None:
        """See `SearchSpace.check_input`."""
        check_task(input_shape, classes)

    def pieces(
        self,
        params: Mapping[str, Any],
        input_shape: Sequence[int],
        classes: int | None,
        **options: Any,
    ) -> Counter[Piece]:
        """See `SearchSpace.pieces`."""
        return count_pieces(self.genotype(params), input_shape, classes, **options)

    def build_piece(self, piece: Piece, **options: Any) -> Any:
        """See `SearchSpace.build_piece`."""
        return build_piece(piece)


def _apart(one: MnasBlock, other: MnasBlock) -> float:
    """How much two blocks differ: 1 for each word, for a number its share of the larger one."""
    apart = 0.0
    for field in fields(MnasBlock):
        mine, theirs = getattr(one, field.name), getattr(other, field.name)
        if isinstance(mine, int | float) and isinstance(theirs, int | float):
            apart += abs(mine - theirs) / max(mine, theirs, 1)
        else:
            apart += mine != theirs
    return apart
