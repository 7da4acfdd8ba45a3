"""Ctrl-C and SIGTERM, held back until nothing is lost by them.

Python raises ``KeyboardInterrupt`` between any two instructions. Where C++ called them, as
TensorFlow does while it traces, or a garbage collector did, the exception is swallowed or comes out
as another one; in the midst of a host's write it leaves half a record. So a signal only sets a flag
here, and `check` raises where it is safe to: between two trials and after each batch of a training.
"""

from __future__ import annotations

import errno
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from types import FrameType
from typing import Any

# What the system does with a signal while nobody has asked for anything else.
_USUAL: dict[signal.Signals, Any] = {
    signal.SIGINT: signal.default_int_handler,
    signal.SIGTERM: signal.SIG_DFL,
}
_came: int | None = None  # the signal that is held back
_shown = ("", 2)  # what to say when it comes, and the file descriptor to say it on
_kill = False  # whether a second one ends the process
_ending = ("", 2, 1)  # the same where it ends the process, and the exit status


# What makes a write fail for a reason that is no fault of what is written.
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG, errno.EIO}
# The same of a file in a folder that could be written a moment ago.
_GONE = {errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.EPERM, errno.ESTALE}


class CannotWrite(KeyboardInterrupt):
    """A child cannot be kept, as on a full disk, or after its folder was deleted.

    That is no failure of the child: the search ends as by Ctrl-C, and the child is trained again
    when it goes on.
    """


@contextmanager
def must_write(path: Path) -> Iterator[None]:
    """Write ``path`` in this block.

    Raises:
        CannotWrite: In place of an OSError, naming the path and what to do.
    """
    try:
        yield
    except OSError as error:
        raise cannot_write(path, error.strerror or str(error)) from error


@contextmanager
def kept_in(folder: Path) -> Iterator[None]:
    """Search, train or report in this block, and write what is found into ``folder``.

    Raises:
        CannotWrite: In place of an exception that comes from a disk that is full, or from a folder
            that was deleted or can no longer be written: naming the file and what to do.
    """
    try:
        yield
    except Exception as error:
        check()
        if (cause := _unwritten(error, folder)) is None:
            raise
        raise cannot_write(cause.filename or folder, cause.strerror) from error


def _unwritten(error: BaseException | None, folder: Path | None = None) -> OSError | None:
    """What ``error`` comes from, if that says that a disk is full or ``folder`` is gone."""
    place = None if folder is None else os.path.realpath(folder)
    while error is not None:
        if isinstance(error, OSError):
            inside = (
                place is not None
                and isinstance(error.filename, str | os.PathLike)
                and Path(os.path.realpath(error.filename)).is_relative_to(place)
            )
            if error.errno in _FULL or (inside and error.errno in _GONE):
                return error
        error = error.__cause__ or error.__context__
    return None


def cannot_write(path: Path | str, reason: str | None) -> CannotWrite:
    """The error that a file or folder cannot be written, and what to do."""
    return CannotWrite(
        f"{path} cannot be written ({reason}): see whether the disk is full, "
        "or the folder was deleted or is read-only, and give the same command again. What could "
        "not be kept is then done again"
    )


