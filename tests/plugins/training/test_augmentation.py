"""How examples are changed in training, and that the changes depend on the generator alone."""

import keras
import numpy as np
import pytest

from cellwright.plugins import Dataset, Evaluation, Recipe, load_dataset
from cellwright.plugins.training.augmentation import AUGMENTATIONS, augment, mixed, parts_of
from cellwright.plugins.training.batches import Batches, changed
from cellwright.plugins.training.image_changes import _CHANGES
from cellwright.search_spaces import Decision, JointSpace, MLPSpace, NASNetSpace

CELLS = NASNetSpace(blocks=1, operations=("identity", "max_3x3"))
PARAMS = CELLS.decode([0] * len(CELLS.names))
SMALL = {"filters": 2, "reductions": 0}
IMAGES = np.random.default_rng(0).random((40, 12, 16, 3)).astype(np.float32)
ALL = "+".join(AUGMENTATIONS[2:])


def generator():
    return np.random.default_rng(3)


def test_several_are_done_in_one_order():
    assert parts_of("none") == ()
    assert parts_of("mixup + cutout+shift") == ("shift", "cutout", "mixup")
    assert Recipe(augmentation="cutout+shift_flip") == Recipe(augmentation="shift_flip+cutout")


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ("", "got ''"),
        ("blur", "got 'blur'; several are joined by +"),
        ("shift,cutout", "got 'shift,cutout'"),
        ("none+shift", "none stands alone"),
        ("shift+shift", "each once"),
        ("shift+shift_flip", "leave shift out"),
        (None, "as text, got None"),
        (["shift"], "as text"),
    ],
)
def test_what_names_no_change_is_refused(wrong, words):
    with pytest.raises(ValueError, match="augmentation ") as told:
        Recipe(augmentation=wrong)
    assert words in str(told.value)


@pytest.mark.parametrize("how", AUGMENTATIONS[1:5])
def test_images_stay_images(how):
    for images in (IMAGES, IMAGES[..., :1], IMAGES[:1], (IMAGES * 255).astype(np.uint8)):
        found = augment(images, how, generator())
        assert found.shape == images.shape
        assert images.min() <= found.max() <= images.max()
        assert not np.array_equal(found, images)
        np.testing.assert_array_equal(found, augment(images, how, generator()))
    assert augment(IMAGES, how, generator()).dtype == np.float32


@pytest.mark.parametrize(("how", "sum_by_place"), [("shift", 8384376), ("shift_flip", 8375577)])
def test_shifts_are_those_of_before(how, sum_by_place):
    """What the version gave in which only one change could be named."""
    grid = np.arange(5 * 8 * 8, dtype=np.float32).reshape(5, 8, 8, 1)
    found = augment(grid, how, np.random.default_rng(1)).astype(np.float64)
    assert int(found.ravel() @ np.arange(320)) == sum_by_place


def test_a_square_is_cut_out():
    found = augment(np.ones((200, 12, 16, 2), np.float32), "cutout", generator())
    sizes = (found == 0).all(axis=3).sum(axis=(1, 2))
    assert sizes.max() == 36, "a square of half the shorter side"
    assert 9 <= sizes.min() < 36, "the border cuts some off"
    assert len(np.unique(np.argmax(found.reshape(200, -1) == 0, axis=1))) > 20, "each elsewhere"


@pytest.mark.parametrize("change", _CHANGES)
def test_each_change_of_rand_augment(change):
    strength = np.linspace(-1, 1, len(IMAGES))
    found = change(IMAGES, strength, 0.0, 1.0)
    assert found.shape == IMAGES.shape
    assert np.isfinite(found).all()
    assert np.array_equal(found, IMAGES) == (change.__name__ == "_identity")
    flat = change(np.full((2, 4, 4, 1), 0.5, np.float32), np.zeros(2), 0.0, 1.0)
    np.testing.assert_allclose(flat, 0.5, err_msg="strength 0 changes nothing")


