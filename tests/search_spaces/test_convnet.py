"""Convolutional networks layer by layer: the space, the genotype, the builder, the picture."""

import json
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.patches import PathPatch

from cellwright.plugins import RandomSearch, RegularizedEvolution
from cellwright.search_spaces import (
    ConvLayer,
    ConvNetGenotype,
    ConvNetSpace,
    InvalidArchitecture,
    UnbuildableChild,
    costs,
    depth,
    load_genotype,
)

keras = pytest.importorskip("keras")

SPACE = ConvNetSpace()
SMALL = ConvNetSpace(layers=(2, 4), strides=True)
GROWING = ConvNetSpace(layers=(1, 2, 3), every=4)
seeds = st.integers(0, 2**32 - 1)

# Sizes for an image of 8x8x3: 4x8x4, 8x8x5, 3x4x6 and 4x8x2; nothing reads layers 3 and 4.
BY_HAND = ConvNetGenotype(
    (
        ConvLayer(4, 3, 1, stride_height=2),
        ConvLayer(5, 1, 1),
        ConvLayer(6, 3, 5, stride_height=3, stride_width=2, reads=(1, 2)),
        ConvLayer(2, 1, 7, reads=(1,)),
    )
)


def outputs_of(model, x, *layers):
    parts = keras.Model(model.input, [model.get_layer(layer).output for layer in layers])
    return [keras.ops.convert_to_numpy(part) for part in keras.tree.flatten(parts(x))]


def image(size, number=3):
    return np.random.default_rng(0).random((number, size, size, 3), dtype=np.float32)


def test_size_is_that_of_the_formula():
    convolutions = [3 * 1 * 3 * 4, 1 * 1 * 3 * 5, 3 * 5 * (4 + 5) * 6, 1 * 7 * 4 * 2]
    statistics, dense = 2 * (4 + 5 + 6 + 2), (6 + 2) * 10 + 10
    trainable = sum(convolutions) + statistics + dense
    places = [4 * 8, 8 * 8, 3 * 4, 4 * 8]
    multiplications = sum(n * p for n, p in zip(convolutions, places, strict=True)) + 80
    model = BY_HAND.build((8, 8, 3), 10)
    found = costs(model)
    assert (
        (found.parameters, found.trainable) == (trainable + statistics, trainable) == (1075, 1041)
    )
    assert found.multiply_adds == multiplications == 13704
    assert depth(model) == 3


def test_smaller_inputs_are_padded_with_zeros_and_concatenated():
    model = BY_HAND.build((8, 8, 3), 10, seed=1)
    first, second, both = outputs_of(
        model, image(8), "layer_1_relu", "layer_2_relu", "layer_3_concatenate"
    )
    assert first.shape[1:] == (4, 8, 4)
    np.testing.assert_array_equal(both[:, 2:6, :, :4], first)
    assert not both[:, [0, 1, 6, 7], :, :4].any()
    np.testing.assert_array_equal(both[..., 4:], second)


def test_classifier_reads_what_no_layer_reads():
    assert BY_HAND.outputs == (3, 4)
    model = BY_HAND.build((8, 8, 3), 10, seed=1)
    third, fourth, both, pooled = outputs_of(
        model, image(8), "layer_3_relu", "layer_4_relu", "outputs_concatenate", "pool"
    )
    assert third.shape[1:] == (3, 4, 6)
    np.testing.assert_array_equal(both[:, :3, 2:6, :6], third)  # an odd row goes to the bottom
    np.testing.assert_array_equal(both[..., 6:], fourth)
    assert both[..., :6].sum() == pytest.approx(third.sum())
    np.testing.assert_allclose(pooled, both.mean(axis=(1, 2)), rtol=1e-5)


