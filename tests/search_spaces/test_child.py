"""The Keras child builder of the book's space."""

import numpy as np
import pytest

from cellwright.search_spaces import (
    Block,
    Cell,
    Genotype,
    InvalidArchitecture,
    NASNetSpace,
    UnbuildableChild,
)

keras = pytest.importorskip("keras")

SPACE = NASNetSpace()
ONE = NASNetSpace(blocks=1)


def params_of(space, seed):
    return space.sample(np.random.default_rng(seed))


def weights(model):
    return [keras.ops.convert_to_numpy(w) for w in model.weights]


def simple(operation, combination="add"):
    cell = Cell((Block(0, 1, operation, operation, combination),))
    return Genotype(cell, cell)


@pytest.mark.parametrize(
    ("shape", "classes", "options"),
    [
        ((8, 8, 1), 10, {}),
        ((32, 32, 3), 10, {"filters": 4, "repeats": 2}),
        ((28, 28, 1), 2, {"filters": 5, "reductions": 3}),
        ((9, 13, 2), 3, {"filters": 1}),
        ((224, 224, 3), 1000, {"filters": 2}),
        ((8, 8, 1), 10, {"reductions": 0}),
    ],
)
def test_children_of_many_shapes_build(shape, classes, options):
    model = SPACE.build(params_of(SPACE, 0), shape, classes, **options)
    assert model.input_shape == (None, *shape)
    assert model.output_shape == (None, classes)


def test_a_step_of_training_changes_weights(train_step):
    space = NASNetSpace(blocks=1)
    model = space.build(params_of(space, 0), (8, 8, 1), 3, filters=2, reductions=0, seed=0)
    x = np.random.default_rng(0).random((6, 8, 8, 1), dtype=np.float32)
    before = weights(model)
    assert np.isfinite(train_step(model, x, np.arange(6) % 3))
    assert any((a != b).any() for a, b in zip(before, weights(model), strict=True))


def test_skeleton_is_the_books():
    """normal, reduction, normal, reduction, normal; filters double where the size halves."""
    model = SPACE.build(params_of(SPACE, 1), (32, 32, 3), 10, filters=8)
    cells = {}
    for layer in model.layers:
        if layer.name.endswith("_current_pointwise"):
            cells[layer.name.split("_current")[0]] = (layer.output.shape[1], layer.filters)
    assert cells == {
        "cell_1_normal": (32, 8),
        "cell_2_reduction": (32, 16),
        "cell_3_normal": (16, 16),
        "cell_4_reduction": (16, 32),
        "cell_5_normal": (8, 32),
    }


def test_separable_convolution_has_its_parameters():
    """Per side of a 1-block normal cell: 3x3 depthwise and pointwise, no bias, 2 + 2 of BN."""
    model = ONE.build(
        ONE.decode((0,) * 10), (8, 8, 4), 2, filters=4, reductions=0
    )  # inputs 0 and 0, sep_3x3 twice, add; the other input is read by nothing
    side = 9 * 4 + 4 * 4 + 4 * 4  # depthwise, pointwise, normalisation
    matching = 4 * 4 + 4 * 4  # 1x1 and normalisation of the input that is read
    classes = 4 * 2 + 2
    assert model.count_params() == 2 * side + matching + classes


@pytest.mark.parametrize("operation", ["avg_3x3", "max_3x3", "identity"])
def test_concat_doubles_the_channels_of_a_block(operation):
    genotype = simple(operation, "concat")
    child = build(genotype, (8, 8, 1), 2, filters=3, reductions=0)
    assert child.get_layer("pool").input.shape[-1] == 6


def concatenated(space):
    """Cells of four blocks that concatenate and one that adds: 9 times the filters, unrepaired."""
    chosen = {name: "concat" for name in space.names if name.endswith("combination")}
    chosen["normal/1/combination"] = chosen["reduction/1/combination"] = "add"
    return params_of(space, 3) | chosen


@pytest.mark.parametrize(("space", "width"), [(SPACE, 1), (NASNetSpace.wide(), 9)])
def test_a_cell_of_the_book_gives_its_filters_and_a_wide_one_all_that_it_concatenates(space, width):
    """The text has 4 channels where all concatenations together have 36."""
    model = space.build(concatenated(space), (16, 16, 3), 10, filters=4)
    matched = {
        layer.name: layer.input.shape[-1]
        for layer in model.layers
        if layer.name.endswith("_current_pointwise")
    }
    assert matched == {
        "cell_1_normal_current_pointwise": 3,
        "cell_2_reduction_current_pointwise": 4 * width,
        "cell_3_normal_current_pointwise": 8 * width,
        "cell_4_reduction_current_pointwise": 8 * width,
        "cell_5_normal_current_pointwise": 16 * width,
    }
    assert model.get_layer("pool").input.shape[-1] == 16 * width


