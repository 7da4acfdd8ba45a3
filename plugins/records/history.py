"""A strategy's history as one JSON file."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cellwright.plugins.checked import as_kind, check_finite, read_as
from cellwright.plugins.files import atomic_write
from cellwright.plugins.strategies.outcome import Told
from cellwright.search_spaces import CorruptedState

_FORMAT = 1
_REMEDY = "Move it away to begin without it, or put back a copy"


@dataclass(frozen=True)
class _Entry:
    """A `Told` as the file holds it."""

    number: int
    params: dict[str, Any]
    reward: float | tuple[float, ...] | None
    excess: float = 0.0


def save_history(path: str | Path, history: Iterable[Told], **facts: Any) -> None:
    """Write ``history``, and any other ``facts`` that JSON can hold, in place of ``path``.

    Args:
        path: Its folder must exist.
        history: What a strategy has been told, in order.
        facts: Names other than ``format`` and ``history``; finite numbers only.

    Raises:
        ValueError: If a fact is NaN or infinite; nothing is written then.
        OSError: If the file cannot be written; the old one stays.
    """
    text = text_of(history, **facts)
    with atomic_write(Path(path)) as file:
        file.write(text)


def text_of(history: Iterable[Told], **facts: Any) -> str:
    """What `save_history` writes, and `history_in` reads."""
    document = {"format": _FORMAT, **facts, "history": [told._asdict() for told in history]}
    return json.dumps(document, allow_nan=False)


def load_history(path: str | Path) -> tuple[list[Told], dict[str, Any]]:
    """What `save_history` wrote: the history, and the other facts by name.

    Raises:
        FileNotFoundError: If there is no such file.
        CorruptedState: If it is damaged, or of another format.
    """
    if not Path(path).exists():
        raise FileNotFoundError(path)
    return history_in(read_as(Path(path), dict[str, Any], _REMEDY), path)


def history_in(document: Any, path: str | Path) -> tuple[list[Told], dict[str, Any]]:
    """The history and the other facts in a document that JSON gave; ``path`` says where it was.

    Raises:
        CorruptedState: If it is damaged, or of another format.
    """
    found = dict(as_kind(document, dict[str, Any], path, _REMEDY))
    if missing := {"format", "history"} - found.keys():
        raise CorruptedState(f"{path} has no {', '.join(sorted(missing))}. {_REMEDY}")
    version, history = found.pop("format"), found.pop("history")
    if version != _FORMAT:
        raise CorruptedState(
            f"{path} has format {version!r}, and this version of Cellwright reads {_FORMAT}; "
            "use the version that wrote it, or move the file away to begin without it"
        )
    entries = as_kind({"history": history}, dict[str, list[_Entry]], path, _REMEDY)["history"]
    for place, entry in enumerate(entries):
        check_finite(entry.reward, path, _REMEDY, f"history[{place}].reward")
        if not 0 <= entry.excess < math.inf:
            raise CorruptedState(
                f"{path}, history[{place}].excess: a finite share from 0 on is expected, got "
                f"{entry.excess}. {_REMEDY}"
            )
    told = [Told(entry.number, entry.params, entry.reward, entry.excess) for entry in entries]
    return told, found
