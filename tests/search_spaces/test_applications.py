"""Our networks with the weights of those that Keras ships give the same outputs."""

from pathlib import Path

import numpy as np
import pytest

from cellwright.search_spaces import (
    Skeleton,
    UnbuildableChild,
    WeightsMismatch,
    costs,
    load_applications_weights,
    load_genotype,
    notation,
)
from cellwright.search_spaces.mnasnet.facts import FACTS, IMAGENET

keras = pytest.importorskip("keras")

SKELETONS = {
    "NASNetMobile": Skeleton.imagenet(*notation("4 @ 1056")),
    "NASNetLarge": Skeleton.imagenet_large(*notation("6 @ 4032")),
}


def redrawn(model, seed=0):
    """The model with other normalisations, the moving statistics too, which begin as 0 and 1."""
    rng = np.random.default_rng(seed)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            gamma, beta, mean, variance = (w.shape for w in layer.get_weights())
            layer.set_weights([
                rng.uniform(0.5, 1.5, gamma), rng.normal(0, 0.3, beta),
                rng.normal(0, 0.3, mean), rng.uniform(0.5, 1.5, variance),
            ])  # fmt: skip
    return model


def theirs(name, shape, classes=1000, **arguments):
    """A network of Keras's, by its name there or by ours."""
    if name in FACTS:
        facts = FACTS[name]
        name = facts.application
        if facts.minimalistic:
            arguments["minimalistic"] = True
        if name.startswith(("MobileNetV3", "EfficientNetV2")):
            arguments.setdefault("include_preprocessing", False)
    elif keras.backend.backend() == "torch" and name == "NASNetMobile":
        pytest.skip("keras.applications refuses NASNetMobile on torch")
    made = getattr(keras.applications, name)(
        weights=None, input_shape=shape, classes=classes, **arguments
    )
    return redrawn(made)


def ours(name, shape, classes=1000, **options):
    if name in SKELETONS:
        return load_genotype("nasnet-a").build(shape, classes, SKELETONS[name], seed=0)
    return load_genotype(name).build(shape, classes, seed=0, **options)


def outputs(model, images):
    """Pooled features, shape (images, channels), and probabilities, (images, classes).

    Some networks pool within squeeze-and-excitations too: the last pool counts.
    """
    *_, last = (one for one in model.layers if isinstance(one, keras.layers.GlobalAveragePooling2D))
    both = keras.Model(model.input, [last.output, model.output])
    if keras.backend.backend() == "jax":
        return both.predict(images, verbose=0)
    found = [keras.ops.convert_to_numpy(one) for one in both(images)]  # no graph for one batch
    return [one.reshape(len(images), -1) for one in found]


def slow(*case):
    return pytest.param(*case, marks=pytest.mark.slow)


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("mobilenet-v2", (75, 75, 3)),
        ("mobilenet-v3-small", (75, 64, 3)),
        ("efficientnet-b0", (75, 75, 3)),
        ("efficientnet-v2-b0", (75, 75, 3)),
        *(
            slow(name, (side, side, 3))
            for name in (
                "mobilenet-v2", "mobilenet-v3-large", "mobilenet-v3-small",
                "efficientnet-b0", "efficientnet-v2-b0",
            )
            for side in (224, 197, 75)
        ),
        *(slow(name, (75, 75, 3)) for name in ("efficientnet-b1", "efficientnet-v2-s")),
        *(slow(name, (75, 75, 3)) for name in FACTS if name.endswith("minimalistic")),
    ],
)  # fmt: skip
def test_blocks_with_keras_weights_give_keras_outputs(name, shape):
    reference, model = theirs(name, shape), ours(name, shape)
    load_applications_weights(model, reference)
    images = np.random.default_rng(1).uniform(-1, 1, (2, *shape)).astype(np.float32)
    pixels = images
    if FACTS[name].paper == "Tan and Le 2019":  # Keras's divides by 255, as yet it knows no mean
        pixels = 127.5 * images
        images = np.float32(1 / 255) * pixels
    check_outputs(model, images, reference, pixels)


