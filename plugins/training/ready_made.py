"""Batches that a user has made, and what a searched recipe changes in them."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from cellwright.plugins.data.kinds import GENERATOR, PY_DATASET, STREAM, kind_of
from cellwright.plugins.training.augmentation import augment
from cellwright.search_spaces import InvalidData

if TYPE_CHECKING:
    from cellwright.plugins.training.recipe import Recipe


def with_batch_size(x: Any, size: int) -> Any:
    """The same examples in batches of ``size``.

    Raises:
        InvalidData: If these batches cannot be made anew.
    """
    if kind_of(x) != STREAM:
        raise InvalidData(
            f"a searched batch_size cannot change the batches of a {kind_of(x)}, which are made "
            f"already: give arrays or a {STREAM}, or search without batch_size"
        )
    return x.rebatch(size)


def augmented(x: Any, recipe: Recipe) -> Any:
    """The same batches, whose images are changed at random as the recipe says.

    Args:
        x: Gives batches of (images, labels) or (images, labels, weights), as Keras takes them.
        recipe: Gives the augmentation, and the seed of its random numbers.

    Raises:
        InvalidData: If ``x`` is none of the kinds that are known.
    """
    kind = kind_of(x)
    if kind == PY_DATASET:
        return _Augmented(x, recipe)
    if kind == STREAM:
        return _mapped(x, recipe)
    if kind == GENERATOR:
        return _each(x, recipe)
    raise InvalidData(
        f"a searched augmentation cannot change the batches of a {kind}: give arrays, a {STREAM}, "
        f"a {PY_DATASET} or a {GENERATOR}, or search without augmentation"
    )


class _Augmented(keras.utils.PyDataset):  # type: ignore[misc]
    """The batches of another ``PyDataset``, augmented."""

    def __init__(self, batches: Any, recipe: Recipe) -> None:
        super().__init__(
            workers=batches.workers,
            use_multiprocessing=batches.use_multiprocessing,
            max_queue_size=batches.max_queue_size,
        )
        self.batches, self.recipe, self.epoch = batches, recipe, 0

    @property
    def num_batches(self) -> Any:
        return self.batches.num_batches

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        return _changed(self.batches[index], self.recipe, (self.epoch, index))

    def on_epoch_begin(self) -> None:
        self.batches.on_epoch_begin()

    def on_epoch_end(self) -> None:
        self.epoch += 1
        self.batches.on_epoch_end()


def _each(batches: Iterable[Any], recipe: Recipe) -> Iterator[tuple[Any, ...]]:
    for number, batch in enumerate(batches):
        yield _changed(batch, recipe, (number,))


def _changed(batch: Sequence[Any], recipe: Recipe, place: tuple[int, ...]) -> tuple[Any, ...]:
    rng = np.random.default_rng((recipe.seed, *place))
    x = keras.ops.convert_to_numpy(batch[0])
    return (augment(x, recipe.augmentation, rng), *batch[1:])


def _mapped(data: Any, recipe: Recipe) -> Any:
    import tensorflow as tf

    number = itertools.count()  # batches are mapped one after the other, epoch after epoch

    def change(x: Any) -> Any:
        rng = np.random.default_rng((recipe.seed, next(number)))
        return augment(x, recipe.augmentation, rng)

    def each(x: Any, *others: Any) -> tuple[Any, ...]:
        changed = tf.numpy_function(change, [x], x.dtype)
        changed.set_shape(x.shape)
        return (changed, *others)

    return data.map(each)
