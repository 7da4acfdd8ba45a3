"""Data of a user's own as a stream: what frameworks give batch by batch, or example by example."""

from __future__ import annotations

import hashlib
import inspect
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellwright.plugins.data.examples import TARGETS, Given, Reading
from cellwright.plugins.data.image_file import ImageOptions, read_size
from cellwright.plugins.data.kinds import ARRAYS, GENERATOR, PY_DATASET, STREAM, kind_of
from cellwright.plugins.data.part import Batch, Part, Rows
from cellwright.plugins.data.streams import Stream
from cellwright.search_spaces import InvalidData

_MOST = 10**12  # examples; Grain gives the largest number there is as the length of what repeats
_LOOKED_AT = 64  # examples of each part that are looked at, and are in the fingerprint


@dataclass(frozen=True)
class Elements(Rows):
    """Examples that can be asked for by their number, such as those of Hugging Face ``datasets``.

    Args:
        source: Has a length, and gives an example for a number from 0.
        reading: How an example is read.
        readers: How many threads may ask at a time.
    """

    source: Any
    reading: Reading
    threads: int = 1

    @property
    def number(self) -> int:
        return len(self.source)

    @property
    def input_shape(self) -> tuple[int, ...]:
        assert self.reading.shape is not None
        return self.reading.shape

    @property
    def readers(self) -> int:
        return self.threads

    def take(self, positions: NDArray[np.int64]) -> Batch:
        parts = self.reading.parts
        return self.reading.several([parts(self.source[int(place)]) for place in positions])


@dataclass(frozen=True)
class Passes(Part):
    """Examples that come in an order of their own, in one pass after the other.

    Args:
        source: A ``tf.data.Dataset``, a ``PyDataset``, a function that gives an iterable, or
            anything else that can be iterated again and again; of batches or of single examples.
        reading: How a batch is read.
        counted: How many examples a pass gives.
    """

    source: Any
    reading: Reading
    counted: int

    @property
    def number(self) -> int:
        return self.counted

    @property
    def input_shape(self) -> tuple[int, ...]:
        assert self.reading.shape is not None
        return self.reading.shape

    def batches(self, size: int, epoch: int = 0) -> Iterator[Batch]:
        """As `Part.batches`, whatever the size of the user's own batches.

        Raises:
            InvalidData: If a pass gives another number of examples than was counted.
        """
        number = 0
        for batch in _in_batches_of(size, self._own(size, epoch)):
            number += len(batch[0])
            if number <= self.counted:
                yield batch
        if number != self.counted:
            raise InvalidData(
                f"a pass through the {kind_of(self.source)} gave {number} examples, and "
                f"{self.counted} were counted before: each must give the same number"
            )

    def _own(self, size: int, epoch: int) -> Iterator[Batch]:
        """The user's batches; single examples are put together."""
        waiting: list[Given] = []
        for element in one_pass(self.source, epoch):
            given = self.reading.parts(element)
            if given.is_batch:
                yield self.reading.batch(given)
                continue
            waiting.append(given)
            if len(waiting) == size:
                yield self.reading.several(waiting)
                waiting = []
        if waiting:
            yield self.reading.several(waiting)


def _in_batches_of(size: int, batches: Iterable[Batch]) -> Iterator[Batch]:
    rest: Batch | None = None
    for batch in batches:
        if rest is not None:
            batch = tuple(np.concatenate(pair) for pair in zip(rest, batch, strict=True))
        start = 0
        while start + size <= len(batch[0]):
            yield batch if len(batch[0]) == size else tuple(x[start : start + size] for x in batch)
            start += size
        rest = tuple(x[start:] for x in batch) if start < len(batch[0]) else None
    if rest is not None:
        yield rest


def one_pass(source: Any, epoch: int) -> Iterator[Any]:
    """The elements of one pass through a user's data.

    Raises:
        InvalidData: If it cannot be iterated.
    """
    kind = kind_of(source)
    if kind == STREAM:
        return iter(source.as_numpy_iterator())
    if kind == PY_DATASET:
        return _of_py_dataset(source)
    if hasattr(source, "__iter__") or not callable(source):
        return iter(source)
    given = source(epoch) if inspect.signature(source).parameters else source()
    return one_pass(given, epoch) if not hasattr(given, "__next__") else iter(given)


def _of_py_dataset(source: Any) -> Iterator[Any]:
    source.on_epoch_begin()
    try:
        for index in range(source.num_batches):
            yield source[index]
    finally:  # nobody asks for more than the last batch
        source.on_epoch_end()


