"""The space around a network of blocks: its neighbours, which differ from it by little."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from cellwright.search_spaces.arguments import check_kind
from cellwright.search_spaces.decision import Decision, Params, Value
from cellwright.search_spaces.errors import UnbuildableChild
from cellwright.search_spaces.mnasnet.block import EXPANDING, MnasBlock
from cellwright.search_spaces.mnasnet.blocks_space import BlocksSpace
from cellwright.search_spaces.mnasnet.families import FAMILIES, scaled
from cellwright.search_spaces.mnasnet.genotype import MnasNetGenotype
from cellwright.search_spaces.mnasnet.published import MNASNETS

# By how much a block may differ from the network's; what changes nothing comes first.
CHANGES: dict[str, tuple[Value, ...]] = {
    "kernel": (0, -2, 2),
    "expansion": (1.0, 0.5, 1.5),
    "filters": (1.0, 0.75, 1.25),
    "layers": (0, -1, 1),
}
SQUEEZE = 0.25  # offered to a block that has none


class AroundSpace(BlocksSpace):
    """All networks that differ from one in the sizes of its blocks: 4 or 5 decisions a block.

    They are ``kernel``, pixels more or fewer; ``expansion``, in multiples of the block's, where it
    expands; ``squeeze``, the block's share or none, or 0.25 for a block without; ``filters``, in
    multiples of the block's, rounded as its family does; and ``layers``, more or fewer. What kind
    of layer a block has, its stride, its skip and its activation stay, and so do stem and head.

    The first trial of a search is the network itself (`centre`). Where `build` is given the weights
    of the network, children begin with those of all layers whose names and shapes agree.

    Args:
        network: A genotype, or the name of a published one: ``"mobilenet-v3-large"``.

    Raises:
        ValueError: If nothing goes by that name.

    Attributes:
        network: The genotype.
    """

    options = BlocksSpace.options | {"weights"}
    identified_by = ("around",)

    def __init__(self, network: MnasNetGenotype | str = "mobilenet-v2") -> None:
        if isinstance(network, str):
            known = {one.name: one for one in MNASNETS}
            if network not in known:
                raise ValueError(f"network must be one of {', '.join(known)}, got {network!r}")
            network = known[network]
        check_kind("network", network, MnasNetGenotype, "a MnasNetGenotype, or the name of one")
        self.network = network
        super().__init__(self._decisions())

    def __repr__(self) -> str:
        return f"{super().__repr__()[:-1]}, around {self.network.name or 'a network'})"

    @property
    def around(self) -> dict[str, Any]:
        """The network as plain data, without its name."""
        return {part: value for part, value in asdict(self.network).items() if part != "name"}

    def _decisions(self) -> Iterator[Decision]:
        for number, block in enumerate(self.network.blocks, start=1):
            for part, choices in _changes(block).items():
                yield Decision(f"block_{number}/{part}", choices)

    @property
    def centre(self) -> Params:
        """The parameters of the network itself: the first choice of every decision."""
        return self.decode([0] * len(self.decisions))

    def scheduled(self, number: int) -> Params:
        """All decisions of the first trial: those of the network itself."""
        return self.centre if number == 0 else {}

    def canonical(self, params: Mapping[str, Any]) -> Params:
        """Give each decision the first of the choices that come to the same block."""
        found = self.decode(self.encode(params))
        for number, block in enumerate(self.network.blocks, start=1):
            for part, choices in _changes(block).items():
                name = f"block_{number}/{part}"
                wanted = self._size(block, part, found[name])
                found[name] = next(x for x in choices if self._size(block, part, x) == wanted)
        return found

    def genotype(self, params: Mapping[str, Any]) -> MnasNetGenotype:
        """The blocks that ``params`` describe; the network keeps its name at the centre alone."""
        self.validate(params)
        blocks = []
        for number, block in enumerate(self.network.blocks, start=1):
            sizes: dict[str, Any] = {
                part: self._size(block, part, params[f"block_{number}/{part}"])
                for part in _changes(block)
            }
            blocks.append(replace(block, **sizes))
        found = replace(self.network, blocks=tuple(blocks))
        return found if found == self.network else replace(found, name="")

    def _size(self, block: MnasBlock, part: str, change: Any) -> Any:
        """What a block's ``part`` is after a change, within its bounds."""
        if part == "kernel":
            return max(min(3, block.kernel), block.kernel + change)
        if part == "expansion":
            wide = block.expansion * change
            # Where nothing would be left to expand, the block stays what it is.
            return block.expansion if change == 1 or wide <= 1 else wide
        if part == "filters":
            return scaled(block.filters, change, FAMILIES[self.network.family].keeps)
        return max(1, block.layers + change) if part == "layers" else change

    def check_input(self, input_shape: Sequence[int], classes: int | None, **options: Any) -> None:
        """See `SearchSpace.check_input`; whether ``weights`` fit is known of a child alone."""
        super().check_input(input_shape, classes)
        weights = options.get("weights")
        if weights is not None:
            if not Path(weights).is_file():
                raise UnbuildableChild(f"weights must name a file, and there is no {weights}")
            raise NotImplementedError("a file of weights is read when a child is built")

    def build(
        self,
        params: Mapping[str, Any],
        input_shape: Sequence[int],
        classes: int | None,
        **options: Any,
    ) -> Any:
        """Make the child network; see `GenotypeSpace.build`.

        With the option ``weights``, a file with the weights of the network, it begins with these;
        see `starting_weights.begin_with`. With weights of ``keras.applications``, ``pixels`` is by
        default what makes of pixels of 0 to 1 what these were trained on.

        Raises:
            InvalidArchitecture: If ``params`` is no point of this space.
            UnbuildableChild: If the network cannot be made for this input.
            WeightsMismatch: If the file holds no weights of the network.
        """
        weights = options.pop("weights", None)
        if weights is None:
            return super().build(params, input_shape, classes, **options)
        from cellwright.search_spaces.starting_weights import begin_with, pixels_of

        if input_shape[-1] == 3:  # others have a stem of their own, with fresh weights
            options = {"pixels": pixels_of(self.network, weights), **options}
        model = super().build(params, input_shape, classes, **options)
        begin_with(model, self.network, weights)
        return model


def _changes(block: MnasBlock) -> dict[str, tuple[Value, ...]]:
    """The decisions on a block and their choices, in order."""
    parts = {"kernel": CHANGES["kernel"]}
    if block.convolution in EXPANDING:
        parts["expansion"] = CHANGES["expansion"]
    parts["squeeze"] = (float(block.squeeze), 0.0 if block.squeeze else SQUEEZE)
    return {**parts, "filters": CHANGES["filters"], "layers": CHANGES["layers"]}
