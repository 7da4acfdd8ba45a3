"""The published networks (Tan et al. 2019, figure 7; the authors' code), as data."""

from cellwright.search_spaces.mnasnet.genotype import MnasBlock, MnasNetGenotype


def _blocks(text: str) -> tuple[MnasBlock, ...]:
    return tuple(MnasBlock.parse(block) for block in text.split())


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