def stream(
    train: Any,
    validation: Any = None,
    *,
    classes: int | None = None,
    class_names: Sequence[str] | None = None,
    task: str = "classification",
    keys: tuple[str, str] | None = None,
    image_size: int | str | Sequence[int] | None = None,
    color: str | None = None,
    image_fit: str = "pad",
    examples: int | tuple[int, int] | None = None,
    threads: int = 1,
    fingerprint: str | None = None,
) -> Stream:
    """Data of your own to search on, which are read while children train.

    ``train`` and ``validation`` are each a ``tf.data.Dataset``, a ``keras.utils.PyDataset``, a
    PyTorch ``DataLoader`` or ``Dataset``, anything of Grain's or of Hugging Face ``datasets``, a
    data source of ``tensorflow_datasets``, or a function that gives something to iterate. Their
    elements are (inputs, targets), (inputs, targets, weights) or dictionaries, in batches or one by
    one: the recipe's ``batch_size`` counts, whatever the size of theirs. Pixels in bytes (uint8) or
    16 bits are scaled to [0, 1]; other numbers are taken as they are.

    What has a length and gives an example by its number is trained on in an order that depends on
    the recipe's seed and the epoch alone. Anything else comes in its own order, which is yours to
    shuffle; a function that takes an argument is given the epoch, from 0.

    Args:
        train: To train on.
        validation: To validate on; None holds nothing out, so that there is no ``val_accuracy``.
        classes: Number of classes, numbered from 0. It need not be given where names are known.
        class_names: Names of the classes; those of Hugging Face ``datasets`` and of data sources
            of ``tensorflow_datasets`` are known.
        task: ``"classification"``, or ``"regression"`` to predict a number.
        keys: Names of the inputs and the targets, for elements that are dictionaries; None finds
            the usual ones, such as ``("image", "label")``.
        image_size, color, image_fit: As for `load_dataset`: what images are resized and converted
            to. Bytes and images of Pillow's can be.
        examples: How many examples a pass gives, or (to train on, to validate on). They need not be
            given where they are known; otherwise they are counted in one pass.
        threads: How many threads ask for examples by their numbers at a time; more than 1 only if
            ``train`` and ``validation`` allow it. Data in an order of their own are read by one.
        fingerprint: What stands for the data where results of earlier trials are looked up, of your
            own choice. By default the first examples do, so that data that come shuffled anew in
            each process are taken for others.

    Raises:
        InvalidData: If children cannot be trained on it; the message says why.
    """
    if task not in ("classification", "regression"):
        raise InvalidData(f"task must be classification or regression, got {task!r}")
    if not isinstance(threads, int) or isinstance(threads, bool) or threads < 1:
        raise InvalidData(f"threads must be a whole number from 1, got {threads!r}")
    options = ImageOptions(read_size(image_size), color, image_fit)
    names = None
    if task == "classification":
        names = _class_names(train, keys, classes, class_names)
    elif classes is not None or class_names is not None:
        raise InvalidData("classes and class_names are for classification: leave them out")
    reading = Reading(keys, options, None if names is None else len(names))
    numbers = examples if isinstance(examples, tuple | list) else (examples, None)
    parts: list[Part] = []
    notes: list[str] = []
    first: list[Batch] = []
    for what, source, number in zip(
        ("train", "validation"), (train, validation), numbers, strict=True
    ):
        if source is None and what == "validation":
            continue
        try:
            part, some = _part(source, reading, number, threads, notes)
        except InvalidData as error:
            raise InvalidData(f"{what}: {error}") from error
        reading = replace(reading, shape=part.input_shape)
        parts.append(part)
        first.append(some)
    if len(parts[0].input_shape) == 3:
        high = float(first[0][0].max())
        if high > 2:
            notes.append(
                f"pixels run to {high:g} and are taken as they are; children learn best from [0, "
                "1], to which pixels in bytes (uint8) are scaled"
            )
    return Stream(
        parts[0],
        parts[1] if len(parts) > 1 else None,
        names,
        _fingerprint(fingerprint, names, parts, first),
        notes=tuple(notes),
    )


def _part(
    source: Any, reading: Reading, number: int | None, threads: int, notes: list[str]
) -> tuple[Part, Batch]:
    """A part of what a user gives, and some of its examples."""
    kind = kind_of(source)
    if isinstance(source, dict) or (kind == ARRAYS and not hasattr(source, "__getitem__")):
        raise InvalidData(
            f"it is a {type(source).__name__}; give one of its members, such as data['train']"
        )
    if isinstance(source, tuple) or hasattr(source, "__array__"):
        raise InvalidData("these are arrays: give cellwright.Dataset(...) or load_dataset them")
    if kind == GENERATOR:
        raise InvalidData(
            "a generator gives each example once, and children need them in every epoch: give the "
            "function that makes it, as stream(make_batches, ...)"
        )
    if _by_number(source) and len(source) > _MOST:
        raise InvalidData(
            f"the {kind} never ends: leave repeat() out; children pass through it once in an epoch"
        )
    if _by_number(source) and len(source) and not reading.parts(source[0]).is_batch:
        places = np.linspace(0, len(source) - 1, min(_LOOKED_AT, len(source)), dtype=np.int64)
        some = Elements(source, reading).take(np.unique(places))
        reading = replace(reading, shape=some[0].shape[1:])
        return Elements(source, reading, threads), some
    some = _first(source, reading)
    reading = replace(reading, shape=some[0].shape[1:])
    number = _number(source, reading, some) if number is None else number
    if number is None:
        start = time.perf_counter()
        number = sum(_length(reading.parts(element)) for element in one_pass(source, 0))
        seconds = time.perf_counter() - start
        notes.append(
            f"counted {number:,} examples of the {kind} in one pass of {seconds:.0f} s; with "
            "examples=... it is left out"
        )
    if number < 1:
        raise InvalidData(f"it must give at least one example, got {number}")
    return Passes(source, reading, number), some


