"""The book's NASNet space and its genotypes."""

import json
from itertools import permutations, product
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cellwright.plugins import make_strategy
from cellwright.search_spaces import (
    Block,
    Cell,
    Genotype,
    InvalidArchitecture,
    NASNetSpace,
    Skeleton,
    UnbuildableChild,
)

SPACE = NASNetSpace()
ONE = NASNetSpace(blocks=1)
seeds = st.integers(0, 2**32 - 1)


def test_fifty_decisions_in_the_order_of_the_book():
    assert len(SPACE.decisions) == 50
    assert SPACE.names[:6] == (
        "normal/1/input_1",
        "normal/1/input_2",
        "normal/1/operation_1",
        "normal/1/operation_2",
        "normal/1/combination",
        "normal/2/input_1",
    )
    assert SPACE.names[25] == "reduction/1/input_1"
    assert SPACE.size == 288**10


def test_canonical_counts_the_networks_of_one_block():
    """Two halves of 12 (input, operation) pairs commute: 78 pairs for each combination."""
    cells = {
        ONE.key(ONE.decode((*indices, 0, 0, 0, 0, 0)))
        for indices in product(range(2), range(2), range(6), range(6), range(2))
    }
    assert len(cells) == 2 * comb(12 + 1, 2)


@given(seed=seeds)
def test_without_reduction_cells_the_normal_cell_is_the_network(seed):
    alone = NASNetSpace(skeleton=Skeleton.book(reductions=0))
    stem = NASNetSpace(skeleton=Skeleton.imagenet(reductions=0))  # has two in its stem
    first, second = (alone.sample(np.random.default_rng(seed + turn)) for turn in range(2))
    mixed = {**second, **{name: first[name] for name in alone.names[:25]}}
    assert alone.key(first) == alone.key(mixed) == alone.key(alone.canonical(first))
    assert alone.key(first) != alone.key(second)
    assert stem.key(first) != stem.key(mixed)
    assert alone.active(first) == (True,) * 25 + (False,) * 25
    assert all(stem.active(first))


def test_reduction_cells_cannot_come_in_where_the_space_has_none():
    """Or different networks would be taken for one."""
    alone = NASNetSpace(blocks=1, skeleton=Skeleton.book(1, 2, reductions=0))
    params = alone.sample(np.random.default_rng(0))
    words = "the space's skeleton has no reduction cells"
    for options in ({"reductions": 1}, {"skeleton": Skeleton.cifar(1, 2)}):
        with pytest.raises(UnbuildableChild, match=words):
            alone.check_input((8, 8, 1), 2, **options)
        with pytest.raises(UnbuildableChild, match=words):
            alone.build(params, (8, 8, 1), 2, **options)
        with pytest.raises(UnbuildableChild, match=words):
            alone.pieces(params, (8, 8, 1), 2, **options)
    alone.check_input((8, 8, 1), 2, filters=4, repeats=2)


@pytest.mark.parametrize("strategy", ["random", "auto", "evolution"])
def test_without_reduction_cells_no_network_is_proposed_twice(strategy):
    space = NASNetSpace(
        blocks=1, operations=("sep_3x3", "max_3x3"), combinations=("add",),
        skeleton=Skeleton.book(reductions=0),
    )  # fmt: skip
    proposing = make_strategy(strategy, space, seed=0)
    keys = set()
    for number in range(10):  # of comb(4 + 1, 2) networks
        params = proposing.ask(number)
        keys.add(space.key(params))
        proposing.tell(number, params, float(number % 3))
    assert len(keys) == 10


def test_canonical_space_has_the_known_size():
    blocks = 2 * comb(13, 2)
    assert comb(blocks + 4, 5) ** 2 == pytest.approx(6.7e17, rel=0.01)


@given(seed=seeds)
def test_canonical_forgets_the_order_of_halves_and_blocks(seed):
    rng = np.random.default_rng(seed)
    params = SPACE.sample(rng)
    shuffled = {}
    for cell in ("normal", "reduction"):
        for new, old in enumerate(rng.permutation(5) + 1, start=1):
            first, second = rng.permutation(["1", "2"])
            for part in ("input", "operation"):
                shuffled[f"{cell}/{new}/{part}_1"] = params[f"{cell}/{old}/{part}_{first}"]
                shuffled[f"{cell}/{new}/{part}_2"] = params[f"{cell}/{old}/{part}_{second}"]
            shuffled[f"{cell}/{new}/combination"] = params[f"{cell}/{old}/combination"]
    assert SPACE.key(shuffled) == SPACE.key(params)


