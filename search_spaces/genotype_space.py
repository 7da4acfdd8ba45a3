"""A space whose points are genotypes: what all spaces of networks here share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from cellwright.search_spaces.decision import Params
from cellwright.search_spaces.errors import InvalidArchitecture
from cellwright.search_spaces.space import SearchSpace

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class GenotypeSpace(SearchSpace, ABC):
    """Builds, describes and draws what its parameters stand for by the genotype that they give.

    Attributes:
        usual_options: Options with which children are built unless others are given.
    """

    usual_options: Mapping[str, Any] = {}

    @abstractmethod
    def genotype(self, params: Mapping[str, Any]) -> Any:
        """What ``params`` describe, with ``build``, ``to_dict``, ``words`` and ``figures``.

        Raises:
            InvalidArchitecture: If ``params`` is no point of this space.
        """

    def point_of(self, genotype: Any) -> Params:
        """The parameters of ``genotype``, or of what is nearest to it in this space.

        Raises:
            InvalidArchitecture: If nothing is near it, or this space does not say what is.
        """
        raise InvalidArchitecture(
            f"{self!r} does not say which of its points a {type(genotype).__name__} is: give the "
            "decisions by their names, as best.json of a search has them"
        )

    def build(
        self,
        params: Mapping[str, Any],
        input_shape: Sequence[int],
        classes: int | None,
        **options: Any,
    ) -> Any:
        """Make the child network; ``options`` are those of the genotype's ``build``, and before
        them the `usual_options`.

        Raises:
            InvalidArchitecture: If ``params`` is no point of this space.
            UnbuildableChild: If the network cannot be made for this input.
        """
        how = {**self.usual_options, **options}
        return self.genotype(params).build(input_shape, classes, **how)

    def describe(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """The genotype as plain data (its ``to_dict``)."""
        described: dict[str, Any] = self.genotype(params).to_dict()
        return described

    def words(self, params: Mapping[str, Any]) -> list[str]:
        """The genotype in a few lines for a reader."""
        lines: list[str] = self.genotype(params).words()
        return lines

    def figures(self, params: Mapping[str, Any], model: Any = None) -> dict[str, Figure]:
        """The genotype's pictures, which may tell more with the ``model`` that was built."""
        drawn: dict[str, Figure] = self.genotype(params).figures(model)
        return drawn