def test_mixup_adds_up_pairs():
    x, y = IMAGES, np.eye(40, dtype=np.float32)
    mixed_x, mixed_y, weights = mixed(x, (y, np.arange(40.0)), "mixup", generator())
    np.testing.assert_allclose(mixed_y.sum(axis=1), 1, rtol=1e-6)
    np.testing.assert_allclose(mixed_x, np.tensordot(mixed_y, x, 1), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(weights, mixed_y @ np.arange(40.0), rtol=1e-5)
    assert (mixed_y.max(axis=1) < 0.999).any()
    assert mixed_x.dtype == mixed_y.dtype == np.float32


def test_cutmix_weighs_classes_by_their_areas():
    """Images of one colour each, so that every pixel says whose it is."""
    x = np.broadcast_to(np.arange(40.0)[:, None, None, None], (40, 12, 16, 1)).astype(np.float32)
    mixed_x, mixed_y = mixed(x, (np.eye(40, dtype=np.float32),), "cutmix", generator())
    areas = np.stack([(mixed_x == value).mean(axis=(1, 2, 3)) for value in range(40)], axis=1)
    np.testing.assert_allclose(mixed_y, areas, atol=1e-6)
    assert ((areas > 0).sum(axis=1) == 2).mean() > 0.5


def test_of_both_each_batch_gets_one():
    x, y = IMAGES, np.eye(40, dtype=np.float32)
    kinds = set()
    for seed in range(20):
        both = mixed(x, (y,), "mixup+cutmix", np.random.default_rng(seed))[0]
        kinds.add(bool(np.isin(both, x).all()))  # pixels that an image has: cut, not added up
    assert kinds == {True, False}


def test_a_batch_depends_on_seed_epoch_and_place():
    batch = (IMAGES, np.arange(40) % 3)
    recipe = Recipe(augmentation=ALL, seed=1)
    first = changed(batch, recipe, 2, 5, 3)
    for one, other in zip(first, changed(batch, recipe, 2, 5, 3), strict=True):
        np.testing.assert_array_equal(one, other)
    assert first[1].shape == (40, 3)
    for epoch, index, seed in ((2, 6, 1), (3, 5, 1), (2, 5, 2)):
        again = changed(batch, Recipe(augmentation=ALL, seed=seed), epoch, index, 3)
        assert not np.array_equal(first[0], again[0])


def test_layers_of_keras_change_a_batch_by_what_was_changed_before():
    """Why the changes are ours: the same batch again is another one, so that a training that goes
    on from a checkpoint would not be the one that never stopped."""
    layer = keras.layers.RandomErasing(factor=1.0, value_range=(0, 1), seed=1)
    assert not np.array_equal(layer(IMAGES, training=True), layer(IMAGES, training=True))


def test_smoothed_labels_are_mixed():
    recipe = Recipe(augmentation="mixup", label_smoothing=0.3)
    _, y = changed((IMAGES, np.arange(40) % 3), recipe, 0, 0, 3)
    np.testing.assert_allclose(y.sum(axis=1), 1, rtol=1e-5)
    assert y.min() == pytest.approx(0.1, abs=1e-6)


def test_tables_and_numbers_can_be_mixed_up(untraced):
    for name in ("wine", "diabetes"):
        data = load_dataset(name)
        recipe = Recipe(2, 64, augmentation="mixup")
        metrics, model = Evaluation(MLPSpace(), data, recipe=recipe).run(
            MLPSpace().decode([0] * len(MLPSpace().names))
        )
        assert np.isfinite(metrics["val_loss"])
        assert model.evaluate(data.x_val, data.y_val, verbose=0)[0] == pytest.approx(
            metrics["val_loss"], rel=1e-3
        )


@pytest.mark.parametrize(
    ("data", "how", "words"),
    [
        ("wine", "shift", "shift changes images"),
        ("wine", "mixup+cutmix+cutout", "cutout+cutmix changes images"),
        ("diabetes", "cutmix", "cutmix changes images"),
    ],
)
def test_tables_have_no_pixels(data, how, words):
    with pytest.raises(ValueError, match="mixup goes with any data") as told:
        Evaluation(MLPSpace(), load_dataset(data), recipe=Recipe(augmentation=how))
    assert words in str(told.value)
    searched = JointSpace(MLPSpace(), Decision("augmentation", ("none", how)))
    with pytest.raises(ValueError, match="mixup goes with any data"):
        Evaluation(searched, load_dataset(data))


def test_numbers_are_not_cut_from_images():
    images = Dataset(IMAGES, np.linspace(0, 1, 40), IMAGES, np.linspace(0, 1, 40), None)
    assert images.classes is None
    with pytest.raises(ValueError, match="a number is predicted here"):
        Evaluation(CELLS, images, recipe=Recipe(augmentation="cutmix"), options=SMALL)


def test_a_training_with_all_in_two_parts_is_the_one_without_a_break(tmp_path, untraced):
    data = load_dataset("digits")
    data = Dataset(data.x_train[:200], data.y_train[:200], data.x_val[:60], data.y_val[:60],
                   data.class_names)  # fmt: skip
    recipe = Recipe(2, 128, augmentation=ALL, label_smoothing=0.1)
    how = {"recipe": recipe, "options": SMALL}
    _, straight = Evaluation(CELLS, data, **how).run(PARAMS)
    for stop in (1, 2):
        parts = Evaluation(CELLS, data, **how, checkpoints=tmp_path)
        metrics, model = parts.run(PARAMS, epochs=stop)
        assert metrics["trained_epochs"] == 1
    for one, other in zip(straight.variables, model.variables, strict=True):
        np.testing.assert_array_equal(np.asarray(one), np.asarray(other))
    scores = model.evaluate(data.x_val, data.y_val, verbose=0, return_dict=True)
    assert scores["accuracy"] == pytest.approx(metrics["val_accuracy"])


def test_batches_of_several_epochs_are_those_of_one_after_the_other():
    recipe = Recipe(3, 16, augmentation=ALL)
    early = Batches(IMAGES, np.arange(40) % 3, recipe, classes=3)
    early.on_epoch_end()
    late = Batches(IMAGES, np.arange(40) % 3, recipe, 1, classes=3)
    for one, other in zip(early[2], late[2], strict=True):
        np.testing.assert_array_equal(one, other)
