"""Keras's own settings, of a user's ``keras.json`` or script, change no network."""

import numpy as np
import pytest

keras = pytest.importorskip("keras")

from cellwright.plugins.scoring.reference import reference_network  # noqa: E402
from cellwright.search_spaces import (  # noqa: E402
    AroundSpace,
    ConvNetSpace,
    EdgeCellSpace,
    MLPSpace,
    MnasNetSpace,
    NASNetSpace,
    Skeleton,
    costs,
    register_operation,
)
from cellwright.search_spaces.keras_settings import as_shipped, channels_last  # noqa: E402


def own(x, filters, stride, at):
    """An operation of a plug-in, which says nothing of the order of axes."""
    return keras.layers.Conv2D(
        filters, 3, strides=stride, padding="same", kernel_initializer=at.initializer("own"),
        name=f"{at.prefix}_own",
    )(x)  # fmt: skip


register_operation("of_test_keras_settings", own)
SHAPE = (17, 12, 3)  # each axis another length, so that none stands for another unseen
LARGE = {"skeleton": Skeleton.imagenet(1, 6), "auxiliary": False, "drop_path_keep": 0.6}
SPACES = {
    "book": (NASNetSpace(blocks=2), SHAPE, {"filters": 3}),
    "published": (
        NASNetSpace.published(blocks=2),
        SHAPE,
        {"filters": 5, "repeats": 1, "reductions": 1, "auxiliary": True, "dropout": 0.2},
    ),
    "amoebanet": (NASNetSpace.amoebanet(blocks=1), (37, 34, 3), LARGE),
    "darts": (NASNetSpace(blocks=1, operation_set="darts"), SHAPE, {"filters": 3}),
    "own operation": (
        NASNetSpace(blocks=1, operations=("of_test_keras_settings", "avg_3x3")),
        SHAPE,
        {"filters": 3, "reductions": 1},
    ),
    "mnasnet": (
        MnasNetSpace(layers=(1, 2), filters=(8, 12), strides=(1, 2), head=16),
        SHAPE,
        {"filters": 4},
    ),
    "around": (AroundSpace("efficientnet-v2-b0"), SHAPE, {"filters": 8}),
    "convnet": (ConvNetSpace(layers=3, strides=True), SHAPE, {"filters": 4}),
    "edge cell": (EdgeCellSpace(), SHAPE, {"filters": 4, "repeats": 1, "dead_edges": True}),
    "mlp": (MLPSpace(), SHAPE, {}),
}


@pytest.fixture
def channels_first():
    before = keras.config.image_data_format()
    keras.config.set_image_data_format("channels_first")
    yield
    assert keras.config.image_data_format() == "channels_first"  # the user's setting is kept
    keras.config.set_image_data_format(before)


def outputs(model, x):
    return [keras.ops.convert_to_numpy(found) for found in keras.tree.flatten(model(x))]


def made(model):
    """What a network is, but for the numbers that Keras gives to layers without a name."""
    return [
        (type(layer).__name__, layer.output.shape, [w.shape for w in layer.weights])
        for layer in model.layers
    ]


@pytest.mark.parametrize("name", SPACES)
def test_channels_first_builds_the_same_network_and_runs_it(name, channels_first):
    space, shape, options = SPACES[name]
    params = space.sample(np.random.default_rng(2))
    found = space.build(params, shape, 3, seed=0, **options)
    with channels_last():
        wanted = space.build(params, shape, 3, seed=0, **options)
    assert found.get_config() == wanted.get_config()
    assert costs(found) == costs(wanted)
    x = np.random.default_rng(0).random((2, *shape), dtype=np.float32)
    for one, other in zip(outputs(found, x), outputs(wanted, x), strict=True):
        assert np.array_equal(one, other)


@pytest.mark.parametrize("name", ["published", "mnasnet"])
def test_channels_first_times_the_same_pieces(name, channels_first):
    space, shape, options = SPACES[name]
    params = space.sample(np.random.default_rng(2))
    options = {k: v for k, v in options.items() if k not in ("auxiliary", "dropout")}
    for piece in space.pieces(params, shape, 3, **options):
        found = space.build_piece(piece, **options)
        with channels_last():
            wanted = space.build_piece(piece, **options)
        assert made(found) == made(wanted), piece


def test_channels_first_changes_no_reference_network(channels_first):
    found = reference_network("MobileNetV2", (32, 33, 3), 3)
    with channels_last():
        wanted = reference_network("MobileNetV2", (32, 33, 3), 3)
    assert made(found) == made(wanted)


def test_settings_come_back_after_an_error(channels_first):
    @as_shipped()
    def fail():
        assert keras.config.image_data_format() == "channels_last"
        assert keras.config.dtype_policy().name == keras.config.floatx() == "float32"
        raise KeyError

    floats, policy = keras.config.floatx(), keras.config.dtype_policy()
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        with pytest.raises(KeyError):
            fail()
        assert keras.config.image_data_format() == "channels_first"
        assert keras.config.floatx() == "float64"
        assert keras.config.dtype_policy().name == "mixed_bfloat16"
    finally:
        keras.config.set_floatx(floats)
        keras.config.set_dtype_policy(policy)
