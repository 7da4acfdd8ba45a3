"""The networks after MnasNet, beside those that Keras ships."""

import json
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cellwright.search_spaces import (
    GENOTYPES,
    InvalidArchitecture,
    MnasBlock,
    MnasNetGenotype,
    UnbuildableChild,
    costs,
    load_genotype,
)
from cellwright.search_spaces.drop_path import DropPath
from cellwright.search_spaces.export import inference_model
from cellwright.search_spaces.mnasnet.block import EXPANDING
from cellwright.search_spaces.mnasnet.facts import FACTS
from cellwright.search_spaces.mnasnet.families import ACTIVATIONS, FAMILIES, SQUEEZES
from cellwright.search_spaces.mnasnet.pieces import build_piece, count_pieces

keras = pytest.importorskip("keras")

SHAPE = (224, 224, 3)
QUICK = ("mobilenet-v2", "mobilenet-v3-small", "efficientnet-b0", "efficientnet-v2-b0")


def application(name, shape=SHAPE, classes=1000, **arguments):
    """Keras's network of this name, untrained; without a layer that normalises where it can be."""
    facts = FACTS[name]
    if facts.application.startswith(("MobileNetV3", "EfficientNetV2")):
        arguments["include_preprocessing"] = False
    if facts.minimalistic:
        arguments["minimalistic"] = True
    make = getattr(keras.applications, facts.application)
    return make(weights=None, input_shape=shape, classes=classes, **arguments)


def sizes(found):
    return found.parameters, found.trainable, found.multiply_adds


def test_every_published_network_of_blocks_has_its_facts():
    assert set(FACTS) == {
        name for name, one in GENOTYPES.items() if isinstance(one, MnasNetGenotype)
    }


@pytest.mark.parametrize(
    "name",
    [
        name if name in QUICK else pytest.param(name, marks=pytest.mark.slow)
        for name, facts in FACTS.items()
        if facts.application
    ],
)
def test_published_networks_have_the_sizes_of_keras(name):
    facts = FACTS[name]
    found = costs(load_genotype(name).build(SHAPE, 1000))
    assert sizes(found) == sizes(facts)
    assert sizes(found) == sizes(costs(application(name)))
    keras.backend.clear_session()


@pytest.mark.parametrize("name", [name for name, facts in FACTS.items() if not facts.application])
def test_the_facts_of_the_others_are_theirs(name):
    assert sizes(costs(load_genotype(name).build(SHAPE, 1000))) == sizes(FACTS[name])


@pytest.mark.parametrize(
    ("name", "alpha"),
    [
        *(("mobilenet-v2", 0.35), ("mobilenet-v3-small", 0.75)),
        *(
            pytest.param(name, alpha, marks=pytest.mark.slow)
            for name, alphas in {
                "mobilenet-v2": (0.5, 0.75, 1.3, 1.4),
                "mobilenet-v3-large": (0.5, 0.75, 1.25),
                "mobilenet-v3-small": (0.35, 1.5),
                "mobilenet-v3-small-minimalistic": (0.75, 1.25),
            }.items()
            for alpha in alphas
        ),
    ],
)
def test_other_widths_have_the_sizes_of_keras(name, alpha):
    found = costs(load_genotype(name).build((64, 64, 3), 10, width=alpha))
    assert found == costs(application(name, (64, 64, 3), 10, alpha=alpha))


@pytest.mark.parametrize(
    ("name", "width", "depth"),
    [
        ("efficientnet-b2", 1.1, 1.2),
        ("efficientnet-b7", 2.0, 3.1),
        ("efficientnet-v2-b3", 1.2, 1.4),
    ],
)
def test_the_larger_ones_are_the_first_one_scaled(name, width, depth):
    first, larger = load_genotype(f"{name[:-1]}0"), load_genotype(name)
    assert first.scaled(width, depth).blocks == larger.blocks
    assert first.scaled(width, depth).head == larger.head
    if name.endswith("2"):
        built = first.build((32, 32, 3), 10, width=width, depth=depth)
        assert costs(built) == costs(larger.build((32, 32, 3), 10))


@pytest.mark.parametrize("name", ["mnasnet-a1", "mnasnet-b1", "mnasnet-small"])
def test_a_genotype_without_the_later_fields_is_what_it_was(name):
    genotype = load_genotype(name)
    earlier = {part: getattr(genotype, part) for part in ("stem", "head", "name")}
    fields = (
        "convolution",
        "filters",
        "layers",
        "kernel",
        "stride",
        "expansion",
        "squeeze",
        "skip",
    )
    earlier["blocks"] = [{part: getattr(b, part) for part in fields} for b in genotype.blocks]
    assert MnasNetGenotype.from_dict(json.loads(json.dumps(earlier))) == genotype


def blocks():
    """Blocks of every kind, one layer or two."""
    convolutions = st.sampled_from(["conv", "depthwise", "mbconv", "fused"])
    return convolutions.flatmap(
        lambda convolution: st.builds(
            partial(MnasBlock, convolution),
            filters=st.sampled_from([4, 8, 12]),
            layers=st.integers(1, 2),
            kernel=st.sampled_from([1, 3, 5]),
            stride=st.sampled_from([1, 2]),
            expansion=st.sampled_from([1.5, 2, 3.7] if convolution in EXPANDING else [1]),
            squeeze=st.sampled_from([0.0, 0.25, 0.5]),
            skip=st.sampled_from(["pool", "identity", "none"]),
            activation=st.sampled_from(ACTIVATIONS),
            squeeze_kind=st.sampled_from(sorted(SQUEEZES)),
        )
    )


