"""Which signals stop a command that can go on, and what is said then, or when a disk is full."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cellwright.plugins.interrupts import CannotWrite, kept_in
from cellwright.search_spaces import CellwrightError

STOPS = (signal.SIGINT, signal.SIGTERM)
STOPPED = 130  # the exit status after one
STOPPING = "stopping after this step, to save what there is; Ctrl-C again ends at once"
CONTINUES = "stopped; the same command continues"


@contextmanager
def kept_or_told(folder: Path) -> Iterator[None]:
    """Write into ``folder`` in this block.

    Raises:
        CellwrightError: If it cannot be written; see `kept_in`.
    """
    try:
        with kept_in(folder):
            yield
    except CannotWrite as error:
        raise CellwrightError(str(error)) from error
