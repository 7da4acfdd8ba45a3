"""Batches are the same whoever gathers them."""

import keras
import numpy as np
import pytest

from cellwright.plugins import Recipe
from cellwright.plugins.training.batches import Batches

X = np.arange(22, dtype=np.float32).reshape(11, 2)
Y = np.arange(11)
WEIGHTS = np.linspace(1, 2, 11, dtype=np.float32)


def by_keras(batches, epochs):
    """As Keras goes through a ``PyDataset``."""
    for _ in range(epochs):
        yield from (batches[number] for number in range(len(batches)))
        batches.on_epoch_end()


@pytest.mark.parametrize("weights", [None, WEIGHTS])
@pytest.mark.parametrize("start", [0, 2])
def test_tensorflow_gathers_the_same_batches(weights, start):
    recipe = Recipe(4, batch_size=4, seed=7)
    batches = Batches(X, Y, recipe, start, weights)
    assert len(batches) == 3
    expected = list(by_keras(Batches(X, Y, recipe, start, weights), 4 - start))
    given = batches.for_keras()
    assert given["shuffle"] is False
    if keras.backend.backend() != "tensorflow":
        assert given["x"] is batches
        return
    assert given["steps_per_epoch"] == 3
    found = [[part.numpy() for part in batch] for batch in given["x"]]
    assert len(found) == len(expected) == 3 * (4 - start)
    for mine, theirs in zip(found, expected, strict=True):
        assert len(mine) == len(theirs) == (2 if weights is None else 3)
        for one, other in zip(mine, theirs, strict=True):
            np.testing.assert_array_equal(one, other)
    assert not np.array_equal(found[0][0], found[3][0]), "each epoch has an order of its own"


def test_augmented_images_come_from_numpy():
    images = np.zeros((5, 8, 8, 1), np.float32)
    batches = Batches(images, np.zeros(5), Recipe(augmentation="shift"))
    assert batches.for_keras()["x"] is batches


def test_nothing_is_left_of_a_training_that_is_done():
    recipe = Recipe(3, batch_size=4)
    if keras.backend.backend() == "tensorflow":
        assert list(Batches(X, Y, recipe, 3).for_keras()["x"]) == []
