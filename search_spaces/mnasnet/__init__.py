"""MnasNet: the space, the genotype and the Keras child builder."""

from cellwright.search_spaces.mnasnet.genotype import MnasBlock, MnasNetGenotype
from cellwright.search_spaces.mnasnet.published import MNASNET_A1, MNASNET_B1, MNASNET_SMALL
from cellwright.search_spaces.mnasnet.space import MnasNetSpace

__all__ = [
    "MNASNET_A1",
    "MNASNET_B1",
    "MNASNET_SMALL",
    "MnasBlock",
    "MnasNetGenotype",
    "MnasNetSpace",
]
