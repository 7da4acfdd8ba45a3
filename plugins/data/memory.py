"""Whether arrays would fit in the memory that there is."""

from __future__ import annotations

from pathlib import Path

_SHARE = 0.5  # of the free memory; children and their training need the rest
_CGROUP = Path("/sys/fs/cgroup")


def too_large(needed: int) -> str | None:
    """Why arrays should not be made that take ``needed`` bytes at their largest; None if they fit.

    Where nothing says how much memory is free, they are taken to fit.
    """
    free = free_memory()
    if free is None or needed <= _SHARE * free:
        return None
    return f"arrays of them would take {in_words(needed)}, and {in_words(free)} of memory are free"


def free_memory() -> int | None:
    """Bytes that this process can still use: what the machine has, and what its container may."""
    limits = [free for free in (_of_machine(), _of_container()) if free is not None]
    return min(limits, default=None)


def in_words(number: int) -> str:
    """Bytes as a reader likes them, such as ``1.2 GB``."""
    return f"{number / 1e9:.1f} GB" if number >= 1e8 else f"{number / 1e6:.1f} MB"


def _of_machine() -> int | None:
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        facts = dict(line.split(":", 1) for line in lines)
        return int(facts["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):  # no Linux
        pass
    try:
        import psutil
    except ImportError:
        return None
    return int(psutil.virtual_memory().available)


def _of_container() -> int | None:
    """What a control group leaves. Cached files count as used there, and make way when needed."""
    try:
        most = int((_CGROUP / "memory.max").read_text(encoding="ascii"))
        used = int((_CGROUP / "memory.current").read_text(encoding="ascii"))
        facts = (_CGROUP / "memory.stat").read_text(encoding="ascii").splitlines()
        cached = {name: int(value) for name, value in map(str.split, facts)}["inactive_file"]
    except (OSError, KeyError, ValueError):  # no limit ("max"), or another system
        return None
    return most - used + cached
