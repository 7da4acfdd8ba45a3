"""Files that replace others of their names only once all of them are there."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4


@contextmanager
def in_one_step(*paths: Path) -> Iterator[tuple[Path, ...]]:
    """Yield a path for each of ``paths``, of the same name in a new folder beside them.

    Each file that was written there replaces the one of its name when the block ends, in the order
    of ``paths``; after an exception the old files are still there. A symbolic link is replaced, and
    what it leads to is left alone.

    Args:
        paths: In one folder, which must exist.

    Raises:
        OSError: If the files cannot be written, naming the first of ``paths``.
    """
    folder = paths[0].parent / f".{paths[0].stem}.{uuid4().hex[:12]}.new"
    try:
        folder.mkdir()
        beside = tuple(folder / path.name for path in paths)
        yield beside
        for written, path in zip(beside, paths, strict=True):
            with written.open("rb+") as file:
                os.fsync(file.fileno())
            written.replace(path)
    except OSError as error:
        inside = error.filename is None or str(error.filename).startswith(str(folder))
        if error.errno is None or not inside:
            raise
        raise OSError(error.errno, error.strerror, str(paths[0])) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)
