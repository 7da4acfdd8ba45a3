"""Whatever is sampled from a space builds, trains and begins as its seed says."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cellwright.search_spaces import (
    AroundSpace,
    ConvNetSpace,
    EdgeCellSpace,
    MLPSpace,
    MnasNetSpace,
    NASNetSpace,
    Skeleton,
    UnbuildableChild,
    load_genotype,
)

keras = pytest.importorskip("keras")

# A space, options of its builder, and the sides of images that it is tried on.
SPACES = {
    "book": (NASNetSpace(), {"filters": 2}, (8, 32, 64)),
    "book, wide": (NASNetSpace.wide(), {"filters": 2}, (8, 32, 64)),
    "published": (NASNetSpace.published(), {"filters": 4}, (8, 32, 64)),
    "amoebanet": (NASNetSpace.amoebanet(), {"filters": 4}, (8, 32, 64)),
    "darts": (NASNetSpace.published(operation_set="darts"), {"filters": 3}, (8, 32, 64)),
    "enas": (NASNetSpace.published(operation_set="enas"), {"filters": 3}, (8, 32, 64)),
    "imagenet": (NASNetSpace.published(), {"skeleton": Skeleton.imagenet(1, 4)}, (32, 64)),
    "large": (NASNetSpace.amoebanet(), {"skeleton": Skeleton.imagenet_large(1, 6)}, (32, 64)),
    "DARTS": (NASNetSpace.darts(), {"filters": 3, "repeats": 1}, (8, 32, 64)),
    "DARTS, large": (NASNetSpace.darts(), {"skeleton": Skeleton.darts_imagenet(1, 4)}, (32, 64)),
    "PNASNet": (NASNetSpace.published(), {"skeleton": Skeleton.pnasnet(2, 4)}, (8, 32)),
    "mnasnet": (MnasNetSpace(), {"filters": 8}, (8, 32, 64)),
    "around": (AroundSpace("mobilenet-v3-small"), {"filters": 4}, (8, 32, 64)),
    "around, fused": (AroundSpace("efficientnet-v2-b0"), {"filters": 8}, (8, 32, 64)),
    "convnet": (ConvNetSpace(strides=True), {"filters": 4}, (8, 32, 64)),
    "edge cell": (EdgeCellSpace(), {"filters": 4, "repeats": 1}, (8, 32, 64)),
    "mlp": (MLPSpace(length=6), {}, (8, 32, 64)),
}
B0 = load_genotype("efficientnet-v2-b0").blocks
THREE_BLOCKS = (*B0[:2], replace(B0[3], layers=1))
# The same spaces with less in each: a child of these builds in a second.
FEW = {"blocks": 2, "skeleton": Skeleton.cifar(1, 4, reductions=1)}
SMALL = {
    "book": NASNetSpace(blocks=2, skeleton=Skeleton.book(1, 2, reductions=1)),
    "book, wide": NASNetSpace.wide(blocks=2, skeleton=Skeleton.book(1, 2, reductions=1)),
    "published": NASNetSpace.published(**FEW),
    "amoebanet": NASNetSpace.amoebanet(**FEW),
    "darts": NASNetSpace.published(operation_set="darts", **FEW),
    "enas": NASNetSpace.published(operation_set="enas", **FEW),
    "DARTS": NASNetSpace.darts(blocks=2, skeleton=Skeleton.darts(1, 4, reductions=1)),
    "mnasnet": MnasNetSpace(layers=(1, 2), filters=(4, 4), strides=(1, 2), stem=4, head=8),
    "around": AroundSpace(replace(load_genotype("efficientnet-v2-b0"), blocks=THREE_BLOCKS)),
    "convnet": ConvNetSpace(layers=(1, 2), strides=True, filters=(2, 3)),
    "edge cell": EdgeCellSpace(nodes=3),
    "mlp": MLPSpace(),
}


def trains(space, size, seed, train_step, **options):
    params = space.sample(np.random.default_rng(seed))
    model = space.build(params, (size, size, 3), 3, seed=seed, **options)
    x = np.random.default_rng(seed).random((4, size, size, 3), dtype=np.float32)
    assert np.isfinite(train_step(model, x, np.arange(4) % 3))
    keras.backend.clear_session()


@pytest.mark.parametrize("space", SMALL.values(), ids=SMALL)
def test_a_small_child_trains_a_step_with_finite_loss(space, train_step):
    trains(space, 8, 0, train_step)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "size"), [(name, size) for name, (*_, sizes) in SPACES.items() for size in sizes]
)
@settings(max_examples=4, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_any_child_trains_a_step_with_finite_loss(name, size, seed, train_step):
    space, options, _ = SPACES[name]
    trains(space, size, seed, train_step, **options)


def test_an_imagenet_skeleton_needs_32_pixels():
    space, options, _ = SPACES["imagenet"]
    with pytest.raises(UnbuildableChild, match="at least 32x32"):
        space.build(space.sample(np.random.default_rng(0)), (8, 8, 3), 3, **options)


@pytest.mark.parametrize("space", SMALL.values(), ids=SMALL)
def test_a_seed_gives_the_same_weights_whatever_was_built_before(space):
    params, between = (space.sample(np.random.default_rng(seed)) for seed in (2, 3))
    first = space.build(params, (8, 8, 3), 3, seed=5).get_weights()
    space.build(between, (8, 8, 3), 3)
    second, other = (space.build(params, (8, 8, 3), 3, seed=s).get_weights() for s in (5, 6))
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    assert any(not np.array_equal(a, b) for a, b in zip(first, other, strict=True))


@pytest.mark.parametrize("space", SMALL.values(), ids=SMALL)
def test_without_classes_a_child_gives_one_number(space):
    params = space.sample(np.random.default_rng(1))
    model = space.build(params, (8, 8, 3), None, seed=0)
    assert model.output_shape == (None, 1)
    assert model.layers[-1].activation.__name__ == "linear"
    words = [
        text.get_text()
        for figure in space.figures(params, model).values()
        for text in figure.axes[0].texts
    ]
    assert any("dense" in text for text in words)
    assert not any("softmax" in text for text in words)