@contextmanager
def held_back(
    signals: Sequence[signal.Signals] = (signal.SIGINT,), say: str = "", *, kill: bool = False
) -> Iterator[None]:
    """Hold a signal back that comes in this block until `check` is called, or the block ends.

    A second one does what it usually does, wherever that is: for Ctrl-C, ``KeyboardInterrupt``.
    Only a signal that does what it usually does is held back: one that is ignored stays ignored,
    and a handler of somebody else stays as it is. Outside of the main thread, which alone is given
    signals, nothing is changed. A block inside of another changes nothing about the signals of the
    outer one.

    Args:
        signals: Which.
        say: Written to standard error when the first one comes.
        kill: Whether the system is to end the process at the second one, which it does in the midst
            of any operation, and nothing can swallow it. A command may do so; a library, whose
            caller may be a notebook, may not.

    Raises:
        KeyboardInterrupt: At the end of the block, if a signal came and no exception ends it.
    """
    global _came, _shown, _kill
    if _came is not None or threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {each: signal.getsignal(each) for each in signals}
    mine = [each for each in signals if before[each] in (_USUAL[each], _end)]
    if not mine:
        yield
        return
    outer = _shown, _kill
    with _terminal() as terminal:
        _shown, _kill = (say, terminal), kill
        for each in mine:
            signal.signal(each, _note)
        try:
            yield
            check()
        finally:
            for each in mine:
                signal.signal(each, before[each])
            _came = None
            _shown, _kill = outer


@contextmanager
def at_once(signals: Sequence[signal.Signals], say: str, status: int) -> Iterator[None]:
    """End the process with ``status`` when a signal comes in this block, where nothing is to save.

    Not by an exception, which the frameworks swallow that are imported meanwhile. `held_back` takes
    the signals over for as long as its block lasts.

    Args:
        signals: Which; see `held_back` for those that are left alone.
        say: Written to standard error first.
        status: Exit status.
    """
    global _ending
    mine = [each for each in signals if signal.getsignal(each) == _USUAL[each]]
    with _terminal() as terminal:
        _ending = (say, terminal, status)
        for each in mine:
            signal.signal(each, _end)
        try:
            yield
        finally:
            for each in mine:
                signal.signal(each, _USUAL[each])


@contextmanager
def never_a_failure(*, hold_back: bool = True) -> Iterator[None]:
    """Build, measure and train a child in this block: an interrupt is not to look like its failure.

    Args:
        hold_back: Whether to hold Ctrl-C back meanwhile; something in the block is to `check`.

    Raises:
        KeyboardInterrupt: In place of an exception that comes from one, or that is raised after a
            signal was held back, which may have ended a process that measures the child.
        CannotWrite: In place of an exception that comes from a full disk.
    """
    with held_back() if hold_back else nullcontext():
        try:
            yield
        except Exception as error:
            check()
            if was_interrupted(error):
                raise KeyboardInterrupt from error
            if cause := _unwritten(error):
                raise cannot_write(cause.filename or "a file", cause.strerror) from error
            raise


def check() -> None:
    """End what is running if a signal was held back.

    Raises:
        KeyboardInterrupt: If it has.
    """
    if _came is not None:
        raise KeyboardInterrupt(signal.Signals(_came).name)


def was_interrupted(error: BaseException | None) -> bool:
    """Whether ``error`` is a ``KeyboardInterrupt``, or was raised because of one."""
    while error is not None:
        if isinstance(error, KeyboardInterrupt):
            return True
        error = error.__cause__ or error.__context__
    return False


@contextmanager
def _terminal() -> Iterator[int]:
    """A file descriptor for standard error as it is now: it may be redirected meanwhile."""
    try:
        terminal = os.dup(2)
    except OSError:  # closed by whoever started this process
        yield 2
        return
    try:
        yield terminal
    finally:
        os.close(terminal)


def _end(number: int, frame: FrameType | None) -> None:
    text, terminal, status = _ending
    _say(text, terminal)
    os._exit(status)


def _note(number: int, frame: FrameType | None) -> None:
    global _came
    _came = number
    for each, usual in _USUAL.items():
        if signal.getsignal(each) is _note:
            signal.signal(each, signal.SIG_DFL if _kill else usual)
    _say(*_shown)


def _say(text: str, terminal: int) -> None:
    """Write a line past all buffers, as is allowed in the midst of anything."""
    if text:
        with suppress(OSError):
            # A display of progress hides the cursor, and would not bring it back at once.
            cursor = "\x1b[?25h" if os.isatty(terminal) else ""
            os.write(terminal, f"{cursor}\n{text}\n".encode())
