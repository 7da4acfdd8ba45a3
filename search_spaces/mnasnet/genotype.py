"""What a MnasNet is, apart from the space that it was found in."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from cellwright.search_spaces.arguments import check_number, check_parts, wrong_sizes
from cellwright.search_spaces.errors import InvalidArchitecture

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CONVOLUTIONS = ("conv", "depthwise", "mbconv")
SKIPS = ("pool", "identity", "none")


@dataclass(frozen=True)
class MnasBlock:
    """A row of equal layers (Tan et al. 2019, section 4).

    Args:
        convolution: ``"conv"``: one convolution. ``"depthwise"``: depthwise, then pointwise.
            ``"mbconv"``: the same after a pointwise convolution to ``expansion`` times the filters.
        filters: Channels of each layer's output, at least 1.
        layers: At least 1.
        kernel: Odd, in pixels.
        stride: Stride of the first layer, 1 or 2; the others have 1.
        expansion: At least 2 for an ``"mbconv"``, else 1.
        squeeze: Squeeze-and-excitation through this share of the layer's input filters, 0 up to 1;
            0 leaves it out.
        skip: What is added to a layer's output: its input where both agree in shape
            (``"identity"``), its 3x3 average with the layer's stride where both agree in filters
            (``"pool"``), or nothing.

    Raises:
        InvalidArchitecture: If an argument is out of range.
    """

    convolution: str
    filters: int
    layers: int = 1
    kernel: int = 3
    stride: int = 1
    expansion: int = 1
    squeeze: float = 0.0
    skip: str = "identity"

    def __post_init__(self) -> None:
        sizes = dict.fromkeys(("filters", "layers", "kernel", "stride", "expansion"), 1)
        if wrong := wrong_sizes(self, **sizes):
            raise InvalidArchitecture(f"not a block: {'; '.join(wrong)}")
        try:
            check_number("squeeze", self.squeeze, least=0, most=1)
        except ValueError as error:
            raise InvalidArchitecture(f"not a block: {error}") from None
        allowed = {
            "convolution": self.convolution in CONVOLUTIONS,
            "kernel": self.kernel % 2 == 1,
            "stride": self.stride in (1, 2),
            "expansion": (self.expansion > 1) == (self.convolution == "mbconv"),
            "skip": self.skip in SKIPS,
        }
        wrong = [f"{name} = {getattr(self, name)!r}" for name, fits in allowed.items() if not fits]
        if wrong:
            raise InvalidArchitecture(
                f"not a block: {', '.join(wrong)}; convolution is one of {list(CONVOLUTIONS)}, "
                f"skip one of {list(SKIPS)}, expansion above 1 for 'mbconv' alone, kernel odd"
            )

    def __str__(self) -> str:
        name = f"mbconv{self.expansion}" if self.convolution == "mbconv" else self.convolution
        parts = [f"{name} {self.kernel}x{self.kernel}", f"{self.filters} filters"]
        parts += [f"{self.layers} layers"] if self.layers > 1 else []
        parts += [f"stride {self.stride}"] if self.stride > 1 else []
        parts += [f"squeeze-excite {self.squeeze:g}"] if self.squeeze else []
        return ", ".join([*parts, "no skip" if self.skip == "none" else f"{self.skip} skip"])

    @classmethod
    def parse(cls, text: str) -> MnasBlock:
        """A block in the authors' notation, such as ``"r3_k5_s2_e3_o40_se.25"``.

        Layers (r), kernel (k), stride (s), expansion (e; 1 is depthwise), output filters (o),
        squeeze-and-excitation (se, left out if none) and ``noskip``.

        Raises:
            InvalidArchitecture: If ``text`` is not of this form.
        """
        found = re.fullmatch(
            r"r(\d+)_k(\d+)_s(\d+)_e(\d+)_o(\d+)(?:_se(\d*\.?\d+))?(_noskip)?", text
        )
        if not found:
            raise InvalidArchitecture(
                f"{text!r} is not a block such as 'r3_k5_s2_e3_o40_se.25' or "
                "'r1_k3_s1_e1_o16_noskip'"
            )
        layers, kernel, stride, expansion, filters = (int(number) for number in found.groups()[:5])
        return cls(
            "mbconv" if expansion > 1 else "depthwise",
            filters,
            layers,
            kernel,
            stride,
            expansion,
            float(found[6] or 0),
            "none" if found[7] else "identity",
        )


@dataclass(frozen=True)
class MnasNetGenotype:
    """The blocks in order, and the channels of the stem before and the head after them."""

    blocks: tuple[MnasBlock, ...]
    stem: int = 32
    head: int = 1280
    name: str = ""

    def __post_init__(self) -> None:
        check_parts("blocks", self.blocks, MnasBlock)
        object.__setattr__(self, "blocks", tuple(self.blocks))
        wrong = wrong_sizes(self, stem=1, head=1)
        if not self.blocks or wrong or not isinstance(self.name, str):
            raise InvalidArchitecture(
                "a MnasNet needs at least one block, stem and head of at least 1 channel, and a "
                f"name that is text; got {len(self.blocks)} blocks, stem {self.stem!r}, head "
                f"{self.head!r}, name {self.name!r}"
            )

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


def scaled(filters: int, width: float) -> int:
    """``filters`` times ``width``, rounded to a multiple of 8 that is at least 8.

    What would lose more than a tenth is rounded up (the authors' rule). A width of 1 changes
    nothing.
    """
    if width == 1:
        return filters
    wanted = filters * width
    rounded = max(8, int(wanted + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * wanted else rounded


def skip_of(skip: str, inputs: int, filters: int, stride: int) -> str:
    """What ``skip`` comes to in a layer from ``inputs`` to ``filters`` channels."""
    fits = inputs == filters and (skip == "pool" or stride == 1)
    return skip if fits else "none"
