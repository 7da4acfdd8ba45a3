"""The layer-wise space of convolutional networks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cellwright.search_spaces.convnet.genotype import ConvLayer, ConvNetGenotype
from cellwright.search_spaces.decision import Decision, Params
from cellwright.search_spaces.genotype_space import GenotypeSpace
from cellwright.search_spaces.task import check_task

FILTERS = (24, 36, 48, 64)
SIZES = (1, 3, 5, 7)
STRIDES = (1, 2, 3)


class ConvNetSpace(GenotypeSpace):
    """Each layer and the earlier layers that it reads are chosen freely (Zoph and Le 2016).

    The decisions are ``depth``, the number of layers, and for each layer, even beyond the depth,
    ``layer_3/height`` and ``layer_3/width`` of its kernel, its strides if they are searched,
    ``layer_3/filters``, and ``layer_3/reads_1``, ``layer_3/reads_2``: whether it reads the output
    of layers 1 and 2. See docs/convnet.md and `child.build_convnet`.

    Args:
        layers: The depths to choose from, increasing, or one number.
        strides: Whether each layer chooses 1, 2 or 3 for each direction, or all have 1.
        filters: Numbers of filters to choose from, at least 1 each.
        sizes: Heights and widths of kernels to choose from, at least 1 each.
        every: Trials at each depth before the next (the paper's schedule); with it the depth is no
            longer the strategy's to choose (`scheduled`). None leaves it open from the start.

    Raises:
        ValueError: If an argument is out of range.
    """

    options = frozenset({"width", "filters", "momentum"})
    identified_by = ("depths", "every")

    def __init__(
        self,
        *,
        layers: int | Sequence[int] = (6, 8, 10, 12),
        strides: bool = False,
        filters: Sequence[int] = FILTERS,
        sizes: Sequence[int] = SIZES,
        every: int | None = None,
    ) -> None:
        depths = (layers,) if isinstance(layers, int) else tuple(layers)
        if not depths or depths[0] < 1 or list(depths) != sorted(set(depths)):
            raise ValueError(f"layers must be increasing numbers from 1, got {layers!r}")
        for name, values in (("filters", filters), ("sizes", sizes)):
            if any(n < 1 for n in values):
                raise ValueError(f"{name} must be at least 1, got {values!r}")
        if every is not None and every < 1:
            raise ValueError(f"every must be at least 1, or None, got {every}")
        self.depths, self.every = depths, every
        self._parts: dict[str, tuple[int, ...]] = {"height": tuple(sizes), "width": tuple(sizes)}
        if strides:
            self._parts |= {"stride_height": STRIDES, "stride_width": STRIDES}
        self._parts["filters"] = tuple(filters)
        numbers = range(1, depths[-1] + 1)
        super().__init__(
            [Decision("depth", depths), *(one for n in numbers for one in self._decisions(n))]
        )
        # Where the decisions of layer n begin: its parts, then one for each layer before it.
        self._first = [1]
        for n in numbers:
            self._first.append(self._first[-1] + len(self._parts) + n - 1)
        self.anchors = tuple(first + len(self._parts) for first in self._first[:-1])

    @classmethod
    def published(cls, **others: Any) -> ConvNetSpace:
        """The paper's search: 6 layers, and two more every 1,600 trials, up to the 20 that its
        12,800 trials reach. ``others`` are arguments of `ConvNetSpace` in place of these."""
        return cls(**{"layers": range(6, 21, 2), "every": 1600, **others})

    def _decisions(self, number: int) -> Iterator[Decision]:
        for part, choices in self._parts.items():
            yield Decision(f"layer_{number}/{part}", choices)
        for source in range(1, number):
            yield Decision(f"layer_{number}/reads_{source}", (False, True))

    def scheduled(self, number: int) -> Params:
        """The depth of trial ``number`` where it grows by a schedule."""
        if self.every is None:
            return {}
        return {"depth": self.depths[min(number // self.every, len(self.depths) - 1)]}

    def active(self, params: Mapping[str, Any]) -> tuple[bool, ...]:
        """All decisions of layers up to the depth, and the depth unless it is scheduled."""
        live = self._live(self.decisions[0].index(params["depth"]))
        return (self.every is None, *(position < live for position in range(1, len(self.names))))

    def check_input(self, input_shape: Sequence[int], classes: int | None, **options: Any) -> None:
        """See `SearchSpace.check_input`."""
        check_task(input_shape, classes)

    def canonical(self, params: Mapping[str, Any]) -> Params:
        """Give decisions of layers beyond the depth their first choice.

        Everything else has an effect: what no layer reads, the classifier does. Networks whose
        layers merely stand in another order are not recognised as the same.
        """
        indices = self.encode(params)
        live = self._live(indices[0])
        return self.decode([*indices[:live], *(0,) * (len(indices) - live)])

    def _live(self, depth: int) -> int:
        """How many decisions, the depth included, describe a network of the depth at this index."""
        return self._first[self.depths[depth]]

    def genotype(self, params: Mapping[str, Any]) -> ConvNetGenotype:
        """The layers that ``params`` describe."""
        params = self.decode(self.encode(params))
        return ConvNetGenotype(
            tuple(
                ConvLayer(
                    **{part: int(params[f"layer_{number}/{part}"]) for part in self._parts},
                    reads=tuple(n for n in range(1, number) if params[f"layer_{number}/reads_{n}"]),
                )
                for number in range(1, int(params["depth"]) + 1)
            )
        )
