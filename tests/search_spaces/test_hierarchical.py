"""Cells whose blocks read blocks: what has one canonical form is one network."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cellwright.search_spaces import NASNetSpace, Skeleton
from cellwright.search_spaces.nasnet.operation_sets import OPERATION_SETS

keras = pytest.importorskip("keras")

SPACE = NASNetSpace.published()
FILTERS = 2
# Three cells, of which the second reduces; every operation set's own pieces appear in them.
TINY = Skeleton.cifar(1, FILTERS, reductions=1)
seeds = st.integers(0, 2**32 - 1)


def shuffled(space, params, rng):
    """The same cells with blocks in another order that their reading allows, and halves swapped.

    Returns the parameters, and for each cell where each block went (from 1) and what was swapped.
    """
    new, moves = {}, {}
    parts = [name.split("/")[-1] for name in space.names if name.startswith("normal/1/")]
    for cell in ("normal", "reduction"):
        old = [
            {part: params[f"{cell}/{k}/{part}"] for part in parts}
            for k in range(1, space.blocks + 1)
        ]
        number, order, swaps = {0: 0, 1: 1}, [], []
        while len(order) < space.blocks:
            ready = [
                k
                for k, block in enumerate(old)
                if k not in order and {block["input_1"], block["input_2"]} <= number.keys()
            ]
            k = int(rng.choice(ready))
            order.append(k)
            number[k + 2] = len(order) + 1
        for place, k in enumerate(order, start=1):
            swap = bool(rng.integers(2))
            swaps.append(swap)
            for one in ("1", "2"):
                other = {"1": "2", "2": "1"}[one] if swap else one
                new[f"{cell}/{place}/input_{one}"] = number[old[k][f"input_{other}"]]
                new[f"{cell}/{place}/operation_{one}"] = old[k][f"operation_{other}"]
            if "combination" in parts:
                new[f"{cell}/{place}/combination"] = old[k]["combination"]
        moves[cell] = (order, swaps)
    return new, moves


@settings(max_examples=200)
@given(seed=seeds, combinations=st.sampled_from([("add", "concat"), ("add",)]))
def test_canonical_forgets_the_order_of_blocks_that_read_blocks(seed, combinations):
    rng = np.random.default_rng(seed)
    names = OPERATION_SETS["nasnet"] if seed % 2 else ("identity",)  # the latter: many ties
    space = NASNetSpace.published(operations=tuple(names), combinations=combinations)
    params = space.sample(rng)
    other, _ = shuffled(space, params, rng)
    space.validate(other)
    assert space.key(other) == space.key(params)
    canonical = space.canonical(params)
    assert space.canonical(canonical) == canonical


@given(seed=seeds)
def test_canonical_keeps_what_a_cell_is(seed):
    """As many of each operation, combination and unused block as before."""
    params = SPACE.sample(np.random.default_rng(seed))
    before, after = (SPACE.genotype(p) for p in (params, SPACE.canonical(params)))
    for cell, other in ((before.normal, after.normal), (before.reduction, after.reduction)):
        assert len(cell.unused_states()) == len(other.unused_states())
        for made in (
            lambda c: [b.combination for b in c.blocks],
            lambda c: [o for b in c.blocks for o in (b.operation_1, b.operation_2)],
            lambda c: [s for b in c.blocks for s in (b.input_1, b.input_2) if s < 2],
        ):
            assert sorted(made(cell)) == sorted(made(other))


def test_cells_that_differ_in_one_edge_stay_apart():
    space = NASNetSpace.published(blocks=3, operations=("identity",), combinations=("add",))
    first = space.decode([0, 0, 0, 0, 0, 0, 0, 0, 2, 3, 0, 0] + [0] * 12)
    second = space.decode([0, 0, 0, 0, 0, 0, 0, 0, 2, 2, 0, 0] + [0] * 12)
    assert space.key(first) != space.key(second)


@given(seed=seeds)
def test_mutation_makes_no_loop_and_changes_one_decision(seed):
    rng = np.random.default_rng(seed)
    space = NASNetSpace.amoebanet()
    before = space.sample(rng)
    after = space.mutate(before, rng)
    assert sum(before[name] != after[name] for name in space.names) == 1
    space.genotype(after)  # refuses a block that reads itself or a later one


def map_weights(source, target, genotype, moves):
    """Give ``target``, a shuffled ``source``, the same function.

    A shuffle permutes the channels of concatenations; whoever reads them permutes its weights.
    """
    outputs = {}  # of each cell, by its number: where each channel of target comes from
    ends = {}  # the same of its concatenation, before it is repaired
    kinds = {n: place.kind for n, place in enumerate(TINY.places(), start=1)}
    for number, kind in kinds.items():
        cell = getattr(genotype, kind)
        order, swaps = moves[kind]
        starts, at = {}, 0
        for state in cell.concatenation:
            starts[state] = at
            at += _width(genotype, cell, state, number)
        channels = []
        for place in range(len(order)):
            state = order[place] + 2
            if state in starts:
                width = _width(genotype, cell, state, number)
                own = np.arange(starts[state], starts[state] + width)
                half = len(own) // 2
                flip = swaps[place] and _parts(genotype, cell, state) == 2
                channels.extend(np.concatenate([own[half:], own[:half]]) if flip else own)
        outputs[number] = np.array(channels)
        if genotype.repair:
            ends[number] = outputs[number]
            outputs[number] = np.arange(TINY.places()[number - 1].filters)
    for layer in target.layers:
        if layer.weights:
            name, permute = _source(layer.name, genotype, moves, kinds, outputs, ends)
            weights = source.get_layer(name).get_weights()
            layer.set_weights([permute(w) if w.ndim > 1 else w for w in weights])


def _parts(genotype, cell, state):
    concatenated = cell.blocks[state - 2].combination == "concat" and not genotype.repair
    return 2 if concatenated else 1


def _width(genotype, cell, state, number):
    return TINY.places()[number - 1].filters * _parts(genotype, cell, state)


def _source(name, genotype, moves, kinds, outputs, ends):
    """The layer of the source whose weights ``name`` takes, and how their inputs are permuted."""

    def by(channels):
        return lambda w: w if w.ndim < 2 else np.take(w, channels, axis=w.ndim - 2)

    def same(w):
        return w

    last = len(kinds)
    if name == "classes":
        return name, by(outputs[last])
    found = re.fullmatch(r"cell_(\d+)_(normal|reduction)_(.*)", name)
    if not found:
        return name, same
    number, kind, part = int(found[1]), found[2], found[3]
    reads = {"current": number - 1, "before": TINY.places()[number - 1].before}
    for side, output in reads.items():
        if part.startswith(side):
            return name, by(outputs[output]) if output else same
    if part.startswith("repair"):
        return name, by(ends[number])
    if repair := re.fullmatch(r"block_(\d+)_(repair_.*)", part):
        old, swap = (each[int(repair[1]) - 1] for each in moves[kind])
        halves = np.arange(2 * TINY.places()[number - 1].filters)
        halves = np.roll(halves, len(halves) // 2) if swap else halves
        return f"cell_{number}_{kind}_block_{old + 1}_{repair[2]}", by(halves)
    block, side, operation = re.fullmatch(r"block_(\d+)_(left|right)_(.*)", part).groups()
    order, swaps = moves[kind]
    old, swap = order[int(block) - 1], swaps[int(block) - 1]
    side = {"left": "right", "right": "left"}[side] if swap else side
    cell = getattr(genotype, kind)
    state = cell.blocks[old].input_1 if side == "left" else cell.blocks[old].input_2
    source = f"cell_{number}_{kind}_block_{old + 1}_{side}_{operation}"
    flipped = state > 1 and _parts(genotype, cell, state) == 2 and swaps[order.index(state - 2)]
    first = not re.search(r"_2_\w+$", operation)
    if flipped and first and "normalisation" not in operation:
        width = TINY.places()[number - 1].filters
        return source, by(np.roll(np.arange(2 * width), width))
    return source, same


@pytest.mark.parametrize(
    ("space", "seed"),
    [
        *((NASNetSpace.published(blocks=3 + seed), seed) for seed in range(3)),
        (NASNetSpace.wide(), 3),
        (NASNetSpace.wide(skeleton=Skeleton.book(1, FILTERS, reductions=1)), 4),
        (NASNetSpace(), 3),
        (NASNetSpace(skeleton=Skeleton.book(1, FILTERS, reductions=1)), 4),
        (NASNetSpace.published(blocks=4, repair=True), 1),
        (NASNetSpace.amoebanet(blocks=4), 5),
        (NASNetSpace.published(blocks=4, operation_set="darts"), 6),
        (NASNetSpace.published(blocks=4, operation_set="enas"), 7),
    ],
    ids=lambda value: f"{value.operation_set}" if isinstance(value, NASNetSpace) else f"{value}",
)
def test_equal_canonical_forms_have_equal_outputs(space, seed, outputs):
    rng = np.random.default_rng(seed)
    params = space.sample(rng)
    other, moves = shuffled(space, params, rng)
    assert space.key(other) == space.key(params)
    skeleton = space.skeleton if seed == 4 else TINY
    source, target = (
        space.build(p, (8, 8, 3), 3, skeleton=skeleton, seed=0) for p in (params, other)
    )
    map_weights(source, target, space.genotype(params), moves)
    x = np.random.default_rng(1).random((2, 8, 8, 3), dtype=np.float32)
    np.testing.assert_allclose(outputs(source, x), outputs(target, x), atol=1e-5)


def test_the_spaces_own_skeleton_takes_filters_repeats_and_reductions():
    params = SPACE.sample(np.random.default_rng(3))
    one = SPACE.build(params, (8, 8, 1), 3, filters=2, repeats=1, reductions=1)
    other = SPACE.build(params, (8, 8, 1), 3, skeleton=Skeleton.cifar(1, 2, reductions=1))
    assert [layer.name for layer in one.layers] == [layer.name for layer in other.layers]
    assert one.count_params() == other.count_params()
