"""What can be searched, and the child network that it describes."""

from cellwright.search_spaces.applications import load_applications_weights
from cellwright.search_spaces.convnet import ConvLayer, ConvNetGenotype, ConvNetSpace
from cellwright.search_spaces.costs import Costs, costs, depth
from cellwright.search_spaces.decision import Decision, Float, Int, Params, Value
from cellwright.search_spaces.edge_cell import EdgeCellGenotype, EdgeCellSpace
from cellwright.search_spaces.errors import (
    INFEASIBLE,
    CellwrightError,
    ChildFailed,
    CorruptedState,
    ExportFailed,
    InvalidArchitecture,
    InvalidData,
    OverLimit,
    SpaceMismatch,
    UnbuildableChild,
    WeightsMismatch,
)
from cellwright.search_spaces.genotypes import GENOTYPES, load_genotype
from cellwright.search_spaces.joint import JointSpace
from cellwright.search_spaces.mlp import DenseLayer, DropoutLayer, MLPGenotype, MLPSpace
from cellwright.search_spaces.mnasnet import (
    AroundSpace,
    MnasBlock,
    MnasNetGenotype,
    MnasNetSpace,
)
from cellwright.search_spaces.multiplications import multiply_adds
from cellwright.search_spaces.nasnet import (
    OPERATION_SETS,
    Block,
    Cell,
    Genotype,
    NASNetSpace,
    Skeleton,
    notation,
    register_operation,
)
from cellwright.search_spaces.piece_costs import PieceCosts
from cellwright.search_spaces.space import SearchSpace
from cellwright.search_spaces.written import read_hyperparameter, read_value

__all__ = [
    "GENOTYPES",
    "INFEASIBLE",
    "OPERATION_SETS",
    "AroundSpace",
    "Block",
    "Cell",
    "CellwrightError",
    "ChildFailed",
    "ConvLayer",
    "ConvNetGenotype",
    "ConvNetSpace",
    "CorruptedState",
    "Costs",
    "Decision",
    "DenseLayer",
    "DropoutLayer",
    "EdgeCellGenotype",
    "EdgeCellSpace",
    "ExportFailed",
    "Float",
    "Genotype",
    "Int",
    "InvalidArchitecture",
    "InvalidData",
    "JointSpace",
    "MLPGenotype",
    "MLPSpace",
    "MnasBlock",
    "MnasNetGenotype",
    "MnasNetSpace",
    "NASNetSpace",
    "OverLimit",
    "Params",
    "PieceCosts",
    "SearchSpace",
    "Skeleton",
    "SpaceMismatch",
    "UnbuildableChild",
    "Value",
    "WeightsMismatch",
    "costs",
    "depth",
    "load_applications_weights",
    "load_genotype",
    "multiply_adds",
    "notation",
    "read_hyperparameter",
    "read_value",
    "register_operation",
]