@pytest.mark.parametrize("kernel", [(1, 1), (1, 3), (5, 1), (3, 3)])
@pytest.mark.parametrize("strides", [(2, 3), (3, 1), (2, 2)])
def test_strides_are_those_of_the_same_convolution(kernel, strides):
    """Also where pixels that a kernel of one pixel would pass over are left out before."""
    model = ConvNetGenotype((ConvLayer(4, *kernel, *strides),)).build((7, 8, 3), 2, seed=0)
    layer = model.get_layer("layer_1_convolution")
    x = np.random.default_rng(0).random((2, 7, 8, 3), dtype=np.float32)
    (found,) = outputs_of(model, x, "layer_1_convolution")
    whole = keras.ops.conv(x, layer.kernel, strides=strides, padding="same")
    np.testing.assert_allclose(found, keras.ops.convert_to_numpy(whole), atol=1e-6)
    assert 1 in layer.strides or 1 not in kernel


def test_decisions_of_a_layer():
    assert SPACE.names[:4] == ("depth", "layer_1/height", "layer_1/width", "layer_1/filters")
    assert [name for name in SPACE.names if name.startswith("layer_3/")] == [
        f"layer_3/{part}" for part in ("height", "width", "filters", "reads_1", "reads_2")
    ]
    assert SMALL.names[1:6] == tuple(
        f"layer_1/{part}"
        for part in ("height", "width", "stride_height", "stride_width", "filters")
    )
    assert SPACE.size == 4 * 64**12 * 2 ** (12 * 11 // 2)
    assert len(ConvNetSpace.published().decisions) == 1 + 20 * 3 + 190


def test_anchor_points_stand_before_the_connections():
    for space in (SPACE, SMALL):
        for number, position in enumerate(space.anchors):
            names = space.names[position : position + number]
            assert names == tuple(f"layer_{number + 1}/reads_{n}" for n in range(1, number + 1))
    assert len(SPACE.anchors) == 12


def test_genotype_holds_what_was_chosen():
    params = SMALL.decode([0] * len(SMALL.names)) | {
        "depth": 4,
        "layer_4/filters": 48,
        "layer_4/height": 5,
        "layer_4/stride_width": 3,
        "layer_4/reads_1": True,
        "layer_4/reads_3": True,
    }
    layers = SMALL.genotype(params).layers
    assert layers == (*[ConvLayer(24, 1, 1)] * 3, ConvLayer(48, 5, 1, 1, 3, (1, 3)))
    assert SMALL.genotype(params | {"depth": 2}).layers == layers[:2]


@given(seed=seeds)
def test_layers_beyond_the_depth_have_no_effect(seed):
    rng = np.random.default_rng(seed)
    params, other = SMALL.sample(rng), SMALL.sample(rng)
    beyond = [name for name, on in zip(SMALL.names, SMALL.active(params), strict=True) if not on]
    assert len(beyond) == (0 if params["depth"] == 4 else 5 + 2 + 5 + 3)
    changed = params | {name: other[name] for name in beyond}
    assert SMALL.key(changed) == SMALL.key(params)
    assert SMALL.genotype(changed) == SMALL.genotype(SMALL.canonical(params))


@given(seed=seeds)
def test_what_has_an_effect_is_told_apart(seed):
    """A mutation never pays for the same network again."""
    rng = np.random.default_rng(seed)
    params = SMALL.sample(rng)
    mutated = SMALL.mutate(params, rng)
    assert SMALL.key(mutated) != SMALL.key(params)
    assert SMALL.genotype(mutated) != SMALL.genotype(params)


@pytest.mark.parametrize("seed", range(3))
def test_equal_canonical_forms_have_equal_outputs(seed, outputs):
    params = SMALL.sample(np.random.default_rng(seed)) | {"depth": 2}
    first = SMALL.build(params, (8, 8, 3), 3, filters=2, seed=0)
    second = SMALL.build(SMALL.canonical(params), (8, 8, 3), 3, filters=2, seed=1)
    second.set_weights(first.get_weights())
    np.testing.assert_allclose(outputs(first, image(8)), outputs(second, image(8)), atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("size", [8, 32, 64])
@pytest.mark.parametrize("seed", range(6))
def test_wide_and_deep_children_train_a_step_with_finite_loss(size, seed, train_step):
    space = ConvNetSpace.published(strides=bool(seed % 2))
    params = space.sample(np.random.default_rng(seed))
    model = space.build(params, (size, size, 3), 3, seed=seed)
    assert np.isfinite(train_step(model, image(size, 4), np.arange(4) % 3))


def test_filters_set_the_width():
    params = SMALL.sample(np.random.default_rng(0))
    wide, narrow = (SMALL.build(params, (8, 8, 3), 3, filters=n) for n in (24, 6))
    for number in range(1, params["depth"] + 1):
        chosen = params[f"layer_{number}/filters"]
        layers = [model.get_layer(f"layer_{number}_convolution") for model in (wide, narrow)]
        assert [layer.filters for layer in layers] == [chosen, chosen // 4]


def test_description_goes_through_json_and_builds(tmp_path):
    params = SMALL.sample(np.random.default_rng(3))
    file = tmp_path / "genotype.json"
    file.write_text(json.dumps(SMALL.describe(params)))
    assert load_genotype(file) == SMALL.genotype(params)
    assert load_genotype(file).build((8, 8, 3), 3, filters=2).output_shape == (None, 3)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ConvLayer(0), "filters must be at least 1, got 0"),
        (lambda: ConvLayer(8, stride_width=0), "stride_width must be at least 1"),
        (lambda: ConvNetGenotype(()), "at least one layer"),
        (lambda: ConvNetGenotype((ConvLayer(8, reads=(1,)),)), "only read the image"),
        (lambda: ConvNetGenotype((ConvLayer(8), ConvLayer(8, reads=(2,)))), r"may read 1\.\.1"),
        (lambda: ConvNetGenotype.from_dict({}), "layers"),
        (lambda: ConvNetGenotype.from_dict({"layers": [{"depth": 1}]}), "depth"),
    ],
)
def test_impossible_genotypes_are_refused(make, message):
    with pytest.raises(InvalidArchitecture, match=message):
        make()


