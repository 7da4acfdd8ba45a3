"""What the spaces of blocks share."""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from cellwright.search_spaces.genotype_space import GenotypeSpace
from cellwright.search_spaces.mnasnet.genotype import MnasNetGenotype
from cellwright.search_spaces.mnasnet.pieces import build_piece, count_pieces
from cellwright.search_spaces.pieces import Piece
from cellwright.search_spaces.task import check_task


class BlocksSpace(GenotypeSpace):
    """A space whose points are a `MnasNetGenotype` each."""

    options = frozenset(
        {"width", "depth", "filters", "stem_stride", "dropout", "drop_connect", "momentum"}
    )

    @abstractmethod
    def genotype(self, params: Mapping[str, Any]) -> MnasNetGenotype:
        """The blocks that ``params`` describe.

        Raises:
            InvalidArchitecture: If ``params`` is no point of this space.
        """

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
