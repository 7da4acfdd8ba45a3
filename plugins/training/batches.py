"""What a child trains on, batch by batch."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from cellwright.plugins.training.augmentation import augment, mixed
from cellwright.plugins.training.soft_labels import as_shares

if TYPE_CHECKING:
    from cellwright.plugins.training.recipe import Recipe


class Batches(keras.utils.PyDataset):  # type: ignore[misc]
    """Shuffled batches, whose order depends only on the recipe's seed and the epoch, never on
    Keras's global state.

    Args:
        x, y: Training inputs and targets.
        recipe: Gives the batch size, seed and augmentation.
        epoch: Epoch to begin with, from 0.
        weights: Weight of each example. None weighs all alike.
        shuffle: Whether each epoch has an order of its own. If not, the examples stay in theirs.
        classes: Number of classes, which a recipe of soft labels needs; None for numbers.
    """

    def __init__(
        self,
        x: Any,
        y: Any,
        recipe: Recipe,
        epoch: int = 0,
        weights: Any = None,
        *,
        shuffle: bool = True,
        classes: int | None = None,
    ) -> None:
        super().__init__()
        self.x, self.recipe, self.shuffle, self.classes = x, recipe, shuffle, classes
        self.others = (y,) if weights is None else (y, weights)
        self.epoch = epoch - 1
        self.on_epoch_end()

    def __len__(self) -> int:
        return math.ceil(len(self.x) / self.recipe.batch_size)

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        size = self.recipe.batch_size
        chosen = self.order[index * size : (index + 1) * size]
        batch = (self.x[chosen], *(part[chosen] for part in self.others))
        return changed(batch, self.recipe, self.epoch, index, self.classes)

    def on_epoch_end(self) -> None:
        self.epoch += 1
        self.order = self._order_of(self.epoch)

    def _order_of(self, epoch: int) -> Any:
        if not self.shuffle:
            return np.arange(len(self.x))
        return order_of(len(self.x), self.recipe, epoch)

    def for_keras(self) -> dict[str, Any]:
        """Arguments of ``model.fit`` for the epochs from the first to the recipe's last.

        Without augmentation, TensorFlow gathers the same batches in its own threads: Keras passes
        those of a ``PyDataset`` through Python, which takes longer than a small child's step.
        """
        # Keras would shuffle the batches again, with global random numbers.
        given: dict[str, Any] = {"x": self, "shuffle": False}
        if keras.backend.backend() == "tensorflow" and self.recipe.augmentation == "none":
            given |= {"x": self._in_tensorflow(), "steps_per_epoch": len(self)}
        return given

    def _in_tensorflow(self) -> Any:
        import tensorflow as tf

        epochs = range(self.epoch, self.recipe.epochs)
        orders = np.array([self._order_of(epoch) for epoch in epochs], dtype=np.int64)
        orders = orders.reshape(-1, len(self.x))  # also when no epoch is left
        with tf.device("CPU"):
            parts = tuple(map(tf.constant, (self.x, *self.others)))

        def soften(x: Any, y: Any, *weights: Any) -> tuple[Any, ...]:
            if not self.recipe.soft_labels or self.classes is None:
                return (x, y, *weights)
            change = functools.partial(
                as_shares, classes=self.classes, smoothing=self.recipe.label_smoothing
            )
            shares = tf.numpy_function(change, [y], tf.float32)
            shares.set_shape((None, self.classes))
            return (x, shares, *weights)

        def batches_of(order: Any) -> Any:
            places = tf.data.Dataset.from_tensor_slices(order).batch(self.recipe.batch_size)
            return places.map(lambda some: soften(*(tf.gather(part, some) for part in parts)))

        return tf.data.Dataset.from_tensor_slices(orders).flat_map(batches_of).prefetch(2)


def order_of(number: int, recipe: Recipe, epoch: int) -> Any:
    """In which order ``number`` examples are trained on in an epoch."""
    return np.random.default_rng((recipe.seed, epoch)).permutation(number)


def changed(
    batch: Sequence[Any], recipe: Recipe, epoch: int, index: int, classes: int | None = None
) -> tuple[Any, ...]:
    """A batch whose examples are augmented, and whose labels are softened, as the recipe says;
    ``classes`` is None where a number is predicted."""
    rng = np.random.default_rng((recipe.seed, epoch, index))
    x, y, *weights = batch
    if recipe.soft_labels and classes is not None:
        y = as_shares(y, classes, recipe.label_smoothing)
    x = augment(x, recipe.augmentation, rng)
    return mixed(x, (y, *weights), recipe.augmentation, rng)
