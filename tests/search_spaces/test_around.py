"""The space around a published network, and children that begin with its weights."""

import json
import logging

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cellwright.plugins import Dataset, Evaluation, Recipe, load_dataset, make_space
from cellwright.plugins.strategies.random_search import RandomSearch
from cellwright.search_spaces import (
    AroundSpace,
    CorruptedState,
    MnasBlock,
    MnasNetGenotype,
    MnasNetSpace,
    UnbuildableChild,
    WeightsMismatch,
    load_genotype,
)
from cellwright.search_spaces.export import export_keras
from cellwright.search_spaces.mnasnet.published import MNASNETS
from cellwright.search_spaces.starting_weights import begin_with
from cellwright.searches.startup import weights_note

keras = pytest.importorskip("keras")

SHAPE = (16, 16, 3)
SMALL = MnasNetGenotype(
    (
        MnasBlock("depthwise", 16, activation="hard_swish"),
        MnasBlock("mbconv", 16, 2, 5, 2, 3.7, 0.25, squeeze_kind="mobilenet-v3"),
        MnasBlock("fused", 24, 1, 3, 1, 4),
    ),
    stem=8,
    head=16,
    name="small",
    family="mobilenet-v3",
    features=8,
)
AROUND = AroundSpace(SMALL)
seeds = st.integers(0, 2**32 - 1)


@pytest.mark.parametrize("network", MNASNETS, ids=lambda network: network.name)
def test_the_centre_is_the_network(network):
    space = MnasNetSpace.around(network)
    assert space.genotype(space.centre) == network
    assert space.canonical(space.centre) == space.centre
    assert space.identity() == AroundSpace(network.name).identity()


def test_the_first_trial_is_the_network_and_no_other():
    strategy = RandomSearch(AROUND, seed=0)
    first, second = strategy.ask(0), strategy.ask(1)
    assert first == AROUND.centre
    assert AROUND.key(second) != AROUND.key(first)


@given(seed=seeds)
def test_neighbours_differ_in_sizes_alone(seed):
    params = AROUND.sample(np.random.default_rng(seed))
    found = AROUND.genotype(params)
    assert (found.name == "small") == (found == SMALL)
    for mine, block in zip(found.blocks, SMALL.blocks, strict=True):
        for part in ("convolution", "stride", "skip", "activation", "squeeze_kind"):
            assert getattr(mine, part) == getattr(block, part)
        assert abs(mine.layers - block.layers) <= 1
        assert abs(mine.kernel - block.kernel) <= 2
        assert mine.filters % 8 == 0
        assert mine.squeeze in (0, 0.25)


@given(seed=seeds, other=seeds)
def test_equal_genotypes_and_equal_canonical_forms_are_the_same(seed, other):
    one, two = (AROUND.sample(np.random.default_rng(s)) for s in (seed, other))
    assert AROUND.genotype(AROUND.canonical(one)) == AROUND.genotype(one)
    changed = AROUND.mutate(one, np.random.default_rng(other))
    for params in (two, changed):
        same = AROUND.genotype(one) == AROUND.genotype(params)
        assert (AROUND.key(one) == AROUND.key(params)) == same


def test_children_settle_in_a_short_training_unless_told_otherwise():
    drawn = MnasNetSpace().sample(np.random.default_rng(0))
    for options, momentum in (({}, 0.9), ({"momentum": 0.99}, 0.99)):
        for space, params in ((AROUND, AROUND.centre), (MnasNetSpace(), drawn)):
            model = space.build(params, SHAPE, 3, **options)
            assert model.get_layer("stem_normalisation").momentum == momentum
    assert SMALL.build(SHAPE, 3).get_layer("stem_normalisation").momentum == 0.999


@pytest.mark.slow
def test_what_a_child_of_blocks_learns_in_a_short_training_it_predicts():
    space, options = MnasNetSpace(), {"filters": 8, "stem_stride": 1}
    recipe = Recipe(5, 64, 3e-3)
    evaluation = Evaluation(space, load_dataset("digits"), recipe, options=options)
    metrics, _ = evaluation.run(space.sample(np.random.default_rng(0)))
    assert metrics["val_accuracy"] > 0.5, metrics  # 0.1 with the momentum of 0.99