@pytest.mark.parametrize(
    ("shape", "options", "message"),
    [
        ((8, 8), {}, "height, width, channels"),
        ((0, 8, 3), {}, "height, width, channels"),
        ((8, 8, 3), {"width": 0}, "width"),
        ((8, 8, 3), {"filters": 0}, "filters must be at least 1"),
        ((8, 8, 3), {"classes": 1}, "classes"),
    ],
)
def test_what_cannot_be_made_is_refused(shape, options, message):
    with pytest.raises(UnbuildableChild, match=message):
        BY_HAND.build(shape, **{"classes": 10, **options})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"layers": ()}, "layers"),
        ({"layers": (6, 4)}, "layers"),
        ({"layers": 0}, "layers"),
        ({"filters": (0, 8)}, "filters"),
        ({"sizes": (0,)}, "sizes"),
        ({"every": 0}, "every"),
    ],
)
def test_impossible_spaces_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        ConvNetSpace(**arguments)


def test_published_schedule():
    space = ConvNetSpace.published()
    depths = [space.scheduled(n)["depth"] for n in (0, 1599, 1600, 3200, 11_199, 11_200, 12_800)]
    assert depths == [6, 6, 8, 10, 18, 20, 20]
    assert SPACE.scheduled(5000) == {}


@pytest.mark.parametrize("make", [RandomSearch, RegularizedEvolution])
def test_depth_grows_with_the_trials_whatever_the_strategy(make):
    strategy = make(GROWING, seed=0, **({"population": 3} if make is RegularizedEvolution else {}))
    depths = []
    for number in range(14):
        params = strategy.ask(number)
        depths.append(params["depth"])
        strategy.tell(number, params, float(number % 5))
    assert depths == [1] * 4 + [2] * 4 + [3] * 6


