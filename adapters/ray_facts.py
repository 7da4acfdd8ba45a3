"""What the state of a searcher of Ray Tune holds beside the record of its trials."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cellwright.plugins.checked import as_kind, check_finite
from cellwright.plugins.records.record import TrialRecord
from cellwright.search_spaces import CorruptedState

_REMEDY = "Move it away to go on from an earlier state, or put back a copy"


@dataclass(frozen=True)
class Facts:
    """The facts of a `CellwrightSearch`.

    Attributes:
        seed: Of its strategy.
        objectives: By name, 1 for one that is maximised and -1 for one that is minimised.
        numbers: Those of the trials, by Tune's ids.
        live: Tune's ids of trials that run.
        again: Numbers of trials that run again, under new ids.
        expected: What was predicted, by the trial's number.
    """

    seed: int
    objectives: dict[str, float]
    numbers: dict[str, int]
    live: list[str]
    again: list[int]
    expected: list[tuple[int, dict[str, float]]]


def facts_in(facts: Mapping[str, Any], record: TrialRecord, place: str | Path) -> Facts:
    """The facts that were read at ``place`` beside ``record``.

    Raises:
        CorruptedState: If they are of other types, or name trials that ``record`` does not have.
    """
    found = as_kind(dict(facts), Facts, place, _REMEDY)
    check_finite(found.expected, place, _REMEDY, "expected")
    known = {*record.told, *record.running}
    for name, given, allowed in (
        ("numbers", set(found.numbers.values()), known),
        ("live", set(found.live), set(found.numbers)),
        ("again", set(found.again), set(record.running)),
    ):
        if unknown := given - allowed:
            raise CorruptedState(
                f"{place} is damaged: {name} has {sorted(unknown)[0]!r}, a trial that it does not "
                f"hold. {_REMEDY}"
            )
    if found.seed < 0:
        raise CorruptedState(f"{place} is damaged: seed is {found.seed}, below 0. {_REMEDY}")
    return found