@pytest.mark.parametrize("name", ["mobilenet-v3-small", "efficientnet-v2-b0", "efficientnet-v2-s"])
def test_pixels_are_prepared_as_keras_networks_prepare_them(name):
    shape = (32, 32, 3)
    pixels = np.random.default_rng(1).uniform(0, 255, (2, *shape)).astype(np.float32)
    reference = theirs(name, shape, include_preprocessing=True)
    stem = reference.get_layer("conv" if "v3" in name else "stem_conv")
    ready = keras.ops.convert_to_numpy(keras.Model(reference.input, stem.input)(pixels))
    np.testing.assert_allclose(FACTS[name].pixels.of(pixels), ready, atol=1e-5)


def test_pixels_are_prepared_as_keras_has_users_prepare_them():
    pixels = np.random.default_rng(1).uniform(0, 255, (2, 4, 4, 3)).astype(np.float32)
    ready = keras.applications.mobilenet_v2.preprocess_input(pixels.copy())
    np.testing.assert_allclose(FACTS["mobilenet-v2"].pixels.of(pixels), ready, atol=1e-5)


@pytest.mark.parametrize("name", ["mobilenet-v3-small", "efficientnet-v2-b0", "efficientnet-b0"])
def test_a_network_prepares_its_pixels_itself(name):
    shape = (32, 32, 3)
    pixels = np.random.default_rng(1).uniform(0, 255, (2, *shape)).astype(np.float32)
    arguments = {} if name == "efficientnet-b0" else {"include_preprocessing": True}
    reference = theirs(name, shape, **arguments)
    for facts, images in (
        (FACTS[name].pixels, pixels),
        (FACTS[name].pixels.with_white(1), pixels / np.float32(255)),
    ):
        model = ours(name, shape, pixels=facts)
        if name == "efficientnet-b0":  # whose layer is in any case, and is given what theirs has
            as_imagenet(reference)
        load_applications_weights(model, reference)
        if name != "efficientnet-b0":
            check_outputs(model, images, reference, pixels)
        stem = model.get_layer("stem_convolution")
        ready = keras.ops.convert_to_numpy(keras.Model(model.input, stem.input)(images))
        np.testing.assert_allclose(ready, FACTS[name].pixels.of(pixels), atol=1e-5)
        assert costs(model) == costs(reference)


def as_imagenet(reference):
    """Give Keras's EfficientNet the means and variances that its file of ImageNet's weights has."""
    layer = next(one for one in reference.layers if isinstance(one, keras.layers.Normalization))
    mean, deviation = IMAGENET
    layer.set_weights([np.array(mean), np.array(deviation), np.array(1)])
    layer.finalize_state()


def test_means_and_variances_of_pixels_are_read_from_a_network_that_knows_them():
    name, shape = "efficientnet-b0", (32, 32, 3)
    reference = theirs(name, shape)
    layer = next(one for one in reference.layers if isinstance(one, keras.layers.Normalization))
    layer.set_weights([np.array([0.1, 0.2, 0.3]), np.array([0.5, 1.0, 2.0]), np.array(9)])
    layer.finalize_state()
    model = ours(name, shape)
    load_applications_weights(model, reference)
    images = np.random.default_rng(1).uniform(0, 1, (2, *shape)).astype(np.float32)
    check_outputs(model, images, reference, 255 * images)


def test_pixels_are_of_three_colours():
    with pytest.raises(UnbuildableChild, match="the images have 1 channels"):
        ours("mobilenet-v2", (32, 32, 1), pixels=FACTS["mobilenet-v2"].pixels)
    with pytest.raises(UnbuildableChild, match="pixels must be what FACTS tells"):
        ours("mobilenet-v2", (32, 32, 3), pixels="imagenet")
    with pytest.raises(ValueError, match="white must be"):
        FACTS["mobilenet-v2"].pixels.with_white(0)


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("NASNetMobile", (96, 75, 3)),
        slow("NASNetMobile", (224, 224, 3)),
        slow("NASNetMobile", (331, 331, 3)),
        slow("NASNetLarge", (96, 75, 3)),
        slow("NASNetLarge", (331, 331, 3)),
    ],
)
def test_cells_with_keras_weights_give_keras_outputs(name, shape):
    reference, model = theirs(name, shape), ours(name, shape)
    load_applications_weights(model, reference)
    assert costs(model) == costs(reference)
    images = np.random.default_rng(1).uniform(-1, 1, (2, *shape)).astype(np.float32)
    check_outputs(model, images, reference, images)


