"""NASNet-A mobile beside the one that Keras ships."""

import re

import numpy as np
import pytest

from cellwright.search_spaces import Skeleton, load_genotype

keras = pytest.importorskip("keras")

KINDS = ["stem_1", "stem_2", *"0123", "reduce_4", *"5678", "reduce_8", "9", "10", "11", "12"]


def name_in_keras(name):
    """The name in Keras's network of our layer ``name``."""
    if found := re.fullmatch(r"stem_(\w+)", name):
        return {"convolution": "stem_conv1", "normalisation": "stem_bn1"}[found[1]]
    if name == "classes":
        return "predictions"
    number, kind, part = re.fullmatch(r"cell_(\d+)_(normal|reduction)_(.*)", name).groups()
    cell = KINDS[int(number) - 1]
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


@pytest.fixture(scope="module")
def reference():
    """Keras's network; every weight is redrawn, the moving statistics too."""
    model = keras.applications.NASNetMobile(weights=None)
    rng = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.set_weights(
                [
                    rng.normal(*around, w.shape)
                    if positive is None
                    else rng.uniform(0.5, 1.5, w.shape)
                    for w, around, positive in zip(
                        layer.get_weights(),
                        [(1, 0), (0, 0.3), (0, 0.3), (1, 0)],
                        [True, None, None, True],
                        strict=True,
                    )
                ]
            )
    return model


def copied(reference, padding):
    skeleton = Skeleton.imagenet(4, 44, pool_padding=padding)
    ours = load_genotype("nasnet-a").build((224, 224, 3), 1000, skeleton, seed=0)
    copied_to = set()
    for layer in ours.layers:
        if layer.weights:
            source = reference.get_layer(name_in_keras(layer.name))
            layer.set_weights(source.get_weights())
            copied_to.add(source.name)
    assert copied_to == {layer.name for layer in reference.layers if layer.weights}
    return ours


def features(model, images, name):
    part = keras.Model(model.input, model.get_layer(name).output)
    return keras.ops.convert_to_numpy(part(images, training=False))


def test_with_keras_weights_our_network_gives_keras_outputs(reference):
    images = np.random.default_rng(1).uniform(-1, 1, (2, 224, 224, 3)).astype(np.float32)
    pooled = next(
        layer.name
        for layer in reference.layers
        if isinstance(layer, keras.layers.GlobalAveragePooling2D)
    )
    wanted = features(reference, images, pooled)
    classes = keras.ops.convert_to_numpy(reference(images, training=False))

    ours = copied(reference, "zeros")
    np.testing.assert_allclose(
        features(ours, images, "pool"), wanted, rtol=1e-4, atol=1e-4 * wanted.max()
    )
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(ours(images, training=False)), classes, atol=1e-4
    )