@given(seed=seeds)
def test_the_canonical_order_is_the_first_of_all_orders(seed):
    space = NASNetSpace(blocks=3)
    indices = space.encode(space.sample(np.random.default_rng(seed)))

    def first(cell):
        blocks = [cell[start : start + 5] for start in (0, 5, 10)]
        halves = [[(a, b, c, d, e), (b, a, d, c, e)] for a, b, c, d, e in blocks]
        orders = (order for chosen in product(*halves) for order in permutations(chosen))
        return tuple(number for block in min(orders) for number in block)

    assert space.key(space.decode(indices)) == first(indices[:15]) + first(indices[15:])


@given(seed=seeds, repair=st.booleans())
def test_genotype_survives_json(seed, repair):
    space = NASNetSpace(repair=repair)
    genotype = space.genotype(space.sample(np.random.default_rng(seed)))
    assert genotype.normal.concatenation == (2, 3, 4, 5, 6)
    assert genotype.repair == repair
    assert Genotype.from_dict(json.loads(json.dumps(genotype.to_dict()))) == genotype


def test_a_genotype_says_that_it_is_repaired_and_one_of_an_earlier_version_is_wide():
    params = SPACE.decode((0,) * 50)
    repaired, wide = (s.genotype(params) for s in (SPACE, NASNetSpace.wide()))
    assert repaired.to_dict() == {**wide.to_dict(), "repair": True}
    assert "repair" not in wide.to_dict()
    assert Genotype.from_dict(wide.to_dict()) == wide != repaired
    assert repaired.words() == [
        *wide.words(),
        "1x1 convolutions after every concat and at the end of each cell",
    ]
    with pytest.raises(InvalidArchitecture, match="repair must be true or false, got 1"):
        Genotype.from_dict({**wide.to_dict(), "repair": 1})


def test_only_the_book_repairs():
    assert SPACE.repair
    for space in (NASNetSpace.wide(), NASNetSpace.published(), NASNetSpace.amoebanet()):
        assert not space.repair
    with pytest.raises(ValueError, match="repair must be True or False, got 'no'"):
        NASNetSpace(repair="no")


def test_genotype_holds_what_was_chosen():
    params = SPACE.decode((0,) * 50) | {
        "reduction/3/input_2": 1,
        "reduction/3/operation_2": "max_3x3",
        "reduction/3/combination": "concat",
    }
    genotype = SPACE.genotype(params)
    assert genotype.reduction.blocks[2] == Block(0, 1, "sep_3x3", "max_3x3", "concat")
    assert genotype.normal.blocks == (Block(0, 0, "sep_3x3", "sep_3x3", "add"),) * 5


def test_concatenation_defaults_to_the_unused_states():
    cell = Cell((Block(0, 1, "identity", "identity"), Block(2, 0, "identity", "identity")))
    assert cell.concatenation == (3,)


@pytest.mark.parametrize(
    ("blocks", "concatenation", "message"),
    [
        ((Block(0, 2, "identity", "identity"),), (), "block 1 reads hidden state 2"),
        ((Block(0, 1, "identity", "identity", "mul"),), (), "'mul'"),
        ((Block(0, 1, "identity", "identity"),), (5,), "cannot concatenate"),
        ((), (), "0 blocks"),
    ],
)
def test_impossible_cells_are_refused(blocks, concatenation, message):
    with pytest.raises(InvalidArchitecture, match=message):
        Cell(blocks, concatenation)


@pytest.mark.parametrize("data", [{}, {"normal": {"blocks": []}}, {"normal": 3, "reduction": 4}])
def test_other_data_is_no_genotype(data):
    with pytest.raises(InvalidArchitecture):
        Genotype.from_dict(data)


def test_unknown_operations_and_no_blocks_are_refused():
    with pytest.raises(InvalidArchitecture, match="conv_9x9"):
        NASNetSpace(operations=("conv_9x9",))
    with pytest.raises(ValueError, match="blocks"):
        NASNetSpace(blocks=0)