def check_outputs(model, images, reference, theirs):
    wanted, classes = outputs(reference, theirs)
    found, ours_classes = outputs(model, images)
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-4 * np.abs(wanted).max())
    np.testing.assert_allclose(ours_classes, classes, atol=1e-4)


@pytest.mark.slow
def test_the_authors_pools_give_other_outputs():
    shape = (224, 224, 3)
    reference = theirs("NASNetMobile", shape)
    skeleton = SKELETONS["NASNetMobile"].change(pool_padding="same")
    model = load_genotype("nasnet-a").build(shape, 1000, skeleton)
    load_applications_weights(model, reference)
    images = np.random.default_rng(1).uniform(-1, 1, (2, *shape)).astype(np.float32)
    difference = np.abs(outputs(model, images)[1] - outputs(reference, images)[1]).max()
    print(f"the probabilities differ by up to {difference:.2g}")
    assert difference > 1e-4


@pytest.mark.parametrize("suffix", [".weights.h5", ".keras", ".h5"])
def test_weights_are_read_from_a_file(suffix, tmp_path):
    name, shape = "mobilenet-v3-small-minimalistic", (32, 32, 3)
    reference = theirs(name, shape)
    path = tmp_path / f"theirs{suffix}"
    reference.save_weights(path) if suffix == ".weights.h5" else reference.save(path)
    by_model, by_file = ours(name, shape), ours(name, shape)
    load_applications_weights(by_model, reference)
    load_applications_weights(by_file, path)
    for one, other in zip(by_model.weights, by_file.weights, strict=True):
        np.testing.assert_array_equal(one, other)


def test_another_number_of_classes_takes_the_other_layers(tmp_path):
    name, shape = "mobilenet-v3-small-minimalistic", (32, 32, 3)
    reference = theirs(name, shape)
    reference.save_weights(tmp_path / "theirs.weights.h5")
    for classes, output in ((5, "classes"), (None, "value")):
        model = ours(name, shape, classes)
        before = model.get_layer(output).get_weights()
        with pytest.raises(WeightsMismatch, match=rf"{output} \(1024, \d\) .* no fitting logits"):
            load_applications_weights(model, reference)
        load_applications_weights(model, tmp_path / "theirs.weights.h5", without=[output])
        for mine, kept in zip(model.get_layer(output).get_weights(), before, strict=True):
            np.testing.assert_array_equal(mine, kept)
        stem = reference.get_layer("conv").get_weights()[0]
        np.testing.assert_array_equal(model.get_layer("stem_convolution").get_weights()[0], stem)


def test_what_does_not_fit_is_named_and_nothing_is_changed(tmp_path):
    shape = (32, 32, 3)
    model = ours("mobilenet-v2", shape, 10, width=0.35)
    before = [np.array(weight) for weight in model.get_weights()]
    other = theirs("mobilenet-v2", shape, 10, alpha=0.5)
    cases = [
        (other, (), r"block_2_1_project_convolution .* no fitting block_1_project"),
        (theirs("mobilenet-v3-small", shape, 10), (), "no fitting"),
        (other, ("head",), "without names layers that mobilenet-v2 does not have.*head"),
    ]
    for source, without, message in cases:
        with pytest.raises(WeightsMismatch, match=message):
            load_applications_weights(model, source, without=without)
    with pytest.raises(TypeError, match=r"must be a keras\.Model"):
        load_applications_weights(model, 3)
    with pytest.raises(FileNotFoundError, match="there is no file"):
        load_applications_weights(model, Path("nowhere.h5"))
    other.save_weights(tmp_path / "half.weights.h5")
    with pytest.raises(WeightsMismatch, match=r"does not hold the weights of .*MobileNetV2 for 10"):
        load_applications_weights(model, tmp_path / "half.weights.h5")
    a1 = load_genotype("mnasnet-a1").build(shape, 10)
    with pytest.raises(WeightsMismatch, match="'mnasnet-a1' is none of mobilenet-v2, "):
        load_applications_weights(a1, tmp_path / "half.weights.h5")
    for weight, kept in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, kept)
