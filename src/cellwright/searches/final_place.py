"""The folder of a last training: what it depends on, and whether it may go on there."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from cellwright.plugins import Data
from cellwright.plugins.checked import read_as
from cellwright.plugins.model.labelled import Labelled
from cellwright.plugins.model.trained import DOCUMENT
from cellwright.search_spaces import CellwrightError
from cellwright.searches.candidate import Candidate
from cellwright.searches.sources import Sources

TRAINING = "training"  # what is kept until the model is there
PLAN = "plan.json"
ANEW = "Give --overwrite to train anew, or another --out"  # where a file is damaged


def plan_of(
    candidate: Candidate, sources: Sources, seeds: int, data: Data, test: Labelled | None
) -> dict[str, Any]:
    """All that the result depends on: another training does not go on with this one's state."""
    plan = {
        "network": dict(candidate.facts),
        "recipe": asdict(candidate.recipe),
        "seeds": seeds,
        "data": data.fingerprint,
        "validation": sources.validation,
        "test": None if test is None else _digest(test),
        "image_fit": sources.options.get("image_fit"),
    }
    plain: dict[str, Any] = json.loads(json.dumps(plan))
    return plain


def _digest(test: Labelled) -> str:
    """16 hexadecimal digits that are equal for equal examples."""
    digest = hashlib.blake2b(digest_size=8)
    for array in (test.x, test.y):
        digest.update(f"{array.dtype.str} {array.shape};".encode())
        digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def is_finished(out: Path, plan: Mapping[str, Any], overwrite: bool) -> bool:
    """Whether ``out`` holds the model of this very training. If not, it is ready to be trained in:
    empty, with what this training left when it was stopped, or with what may be replaced.

    A model that may be replaced stays until the new one is there.

    Raises:
        CellwrightError: If another training left something in ``out`` that may not be replaced,
            naming what differs.
    """
    stopped = (out / TRAINING / PLAN).is_file()
    before: Any = None
    if stopped:
        before = read_plan(out / TRAINING / PLAN)
    elif (out / DOCUMENT).is_file() and not overwrite:
        made = read_plan(out / DOCUMENT).get("made")
        before = made.get("plan", {}) if isinstance(made, dict) else {}
    if before is None or before == plan:
        return before is not None and not stopped
    if overwrite:
        shutil.rmtree(out / TRAINING)
        return False
    changed = _differences(before, plan)
    raise CellwrightError(
        f"{out} holds another training{': ' if changed else ''}{'; '.join(changed)}. Give the same "
        "options to go on, another --out, or --overwrite to replace it"
    )


def read_plan(file: Path) -> Any:
    """The JSON object in a file of a training.

    Raises:
        CorruptedState: If it is damaged.
    """
    return read_as(file, dict[str, Any], ANEW)


def _differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What differs between two plans, in words."""
    told = []
    for name in now:
        one, other = before.get(name), now[name]
        if one == other:
            continue
        if isinstance(one, dict) and name in ("recipe", "network"):
            inner = _with_size(one), _with_size(other)
            keys = [k for k in inner[1] if inner[0].get(k) != inner[1][k]]
            small = [k for k in keys if not isinstance(inner[1][k], dict | list)]
            told += [f"{k} was {inner[0].get(k)!r} and is now {inner[1][k]!r}" for k in small]
            if not small:
                told.append("it is of another network")
        elif name in ("data", "test"):
            told.append(f"the {name} is another one" if name == "test" else "the data are others")
        else:
            told.append(f"{name} was {one!r} and is now {other!r}")
    return told


def _with_size(part: Mapping[str, Any]) -> Mapping[str, Any]:
    """A network of a plan, with what its size holds beside the rest."""
    size = part.get("size")
    return {**part, **size} if isinstance(size, Mapping) else part