def test_it_goes_by_name_and_by_a_file(tmp_path):
    by_name = make_space("around=mobilenet-v3-small")
    file = tmp_path / "genotype.json"
    file.write_text(json.dumps(load_genotype("mobilenet-v3-small").to_dict()))
    assert make_space(f"around={file}").identity() == by_name.identity()
    assert make_space("around").network.name == "mobilenet-v2"
    for name, message in {
        "around=mobilenet": "unknown genotype 'mobilenet'",
        "around=nasnet-a": "must be a MnasNetGenotype",
        "nasnet=mobilenet-v2": "cannot be made so",
        "arond=mobilenet-v2": "Did you mean 'around'",
    }.items():
        with pytest.raises(ValueError, match=message):
            make_space(name)
    with pytest.raises(ValueError, match="network must be one of mnasnet-a1"):
        AroundSpace("mobilenet")
    with pytest.raises(TypeError, match="network must be a MnasNetGenotype"):
        AroundSpace(3)


def trained(folder, classes=3, shape=SHAPE):
    """A file of the network, with weights that nobody draws anew."""
    model = SMALL.build(shape, classes, seed=5)
    model.set_weights([np.asarray(weight) + 0.5 for weight in model.get_weights()])
    path = folder / "small.keras"
    model.save(path)
    return model, path


def test_a_change_keeps_the_weights_of_all_other_blocks(tmp_path, caplog):
    source, path = trained(tmp_path)
    known = {layer.name: layer.get_weights() for layer in source.layers if layer.weights}

    def fresh(**changes):
        caplog.clear()
        params = AROUND.centre | {name.replace("__", "/"): x for name, x in changes.items()}
        with caplog.at_level(logging.INFO):
            model = AROUND.build(params, SHAPE, 3, seed=0, weights=path)
        assert f"layers begin with the weights of {path}" in caplog.text
        other = {
            layer.name
            for layer in model.layers
            if layer.weights
            and not all(map(np.array_equal, layer.get_weights(), known.get(layer.name, [0])))
        }
        said = caplog.messages[-1].partition("fresh: ")[2]
        assert set(said.split(", ")) == (other or {"none"})
        return other

    assert fresh() == set()
    # Another kernel: of the block only the depthwise convolutions are of another shape.
    assert fresh(block_2__kernel=-2) == {
        "block_2_1_depthwise_convolution",
        "block_2_2_depthwise_convolution",
    }
    assert fresh(block_2__layers=-1) == set()
    assert {name[:9] for name in fresh(block_2__layers=1)} == {"block_2_3"}
    assert fresh(block_2__squeeze=0.0) == set()
    assert {name[:8] for name in fresh(block_2__expansion=1.5)} == {"block_2_"}
    # Other filters are read by the block after this one.
    assert fresh(block_3__filters=1.25) == {
        "block_3_1_project_convolution",
        "block_3_1_project_normalisation",
        "head_convolution",
    }


def test_weights_of_other_images_and_classes_fit_but_for_the_ends(tmp_path):
    _, path = trained(tmp_path, classes=None, shape=(32, 40, 1))
    model = SMALL.build(SHAPE, 7, seed=0)
    assert begin_with(model, SMALL, path) == ["stem_convolution", "classes"]
    _, path = trained(tmp_path, classes=5)
    assert begin_with(SMALL.build(SHAPE, 5, seed=0), SMALL, str(path)) == []


def test_a_child_in_a_file_of_ours_is_a_source_too(tmp_path):
    model = SMALL.build(SHAPE, 3, seed=1)
    export_keras(model, tmp_path / "child.keras")
    assert begin_with(SMALL.build(SHAPE, 3, seed=0), SMALL, tmp_path / "child.keras") == []


