"""A block of a MnasNet, as plain data."""

from __future__ import annotations

import re
from dataclasses import dataclass

from cellwright.search_spaces.arguments import LARGEST, check_number, wrong_sizes
from cellwright.search_spaces.errors import InvalidArchitecture
from cellwright.search_spaces.mnasnet.families import ACTIVATIONS, SQUEEZES

CONVOLUTIONS = ("conv", "depthwise", "mbconv", "fused")
EXPANDING = ("mbconv", "fused")
SKIPS = ("pool", "identity", "none")


@dataclass(frozen=True)
class MnasBlock:
    """A row of equal layers (Tan et al. 2019, section 4), and what later networks made of it.

    Args:
        convolution: ``"conv"``: one convolution. ``"depthwise"``: depthwise, then pointwise.
            ``"mbconv"``: the same after a pointwise convolution to ``expansion`` times the filters.
            ``"fused"``: one convolution to that many filters, then a pointwise one, which
            EfficientNetV2 calls Fused-MBConv (Tan and Le 2021, section 3.2).
        filters: Channels of each layer's output, at least 1.
        layers: At least 1.
        kernel: Odd, in pixels.
        stride: Stride of the first layer, 1 or 2; the others have 1.
        expansion: Above 1 for an ``"mbconv"`` or ``"fused"``, else 1. Channels are rounded to a
            multiple of 8 where it is no whole number (Howard et al. 2019).
        squeeze: Squeeze-and-excitation through this share of channels, 0 up to 1; 0 leaves it out.
        skip: What is added to a layer's output: its input where both agree in shape
            (``"identity"``), its 3x3 average with the layer's stride where both agree in filters
            (``"pool"``), or nothing.
        activation: ``"relu"``, ``"relu6"``, ``"hard_swish"`` or ``"swish"``.
        squeeze_kind: ``"mnasnet"`` squeezes to a share of the layer's input filters, with ReLU and
            sigmoid; ``"efficientnet"`` the same with swish; ``"mobilenet-v3"`` to a share of the
            expanded filters, rounded to a multiple of 8, with ReLU and hard sigmoid.

    Raises:
        InvalidArchitecture: If an argument is out of range.
    """

    convolution: str
    filters: int
    layers: int = 1
    kernel: int = 3
    stride: int = 1
    expansion: float = 1
    squeeze: float = 0.0
    skip: str = "identity"
    activation: str = "relu"
    squeeze_kind: str = "mnasnet"

    def __post_init__(self) -> None:
        sizes = dict.fromkeys(("filters", "layers", "kernel", "stride"), 1)
        if wrong := wrong_sizes(self, **sizes):
            raise InvalidArchitecture(f"not a block: {'; '.join(wrong)}")
        try:
            check_number("expansion", self.expansion, least=1, most=LARGEST)
            check_number("squeeze", self.squeeze, least=0, most=1)
        except ValueError as error:
            raise InvalidArchitecture(f"not a block: {error}") from None
        allowed = {
            "convolution": self.convolution in CONVOLUTIONS,
            "kernel": self.kernel % 2 == 1,
            "stride": self.stride in (1, 2),
            "expansion": (self.expansion > 1) == (self.convolution in EXPANDING),
            "skip": self.skip in SKIPS,
            "activation": self.activation in ACTIVATIONS,
            "squeeze_kind": self.squeeze_kind in SQUEEZES,
        }
        wrong = [f"{name} = {getattr(self, name)!r}" for name, fits in allowed.items() if not fits]
        if wrong:
            raise InvalidArchitecture(
                f"not a block: {', '.join(wrong)}; convolution is one of {list(CONVOLUTIONS)}, "
                f"skip one of {list(SKIPS)}, activation one of {list(ACTIVATIONS)}, squeeze_kind "
                f"one of {list(SQUEEZES)}, expansion above 1 for {list(EXPANDING)} alone, kernel "
                "odd"
            )

    def __str__(self) -> str:
        wide = f"{self.expansion:g}" if self.convolution in EXPANDING else ""
        parts = [f"{self.convolution}{wide} {self.kernel}x{self.kernel}", f"{self.filters} filters"]
        parts += [f"{self.layers} layers"] if self.layers > 1 else []
        parts += [f"stride {self.stride}"] if self.stride > 1 else []
        parts += [f"squeeze-excite {self.squeeze:g}"] if self.squeeze else []
        parts += [in_words(self.activation)] if self.activation != "relu" else []
        return ", ".join([*parts, "no skip" if self.skip == "none" else f"{self.skip} skip"])

    @classmethod
    def parse(cls, text: str) -> MnasBlock:
        """A block in the authors' notation, such as ``"r3_k5_s2_e3_o40_se.25"``.

        Layers (r), kernel (k), stride (s), expansion (e; 1 is depthwise), output filters (o),
        squeeze-and-excitation (se, left out if none) and ``noskip``; ``c1``, as in EfficientNetV2's
        code, for a fused block, which is one convolution where its expansion is 1.

        Raises:
            InvalidArchitecture: If ``text`` is not of this form.
        """
        found = re.fullmatch(
            r"r(\d+)_k(\d+)_s(\d+)_e(\d+|\d*\.\d+)_o(\d+)(?:_se(\d*\.?\d+))?(_c1)?(_noskip)?", text
        )
        if not found:
            raise InvalidArchitecture(
                f"{text!r} is not a block such as 'r3_k5_s2_e3_o40_se.25', "
                "'r1_k3_s1_e1_o16_noskip' or 'r2_k3_s2_e4_o32_c1'"
            )
        *sizes, expansion, filters, squeeze, fused, alone = found.groups()
        layers, kernel, stride = (int(number) for number in sizes)
        plain, expanding = ("conv", "fused") if fused else ("depthwise", "mbconv")
        wide = float(expansion) if "." in expansion else int(expansion)
        return cls(
            expanding if wide > 1 else plain,
            int(filters),
            layers,
            kernel,
            stride,
            wide,
            float(squeeze or 0),
            "none" if alone else "identity",
        )


def in_words(activation: str) -> str:
    """An activation as it is written for a reader: ``hard-swish``."""
    return {"relu": "ReLU", "relu6": "ReLU6"}.get(activation, activation.replace("_", "-"))
