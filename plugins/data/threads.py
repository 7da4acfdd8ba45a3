"""How many threads read data at a time."""

from __future__ import annotations

import os


def threads() -> int:
    """One for each core, from 2 to 8: decoding leaves Python's lock, and so runs side by side."""
    return min(8, max(2, os.cpu_count() or 2))
