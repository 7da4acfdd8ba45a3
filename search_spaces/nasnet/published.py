"""The published cells, as data."""

from __future__ import annotations

from cellwright.search_spaces.nasnet.genotype import Block, Cell, Genotype


def cell(blocks: str, concatenation: tuple[int, ...] = ()) -> Cell:
    """A cell in one line: ``"0 sep_5x5 1 sep_3x3, 2 identity 0 avg_3x3 concat"``.

    Each block is an input and an operation, another input and operation, and a combination where
    it is not ``add``; inputs are numbered as in `Block`.

    Raises:
        InvalidArchitecture: If the blocks do not make a cell.
        ValueError: If a block has another form.
    """
    made = []
    for block in blocks.split(","):
        input_1, operation_1, input_2, operation_2, *rest = block.split()
        made.append(Block(int(input_1), int(input_2), operation_1, operation_2, *rest))
    return Cell(tuple(made), concatenation)


# Zoph et al. 2018, figure 4, with the concatenations of the authors' code: their normal cell also
# returns its second input, and the reduction cell a state that another block reads.
NASNET_A = Genotype(
    cell(
        "0 sep_5x5 1 sep_3x3, 1 sep_5x5 1 sep_3x3, 0 avg_3x3 1 identity, 1 avg_3x3 1 avg_3x3, "
        "0 sep_3x3 0 identity",
        (1, 2, 3, 4, 5, 6),
    ),
    cell(
        "0 sep_5x5 1 sep_7x7, 0 max_3x3 1 sep_7x7, 0 avg_3x3 1 sep_5x5, 3 identity 2 avg_3x3, "
        "2 sep_3x3 0 max_3x3",
        (3, 4, 5, 6),
    ),
    "nasnet-a",
    "nasnet",
)

# Liu et al. 2019, figures 4 and 5, and ``genotypes.py`` of their code: first and second order.
# State 0 there is the output of the cell before the last, which is our state 1.
DARTS_V1 = Genotype(
    cell(
        "0 sep_conv_3x3 1 sep_conv_3x3, 1 skip_connect 0 sep_conv_3x3, "
        "1 skip_connect 0 sep_conv_3x3, 1 sep_conv_3x3 2 skip_connect",
        (2, 3, 4, 5),
    ),
    cell(
        "1 max_pool_3x3 0 max_pool_3x3, 2 skip_connect 1 max_pool_3x3, "
        "1 max_pool_3x3 2 skip_connect, 2 skip_connect 1 avg_pool_3x3",
        (2, 3, 4, 5),
    ),
    "darts-v1",
    "darts",
)
DARTS_V2 = Genotype(
    cell(
        "1 sep_conv_3x3 0 sep_conv_3x3, 1 sep_conv_3x3 0 sep_conv_3x3, "
        "0 sep_conv_3x3 1 skip_connect, 1 skip_connect 2 dil_conv_3x3",
        (2, 3, 4, 5),
    ),
    cell(
        "1 max_pool_3x3 0 max_pool_3x3, 2 skip_connect 0 max_pool_3x3, "
        "1 max_pool_3x3 2 skip_connect, 2 skip_connect 0 max_pool_3x3",
        (2, 3, 4, 5),
    ),
    "darts-v2",
    "darts",
)

# The cell that the authors' code trains to the end (melodyguan/enas, cifar10_micro_final.sh), which
# is not the one in the figures of Pham et al. 2018. State 0 there is our state 1.
ENAS_MICRO = Genotype(
    cell(
        "1 avg_3x3 1 sep_3x3, 1 identity 1 sep_5x5, 1 identity 0 sep_5x5, 0 sep_3x3 1 sep_5x5, "
        "1 avg_3x3 0 sep_5x5"
    ),
    cell(
        "0 sep_3x3 0 sep_3x3, 1 max_3x3 1 avg_3x3, 0 sep_5x5 3 sep_5x5, 0 sep_3x3 1 identity, "
        "1 max_3x3 0 sep_5x5"
    ),
    "enas-micro",
    "enas",
)

# Liu et al. 2018, figure 1; the authors' code (tensorflow/models, slim/nets/nasnet/pnasnet.py, and
# chenxi116/PNASNet.pytorch, genotypes.py) says the same. There is one cell for both strides.
_PNASNET_5 = cell(
    "1 sep_5x5 1 max_3x3, 0 sep_7x7 0 max_3x3, 0 sep_5x5 0 sep_3x3, 4 sep_3x3 0 max_3x3, "
    "1 sep_3x3 0 identity",
    (2, 3, 4, 5, 6),
)
PNASNET_5 = Genotype(_PNASNET_5, _PNASNET_5, "pnasnet-5", "nasnet")

# Real et al. 2018, figure 5.
AMOEBANET_A = Genotype(
    cell(
        "0 avg_3x3 0 max_3x3, 1 sep_3x3 1 identity, 0 identity 1 avg_3x3, 0 sep_3x3 2 sep_5x5, "
        "5 avg_3x3 0 sep_3x3",
        (1, 3, 4, 6),
    ),
    cell(
        "1 sep_3x3 0 avg_3x3, 0 max_3x3 2 sep_7x7, 1 max_3x3 0 max_3x3, 4 sep_3x3 0 conv_1x7_7x1, "
        "1 avg_3x3 0 sep_7x7",
        (2, 3, 4, 5, 6),
    ),
    "amoebanet-a",
    "amoebanet",
)

# Real et al. 2018, appendix D, with the concatenations of the authors' code (tensorflow/tpu,
# models/official/amoeba_net/model_specs.py), which like AmoebaNet-A's hold other states, too.
AMOEBANET_B = Genotype(
    cell(
        "1 conv_1x1 1 max_3x3, 1 identity 0 sep_3x3, 1 conv_1x1 0 sep_3x3, 2 conv_1x1 2 identity, "
        "1 avg_3x3 5 conv_1x1",
        (0, 3, 4, 6),
    ),
    cell(
        "0 max_2x2 0 max_3x3, 2 identity 1 conv_3x3, 2 dil_sep_5x5 2 max_3x3, "
        "3 identity 1 sep_3x3, 4 avg_3x3 3 conv_1x1",
        (5, 6),
    ),
    "amoebanet-b",
    "amoebanet-wide",
)
AMOEBANET_C = Genotype(
    cell(
        "0 avg_3x3 0 sep_3x3, 0 identity 0 sep_3x3, 2 avg_3x3 1 sep_3x3, 0 identity 1 sep_3x3, "
        "3 avg_3x3 0 sep_3x3",
        (1, 2, 4, 5, 6),
    ),
    cell(
        "0 max_3x3 0 max_3x3, 2 sep_7x7 0 sep_3x3, 0 sep_7x7 1 max_3x3, 4 sep_5x5 4 sep_5x5, "
        "1 max_3x3 1 sep_3x3",
        (0, 2, 3, 4, 5, 6),
    ),
    "amoebanet-c",
    "amoebanet-wide",
)
AMOEBANET_D = Genotype(
    cell(
        "1 conv_1x1 1 max_3x3, 1 identity 0 conv_1x7_7x1, 0 conv_1x1 0 conv_1x7_7x1, "
        "2 max_3x3 2 identity, 1 avg_3x3 5 conv_1x1",
        (0, 3, 4, 6),
    ),
    cell(
        "0 max_2x2 0 max_3x3, 2 identity 1 conv_3x3, 2 conv_1x7_7x1 2 max_3x3, "
        "3 identity 1 max_2x2, 2 avg_3x3 3 conv_1x1",
        (4, 5, 6),
    ),
    "amoebanet-d",
    "amoebanet-wide",
)
