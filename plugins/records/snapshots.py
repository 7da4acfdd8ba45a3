"""Snapshots of learned strategies, as files in the user's cache folder.

They lie in the cache and not with the record, because only the results in their order say to which
record one belongs: so every host has them in the same way, and no storage grows. A file is read
only if it says itself what it is of, and nothing in it is executed.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from cellwright.plugins.files import atomic_write_bytes, clear_unfinished, read_npz
from cellwright.plugins.strategies.snapshots import Arrays, Name
from cellwright.plugins.strategies.strategy import Strategy

# The environment variable that names another folder; "" is for none.
FOLDER = "CELLWRIGHT_CACHE"

_FILE = re.compile(r"(\d{1,12})-([0-9a-f]{64})\.npz")
_KEY = re.compile(r"[0-9a-f]{32}")
_EACH = 8  # snapshots of a search
_NEWEST = 4  # of which so many are the newest; the older the others are, the fewer
_SEARCHES = 20
_LARGEST = 1 << 28  # bytes of a file that is read
_ABOUT = "about"
_log = logging.getLogger(__name__)


def remember(strategy: Strategy) -> Strategy:
    """Let a strategy keep snapshots in the user's cache folder, if there is one."""
    folder = cache_folder()
    strategy.snapshots = None if folder is None else SnapshotFiles(folder / "snapshots")
    return strategy


def cache_folder() -> Path | None:
    """The user's folder for what can be made again: ``CELLWRIGHT_CACHE``, or the one that the
    system has; None if that is empty, or nobody's home is known."""
    if FOLDER in os.environ:
        return Path(os.environ[FOLDER]) if os.environ[FOLDER] else None
    try:
        if sys.platform == "win32":
            root = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData/Local"
        elif sys.platform == "darwin":
            root = Path.home() / "Library/Caches"
        else:
            root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    except RuntimeError:
        return None
    return Path(root) / "cellwright"


@dataclass
class SnapshotFiles:
    """Snapshots as ``KEY/COUNT-DIGEST.npz`` in a folder; see `strategies.snapshots.Snapshots`.

    Links are not followed. What cannot be read or written is as if it were not there.
    """

    folder: Path
    _said: bool = field(default=False, repr=False)

    def found(self, key: str) -> list[Name]:
        names = []
        for path in self._files(self.folder / key):
            match = _FILE.fullmatch(path.name)
            assert match is not None
            names.append(Name(int(match[1]), match[2]))
        return sorted(names, reverse=True)

    def read(self, key: str, name: Name) -> Arrays | None:
        path = self._path(key, name)
        try:
            if path.stat(follow_symlinks=False).st_size > _LARGEST:
                return None
            content = read_npz(path)
            about = str(content.pop(_ABOUT))
        except (OSError, ValueError, KeyError):
            return None
        return content if about == _about(key, name) else None

    def write(self, key: str, name: Name, content: Arrays) -> None:
        path = self._path(key, name)
        try:
            if path.exists() or path.parent.is_symlink():
                return
            if not path.parent.is_dir():
                path.parent.mkdir(parents=True, exist_ok=True)
                self._forget_searches(path.parent)
            with atomic_write_bytes(path) as file:
                np.savez(file, **{_ABOUT: np.array(_about(key, name))}, **content)  # type: ignore[arg-type]
            self._thin_out(path.parent)
        except OSError as error:
            if not self._said:
                _log.warning(
                    "no snapshots are kept in %s (%s): a process that joins this search learns "
                    "everything anew. %s names another folder",
                    self.folder, error, FOLDER,
                )  # fmt: skip
            self._said = True

    def _path(self, key: str, name: Name) -> Path:
        return self.folder / key / f"{name.results}-{name.digest}.npz"

    def _files(self, folder: Path) -> list[Path]:
        """The snapshots in a folder, the oldest first."""
        found = []
        with suppress(OSError):
            if folder.is_symlink():
                return []
            for entry in os.scandir(folder):
                if _FILE.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
                    with suppress(OSError):  # another process deleted it
                        time = entry.stat(follow_symlinks=False).st_mtime_ns
                        found.append((time, Path(entry.path)))
        return [path for _, path in sorted(found)]

    def _thin_out(self, folder: Path) -> None:
        files = self._files(folder)
        while len(files) > _EACH:
            times = [path.lstat().st_mtime_ns for path in files]
            gaps = [
                (times[k + 1] - (times[k - 1] if k else times[0])) / (times[-1] - times[k] + 1)
                for k in range(len(files) - _NEWEST)
            ]
            files.pop(int(np.argmin(gaps))).unlink(missing_ok=True)

    def _forget_searches(self, new: Path) -> None:
        """Delete what was not written to for the longest time."""
        others = [
            entry
            for entry in os.scandir(self.folder)
            if _KEY.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False)
        ]
        others.sort(key=lambda entry: entry.stat(follow_symlinks=False).st_mtime_ns)
        for entry in others[:-_SEARCHES]:
            folder = Path(entry.path)
            if folder == new:
                continue
            clear_unfinished(folder)
            for path in self._files(folder):
                path.unlink(missing_ok=True)
            with suppress(OSError):  # something else is in it
                folder.rmdir()


def _about(key: str, name: Name) -> str:
    return json.dumps([key, *name])