def test_scheduled_depth_is_not_mutated():
    rng = np.random.default_rng(0)
    params = GROWING.sample(rng) | {"depth": 2}
    mutated = [GROWING.mutate(params, rng) for _ in range(200)]
    assert {child["depth"] for child in mutated} == {2}
    changed = {name for child in mutated for name in params if child[name] != params[name]}
    assert changed == set(GROWING.names[1:8])


@pytest.mark.parametrize("depth", [1, 6, 20])
def test_picture_has_every_layer_and_connection(depth):
    space = ConvNetSpace(layers=depth, strides=True)
    params = space.sample(np.random.default_rng(depth))
    genotype = space.genotype(params)
    figure = space.figures(params)["network"]
    gids = [patch.get_gid() for patch in figure.axes[0].patches if patch.get_gid()]
    wanted = {"image", "classifier"}
    for number, layer in enumerate(genotype.layers, start=1):
        wanted |= {f"layer-{number}"}
        wanted |= {f"edge-{source}-to-layer-{number}" for source in layer.reads or ("image",)}
    wanted |= {f"edge-{source}-to-classifier" for source in genotype.outputs}
    assert sorted(gids) == sorted(wanted)

    words = [text.get_text() for text in figure.axes[0].texts]
    assert "network" in words
    first = genotype.layers[0]
    assert any(
        text.startswith(f"1:  {first.height}×{first.width} conv, {first.filters}") for text in words
    )
    figure.draw_without_rendering()
    page = figure.bbox
    for part in (*figure.axes[0].patches, *figure.axes[0].texts):
        box = part.get_window_extent()
        assert page.x0 <= box.x0
        assert box.x1 <= page.x1
        assert page.y0 <= box.y0
        assert box.y1 <= page.y1
    lines = [patch for patch in figure.axes[0].patches if isinstance(patch, PathPatch)]
    assert len(lines) == len([gid for gid in gids if gid.startswith("edge")])


@pytest.mark.parametrize("depth", [6, 15])
def test_edges_of_different_layers_run_in_lanes_of_their_own(depth):
    space = ConvNetSpace(layers=depth)
    params = space.sample(np.random.default_rng(depth))
    genotype = space.genotype(params)
    axes = space.figures(params)["network"].axes[0]
    boxes = {patch.get_gid(): patch for patch in axes.patches if not isinstance(patch, PathPatch)}
    lanes, ports = {}, []
    for edge in (patch for patch in axes.patches if isinstance(patch, PathPatch)):
        source, target = re.fullmatch(r"edge-(.+)-to-(.+)", edge.get_gid()).groups()
        source = "image" if source == "image" else f"layer-{source}"
        (start, *_, end) = edge.get_path().vertices
        for box, (x, y) in ((boxes[source], start), (boxes[target], end)):
            assert box.get_x() - 1e-9 <= x <= box.get_x() + box.get_width() + 1e-9
            assert box.get_y() - 1e-9 <= y <= box.get_y() + box.get_height() + 1e-9
        ports.append((target, round(end[1], 6), round(end[0], 6)))
        right = max(x for x, _ in edge.get_path().vertices)
        if right > start[0]:
            lanes.setdefault(source, set()).add(round(right, 6))
    assert len(set(ports)) == len(ports)  # no two edges end at one point
    assert all(len(places) == 1 for places in lanes.values())
    assert len({place for places in lanes.values() for place in places}) == len(lanes)
    notes = [text.get_text().replace("\n", " ") for text in axes.texts]
    for layer in genotype.layers:
        read = ", ".join(map(str, sorted(layer.reads))) or "image"
        assert f"reads {read}" in notes


def test_picture_of_a_model_says_its_shapes():
    figure = BY_HAND.figures(BY_HAND.build((8, 8, 3), 10))["network"]
    words = {text.get_text() for text in figure.axes[0].texts}
    assert {"8 × 8 × 3", "4 × 8 × 4", "8 × 8 × 5", "3 × 4 × 6", "4 × 8 × 2", "10"} <= words
    assert "3:  3×5 conv, 6 filters, stride 3×2" in words
