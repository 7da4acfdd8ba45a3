"""The factorised hierarchical search space of MnasNet."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from cellwright.search_spaces.decision import Decision, Params, Value
from cellwright.search_spaces.errors import UnbuildableChild
from cellwright.search_spaces.mnasnet.around import AroundSpace
from cellwright.search_spaces.mnasnet.block import SKIPS, MnasBlock
from cellwright.search_spaces.mnasnet.blocks_space import BlocksSpace
from cellwright.search_spaces.mnasnet.families import skip_of
from cellwright.search_spaces.mnasnet.genotype import MnasNetGenotype
from cellwright.search_spaces.task import check_task

if TYPE_CHECKING:
    from cellwright.search_spaces.shared_network import SharedNetwork

# MobileNetV2, around whose blocks the paper searches: layers, filters and first strides.
LAYERS = (1, 2, 3, 4, 3, 3, 1)
FILTERS = (16, 24, 32, 64, 96, 160, 320)
STRIDES = (1, 2, 2, 2, 1, 2, 1)

CHOICES: dict[str, tuple[Value, ...]] = {
    "convolution": ("conv", "depthwise", "mbconv_3", "mbconv_6"),
    "kernel": (3, 5),
    "squeeze": (0.0, 0.25),
    "skip": SKIPS,
    "filters": (0.75, 1.0, 1.25),
    "layers": (-1, 0, 1),
}


class MnasNetSpace(BlocksSpace):
    """Seven blocks, each chosen independently: 6 decisions, 432 choices a block (Tan et al. 2019).

    A block's decisions are ``convolution``; ``kernel``; ``squeeze``, the share of input filters of
    a squeeze-and-excitation; ``skip``; ``filters``, in multiples of MobileNetV2's; ``layers``, more
    or fewer than MobileNetV2's, but at least one, so that every block keeps its stride.

    Args:
        layers: Numbers of layers of the blocks, the reference for ``layers``; at least 1 each.
        filters: The reference for ``filters``, of the same length; at least 2 each.
        strides: Strides of the first layer of each block, 1 or 2.
        stem: Channels of the convolution before the blocks.
        head: Channels of the convolution after them.

    Raises:
        ValueError: If the references differ in length or are out of range.
    """

    identified_by = ("layers", "filters", "strides", "stem", "head")

    def __init__(
        self,
        *,
        layers: Sequence[int] = LAYERS,
        filters: Sequence[int] = FILTERS,
        strides: Sequence[int] = STRIDES,
        stem: int = 32,
        head: int = 1280,
    ) -> None:
        if not len(layers) == len(filters) == len(strides):
            raise ValueError(
                "layers, filters and strides must have one entry for each block, got "
                f"{len(layers)}, {len(filters)} and {len(strides)}"
            )
        if any(n < 1 for n in layers) or any(n < 2 for n in filters) or set(strides) - {1, 2}:
            raise ValueError(
                f"layers must be at least 1, filters at least 2, strides 1 or 2; got {layers!r}, "
                f"{filters!r} and {strides!r}"
            )
        self.layers, self.filters, self.strides = tuple(layers), tuple(filters), tuple(strides)
        self.stem, self.head = stem, head
        super().__init__(
            Decision(f"block_{number}/{part}", values)
            for number in range(1, len(self.layers) + 1)
            for part, values in CHOICES.items()
        )

    def shared_network(
        self, input_shape: Sequence[int], classes: int | None, **options: Any
    ) -> SharedNetwork:
        """See `SearchSpace.shared_network`; dropout and drop-connect are left out of it.

        Raises:
            UnbuildableChild: If an option is out of range, or ``pixels`` are given.
        """
        from cellwright.search_spaces.mnasnet.shared import shared_network

        check_task(input_shape, classes)
        if options.get("pixels") is not None:
            raise UnbuildableChild(
                "a supernet begins with fresh weights, and so it takes images as they are: leave "
                f"pixels out, got {options['pixels']!r:.100}"
            )
        width, filters = options.get("width", 1.0), options.get("filters")
        depth = options.get("depth", 1.0)

        def genotype(choices: Sequence[int]) -> MnasNetGenotype:
            found = self.genotype(self.decode(choices))
            return found.scaled(found.width_of(width, filters), depth)

        counts = [len(decision.choices) for decision in self.decisions]
        # The first three decisions are the convolution, the kernel and the squeeze of a block.
        first, others = counts[:3], [0] * (len(counts) - 3)
        kinds = [
            genotype([*chosen, *others]).blocks[0]
            for chosen in itertools.product(*map(range, first))
        ]
        stride = options.get("stem_stride", 2)
        return shared_network(genotype, counts, kinds, input_shape, classes, stride)

    @classmethod
    def around(cls, network: MnasNetGenotype | str) -> AroundSpace:
        """The space of all networks that differ little from one; see `AroundSpace`."""
        return AroundSpace(network)

    def canonical(self, params: Mapping[str, Any]) -> Params:
        """Give decisions without effect the first of the choices that come to the same.

        Fewer layers than one are one; and a skip has no effect in a block whose only layer changes
        the number of filters (or, for ``"identity"``, the size).
        """
        found = self.decode(self.encode(params))
        inputs = self.stem
        for number, block in enumerate(self.genotype(params).blocks, start=1):
            for part, effect in (("layers", self._layers), ("skip", self._skip)):
                name = f"block_{number}/{part}"
                wanted = effect(number, found[name], block, inputs)
                found[name] = next(
                    choice
                    for choice in CHOICES[part]
                    if effect(number, choice, block, inputs) == wanted
                )
            inputs = block.filters
        return found

    def _layers(self, number: int, choice: Any, block: MnasBlock, inputs: int) -> int:
        return max(1, self.layers[number - 1] + int(choice))

    def _skip(self, number: int, choice: Any, block: MnasBlock, inputs: int) -> tuple[str, ...]:
        """What a skip comes to in the first layer, and in the others if there are any."""
        first = skip_of(choice, inputs, block.filters, block.stride)
        return (first, choice) if block.layers > 1 else (first,)

    def genotype(self, params: Mapping[str, Any]) -> MnasNetGenotype:
        """The blocks that ``params`` describe."""
        self.validate(params)
        blocks = [
            self._block(number, {part: params[f"block_{number}/{part}"] for part in CHOICES})
            for number in range(1, len(self.layers) + 1)
        ]
        return MnasNetGenotype(tuple(blocks), self.stem, self.head)

    def _block(self, number: int, chosen: Mapping[str, Any]) -> MnasBlock:
        convolution, _, expansion = chosen["convolution"].partition("_")
        return MnasBlock(
            convolution,
            int(self.filters[number - 1] * chosen["filters"]),
            max(1, self.layers[number - 1] + chosen["layers"]),
            chosen["kernel"],
            self.strides[number - 1],
            int(expansion or 1),
            chosen["squeeze"],
            chosen["skip"],
        )
