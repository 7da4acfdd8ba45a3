"""A strategy's history as one JSON file."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from cellwright.plugins.files import atomic_write, read_json
from cellwright.plugins.strategies.outcome import Told
from cellwright.search_spaces import CorruptedState

_FORMAT = 1


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
    try:
        document = read_json(Path(path))
    except ValueError as error:
        raise _damaged(path, error) from error
    return history_in(document, path)


def history_in(document: Any, path: str | Path) -> tuple[list[Told], dict[str, Any]]:
    """The history and the other facts in a document that JSON gave; ``path`` says where it was.

    Raises:
        CorruptedState: If it is damaged, or of another format.
    """
    try:
        document = dict(document)
        version = document.pop("format")
        history = [_told(entry) for entry in document.pop("history")]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _damaged(path, error) from error
    if version != _FORMAT:
        raise CorruptedState(
            f"{path} has format {version!r}, and this version of Cellwright reads {_FORMAT}; "
            "use the version that wrote it, or move the file away to begin without it"
        )
    return history, document


def _damaged(path: str | Path, error: Exception) -> CorruptedState:
    return CorruptedState(
        f"{path} is not a whole history ({type(error).__name__}: {error}); move it away to "
        "begin without it, or put back a copy"
    )


def set_aside(path: Path) -> None:
    """Rename a damaged file, so that it can be looked at and is not written over."""
    count = 1
    while (aside := path.with_name(f"{path.name}.damaged-{count}")).exists():
        count += 1
    path.replace(aside)


def _told(entry: dict[str, Any]) -> Told:
    number, params, reward = entry["number"], entry["params"], entry["reward"]
    if not isinstance(number, int) or not isinstance(params, dict):
        raise TypeError(f"no trial: {entry!r}")
    if reward is None:
        excess = float(entry.get("excess", 0.0))
        if not 0 <= excess < math.inf:
            raise ValueError(f"excess of trial {number} is {excess}")
        return Told(number, params, None, excess)
    values = tuple(map(float, reward if isinstance(reward, list) else [reward]))
    if not all(map(math.isfinite, values)):
        raise ValueError(f"reward of trial {number} is {reward}")
    return Told(number, params, values if isinstance(reward, list) else values[0])
