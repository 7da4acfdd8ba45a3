"""Files that are never seen half-written."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO


@contextmanager
def atomic_write(path: Path) -> Iterator[TextIO]:
    """A text file in UTF-8 that takes the place of ``path`` once all of it is on the disk.

    It is written beside ``path`` and then renamed, so that a reader, or a process that is killed
    half-way, finds either the old file or the new one. An exception leaves the old one.

    Raises:
        OSError: If it cannot be written; the old one stays.
    """
    beside = path.with_name(f"{path.name}.{os.getpid()}.new")
    try:
        with beside.open("w", encoding="utf-8", newline="") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