genotypes = st.builds(
    MnasNetGenotype,
    blocks=st.lists(blocks(), min_size=1, max_size=2).map(tuple),
    stem=st.sampled_from([4, 8]),
    head=st.sampled_from([8, 16]),
    family=st.sampled_from(sorted(FAMILIES)),
    activation=st.sampled_from(ACTIVATIONS),
    features=st.sampled_from([0, 8]),
    drop_connect=st.sampled_from([0.0, 0.5]),
)


@given(genotype=genotypes)
def test_genotypes_survive_json(genotype):
    assert MnasNetGenotype.from_dict(json.loads(json.dumps(genotype.to_dict()))) == genotype
    assert len(genotype.words()) == len(genotype.blocks)


@given(genotype=genotypes, width=st.floats(0.1, 4), depth=st.floats(0.1, 4))
def test_scaling_keeps_whole_channels_and_every_block(genotype, width, depth):
    found = genotype.scaled(width, depth)
    assert len(found.blocks) == len(genotype.blocks)
    for mine, before in zip(found.blocks, genotype.blocks, strict=True):
        assert mine.filters == before.filters or mine.filters % 8 == 0
        assert before.layers * depth <= mine.layers < before.layers * depth + 1
        assert replace(mine, filters=before.filters, layers=before.layers) == before
    assert bool(found.features) == bool(genotype.features)
    assert genotype.scaled() == genotype


@pytest.mark.parametrize("seed", range(4))
def test_pieces_cost_together_what_the_network_costs(seed):
    """One genotype for each activation and kind of squeeze, with all four kinds of blocks."""
    activation = ACTIVATIONS[seed]
    common = {"squeeze_kind": sorted(SQUEEZES)[seed % 3], "activation": activation}
    genotype = MnasNetGenotype(
        (
            MnasBlock("fused", 8, 2, stride=2, expansion=2, **common),
            MnasBlock("conv", 8, squeeze=0.5, skip="pool", **common),
            MnasBlock("mbconv", 8, 2, 5, 1, 3.7, 0.25, **common),
            MnasBlock("depthwise", 16, squeeze=0.25, **common),
            MnasBlock("fused", 16, kernel=1, expansion=1.5, squeeze=0.5, **common),
        ),
        stem=8,
        head=16,
        family="mobilenet-v3",
        activation=activation,
        features=24 if seed % 2 else 0,
    )
    shape, options = (19, 16, 3), {"width": 1.5, "depth": 1.2}
    model = inference_model(genotype.build(shape, 7, **options))
    pieces = count_pieces(genotype, shape, 7, **options)
    built = {piece: costs(build_piece(piece)) for piece in pieces}
    for size in ("parameters", "multiply_adds"):
        found = sum(times * getattr(built[piece], size) for piece, times in pieces.items())
        assert found == getattr(costs(model), size)


def test_layers_are_dropped_more_the_deeper_they_are():
    genotype = MnasNetGenotype((MnasBlock("depthwise", 8, 4),), stem=8, head=8, drop_connect=0.4)
    model = genotype.build((8, 8, 3), 3, seed=0)
    keeps = {one.name: one.keep for one in model.layers if one.name.endswith("drop_path")}
    assert keeps == {f"block_1_{k}_drop_path": 1 - 0.4 * (k - 1) / 4 for k in (2, 3, 4)}
    x = np.random.default_rng(0).random((64, 8, 8, 3), dtype=np.float32)
    still = genotype.build((8, 8, 3), 3, seed=0, drop_connect=0, dropout=0)
    outputs = [
        keras.ops.convert_to_numpy(one(x, training=training))
        for one, training in ((model, False), (still, False), (model, True))
    ]
    np.testing.assert_array_equal(outputs[0], outputs[1])
    assert np.abs(outputs[2] - outputs[0]).max() > 1e-4
    assert not any(isinstance(layer, DropPath) for layer in inference_model(model).layers)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"family": "resnet"}, "family must be one of efficientnet, efficientnet-v2"),
        ({"activation": "gelu"}, "activation must be one of hard_swish"),
        ({"features": -1}, "features"),
        ({"dropout": 1.0}, "dropout must be at least 0 and below 1"),
        ({"drop_connect": -0.1}, "drop_connect must be"),
    ],
)
def test_impossible_genotypes_are_refused(wrong, message):
    with pytest.raises(InvalidArchitecture, match=message):
        MnasNetGenotype((MnasBlock("conv", 8),), **wrong)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"convolution": "fused", "expansion": 1}, "expansion = 1"),
        ({"convolution": "conv", "expansion": 1.5}, "expansion = 1.5"),
        ({"convolution": "mbconv", "expansion": "6"}, "expansion must be a finite number"),
        ({"convolution": "conv", "activation": "mish"}, "activation = 'mish'"),
        ({"convolution": "conv", "squeeze_kind": "senet"}, "squeeze_kind = 'senet'"),
    ],
)
def test_impossible_blocks_are_refused(wrong, message):
    with pytest.raises(InvalidArchitecture, match=message):
        MnasBlock(filters=8, **wrong)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"depth": 0}, "depth must be above 0"),
        ({"drop_connect": 1}, "drop_connect must be in 0..1"),
        ({"width": 1e9}, "filters must be at most 65,536"),
    ],
)
def test_what_cannot_be_made_is_refused(options, message):
    with pytest.raises(UnbuildableChild, match=message):
        load_genotype("efficientnet-b0").build((32, 32, 3), 10, **options)