def test_the_weights_of_keras_applications_are_a_source(tmp_path):
    name = "mobilenet-v3-small-minimalistic"
    reference = keras.applications.MobileNetV3Small(
        weights=None, input_shape=(32, 32, 3), minimalistic=True, include_preprocessing=False
    )
    path = tmp_path / "theirs.keras"
    reference.save(path)
    space = AroundSpace(name)
    model = space.build(space.centre, (32, 32, 3), 10, seed=0, weights=path)
    for mine, theirs in (("stem_convolution", "conv"), ("head_convolution", "conv_1")):
        np.testing.assert_array_equal(
            model.get_layer(mine).get_weights()[0], reference.get_layer(theirs).get_weights()[0]
        )


@pytest.mark.parametrize("top", [True, False], ids=["whole", "without classifier"])
def test_children_prepare_pixels_as_the_weights_need_them(top, tmp_path):
    name, shape = "mobilenet-v3-small-minimalistic", (32, 32, 3)
    reference = keras.applications.MobileNetV3Small(
        weights=None, input_shape=shape, minimalistic=True, include_top=top
    )
    path = tmp_path / "theirs.weights.h5"
    reference.save_weights(path)
    space = AroundSpace(name)
    model = space.build(space.centre, shape, 10, seed=0, weights=path)
    images = np.random.default_rng(1).uniform(0, 1, (2, *shape)).astype(np.float32)
    pair = ((model, "head_convolution", images), (reference, "conv_1", 255 * images))
    found, wanted = (
        keras.ops.convert_to_numpy(keras.Model(net.input, net.get_layer(layer).output)(x))
        for net, layer, x in pair
    )
    np.testing.assert_allclose(found, wanted, atol=1e-4 * np.abs(wanted).max())
    # A child in a file, trained on such pixels, is a source again.
    model.save(tmp_path / "child.keras")
    again = space.build(space.centre, shape, 10, seed=1, weights=tmp_path / "child.keras")
    for net in (again, space.build(space.centre, shape, 10, seed=1)):
        same = np.array_equal(*(keras.ops.convert_to_numpy(one(images)) for one in (net, model)))
        assert same == (net is again)
    grey = space.build(space.centre, (32, 32, 1), 10, seed=0, weights=path)
    assert not any(layer.name.startswith("pixels") for layer in grey.layers)


@pytest.mark.parametrize("channels", [3, 1])
def test_a_search_says_what_children_make_of_pixels(channels, tmp_path):
    name, shape = "mobilenet-v3-small-minimalistic", (32, 32, channels)
    path = tmp_path / "theirs.weights.h5"
    keras.applications.MobileNetV3Small(
        weights=None, input_shape=(32, 32, 3), minimalistic=True
    ).save_weights(path)
    x = np.zeros((4, *shape), np.float32)
    data = Dataset(x, np.arange(4) % 2, x, np.arange(4) % 2, ("0", "1"))
    evaluation = Evaluation(AroundSpace(name), data, Recipe(), options={"weights": path})
    note = weights_note(evaluation)
    assert ("Children make x / 0.5 - 1 of each pixel x" in note) == (channels == 3)


def test_what_is_no_file_of_weights_is_refused(tmp_path):
    nowhere = tmp_path / "nowhere.keras"
    with pytest.raises(UnbuildableChild, match=r"there is no .*nowhere"):
        AROUND.check_input(SHAPE, 3, weights=nowhere)
    with pytest.raises(FileNotFoundError, match="there is no file"):
        AROUND.build(AROUND.centre, SHAPE, 3, weights=nowhere)
    nowhere.write_text("nothing")
    with pytest.raises(CorruptedState, match="cannot be read as a network"):
        AROUND.build(AROUND.centre, SHAPE, 3, weights=nowhere)
    with pytest.raises(NotImplementedError, match="when a child is built"):
        AROUND.check_input(SHAPE, 3, weights=nowhere)
    other = MnasNetGenotype(SMALL.blocks[:1], stem=8, head=16)
    other.build(SHAPE, 3).save(tmp_path / "other.keras")
    with pytest.raises(WeightsMismatch, match="weights of another network than small"):
        AROUND.build(AROUND.centre, SHAPE, 3, weights=tmp_path / "other.keras")