def _by_number(source: Any) -> bool:
    return (
        hasattr(source, "__len__")
        and hasattr(source, "__getitem__")
        and kind_of(source) not in (STREAM, PY_DATASET)
    )


def _length(given: Given) -> int:
    return len(given.y) if given.is_batch else 1


def _first(source: Any, reading: Reading) -> Batch:
    """The first batch, or the first examples as one."""
    examples: list[Given] = []
    try:
        elements = one_pass(source, 0)
    except TypeError as error:
        raise InvalidData(
            f"a {type(source).__name__} cannot be read: give a tf.data.Dataset, a PyDataset, a "
            "DataLoader, a dataset of Grain or Hugging Face, or a function that gives something "
            "to iterate"
        ) from error
    for element in elements:
        given = reading.parts(element)
        if given.is_batch:
            return reading.batch(given)
        examples.append(given)
        if len(examples) == _LOOKED_AT:
            break
    if not examples:
        raise InvalidData(f"the {kind_of(source)} gives nothing")
    return reading.several(examples)


def _number(source: Any, reading: Reading, first: Batch) -> int | None:
    """How many examples a pass gives, if that can be told without one.

    Raises:
        InvalidData: If it never ends.
    """
    if kind_of(source) == STREAM:
        cardinality = int(source.cardinality())
        if cardinality == -1:
            raise InvalidData(
                "the tf.data.Dataset never ends: leave repeat() out, or add take(n); children pass "
                "through it once in an epoch"
            )
        target = reading.target(source.element_spec)
        if cardinality >= 0 and target.shape.rank == 0:
            return cardinality
        if cardinality >= 0 and target.shape.rank and target.shape[0] is not None:
            return cardinality * int(target.shape[0])
        return None
    sampler: Any = getattr(source, "sampler", None)  # of a DataLoader
    if getattr(source, "batch_size", None) and hasattr(sampler, "__len__"):
        rows = len(sampler)
        if getattr(source, "drop_last", False):
            rows -= rows % source.batch_size
        return rows if type(source).__name__ == "DataLoader" else None
    return None


def _class_names(
    source: Any, keys: tuple[str, str] | None, classes: int | None, given: Sequence[str] | None
) -> tuple[str, ...]:
    info = getattr(source, "dataset_info", None)  # of tensorflow_datasets
    features = getattr(info, "features", None) or getattr(source, "features", None) or {}
    targets = (keys[1],) if keys else TARGETS
    known = [getattr(features[key], "names", None) for key in targets if key in features]
    names = tuple(given or (known[0] if len(known) == 1 and known[0] else ()))
    if not names and classes is None:
        raise InvalidData(
            "how many classes there are is not known: give classes=10, or class_names, or "
            "task='regression' if a number is to be predicted"
        )
    if classes is not None and (
        not isinstance(classes, int) or isinstance(classes, bool) or classes < 2
    ):
        raise InvalidData(f"classes must be a whole number from 2, got {classes!r}")
    if names and classes is not None and len(names) != classes:
        raise InvalidData(f"classes={classes}, and there are {len(names)} names: {names[:8]}")
    names = names or tuple(map(str, range(classes or 0)))
    if len(names) < 2:
        raise InvalidData(f"a search needs at least two classes, found {list(names)}")
    return tuple(map(str, names))


def _fingerprint(
    given: str | None,
    names: tuple[str, ...] | None,
    parts: Sequence[Part],
    first: Sequence[Batch],
) -> str:
    digest = hashlib.blake2b(digest_size=8)
    digest.update(repr((names, [(part.number, part.input_shape) for part in parts])).encode())
    if given is not None:
        digest.update(given.encode())
        return digest.hexdigest()
    for batch in first:
        for array in batch:
            array = np.ascontiguousarray(array[:_LOOKED_AT])
            digest.update(f"{array.dtype.str} {array.shape};".encode() + array.tobytes())
    return digest.hexdigest()
