"""What a MnasNet is, apart from the space that it was found in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from cellwright.search_spaces.arguments import (
    LARGEST,
    check_choice,
    check_integer,
    check_number,
    check_parts,
    wrong_sizes,
)
from cellwright.search_spaces.errors import InvalidArchitecture, UnbuildableChild
from cellwright.search_spaces.mnasnet.block import MnasBlock
from cellwright.search_spaces.mnasnet.families import ACTIVATIONS, FAMILIES, deeper, scaled

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class MnasNetGenotype:
    """The blocks in order, what stands before and after them, and how it is trained.

    Args:
        blocks: At least one.
        stem: Channels of the convolution before the blocks.
        head: Channels of the pointwise convolution after them.
        name: What it is called.
        family: One of ``"mnasnet"``, ``"mobilenet-v2"``, ``"mobilenet-v3"``, ``"efficientnet"`` and
            ``"efficientnet-v2"``: how it becomes wider, and the momentum of its normalisations
            (`families.FAMILIES`).
        activation: That of the stem and the head, and of ``features``; as for a block.
        features: Channels of a dense layer between the pool and the classifier, which is
            MobileNetV3's convolution without normalisation; 0 leaves it out.
        dropout: Share of the pooled features that is dropped in training, 0 up to below 1.
        drop_connect: Stochastic depth: the share of images for which the last layer with a skip
            would be left out in training, were one to follow it; earlier ones drop proportionally
            less, the first none (Tan and Le 2019). 0 up to below 1.

    Raises:
        InvalidArchitecture: If an argument is out of range.
    """

    blocks: tuple[MnasBlock, ...]
    stem: int = 32
    head: int = 1280
    name: str = ""
    family: str = "mnasnet"
    activation: str = "relu"
    features: int = 0
    dropout: float = 0.2
    drop_connect: float = 0.0

    def __post_init__(self) -> None:
        check_parts("blocks", self.blocks, MnasBlock)
        object.__setattr__(self, "blocks", tuple(self.blocks))
        wrong = wrong_sizes(self, stem=1, head=1, features=0)
        if not self.blocks or wrong or not isinstance(self.name, str):
            raise InvalidArchitecture(
                "a MnasNet needs at least one block, stem and head of at least 1 channel, features "
                f"of 0 or more, and a name that is text; got {len(self.blocks)} blocks, stem "
                f"{self.stem!r}, head {self.head!r}, features {self.features!r}, name {self.name!r}"
            )
        try:
            check_choice("family", self.family, FAMILIES)
            check_choice("activation", self.activation, ACTIVATIONS)
            check_number("dropout", self.dropout, least=0, below=1)
            check_number("drop_connect", self.drop_connect, least=0, below=1)
        except ValueError as error:
            raise InvalidArchitecture(f"not a MnasNet genotype: {error}") from None

    def scaled(self, width: float = 1.0, depth: float = 1.0) -> MnasNetGenotype:
        """The same network with ``width`` times the channels and ``depth`` times the layers.

        Channels are rounded to multiples of 8, layers up. What grows beside the blocks depends on
        the family: MnasNet's head keeps its channels, MobileNetV3's stem does.

        Raises:
            UnbuildableChild: If a multiplier is not above 0, or leaves nothing of a layer or makes
                too much of it.
        """
        if width == depth == 1:
            return self
        try:
            check_number("width (or filters)", width, above=0)
            check_number("depth", depth, above=0)
            family = FAMILIES[self.family]
            blocks = tuple(
                replace(
                    block,
                    filters=scaled(block.filters, width, family.keeps),
                    layers=deeper(block.layers, depth),
                )
                for block in self.blocks
            )
            grown = {
                "always": width,
                "above 1": max(1.0, width),
                "never": 1.0,
                "as blocks": blocks[-1].filters / self.blocks[-1].filters,
            }
            sizes: dict[str, Any] = {
                part: scaled(getattr(self, part), grown[getattr(family, part)], family.keeps)
                for part in ("stem", "head", "features")
                if getattr(self, part)
            }
            return replace(self, blocks=blocks, **sizes)
        except (ValueError, OverflowError) as error:
            raise UnbuildableChild(str(error)) from None

    def width_of(self, width: float, filters: int | None) -> float:
        """The width multiplier by which the stem has so many ``filters``; ``width`` if None.

        Raises:
            UnbuildableChild: If ``filters`` is out of range.
        """
        if filters is None:
            return width
        try:
            check_integer("filters", filters, 1, LARGEST)
        except ValueError as error:
            raise UnbuildableChild(str(error)) from None
        return filters / self.stem

    def to_dict(self) -> dict[str, Any]:
        """Plain lists, dictionaries, strings and numbers, ready for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> MnasNetGenotype:
        """The inverse of `to_dict`.

        Raises:
            InvalidArchitecture: If a block or one of its parts is missing or unfit.
        """
        try:
            blocks = tuple(MnasBlock(**block) for block in data["blocks"])
            return cls(**{**data, "blocks": blocks})
        except (KeyError, TypeError) as error:
            raise InvalidArchitecture(f"not a MnasNet genotype: {error}") from None

    def words(self) -> list[str]:
        """A line for each block."""
        return [f"block {k}: {block}" for k, block in enumerate(self.blocks, start=1)]

    def build(
        self,
        input_shape: Sequence[int],
        classes: int | None,
        *,
        seed: int | None = None,
        **options: Any,
    ) -> Any:
        """Make the network; ``options`` are those of `child.build_mnasnet`.

        Raises:
            UnbuildableChild: If the network cannot be made for this input.
        """
        from cellwright.search_spaces.mnasnet.child import build_mnasnet

        return build_mnasnet(self, input_shape, classes, seed=seed, **options)

    def figures(self, model: Any = None) -> dict[str, Figure]:
        """The ``"blocks"`` as a stack; with a ``model`` that was built from them, its shapes."""
        from cellwright.search_spaces.mnasnet.drawing import draw_blocks

        return {"blocks": draw_blocks(self, model, title=self.name or "blocks")}
