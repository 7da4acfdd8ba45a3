"""Loads the images or the table that a name or a path stands for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cellwright.plugins.data.dataset import Dataset, read_saved
from cellwright.plugins.data.image_file import ImageOptions, read_size
from cellwright.plugins.data.images import IMAGES, as_stream, load_images
from cellwright.plugins.data.memory import too_large
from cellwright.plugins.data.streams import Stream
from cellwright.plugins.data.table_stream import PARQUET, bytes_of_table, table_stream
from cellwright.plugins.data.tables import TABLES, is_table, load_table
from cellwright.search_spaces import InvalidData
from cellwright.search_spaces.arguments import check_integer, check_kind, check_number

BUILT_IN = (*IMAGES, *TABLES)


def load_dataset(
    source: str | Path,
    *,
    validation: float = 0.2,
    seed: int = 0,
    label: str | None = None,
    drop: Sequence[str] = (),
    task: str = "auto",
    balanced: bool = False,
    image_size: int | str | Sequence[int] | None = None,
    color: str | None = None,
    image_fit: str = "pad",
    strict: bool = False,
    stream: bool | None = None,
    whole: bool = False,
) -> Dataset | Stream:
    """Load and split what ``source`` names.

    Images may be whole numbers, floats or booleans from 0 to 1, 255 or 65535; the highest value
    decides which, and they are scaled to [0, 1]. Labels may be whole numbers or text, of shape (n,)
    or (n, 1).

    Args:
        source: ``"digits"`` (bundled with scikit-learn); ``"fashion_mnist"`` or ``"cifar10"``
            (downloaded once by Keras); the path of a ``.npz`` file with ``x_train`` and ``y_train``
            or ``x`` and ``y`` (``x_val`` and ``y_val`` are used if present, ``x_test`` never is);
            a folder that holds one folder of images for each class, or ``train``, ``val`` and
            ``test`` with such folders in them (docs/images.md); or a table: ``"wine"``,
            ``"breast_cancer"`` or ``"diabetes"`` (bundled with scikit-learn), or the path of a
            ``.csv`` or ``.tsv`` file with a line of names (also ``.gz``), or of a ``.parquet`` or
            ``.feather`` file (docs/tables.md).
        validation: Share of each class to hold out, in (0, 1).
        seed: Seed of the split.
        label: In a table's file, the name of the column to predict. None takes the last column.
        drop: In a table's file, the names of the columns to leave out.
        task: For a table, ``"classification"``, ``"regression"``, or ``"auto"`` to decide by the
            label.
        balanced: For a table, whether to weigh the rows so that all classes count alike in
            training.
        image_size: For a folder, the size in pixels that images are resized to with their aspect
            kept: one side, or height and width as ``"64x48"`` or ``(64, 48)``.
        color: For a folder, ``"rgb"`` or ``"gray"`` to convert all images to. None refuses a
            folder that holds both.
        image_fit: With an ``image_size``, ``"pad"`` to show all of an image between black bars,
            or ``"crop"`` to fill the size with its middle.
        strict: For a folder, whether a file that cannot be read is refused. If False it is left
            out, and ``notes`` say so.
        whole: Whether to hold nothing out, as for the last training of a network: all examples are
            trained on, those of a validation part included, and ``validation`` is not looked at.
        stream: Whether a folder of images, a ``.npz`` file or a ``.parquet`` file is read while
            children train, in place of being read at once (docs/streams.md); children are the same.
            None does so if arrays would take more than half of the memory that is free, and
            ``notes`` say so then.

    Returns:
        Arrays (`Dataset`), or a `Stream`; both are `Data`.

    Raises:
        InvalidData: If there is no such source, or it cannot be used; the message says why.
    """
    source = str(source) if isinstance(source, Path) else source
    try:
        check_kind("source", source, str, "a name or a path")
        check_number("validation", validation, above=0, below=1)
        check_integer("seed", seed, 0)
    except (TypeError, ValueError) as error:
        raise InvalidData(str(error)) from None
    path = Path(source)
    try:
        options = ImageOptions(read_size(image_size), color, image_fit, strict)
        if stream is not None and not isinstance(stream, bool):
            raise InvalidData(f"stream must be True, False or None, got {stream!r}")
        if stream and (source in BUILT_IN or not _can_be_streamed(path)):
            raise InvalidData(
                "only a folder of images, a .npz file of images and a .parquet file can be read as "
                "a stream: leave --stream (in code stream=True) out, or write a table as Parquet: "
                "pandas.read_csv('table.csv').to_parquet('table.parquet')"
            )
        if source.endswith(".dataset.npz"):
            if whole:
                raise InvalidData("it is split already, and cannot be read as a whole")
            return read_saved(path)
        validation = 0.0 if whole else validation
        if source in TABLES or is_table(path):
            if options != ImageOptions():
                raise InvalidData(
                    "image_size, color, image_fit and strict are for folders of images"
                )
            notes: tuple[str, ...] = ()
            if stream is None and path.suffix.lower() == PARQUET:
                reason = too_large(bytes_of_table(path))
                stream, notes = reason is not None, (as_stream(reason),) if reason else ()
            if stream:
                return table_stream(
                    path, validation=validation, seed=seed, label=label, drop=drop, task=task,
                    balanced=balanced, notes=notes,
                )  # fmt: skip
            return load_table(source, validation, seed, label, drop, task, balanced)
        if label is not None or drop or task != "auto" or balanced:
            raise InvalidData("label, drop, task and class weights are for tables (.csv, .parquet)")
        if source in IMAGES or path.is_dir() or path.suffix.lower() == ".npz":
            return load_images(source, validation, seed, options, stream)
        raise InvalidData(
            f"no such data{'' if path.exists() else ', and no such path'}: give "
            f"{', '.join(BUILT_IN)}, the path of a .npz or .csv file, or a folder with one folder "
            "of images for each class"
        )
    except InvalidData as error:
        raise InvalidData(f"data {source!r}: {error}") from error


def _can_be_streamed(path: Path) -> bool:
    if not path.exists() or path.name.endswith(".dataset.npz"):
        return not path.exists()  # what is not there is told so
    return path.is_dir() or path.suffix.lower() in (".npz", PARQUET)
