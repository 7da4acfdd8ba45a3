"""The published networks of these blocks, as data, and what is known of each.

MnasNet: Tan et al. 2019, figure 7, and the authors' code. The others are those of their papers, as
keras.applications builds them: MobileNetV2 (Sandler et al. 2018, table 2), MobileNetV3 (Howard et
al. 2019, tables 1 and 2), EfficientNet (Tan and Le 2019, table 1) and EfficientNetV2 (Tan and Le
2021, table 4; the authors' code for B0 to B3, M and L).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from cellwright.search_spaces.mnasnet.block import MnasBlock
from cellwright.search_spaces.mnasnet.genotype import MnasNetGenotype


def _blocks(text: str, **fields: Any) -> tuple[MnasBlock, ...]:
    return tuple(replace(MnasBlock.parse(block), **fields) for block in text.split())


MNASNET_A1 = MnasNetGenotype(
    _blocks(
        "r1_k3_s1_e1_o16_noskip r2_k3_s2_e6_o24 r3_k5_s2_e3_o40_se.25 r4_k3_s2_e6_o80 "
        "r2_k3_s1_e6_o112_se.25 r3_k5_s2_e6_o160_se.25 r1_k3_s1_e6_o320"
    ),
    name="mnasnet-a1",
)

MNASNET_B1 = MnasNetGenotype(
    _blocks(
        "r1_k3_s1_e1_o16_noskip r3_k3_s2_e3_o24 r3_k5_s2_e3_o40 r3_k5_s2_e6_o80 "
        "r2_k3_s1_e6_o96 r4_k5_s2_e6_o192 r1_k3_s1_e6_o320_noskip"
    ),
    name="mnasnet-b1",
)

# From the authors' code only.
MNASNET_SMALL = MnasNetGenotype(
    _blocks(
        "r1_k3_s1_e1_o8 r1_k3_s2_e3_o16 r2_k3_s2_e6_o16 r4_k5_s2_e6_o32_se.25 "
        "r3_k3_s1_e6_o32_se.25 r3_k5_s2_e6_o88_se.25 r1_k3_s1_e6_o144"
    ),
    stem=8,
    name="mnasnet-small",
)

MOBILENET_V2 = MnasNetGenotype(
    _blocks(
        "r1_k3_s1_e1_o16 r2_k3_s2_e6_o24 r3_k3_s2_e6_o32 r4_k3_s2_e6_o64 r3_k3_s1_e6_o96 "
        "r3_k3_s2_e6_o160 r1_k3_s1_e6_o320",
        activation="relu6",
    ),
    name="mobilenet-v2",
    family="mobilenet-v2",
    activation="relu6",
    dropout=0.0,
)


def _mobilenet_v3(size: str, relu: str, swish: str, head: int, features: int) -> MnasNetGenotype:
    kind = "mobilenet-v3"
    return MnasNetGenotype(
        _blocks(relu, squeeze_kind=kind)
        + _blocks(swish, activation="hard_swish", squeeze_kind=kind),
        stem=16,
        head=head,
        name=f"mobilenet-v3-{size}",
        family=kind,
        activation="hard_swish",
        features=features,
    )


# Expansions that are no whole numbers give the table's expanded channels: 200, 184, 72 and 88.
MOBILENET_V3_LARGE = _mobilenet_v3(
    "large",
    "r1_k3_s1_e1_o16 r1_k3_s2_e4_o24 r1_k3_s1_e3_o24 r3_k5_s2_e3_o40_se.25",
    "r1_k3_s2_e6_o80 r1_k3_s1_e2.5_o80 r2_k3_s1_e2.3_o80 r2_k3_s1_e6_o112_se.25 "
    "r3_k5_s2_e6_o160_se.25",
    head=960,
    features=1280,
)
MOBILENET_V3_SMALL = _mobilenet_v3(
    "small",
    f"r1_k3_s2_e1_o16_se.25 r1_k3_s2_e4.5_o24 r1_k3_s1_e{88 / 24}_o24",
    "r1_k5_s2_e4_o40_se.25 r2_k5_s1_e6_o40_se.25 r2_k5_s1_e3_o48_se.25 r3_k5_s2_e6_o96_se.25",
    head=576,
    features=1024,
)


def _minimalistic(genotype: MnasNetGenotype) -> MnasNetGenotype:
    """Without what old accelerators lack: other kernels than 3x3, squeezes, other than ReLU."""
    return replace(
        genotype,
        blocks=tuple(
            replace(block, kernel=3, squeeze=0.0, activation="relu") for block in genotype.blocks
        ),
        activation="relu",
        name=f"{genotype.name}-minimalistic",
    )


MOBILENET_V3_LARGE_MINIMALISTIC = _minimalistic(MOBILENET_V3_LARGE)
MOBILENET_V3_SMALL_MINIMALISTIC = _minimalistic(MOBILENET_V3_SMALL)


def _efficientnet(blocks: str, kind: str, stem: int = 32) -> MnasNetGenotype:
    return MnasNetGenotype(
        _blocks(blocks, activation="swish", squeeze_kind="efficientnet"),
        stem=stem,
        name=kind,
        family="efficientnet-v2" if kind.startswith("efficientnet-v2") else "efficientnet",
        activation="swish",
        drop_connect=0.2,
    )


EFFICIENTNET_B0 = _efficientnet(
    "r1_k3_s1_e1_o16_se.25 r2_k3_s2_e6_o24_se.25 r2_k5_s2_e6_o40_se.25 r3_k3_s2_e6_o80_se.25 "
    "r3_k5_s1_e6_o112_se.25 r4_k5_s2_e6_o192_se.25 r1_k3_s1_e6_o320_se.25",
    "efficientnet-b0",
)
EFFICIENTNET_V2_B0 = _efficientnet(
    "r1_k3_s1_e1_o16_c1 r2_k3_s2_e4_o32_c1 r2_k3_s2_e4_o48_c1 r3_k3_s2_e4_o96_se.25 "
    "r5_k3_s1_e6_o112_se.25 r8_k3_s2_e6_o192_se.25",
    "efficientnet-v2-b0",
)
# Width, depth and dropout of B1 to B7, from B0: Tan and Le's code, as in keras.applications.
_SCALED = {
    "efficientnet-b1": (EFFICIENTNET_B0, 1.0, 1.1, 0.2),
    "efficientnet-b2": (EFFICIENTNET_B0, 1.1, 1.2, 0.3),
    "efficientnet-b3": (EFFICIENTNET_B0, 1.2, 1.4, 0.3),
    "efficientnet-b4": (EFFICIENTNET_B0, 1.4, 1.8, 0.4),
    "efficientnet-b5": (EFFICIENTNET_B0, 1.6, 2.2, 0.4),
    "efficientnet-b6": (EFFICIENTNET_B0, 1.8, 2.6, 0.5),
    "efficientnet-b7": (EFFICIENTNET_B0, 2.0, 3.1, 0.5),
    "efficientnet-v2-b1": (EFFICIENTNET_V2_B0, 1.0, 1.1, 0.2),
    "efficientnet-v2-b2": (EFFICIENTNET_V2_B0, 1.1, 1.2, 0.2),
    "efficientnet-v2-b3": (EFFICIENTNET_V2_B0, 1.2, 1.4, 0.2),
}

MNASNETS: tuple[MnasNetGenotype, ...] = (
    *(MNASNET_A1, MNASNET_B1, MNASNET_SMALL, MOBILENET_V2),
    *(MOBILENET_V3_LARGE, MOBILENET_V3_SMALL),
    *(MOBILENET_V3_LARGE_MINIMALISTIC, MOBILENET_V3_SMALL_MINIMALISTIC),
    *(EFFICIENTNET_B0, EFFICIENTNET_V2_B0),
    *(
        replace(first.scaled(width, depth), name=name, dropout=dropout)
        for name, (first, width, depth, dropout) in _SCALED.items()
    ),
    _efficientnet(
        "r2_k3_s1_e1_o24_c1 r4_k3_s2_e4_o48_c1 r4_k3_s2_e4_o64_c1 r6_k3_s2_e4_o128_se.25 "
        "r9_k3_s1_e6_o160_se.25 r15_k3_s2_e6_o256_se.25",
        "efficientnet-v2-s",
        stem=24,
    ),
    _efficientnet(
        "r3_k3_s1_e1_o24_c1 r5_k3_s2_e4_o48_c1 r5_k3_s2_e4_o80_c1 r7_k3_s2_e4_o160_se.25 "
        "r14_k3_s1_e6_o176_se.25 r18_k3_s2_e6_o304_se.25 r5_k3_s1_e6_o512_se.25",
        "efficientnet-v2-m",
        stem=24,
    ),
    _efficientnet(
        "r4_k3_s1_e1_o32_c1 r7_k3_s2_e4_o64_c1 r7_k3_s2_e4_o96_c1 r10_k3_s2_e4_o192_se.25 "
        "r19_k3_s1_e6_o224_se.25 r25_k3_s2_e6_o384_se.25 r7_k3_s1_e6_o640_se.25",
        "efficientnet-v2-l",
    ),
)
