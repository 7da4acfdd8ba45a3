"""Batches of a stream, which threads read while a child trains on the ones before."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from cellwright.plugins.data.part import Batch, Part, Rows
from cellwright.plugins.training.batches import changed, order_of
from cellwright.plugins.training.devices import shared_size
from cellwright.plugins.training.soft_labels import as_shares

if TYPE_CHECKING:
    from cellwright.plugins.training.recipe import Recipe

Read = Callable[[int, int], Batch]  # the batch of an epoch and an index in it, both from 0
_MOST = 8  # batches that wait to be used
_BYTES = 200_000_000  # that they may take, unless two are more


class Ahead(keras.utils.PyDataset):  # type: ignore[misc]
    """Batches in their order, each of which is read before it is asked for.

    Args:
        read: Reads a batch; several threads call it at a time.
        steps: Batches in an epoch.
        epochs: The epochs that will be asked for, one after the other. If None, there is one, which
            is gone through again and again.
        readers: How many threads read; with one, ``read`` is called in the order of the batches.

    Attributes:
        waited: Seconds that whoever asked for a batch has waited for it.
        asked: Seconds from the first such moment to the last.
        error: What reading a batch raised, which the framework may raise as something else.
    """

    def __init__(self, read: Read, steps: int, epochs: range | None, readers: int) -> None:
        super().__init__()
        self.read, self.steps, self.epochs = read, steps, epochs
        self.epoch = 0 if epochs is None else epochs.start
        self.error: Exception | None = None
        self.waited, self.asked = 0.0, 0.0
        self._began: float | None = None
        self._pool = ThreadPoolExecutor(readers, "cellwright-data")
        self._ahead = 2  # until it is known how large a batch is
        self._pending: dict[int, Future[Batch]] = {}

    def __len__(self) -> int:
        return self.steps

    def __getitem__(self, index: int) -> Batch:
        return self.batch(self.epoch, index)

    def on_epoch_end(self) -> None:
        self.epoch += self.epochs is not None

    def batch(self, epoch: int, index: int) -> Batch:
        """The batch ``index`` of ``epoch``, for which the caller waits if it is not read yet."""
        began = time.perf_counter()
        self._began = began if self._began is None else self._began
        place = epoch * self.steps + index
        if place not in self._pending:  # the first, or the framework begins again
            self._drop()
        self._schedule(place)
        try:
            found = self._pending.pop(place).result()
        except Exception as error:
            self.error = error
            raise
        self._ahead = min(_MOST, max(2, _BYTES // sum(part.nbytes for part in found)))
        ended = time.perf_counter()
        self.waited += ended - began
        self.asked = ended - self._began
        return found

    def first(self) -> Batch:
        """The first batch of all, which stays to be asked for."""
        place = self.epoch * self.steps
        self._schedule(place)
        return self._pending[place].result()

    def all(self) -> Iterator[Batch]:
        """The batches of all epochs."""
        for epoch in self.epochs or ():
            for index in range(self.steps):
                yield self.batch(epoch, index)

    def close(self) -> None:
        """Let the threads end."""
        self._drop()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _schedule(self, place: int) -> None:
        # As with `Batches`, Keras may count one epoch more than there are.
        last = self.steps * max(self.epoch + 1, 0 if self.epochs is None else self.epochs.stop)
        for one in range(place, min(place + 1 + self._ahead, last)):
            if one not in self._pending:
                self._pending[one] = self._pool.submit(self.read, *divmod(one, self.steps))

    def _drop(self) -> None:
        for future in self._pending.values():
            future.cancel()
        self._pending.clear()


def to_train(part: Part, recipe: Recipe, epochs: range, classes: int | None = None) -> Ahead:
    """The batches of a training, whose order depends on the recipe's seed and the epoch alone if
    the order is ours to choose (`Rows`)."""
    size, devices = recipe.batch_size, recipe.devices
    steps = math.ceil(shared_size(part.number, devices, "train on") / size)
    if not isinstance(part, Rows):

        def finish(epoch: int, index: int, batch: Batch) -> Batch:
            return changed(shared(batch, devices), recipe, epoch, index, classes)

        return _in_turn(part, size, steps, epochs, finish)
    orders = _Orders(part.number, recipe)

    def read(epoch: int, index: int) -> Batch:
        chosen = orders.of(epoch)[index * size : (index + 1) * size]
        return changed(shared(part.take(chosen), devices), recipe, epoch, index, classes)

    return Ahead(read, steps, epochs, part.readers)


def to_validate(
    part: Part, size: int, classes: int | None = None, devices: int | None = None
) -> Ahead:
    """Batches of ``size`` to validate on, in their own order; with shares of the ``classes`` as
    labels, if these are given."""
    steps = math.ceil(shared_size(part.number, devices, "validate on") / size)

    def labelled(batch: Batch) -> Batch:
        batch = shared(batch, devices)
        if classes is None:
            return batch
        return (batch[0], as_shares(batch[1], classes), *batch[2:])

    if not isinstance(part, Rows):
        return _in_turn(part, size, steps, None, lambda *batch: labelled(batch[2]))
    order = np.arange(part.number)

    def read(epoch: int, index: int) -> Batch:
        return labelled(part.take(order[index * size : (index + 1) * size]))

    return Ahead(read, steps, None, part.readers)


def shared(batch: Batch, devices: int | None) -> Batch:
    """The first examples of a batch, of which each device has as many."""
    kept = len(batch[0]) - len(batch[0]) % (devices or 1)
    return batch if kept == len(batch[0]) else tuple(part[:kept] for part in batch)


def _in_turn(
    part: Part, size: int, steps: int, epochs: range | None, finish: Callable[..., Batch]
) -> Ahead:
    """Batches that can only be read one after the other, from the first one on."""
    now: list[Any] = [None, -1, iter(())]  # epoch, index and the rest of a pass

    def read(epoch: int, index: int) -> Batch:
        if (epoch, index) != (now[0], now[1] + 1):
            now[:] = [epoch, -1, part.batches(size, epoch)]
        while now[1] < index:
            batch = next(now[2])
            now[1] += 1
        return finish(epoch, index, batch)

    return Ahead(read, steps, epochs, 1)


class _Orders:
    """The orders of the last two epochs, which several threads ask for."""

    def __init__(self, number: int, recipe: Recipe) -> None:
        self.number, self.recipe = number, recipe
        self.known: dict[int, Any] = {}
        self.lock = threading.Lock()

    def of(self, epoch: int) -> Any:
        with self.lock:
            if epoch not in self.known:
                self.known = {e: order for e, order in self.known.items() if e == epoch - 1}
                self.known[epoch] = order_of(self.number, self.recipe, epoch)
            return self.known[epoch]
