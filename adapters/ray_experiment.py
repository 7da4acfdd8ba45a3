"""The trials in the folder of an experiment of Ray Tune, read without Ray.

Tune's own reader unpickles what it finds there; this one reads the JSON alone, so that opening
somebody's folder runs nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cellwright.plugins.files import read_json
from cellwright.search_spaces import CorruptedState

STATE = "experiment_state-*.json"


@dataclass(frozen=True)
class Trial:
    """One trial of any trainable and searcher.

    Attributes:
        id: Tune's.
        config: As it was handed to the trainable.
        status: ``"TERMINATED"``, ``"ERROR"``, or of one that has not ended ``"RUNNING"``,
            ``"PENDING"`` or ``"PAUSED"``.
        result: The last; empty if there was none.
        start: When it began, in seconds since 1970; 0 if that is not known.
    """

    id: str
    config: dict[str, Any]
    status: str
    result: dict[str, Any] = field(default_factory=dict)
    start: float = 0.0

    @property
    def ended(self) -> bool:
        return self.status in ("TERMINATED", "ERROR")


def trials_in(folder: Path) -> list[Trial]:
    """The trials in the newest state of an experiment, in the order in which they began.

    Raises:
        CorruptedState: If the file cannot be read.
    """
    files = sorted(folder.glob(STATE))
    if not files:
        return []
    try:
        found = [_trial(*pair) for pair in read_json(files[-1])["trial_data"]]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CorruptedState(
            f"{files[-1]} is not a whole state of an experiment ({type(error).__name__}: {error}); "
            "move it away to go on from an earlier one, if there is any"
        ) from error
    return sorted(found, key=lambda trial: trial.start)


def _trial(text: str, run: str) -> Trial:
    told: Mapping[str, Any] = json.loads(text)
    ran: Mapping[str, Any] = json.loads(run)
    result = ran.get("last_result") or {}
    return Trial(
        str(told["trial_id"]),
        dict(told["config"]),
        str(told["status"]),
        dict(result),
        float(ran.get("start_time") or 0.0),
    )


def reports_in(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """What each trial of an experiment has reported, by its id and in order.

    Tune writes it line by line beside the state; a line that is not whole, as the last one while
    the trial runs, is passed over.
    """
    found: dict[str, list[dict[str, Any]]] = {}
    for file in sorted(folder.glob("*/result.json")):
        for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
            with suppress(ValueError, RecursionError):
                told = json.loads(line)
                if isinstance(told, dict):
                    found.setdefault(str(told.get("trial_id")), []).append(told)
    return found
