"""Files that are never seen half-written, and locks that one process holds at a time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TextIO
from uuid import uuid4

from filelock import FileLock, Timeout


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A path to write to; what is written there takes the place of ``path`` when the block ends.

    It lies beside ``path`` and has the same ending, for writers that go by it. A reader, or a
    process that is killed half-way, finds either the old file or the whole new one. An exception
    leaves the old one.

    Raises:
        OSError: If the file cannot be written; the old one stays.
    """
    beside = path.with_name(f".{path.stem}.{uuid4().hex[:12]}.new{path.suffix}")
    try:
        yield beside
        with beside.open("rb+") as file:
            os.fsync(file.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


@contextmanager
def atomic_write(path: Path) -> Iterator[TextIO]:
    """A text file in UTF-8 that takes the place of ``path``, as `atomic_path` says."""
    with atomic_path(path) as beside, beside.open("x", encoding="utf-8", newline="") as file:
        yield file


@contextmanager
def atomic_write_bytes(path: Path) -> Iterator[BinaryIO]:
    """A file of bytes that takes the place of ``path``, as `atomic_path` says."""
    with atomic_path(path) as beside, beside.open("xb") as file:
        yield file


@contextmanager
def exclusive_lock(path: Path, *, wait: bool = True) -> Iterator[None]:
    """Hold the lock of the file ``path``, which is made if it is not there.

    The system releases the lock if this process dies.

    Args:
        path: Of the lock; what it protects is up to its users.
        wait: Until whoever holds the lock releases it; otherwise fail at once.

    Raises:
        BlockingIOError: If somebody else holds the lock, and ``wait`` is False.
    """
    lock = FileLock(path)
    try:
        lock.acquire(timeout=-1 if wait else 0)
    except Timeout as error:
        raise BlockingIOError(f"{path} is locked by another process") from error
    try:
        yield
    finally:
        lock.release()
