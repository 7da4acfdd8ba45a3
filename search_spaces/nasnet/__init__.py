"""NASNet cells: the spaces, the genotype, the skeletons and the Keras child builder."""

from cellwright.search_spaces.nasnet.genotype import Block, Cell, Genotype
from cellwright.search_spaces.nasnet.notation import notation
from cellwright.search_spaces.nasnet.operation_sets import OPERATION_SETS, register_operation
from cellwright.search_spaces.nasnet.skeleton import Skeleton
from cellwright.search_spaces.nasnet.space import NASNetSpace

__all__ = [
    "OPERATION_SETS",
    "Block",
    "Cell",
    "Genotype",
    "NASNetSpace",
    "Skeleton",
    "notation",
    "register_operation",
]
