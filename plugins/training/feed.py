"""What ``model.fit`` is given to train and to validate on, of data of any kind."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import keras

from cellwright.plugins.data.data import Data
from cellwright.plugins.data.dataset import Dataset
from cellwright.plugins.data.part import Rows
from cellwright.plugins.metrics import DATA_WAIT, LEFT_OUT, MUCH_WAITING
from cellwright.plugins.training.ahead import Ahead, to_train, to_validate
from cellwright.plugins.training.batches import Batches
from cellwright.plugins.training.soft_labels import as_shares

if TYPE_CHECKING:
    from cellwright.plugins.training.recipe import Recipe

_LONG = 5.0  # seconds of waiting from which it is worth a warning
_AT_ONCE = 256  # examples that are validated at once, unless they are larger than the next line
_BYTES = 4_000_000  # of a batch to validate on, whose activations take many times as much


@dataclass
class Feed:
    """How a child is fed.

    Attributes:
        given: Arguments of ``model.fit``.
        facts: Metrics of the feeding, once the training has ended: of a stream ``data_wait``, the
            share of the time in which steps of the training waited for data, and ``left_out``, the
            number of examples that could not be read, if there are any.
    """

    given: dict[str, Any]
    facts: dict[str, float] = field(default_factory=dict)


@contextmanager
def fed(data: Data, recipe: Recipe, epoch: int) -> Iterator[Feed]:
    """What ``model.fit`` is given while the block runs.

    Args:
        data: Both parts; the second one may be missing.
        recipe: Gives the batch size, seed, augmentation and number of epochs.
        epoch: Epoch to begin with, from 0.
    """
    if isinstance(data, Dataset) and recipe.devices in (None, 1):
        yield Feed(_arrays(data, recipe, epoch))
        return
    with ExitStack() as closing:
        # Keras ends an epoch before the first, which counts for `Batches` of augmented arrays: with
        # it, the same data as arrays and as a stream give the same training.
        early = keras.backend.backend() == "tensorflow" and recipe.augmentation != "none"
        epochs = range(epoch + early, recipe.epochs + early)
        train = to_train(data.train, recipe, epochs, data.classes)
        closing.callback(train.close)
        given: dict[str, Any] = {"x": train, "shuffle": False}
        used = [train]
        if data.held_out is not None:
            used.append(
                to_validate(
                    data.held_out,
                    _to_validate(data, recipe),
                    _soft_classes(data, recipe),
                    recipe.devices,
                )
            )
            closing.callback(used[-1].close)
            given["validation_data"] = used[-1]
        if keras.backend.backend() == "tensorflow" and epoch < recipe.epochs:
            given |= {"x": _in_tensorflow(train), "steps_per_epoch": len(train)}
        feed = Feed(given)
        try:
            yield feed
        except Exception as error:
            for each in used:  # a framework may have put it into words of its own
                if each.error is not None and each.error is not error:
                    raise each.error from error
            raise
        if not isinstance(data, Dataset):
            feed.facts = _facts(data, train)


def _to_validate(data: Data, recipe: Recipe) -> int:
    """The size of the batches to validate on: no smaller than those to train on, and no larger than
    memory allows that suffices for the training."""
    example = 4 * math.prod(data.input_shape)
    size = max(recipe.batch_size, min(_AT_ONCE, _BYTES // example))
    return size - size % (recipe.devices or 1)


def _soft_classes(data: Data, recipe: Recipe) -> int | None:
    """How many classes a child is validated on as shares of each, which are not smoothed; None if
    its labels are class numbers."""
    return data.classes if recipe.soft_labels else None


def _arrays(data: Dataset, recipe: Recipe, epoch: int) -> dict[str, Any]:
    part, held_out = data.train, data.held_out
    given = Batches(part.x, part.y, recipe, epoch, part.weights, classes=data.classes).for_keras()
    if held_out is not None:
        classes = _soft_classes(data, recipe)
        y = held_out.y if classes is None else as_shares(held_out.y, classes)
        parts = (held_out.x, y, held_out.weights)
        given["validation_data"] = parts if held_out.weights is not None else parts[:2]
        given["validation_batch_size"] = _to_validate(data, recipe)
    return given


def _in_tensorflow(batches: Ahead) -> Any:
    """The batches of all epochs as a dataset, which asks for one when a step needs it.

    Keras would put a queue of TensorFlow's behind a ``PyDataset``, and nobody could tell how long
    steps wait.
    """
    import tensorflow as tf

    signature = tuple(
        tf.TensorSpec((None, *part.shape[1:]), part.dtype) for part in batches.first()
    )
    options = tf.data.Options()
    options.autotune.enabled = False
    options.threading.private_threadpool_size = 1
    return tf.data.Dataset.from_generator(batches.all, output_signature=signature).with_options(
        options
    )


def _facts(data: Data, train: Ahead) -> dict[str, float]:
    if train.asked == 0:  # no epoch was left
        return {}
    share = train.waited / train.asked
    facts = {DATA_WAIT: share}
    if share > MUCH_WAITING and train.waited > _LONG:
        warnings.warn(
            f"the child waited for data {share:.0%} of the time: {train.waited:.0f} of "
            f"{train.asked:.0f} seconds. Smaller files, such as images of the size that children "
            "read, or an uncompressed .npz file, are read sooner; docs/streams.md says more",
            stacklevel=2,
        )
    left_out = sum(part.left_out for part in (data.train, data.held_out) if isinstance(part, Rows))
    return {**facts, **({LEFT_OUT: float(left_out)} if left_out else {})}
