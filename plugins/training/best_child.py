"""The best child network of a search, kept on disk while the search runs."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cellwright.plugins.checked import read_as
from cellwright.plugins.files import atomic_path, atomic_write, exclusive_lock
from cellwright.plugins.interrupts import must_write
from cellwright.search_spaces import CorruptedState, Params, SearchSpace, Value

# What keeps a child; it may say in which file, if it did.
Keep = Callable[[Params, dict[str, float], Any], Path | None]
_log = logging.getLogger(__name__)
_REMEDY = (
    "Delete it and the best.keras beside it, and the best child is kept again from the next trial "
    "on"
)


@dataclass(frozen=True)
class _Best:
    """What ``best.json`` holds."""

    params: dict[str, Value]
    metrics: dict[str, float]


def keep_best(folder: str | Path, space: SearchSpace | None = None) -> Keep:
    """A function of (params, metrics, model), which keeps the model if its reward is the highest,
    and then returns its file.

    ``folder`` then holds ``best.keras``, and ``best.json`` with its ``params`` and ``metrics``;
    with a ``space``, also the pictures that this one has of the architecture, such as
    ``normal_cell.png``. Several processes may keep their children in one folder.

    The function raises `CannotWrite` if the folder cannot be written.
    """

    path = Path(folder)
    there = path.exists()  # if so, and it is deleted later, no search goes on

    def keep(params: Params, metrics: dict[str, float], model: Any) -> Path | None:
        nonlocal there
        if not there:
            path.mkdir(parents=True, exist_ok=True)
            there = True
        with must_write(path / "best.keras"), exclusive_lock(path / ".best.lock"):
            best = read_best(path)
            if best is not None and best["metrics"]["reward"] >= metrics["reward"]:
                return None
            # The model first: a crash in between leaves a better model under an older name.
            with atomic_path(path / "best.keras") as beside:
                model.save(beside)
            with atomic_write(path / "best.json") as file:
                json.dump({"params": params, "metrics": metrics}, file, indent=1)
            if space is not None:
                _draw(path, space, params, model)
            return path / "best.keras"

    return keep


def _draw(folder: Path, space: SearchSpace, params: Params, model: Any) -> None:
    try:
        network = {name: params[name] for name in space.names if name in params}
        for name, figure in space.figures(network, model).items():
            with atomic_path(folder / f"{name.replace(' ', '_')}.png") as beside:
                figure.savefig(beside, dpi=110, bbox_inches="tight")
    except Exception:  # the child is kept, and a picture is not worth a failed trial
        _log.exception("the best child cannot be drawn")


def read_best(folder: str | Path) -> Mapping[str, Any] | None:
    """The contents of ``best.json`` in ``folder``, or None if there is none yet.

    Raises:
        CorruptedState: If it cannot be read.
    """
    file = Path(folder) / "best.json"
    if not file.exists():
        return None
    best = read_as(file, _Best, _REMEDY)
    reward = best.metrics.get("reward")
    if reward is None or not math.isfinite(reward):
        raise CorruptedState(
            f"{file} is damaged: metrics.reward is {reward}, and is to be a finite number. "
            f"{_REMEDY}"
        )
    return asdict(best)
