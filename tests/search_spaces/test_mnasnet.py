"""MnasNet: the space, the published networks and the builder."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cellwright.search_spaces import (
    InvalidArchitecture,
    MnasBlock,
    MnasNetGenotype,
    MnasNetSpace,
    UnbuildableChild,
    costs,
    load_genotype,
)

keras = pytest.importorskip("keras")

SPACE = MnasNetSpace()
SMALL = MnasNetSpace(layers=(1, 2), filters=(4, 4), strides=(1, 2), stem=4, head=8)
seeds = st.integers(0, 2**32 - 1)


@pytest.mark.parametrize(
    ("name", "width", "wanted"),
    [
        ("mnasnet-a1", 1.0, (3_920_526, 3_887_038, 311_579_072)),
        # imgclsmob counts 2,030,264, the authors 68 million multiply-adds.
        ("mnasnet-small", 1.0, (None, 2_030_264, 68_339_184)),
        ("mnasnet-b1", 1.0, (None, 4_383_312, None)),
        ("mnasnet-b1", 0.5, (None, 2_218_512, None)),  # torchvision's mnasnet0_5
        ("mnasnet-b1", 0.75, (None, 3_170_208, None)),  # mnasnet0_75
        ("mnasnet-b1", 1.3, (None, 6_282_256, None)),  # mnasnet1_3
    ],
)
def test_published_networks_have_their_published_sizes(name, width, wanted):
    found = costs(load_genotype(name).build((224, 224, 3), 1000, width=width))
    for figure, value in zip(
        wanted, (found.parameters, found.trainable, found.multiply_adds), strict=True
    ):
        assert figure in (None, value)


@pytest.mark.parametrize(
    ("name", "width", "millions"),
    [
        *(("mnasnet-a1", 1.4, 6.1), ("mnasnet-a1", 0.75, 2.9), ("mnasnet-a1", 0.5, 2.1)),
        *(("mnasnet-a1", 0.35, 1.7), ("mnasnet-small", 1.0, 2.0)),
    ],
)
def test_other_widths_have_the_sizes_of_the_authors_table(name, width, millions):
    """The README of their code (tensorflow/tpu, models/official/mnasnet)."""
    found = costs(load_genotype(name).build((224, 224, 3), 1000, width=width))
    assert round(found.trainable / 1e6, 1) == millions


def test_seven_blocks_of_432_choices():
    assert SPACE.size == 432**7
    assert len(SPACE.decisions) == 42
    assert SPACE.names[:6] == tuple(
        f"block_1/{part}"
        for part in ("convolution", "kernel", "squeeze", "skip", "filters", "layers")
    )


def test_genotype_holds_what_was_chosen():
    params = SPACE.decode([0] * 42) | {
        "block_3/convolution": "mbconv_6",
        "block_3/kernel": 5,
        "block_3/squeeze": 0.25,
        "block_3/skip": "identity",
        "block_3/filters": 1.25,
        "block_3/layers": 1,
    }
    blocks = SPACE.genotype(params).blocks
    assert blocks[2] == MnasBlock("mbconv", 40, 4, 5, 2, 6, 0.25, "identity")
    assert blocks[0] == MnasBlock("conv", 12, 1, 3, 1, 1, 0.0, "pool")
    assert [block.layers for block in blocks] == [1, 1, 4, 3, 2, 2, 1]


def test_notation_of_the_authors():
    found = MnasBlock.parse("r3_k5_s2_e3_o40_se.25")
    assert found == MnasBlock("mbconv", 40, 3, 5, 2, 3, 0.25, "identity")
    found = MnasBlock.parse("r1_k3_s1_e1_o16_noskip")
    assert found == MnasBlock("depthwise", 16, skip="none")
    with pytest.raises(InvalidArchitecture, match="r3_k5_s2_e3_o40"):
        MnasBlock.parse("k5_s2")


@pytest.mark.parametrize(
    "wrong",
    [
        *({"convolution": "fused"}, {"filters": 0}, {"layers": 0}, {"kernel": 4}, {"stride": 3}),
        *({"expansion": 6}, {"squeeze": 1.5}, {"skip": "dense"}),
    ],
)
def test_impossible_blocks_are_refused(wrong):
    with pytest.raises(InvalidArchitecture, match=next(iter(wrong))):
        MnasBlock(**{"convolution": "conv", "filters": 8, **wrong})


def test_other_data_is_no_genotype():
    for data in ({}, {"blocks": [{"convolution": "conv"}]}, {"blocks": []}):
        with pytest.raises(InvalidArchitecture):
            MnasNetGenotype.from_dict(data)


def test_layers_and_skips_without_effect_are_canonical():
    base = SPACE.decode([0] * 42)
    assert SPACE.key(base | {"block_1/layers": 0}) == SPACE.key(base)
    assert SPACE.key(base | {"block_1/layers": 1}) != SPACE.key(base)
    # Block 1's only layer goes from 32 to 12 channels: nothing can be added.
    assert SPACE.key(base | {"block_1/skip": "none"}) == SPACE.key(base)
    two = base | {"block_1/layers": 1}
    assert SPACE.key(two | {"block_1/skip": "none"}) != SPACE.key(two)
    # A stride lets the pool through, and makes identity and none the same.
    one = MnasNetSpace(layers=(1,), filters=(4,), strides=(2,), stem=4)
    keys = [
        one.key(one.decode([0] * 6) | {"block_1/skip": skip, "block_1/filters": 1.0})
        for skip in ("pool", "identity", "none")
    ]
    assert keys[0] != keys[1] == keys[2]


@given(seed=seeds)
def test_canonical_builds_the_same_layers(seed):
    """Parameters with one canonical form describe one genotype, but for skips that do nothing."""
    params = SMALL.sample(np.random.default_rng(seed))
    found, canonical = SMALL.genotype(params), SMALL.genotype(SMALL.canonical(params))
    for mine, other in zip(found.blocks, canonical.blocks, strict=True):
        assert (mine.layers, mine.filters, mine.kernel) == (
            *(other.layers, other.filters, other.kernel),
        )


@pytest.mark.parametrize("seed", range(8))
def test_equal_canonical_forms_have_equal_outputs(seed, outputs):
    params = SMALL.sample(np.random.default_rng(seed))
    first = SMALL.build(params, (8, 8, 3), 3, seed=0)
    second = SMALL.build(SMALL.canonical(params), (8, 8, 3), 3, seed=1)
    second.set_weights(first.get_weights())
    x = np.random.default_rng(0).random((3, 8, 8, 3), dtype=np.float32)
    np.testing.assert_allclose(outputs(first, x), outputs(second, x), atol=1e-6)


def test_filters_are_the_stems_and_set_the_width():
    genotype = load_genotype("mnasnet-b1")
    half, by_filters = (
        costs(genotype.build((32, 32, 3), 10, **options))
        for options in ({"width": 0.5}, {"filters": 16})
    )
    assert half == by_filters


@pytest.mark.parametrize(
    ("shape", "options", "message"),
    [
        ((8, 8), {}, "height, width, channels"),
        ((8, 8, 3), {"width": 0}, "width"),
        ((8, 8, 3), {"filters": 0}, "filters must be at least 1"),
        ((8, 8, 3), {"stem_stride": 3}, "stem_stride"),
        ((8, 8, 3), {"dropout": 1}, "dropout"),
    ],
)
def test_what_cannot_be_made_is_refused(shape, options, message):
    with pytest.raises(UnbuildableChild, match=message):
        load_genotype("mnasnet-a1").build(shape, 10, **options)


def test_impossible_spaces_are_refused():
    with pytest.raises(ValueError, match="one entry for each block"):
        MnasNetSpace(layers=(1, 2))
    with pytest.raises(ValueError, match="strides 1 or 2"):
        MnasNetSpace(layers=(1,), filters=(8,), strides=(3,))
