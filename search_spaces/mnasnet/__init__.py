"""MnasNet: the space, the genotype and the Keras child builder."""

from cellwright.search_spaces.mnasnet.around import AroundSpace
from cellwright.search_spaces.mnasnet.block import MnasBlock
from cellwright.search_spaces.mnasnet.genotype import MnasNetGenotype
from cellwright.search_spaces.mnasnet.published import MNASNETS
from cellwright.search_spaces.mnasnet.space import MnasNetSpace

__all__ = [
    "MNASNETS",
    "AroundSpace",
    "MnasBlock",
    "MnasNetGenotype",
    "MnasNetSpace",
]
