"""Damage to files: all that a kill, a full disk or a stranger leaves."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

Rng = np.random.Generator
# What stands in a file in place of a value.
NONSENSE: tuple[Any, ...] = (
    None, True, False, "", "x", "\ud800", -1, 0, 1, 10**30, 1e300, -0.5, math.nan, math.inf,
    [], {}, [[]], {"a": 1}, [None], "nan", "../../etc/passwd",
)  # fmt: skip


@dataclass(frozen=True)
class Door:
    """A file and what reads it.

    Args:
        name: In the table.
        file: Where it lies, below a folder.
        whole: Its bytes.
        read: Reads it, of the folder; says what is nonsense in what it accepts, or "".
        share: How often it is tried, beside the others.
        beside: Other files that it needs, whole, by their places.
    """

    name: str
    file: str
    whole: bytes
    read: Callable[[Path], str]
    share: float = 1.0
    beside: Mapping[str, bytes] = field(default_factory=dict)

    def put(self, folder: Path, content: bytes) -> Path:
        """Write the file with this content, and whole ones beside it; the file."""
        for name, one in {**self.beside, self.file: content}.items():
            place = folder / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(one)
        return folder / self.file


def damaged(whole: bytes, rng: Rng) -> bytes:
    """The bytes of a file after some damage."""
    kind = rng.integers(8)
    if kind == 0:
        return (b"", b"\0" * len(whole), b" \n", b"[" * 100_000, b'{"a":' * 100_000)[
            rng.integers(5)
        ]
    if kind == 1:
        return whole[: rng.integers(len(whole) + 1)]
    if kind == 2:
        return rng.bytes(int(rng.integers(1, 400)))
    if kind == 3:
        changed = bytearray(whole)
        for _ in range(rng.integers(1, 8)):
            changed[rng.integers(len(changed))] = rng.integers(256)
        return bytes(changed)
    try:
        return json.dumps(_changed(json.loads(whole), rng)).encode()
    except (ValueError, RecursionError):
        start, end = sorted(int(n) for n in rng.integers(len(whole), size=2))
        return whole[:start] + rng.bytes(int(rng.integers(20))) + whole[end:]


def _changed(data: Any, rng: Rng) -> Any:
    """Plain data with a value in it that is another, missing, or twice there."""
    data = copy.deepcopy(data)
    for _ in range(rng.integers(1, 3)):
        holder: Any = None
        key: Any = None
        part = data
        while isinstance(part, dict | list) and part and (holder is None or rng.random() < 0.75):
            keys: Any = list(part) if isinstance(part, dict) else range(len(part))
            holder, key = part, keys[rng.integers(len(keys))]
            part = part[key]
        other = copy.deepcopy(NONSENSE[rng.integers(len(NONSENSE))])
        if holder is None:
            data = other
        elif rng.random() < 0.2:
            del holder[key]
        else:
            holder[key] = other
    return data
