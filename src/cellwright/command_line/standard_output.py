"""What a command prints, where that may be a file on a full disk."""

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

NAME = "standard output"  # as the file of an OSError


class _Output(io.FileIO):
    """A file whose errors name it: the system gives no name to what is only a number."""

    def write(self, data: Any, /) -> int:
        try:
            return super().write(data)
        except OSError as error:
            raise OSError(error.errno, error.strerror, NAME) from error


@contextmanager
def named_output() -> Iterator[None]:
    """Print in this block, and have it written at the end of it, where the failure can be told:
    Python itself writes the last of it when nobody can catch an error any more.

    Raises:
        OSError: If it cannot be written, with `NAME` as its file. An error that ends the block
            goes before it.
    """
    before = sys.stdout
    below = getattr(before, "buffer", None)
    raw = getattr(below, "raw", below)  # without a buffer, as by PYTHONUNBUFFERED
    if not isinstance(before, io.TextIOWrapper) or type(raw) is not io.FileIO:
        yield
        return
    before.flush()
    mine = _Output(raw.fileno(), "w", closefd=False)
    made = io.TextIOWrapper(
        mine if raw is below else io.BufferedWriter(mine),
        encoding=before.encoding,
        errors=before.errors,
        line_buffering=before.line_buffering,
        write_through=before.write_through,
    )
    sys.stdout = made
    try:
        yield
    finally:
        ended = sys.exception()
        sys.stdout = before
        try:
            made.flush()
        except OSError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, raw.fileno())  # or what is left is tried again when `made` is freed
            os.close(nowhere)
            if ended is None or isinstance(ended, SystemExit):
                raise
