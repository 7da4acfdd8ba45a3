"""NASNet-A mobile and large beside those that Keras ships."""

import re

import numpy as np
import pytest

from cellwright.search_spaces import Skeleton, costs, load_genotype, notation

keras = pytest.importorskip("keras")

MOBILE, LARGE = "NASNetMobile", "NASNetLarge"
SKELETONS = {
    MOBILE: Skeleton.imagenet(*notation("4 @ 1056")),
    LARGE: Skeleton.imagenet_large(*notation("6 @ 4032")),
}


def cell_in_keras(number, repeats):
    """What Keras calls the ``number``-th cell (from 1): stem_1, stem_2, 0, 1, ..., reduce_4, ..."""
    if number <= 2:
        return f"stem_{number}"
    number -= 3
    reduces = number in (repeats, 2 * repeats + 1)
    # Normal cells after the second reduction are numbered one lower than they stand.
    number -= number > 2 * repeats
    return f"reduce_{number}" if reduces else str(number)


def name_in_keras(name, repeats):
    """The name in Keras's network of our layer ``name``."""
    if found := re.fullmatch(r"stem_(\w+)", name):
        return {"convolution": "stem_conv1", "normalisation": "stem_bn1"}[found[1]]
    if name == "classes":
        return "predictions"
    number, kind, part = re.fullmatch(r"cell_(\d+)_(normal|reduction)_(.*)", name).groups()
    cell = cell_in_keras(int(number), repeats)
    simple = {
        "before_even": f"adjust_conv_1_{cell}",
        "before_odd": f"adjust_conv_2_{cell}",
        "before_pointwise": f"adjust_conv_projection_{cell}",
        "before_normalisation": f"adjust_bn_{cell}",
        "current_pointwise": f"{kind}_conv_1_{cell}",
        "current_normalisation": f"{kind}_bn_1_{cell}",
    }
    if part in simple:
        return simple[part]
    block, side, time, layer = re.fullmatch(
        r"block_(\d)_(left|right)_sep_\dx\d_(\d)_(\w+)", part
    ).groups()
    if (kind, block) == ("reduction", "5"):
        block = "4"  # Keras gives the fifth block's layers the fourth's number
    bn = "_bn" if layer == "normalisation" else ""
    return f"separable_conv_{time}{bn}_{kind}_{side}{block}_{cell}"


def from_keras(name, shape):
    """Keras's network; the normalisations are redrawn, the moving statistics too."""
    if name == MOBILE and keras.backend.backend() == "torch":
        pytest.skip("keras.applications refuses NASNetMobile on torch")
    model = getattr(keras.applications, name)(weights=None, input_shape=shape)
    rng = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            gamma, beta, mean, variance = (w.shape for w in layer.get_weights())
            layer.set_weights(
                [
                    rng.uniform(0.5, 1.5, gamma),
                    rng.normal(0, 0.3, beta),
                    rng.normal(0, 0.3, mean),
                    rng.uniform(0.5, 1.5, variance),
                ]
            )
    return model


def with_weights_of(reference, skeleton):
    ours = load_genotype("nasnet-a").build(reference.input_shape[1:], 1000, skeleton, seed=0)
    copied = set()
    for layer in ours.layers:
        if layer.weights:
            source = reference.get_layer(name_in_keras(layer.name, skeleton.repeats))
            layer.set_weights(source.get_weights())
            copied.add(source.name)
    assert copied == {layer.name for layer in reference.layers if layer.weights}
    return ours


def outputs(model, images):
    """Pooled features, shape (images, channels), and probabilities, (images, classes)."""
    pool = model.layers[-2]
    assert isinstance(pool, keras.layers.GlobalAveragePooling2D)
    both = keras.Model(model.input, [pool.output, model.output])
    if keras.backend.backend() == "jax":
        return both.predict(images, verbose=0)
    return [keras.ops.convert_to_numpy(found) for found in both(images)]  # no graph for one batch


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        (MOBILE, (224, 224, 3)),
        pytest.param(MOBILE, (97, 96, 3), marks=pytest.mark.slow),
        pytest.param(MOBILE, (331, 331, 3), marks=pytest.mark.slow),
        pytest.param(LARGE, (96, 75, 3), marks=pytest.mark.slow),
        pytest.param(LARGE, (331, 331, 3), marks=pytest.mark.slow),
    ],
)
def test_with_keras_weights_our_network_gives_keras_outputs(name, shape):
    reference = from_keras(name, shape)
    ours = with_weights_of(reference, SKELETONS[name])
    assert costs(ours) == costs(reference)
    images = np.random.default_rng(1).uniform(-1, 1, (2, *shape)).astype(np.float32)
    wanted, classes = outputs(reference, images)
    found, ours_classes = outputs(ours, images)
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-4 * wanted.max())
    np.testing.assert_allclose(ours_classes, classes, atol=1e-4)


@pytest.mark.slow
def test_the_authors_pools_give_other_outputs():
    reference = from_keras(MOBILE, (224, 224, 3))
    images = np.random.default_rng(1).uniform(-1, 1, (2, 224, 224, 3)).astype(np.float32)
    theirs = with_weights_of(reference, SKELETONS[MOBILE].change(pool_padding="same"))
    difference = np.abs(outputs(theirs, images)[1] - outputs(reference, images)[1]).max()
    print(f"the probabilities differ by up to {difference:.2g}")
    assert difference > 1e-4
