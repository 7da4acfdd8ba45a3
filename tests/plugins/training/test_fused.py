"""Children that are trained with TensorFlow's kernels are those that Keras's own steps train."""

from __future__ import annotations

import copy

import keras
import numpy as np
import pytest

from cellwright.plugins.training.recipe import Recipe
from cellwright.plugins.training.train import compile_child
from cellwright.search_spaces import (
    ConvNetSpace,
    EdgeCellSpace,
    MLPSpace,
    MnasNetSpace,
    NASNetSpace,
    SearchSpace,
)

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="the kernels are TensorFlow's"
)
SHAPES = {MLPSpace: (7,)}
RNG = np.random.default_rng(0)


def trained(space: SearchSpace, recipe: Recipe, steps: int, *, fused: bool) -> keras.Model:
    shape = SHAPES.get(type(space), (16, 16, 3))
    options = {} if isinstance(space, MLPSpace) else {"filters": 4}
    params = space.sample(np.random.default_rng(3))
    model = space.build(params, shape, 3, seed=0, **options)
    if fused:
        compile_child(model, recipe)
    else:
        optimizer = keras.optimizers.Adam(
            recipe.learning_rate,
            weight_decay=recipe.weight_decay or None,
            global_clipnorm=recipe.clip_norm,
        )
        model.compile(optimizer, "sparse_categorical_crossentropy", jit_compile=False)
    rng = np.random.default_rng(1)
    x = rng.normal(size=(24, *shape)).astype(np.float32)
    y = rng.integers(3, size=24)
    for step in range(steps):
        part = slice(8 * step % 24, 8 * step % 24 + 8)
        model.train_on_batch(x[part], y[part])
    return model


@pytest.mark.parametrize(
    "space",
    [NASNetSpace(blocks=2), ConvNetSpace(), EdgeCellSpace(nodes=3), MLPSpace()],
    ids=lambda s: type(s).__name__,
)
def test_the_same_steps_give_the_same_child(space: SearchSpace, untraced: None) -> None:
    recipe = Recipe(weight_decay=1e-2, clip_norm=1.0)
    ours = trained(space, recipe, 3, fused=True)
    theirs = trained(space, recipe, 3, fused=False)
    for mine, other in zip(ours.weights, theirs.weights, strict=True):
        assert np.asarray(mine) == pytest.approx(np.asarray(other), abs=1e-4), mine.path
    x = RNG.normal(size=(5, *ours.input_shape[1:])).astype(np.float32)
    assert np.asarray(ours(x)) == pytest.approx(np.asarray(theirs(x)), abs=1e-4)


def test_a_step_leaves_adam_in_the_same_state(untraced: None) -> None:
    """Deep children on small maps have gradients that are rounding errors, where a step of Adam is
    as long as anywhere: its state is compared, which is that of the gradients."""
    ours = trained(MnasNetSpace(), Recipe(), 1, fused=True)
    theirs = trained(MnasNetSpace(), Recipe(), 1, fused=False)
    for mine, other in zip(ours.optimizer.variables, theirs.optimizer.variables, strict=True):
        known = np.asarray(other)
        most = 1e-3 * float(np.abs(known).max()) + 1e-5  # zero but for rounding
        assert np.asarray(mine) == pytest.approx(known, abs=most), mine.path


def nodes(model: keras.Model) -> int:
    """Operations in the graph of a training step."""
    import tensorflow as tf

    x, y = tf.zeros((8, *model.input_shape[1:])), tf.zeros((8,), tf.int64)
    step = tf.function(lambda: model.train_step((x, y)))
    return len(step.get_concrete_function().graph.get_operations())


def test_a_step_has_fewer_operations() -> None:
    ours = trained(NASNetSpace(blocks=1), Recipe(), 0, fused=True)
    theirs = trained(NASNetSpace(blocks=1), Recipe(), 0, fused=False)
    theirs.optimizer.build(theirs.trainable_variables)
    assert nodes(ours) < 0.65 * nodes(theirs)


def test_a_copy_and_a_file_are_of_keras_alone(tmp_path) -> None:  # type: ignore[no-untyped-def]
    model = trained(NASNetSpace(blocks=1), Recipe(), 0, fused=True)
    model.save(tmp_path / "child.keras")
    again = keras.models.load_model(tmp_path / "child.keras")
    assert type(again.optimizer) is keras.optimizers.Adam
    normalising = [x for x in again.layers if isinstance(x, keras.layers.BatchNormalization)]
    assert normalising
    assert all("call" not in vars(layer) for layer in normalising)
    layer = next(x for x in model.layers if isinstance(x, keras.layers.BatchNormalization))
    twin = copy.deepcopy(layer)
    assert twin.call.__self__ is twin


def test_a_normalisation_that_is_frozen_or_no_images_is_left_alone() -> None:
    inputs = keras.Input((4, 4, 2))
    x = keras.layers.BatchNormalization(name="usual")(inputs)
    x = keras.layers.BatchNormalization(name="centred", scale=False)(x)
    x = keras.layers.BatchNormalization(name="frozen", trainable=False)(x)
    x = keras.layers.BatchNormalization(name="rows", axis=1)(x)
    x = keras.layers.BatchNormalization(name="vector")(keras.layers.Flatten()(x))
    model = keras.Model(inputs, keras.layers.Dense(2, "softmax")(x))
    compile_child(model, Recipe())
    fused = [layer.name for layer in model.layers if "call" in vars(layer)]
    assert fused == ["usual", "frozen"]
    x = RNG.normal(1.0, 2.0, (8, 4, 4, 2)).astype(np.float32)
    model.fit(x, RNG.integers(2, size=8), verbose=0)
    assert np.asarray(model.get_layer("frozen").moving_mean).tolist() == [0, 0]
    mean, variance = (np.asarray(v) for v in model.get_layer("usual").non_trainable_weights)
    assert mean == pytest.approx(0.01 * x.mean((0, 1, 2)), abs=1e-6)
    assert variance == pytest.approx(0.99 + 0.01 * x.var((0, 1, 2)), rel=1e-5)
