"""Files that are never seen half-written, JSON with the place of its errors, and locks that one
process holds at a time."""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TextIO
from uuid import uuid4

from filelock import FileLock, Timeout

if TYPE_CHECKING:
    from numpy.typing import NDArray

_UNFINISHED = re.compile(r"\.[0-9a-f]{12}\.new(\.\w+)?$")


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path, whose file replaces ``path`` when the block ends.

    It lies beside ``path`` and has the same suffix, since some writers choose a format by it. A
    reader finds either the old file or the complete new one, even if this process is killed
    half-way. After an exception the old file is still there.

    Raises:
        OSError: If the file cannot be written, naming ``path``; the old one is still there.
    """
    beside = path.with_name(f".{path.stem}.{uuid4().hex[:12]}.new{path.suffix}")
    try:
        yield beside
        with beside.open("rb+") as file:
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        if error.errno is None or error.filename not in (None, str(beside), beside):
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        beside.unlink(missing_ok=True)


def why_unwritable(folder: Path) -> OSError | None:
    """Why nothing can be written into a folder that is there; None if it can.

    Where its permissions say no, a file is tried, which tells a read-only disk from a folder of
    somebody else's.
    """
    if not os.access(folder, os.W_OK | os.X_OK):
        try:
            tempfile.TemporaryFile(dir=folder).close()
        except OSError as error:
            return error
    return None


def clear_unfinished(folder: Path, *, seconds: float = 0.0) -> None:
    """Delete what processes that were killed left of `atomic_path` and of
    `search_spaces.export.in_one_step`, in a folder and those in it.

    Args:
        folder: Nobody else may be writing there, unless ``seconds`` leaves them alone.
        seconds: Files that were written to later than so many seconds ago stay.
    """
    for path in list(folder.rglob(".*.new*")):
        with suppress(OSError):  # another process deleted it
            old = time.time() - path.lstat().st_mtime >= seconds
            if not old or not _UNFINISHED.search(path.name):
                continue
            if path.is_dir() and not path.is_symlink():  # of `in_one_step`
                shutil.rmtree(path)
            else:
                path.unlink()


@contextmanager
def atomic_write(path: Path) -> Iterator[TextIO]:
    """Open a UTF-8 text file that replaces ``path`` when the block ends; see `atomic_path`."""
    with atomic_path(path) as beside, beside.open("x", encoding="utf-8", newline="") as file:
        yield file


@contextmanager
def atomic_write_bytes(path: Path) -> Iterator[BinaryIO]:
    """Open a binary file that replaces ``path`` when the block ends; see `atomic_path`."""
    with atomic_path(path) as beside, beside.open("xb") as file:
        yield file


def read_json(path: Path) -> Any:
    """The content of a JSON file.

    Raises:
        ValueError: If it is no JSON: with the file, the line, the column, and what is wrong there.
        OSError: If it cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8")
        if not text.strip("\0 \t\r\n"):  # cut off by a kill, or never reached the disk
            raise ValueError(f"{path} is damaged: it is empty")
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(
            f"{path} is damaged: line {error.lineno}, column {error.colno}: {error.msg}"
        ) from error
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is damaged: it is no text in UTF-8: {error}") from error
    except RecursionError as error:
        raise ValueError(f"{path} is damaged: it is nested too deeply") from error


def set_aside(path: Path) -> None:
    """Rename a damaged file, so that it can be looked at and is not written over."""
    count = 1
    while (aside := path.with_name(f"{path.name}.damaged-{count}")).exists():
        count += 1
    path.replace(aside)


def read_npz(path: Path) -> dict[str, NDArray[Any]]:
    """All arrays of a ``.npz`` file by name; none of pickled objects is read.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is damaged, or holds pickled objects.
    """
    import numpy as np

    try:
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            return {name: np.asarray(file[name]) for name in file.files}
    except FileNotFoundError:
        raise
    except Exception as error:  # NumPy, zipfile and zlib show damage in a dozen types
        raise ValueError(f"{path} cannot be read as a .npz file: {error!r}") from error


@contextmanager
def exclusive_lock(path: Path, *, wait: bool = True) -> Iterator[None]:
    """Hold a lock on the file ``path``, which is created if it does not exist.

    The system releases the lock if this process dies.

    Args:
        path: The lock file; what it protects is up to its users.
        wait: Whether to wait until the lock is free; if False, fail at once.

    Raises:
        OSError: If it is a symbolic link, or cannot be made.
        BlockingIOError: If another process holds the lock and ``wait`` is False.
    """
    if path.is_symlink():  # it would be followed, and what it leads to emptied
        raise OSError(f"{path} is a symbolic link, and a lock never is one: remove it")
    lock = FileLock(path)
    try:
        lock.acquire(timeout=-1 if wait else 0)
    except Timeout as error:
        raise BlockingIOError(f"{path} is locked by another process") from error
    try:
        yield
    finally:
        lock.release()