def test_a_repaired_cell_has_a_1x1_convolution_after_every_concat_and_at_its_end():
    model = SPACE.build(concatenated(SPACE), (16, 16, 3), 10, filters=4)
    first = {
        layer.name.removesuffix("_repair_pointwise"): (layer.input.shape[-1], layer.filters)
        for layer in model.layers
        if layer.name.startswith("cell_1_") and layer.name.endswith("_repair_pointwise")
    }
    blocks = {f"cell_1_normal_block_{k}": (8, 4) for k in (2, 3, 4, 5)}
    assert first == {**blocks, "cell_1_normal": (20, 4)}
    for name in first:
        convolution = model.get_layer(f"{name}_repair_pointwise")
        assert convolution.kernel_size == (1, 1)
        assert not convolution.use_bias
        assert convolution.input.name == model.get_layer(f"{name}_concat").output.name
        normalised = model.get_layer(f"{name}_repair_normalisation")
        assert normalised.input.name == convolution.output.name


def test_a_cell_of_one_block_has_nothing_to_repair_at_its_end():
    model = ONE.build(ONE.decode((0,) * 10), (8, 8, 3), 2, filters=4)
    assert not [layer for layer in model.layers if "repair" in layer.name]


def build(genotype, *arguments, **options):
    from cellwright.search_spaces.nasnet.child import build_child

    return build_child(genotype, *arguments, **options)


def test_factorized_reduction_sees_every_second_pixel_twice():
    """Its even half reads pixels (0, 0), (0, 2) ..., its odd half (1, 1), (1, 3) ..."""
    from cellwright.search_spaces.nasnet.operations import Context, factorized_reduction

    image = keras.Input((4, 4, 1))
    model = keras.Model(image, factorized_reduction(image, 2, Context("test", 0)))
    model.get_layer("test_even").set_weights([np.ones((1, 1, 1, 1))])
    model.get_layer("test_odd").set_weights([np.ones((1, 1, 1, 1))])
    x = np.arange(16, dtype=np.float32).reshape(1, 4, 4, 1)
    scale = np.sqrt(1 + 1e-3)
    found = keras.ops.convert_to_numpy(model(x, training=False)) * scale
    np.testing.assert_allclose(found[0, :, :, 0], [[0, 2], [8, 10]], rtol=1e-5)
    np.testing.assert_allclose(found[0, :, :, 1], [[5, 7], [13, 15]], rtol=1e-5)


def test_building_leaves_the_global_random_state_alone():
    keras.utils.set_random_seed(1)
    reference, drawn = keras.random.uniform((3,)), np.random.random()  # noqa: NPY002
    keras.utils.set_random_seed(1)
    SPACE.build(params_of(SPACE, 0), (8, 8, 1), 10, filters=2, seed=5)
    assert np.allclose(*map(keras.ops.convert_to_numpy, (reference, keras.random.uniform((3,)))))
    assert drawn == np.random.random()  # noqa: NPY002


def test_model_survives_saving(tmp_path, outputs):
    model = SPACE.build(params_of(SPACE, 4), (8, 8, 1), 10, filters=2)
    model.save(tmp_path / "child.keras")
    again = keras.models.load_model(tmp_path / "child.keras")
    x = np.random.default_rng(0).random((2, 8, 8, 1), dtype=np.float32)
    np.testing.assert_allclose(outputs(model, x), outputs(again, x), atol=1e-6)


@pytest.mark.parametrize(
    ("shape", "classes", "options", "message"),
    [
        ((3, 8, 1), 10, {}, "3x8 is too small for 2 reduction cells, which need at least 4x4"),
        ((8, 8, 1), 10, {"reductions": 4}, "at least 16x16"),
        ((8, 8), 10, {}, "height, width, channels"),
        ((8, 8, 0), 10, {}, "positive"),
        ((None, 8, 1), 10, {}, "positive"),
        ((8, 8, 1), 1, {}, "classes must be at least 2"),
        ((8, 8, 1), 10, {"filters": 0}, "filters"),
        ((8, 8, 1), 10, {"repeats": 0}, "repeats"),
        ((8, 8, 1), 10, {"reductions": -1}, "reductions"),
    ],
)
def test_what_cannot_be_made_is_refused_with_the_reason(shape, classes, options, message):
    with pytest.raises(UnbuildableChild, match=message):
        SPACE.build(params_of(SPACE, 0), shape, classes, **options)


def test_unknown_operation_in_a_genotype_is_named():
    with pytest.raises(InvalidArchitecture, match="conv_9x9"):
        build(simple("conv_9x9"), (8, 8, 1), 10)
