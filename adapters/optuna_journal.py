"""The lock of a journal file, held while a line is written: no half a line stays in the middle of a
journal, and no disk that became read-only is waited for."""

from __future__ import annotations

import os
from pathlib import Path

from optuna.storages.journal import JournalFileSymlinkLock

from cellwright.plugins.files import why_unwritable

_BEGINS = b'{"op_code":'  # how every line of a journal does
_STEP = 65_536  # bytes that are looked through at a time for the end of a line


class JournalLock(JournalFileSymlinkLock):
    """Optuna's lock of a journal file, for writers that may be killed and disks that may be full.

    Optuna writes the next line behind what a killed writer or a full disk left of the last one, and
    can then read neither. So whoever holds the lock first cuts off a line without an end. Optuna
    also waits for ever for a lock that cannot be removed; this one says why it cannot.

    Args:
        journal: An absolute path, since the lock is a symbolic link to it.
    """

    def __init__(self, journal: Path) -> None:
        super().__init__(str(journal))
        self._journal = journal

    def acquire(self) -> bool:
        """Take the lock, or wait for it.

        Raises:
            OSError: If the lock or the journal cannot be written.
        """
        self._check_folder()
        taken = super().acquire()
        try:
            self._cut_off()
        except BaseException:
            self.release()
            raise
        return taken

    def release(self) -> None:
        """Give the lock back.

        Raises:
            OSError: If its folder has become read-only.
            RuntimeError: If another process has taken it away.
        """
        try:
            super().release()
        except RuntimeError:
            self._check_folder()
            raise

    def _check_folder(self) -> None:
        folder = self._journal.parent
        # One that is not there is named by the system.
        if folder.is_dir() and (error := why_unwritable(folder)) is not None:
            raise OSError(error.errno, error.strerror, str(self._journal)) from error

    def _cut_off(self) -> None:
        """Cut off a last line that was not written to its end."""
        try:
            file = self._journal.open("rb+")
        except FileNotFoundError:
            return
        with file:
            end = file.seek(0, os.SEEK_END)
            at, rest = end, b""
            while at and b"\n" not in rest:
                step = min(at, 1 if at == end else _STEP)
                at -= step
                file.seek(at)
                rest = file.read(step) + rest
            line = rest[rest.rfind(b"\n") + 1 :]
            if line and _BEGINS.startswith(line[: len(_BEGINS)]):  # else it is none of Optuna's
                file.truncate(end - len(line))
