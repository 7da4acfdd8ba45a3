"""The best child network of a search, kept on disk while the search runs."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from cellwright.plugins.files import atomic_path, atomic_write, exclusive_lock
from cellwright.search_spaces import CorruptedState, Params

Keep = Callable[[Params, dict[str, float], Any], None]


def keep_best(folder: str | Path) -> Keep:
    """A function of (params, metrics, model), which keeps the model if its reward is the highest.

    ``folder`` then holds ``best.keras``, and ``best.json`` with its ``params`` and ``metrics``.
    Several processes may keep their children in one folder.
    """

    def keep(params: Params, metrics: dict[str, float], model: Any) -> None:
        path = Path(folder)
        path.mkdir(parents=True, exist_ok=True)
        with exclusive_lock(path / ".best.lock"):
            best = read_best(path)
            if best is not None and best["metrics"]["reward"] >= metrics["reward"]:
                return
            # The model first: a crash in between leaves a better model under an older name.
            with atomic_path(path / "best.keras") as beside:
                model.save(beside)
            with atomic_write(path / "best.json") as file:
                json.dump({"params": params, "metrics": metrics}, file, indent=1)

    return keep


def read_best(folder: str | Path) -> Mapping[str, Any] | None:
    """The contents of ``best.json`` in ``folder``, or None if there is none yet.

    Raises:
        CorruptedState: If it cannot be read.
    """
    file = Path(folder) / "best.json"
    if not file.exists():
        return None
    try:
        best: Mapping[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        float(best["metrics"]["reward"])
        dict(best["params"])
    except (ValueError, KeyError, TypeError) as error:
        raise CorruptedState(
            f"{file} is damaged ({error}); delete it and the best.keras beside it, and the best "
            "child is kept again from the next trial on"
        ) from error
    return best
