"""Depth and the layer table, against networks that are known by hand or from their papers."""

import pytest

from cellwright.search_spaces import Skeleton, costs, depth, load_genotype, multiply_adds

keras = pytest.importorskip("keras")
layers = keras.layers

from cellwright.search_spaces.layer_table import by_part, layer_table  # noqa: E402


def two_paths():
    """Three convolutions (one of them depthwise) beside one; a dense layer after both."""
    image = keras.Input((8, 8, 3), name="image")
    long = layers.Conv2D(4, 3, padding="same", name="block_1_a")(image)
    long = layers.ReLU(name="block_1_relu")(layers.BatchNormalization(name="block_1_n")(long))
    long = layers.SeparableConv2D(4, 3, padding="same", name="block_1_b")(long)
    short = layers.Conv2D(4, 1, name="block_2_a")(image)
    x = layers.GlobalAveragePooling2D(name="pool")(layers.Add(name="Sum")([long, short]))
    return keras.Model(image, layers.Dense(2, name="classes")(x))


def test_the_depth_is_that_of_the_longest_path():
    assert depth(two_paths()) == 4


SMALL = {"weights": None, "input_shape": (32, 32, 3), "classes": 10}


def test_the_depth_of_mobilenet():
    """28 layers (Howard et al. 2017, section 3.2)."""
    assert depth(keras.applications.MobileNet(alpha=0.25, **SMALL)) == 28


@pytest.mark.slow
def test_the_depth_of_resnet_50():
    assert depth(keras.applications.ResNet50(**SMALL)) == 50


def test_operations_without_weights_and_a_sequence_are_counted():
    inner = keras.Sequential([layers.Conv2D(2, 1), layers.ReLU(), layers.Conv2D(2, 1)])
    image = keras.Input((4, 4, 2))
    model = keras.Model(image, layers.Conv2D(2, 1)(keras.ops.relu(inner(image)) + 1))
    assert depth(model) == 3
    assert depth(inner) == 2
    assert multiply_adds(model) == 3 * 4 * 4 * 2 * 2
    assert sum(row.multiply_adds for row in layer_table(model)) == multiply_adds(model)


def shared():
    image, twice = keras.Input((4, 4, 2)), layers.Conv2D(2, 1)
    return keras.Model(image, twice(twice(image)))


def shared_before_another():
    image, twice = keras.Input((4, 4, 2)), layers.Conv2D(2, 1)
    return keras.Model(image, layers.ReLU()(layers.Add()([twice(image), twice(image)])))


def nested():
    image, other = keras.Input((4, 4, 2)), keras.Input((4, 4, 2))
    return keras.Model(other, keras.Model(image, layers.Conv2D(2, 1)(image))(other))


@pytest.mark.parametrize("model", [shared, shared_before_another, nested])
def test_a_depth_that_cannot_be_counted_is_refused(model):
    with pytest.raises(ValueError, match="each of its layers must be used once, and none may be"):
        depth(model())


def test_the_layer_table_has_a_row_for_each_layer():
    rows = {row.name: row for row in layer_table(two_paths())}
    assert next(iter(rows)) == "image"
    assert (rows["block_1_a"].shape, rows["block_1_a"].parameters) == ((8, 8, 4), 3 * 9 * 4 + 4)
    assert rows["block_1_a"].multiply_adds == 64 * 3 * 9 * 4
    assert rows["block_1_b"].multiply_adds == 64 * (4 * 9 + 4 * 4)
    assert (rows["classes"].shape, rows["classes"].multiply_adds) == ((2,), 8)


def test_layers_are_put_together_by_part():
    parts = by_part(layer_table(two_paths()))
    assert sorted(p.name for p in parts) == [
        "Sum",
        "block_1",
        "block_2",
        "classes",
        "image",
        "pool",
    ]
    block = next(part for part in parts if part.name == "block_1")
    assert block.shape == (8, 8, 4)
    assert block.parameters == (3 * 9 * 4 + 4) + 4 * 4 + (4 * 9 + 4 * 4 + 4)


def test_the_parts_of_a_network_of_cells():
    skeleton = Skeleton.cifar(1, 4, reductions=1, auxiliary=True, drop_path_keep=0.9)
    model = load_genotype("nasnet-a").build((32, 32, 3), 10, skeleton)
    rows = layer_table(model)
    parts = by_part(rows)
    shapes = {part.name: part.shape for part in parts}
    assert shapes["cell_1_normal"] == (32, 32, 24)
    assert shapes["cell_2_reduction"] == (16, 16, 32)
    assert shapes["cell_3_normal"] == (16, 16, 48)
    assert shapes["classes"] == shapes["auxiliary"] == (10,)
    for table in (rows, parts):
        assert sum(row.parameters for row in table) == model.count_params()
        assert sum(row.multiply_adds for row in table) == costs(model).multiply_adds


def test_the_parts_of_a_network_of_blocks():
    model = load_genotype("mnasnet-a1").build((32, 32, 3), 10, width=0.25)
    parts = by_part(layer_table(model))
    names = ["image", "stem", *(f"block_{k}" for k in range(1, 8)), "head", "pool", "dropout"]
    assert [part.name for part in parts] == [*names, "classes"]
    # Stem; depthwise and pointwise; 16 layers of three; the squeeze-and-excitations of 8; 2 ends.
    assert depth(model) == 1 + 2 + 15 * 3 + 2 * 8 + 2
    assert sum(part.parameters for part in parts) == model.count_params()
