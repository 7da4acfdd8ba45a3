"""The best child network of a search, kept on disk as the search goes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cellwright.search_spaces import CorruptedState, Params

Keep = Callable[[Params, dict[str, float], Any], None]


def keep_best(folder: str | Path) -> Keep:
    """A function of (params, metrics, model) that keeps the model if its reward is the highest.

    ``folder`` then holds ``best.keras``, and ``best.json`` with its ``params`` and ``metrics``.
    Several processes may keep their children in one folder.
    """

    def keep(params: Params, metrics: dict[str, float], model: Any) -> None:
        path = Path(folder)
        path.mkdir(parents=True, exist_ok=True)
        with _alone(path):
            best = read_best(path)
            if best is not None and best["metrics"]["reward"] >= metrics["reward"]:
                return
            model.save(path / "new.keras")
            (path / "new.json").write_text(
                json.dumps({"params": params, "metrics": metrics}, indent=1), encoding="utf-8"
            )
            # The model first: a crash in between leaves a better model under an older name.
            (path / "new.keras").replace(path / "best.keras")
            (path / "new.json").replace(path / "best.json")

    return keep


def read_best(folder: str | Path) -> Mapping[str, Any] | None:
    """What ``best.json`` in ``folder`` says, or None if there is none yet.

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
            f"{file} is damaged ({error}); delete it and best.keras beside it, and the best child "
            "is kept again from the next trial on"
        ) from error
    return best


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the folder's lock; the system frees it if this process dies."""
    with (folder / ".best.lock").open("w") as file:
        try:
            import fcntl
        except ImportError:  # Windows, where a search is one process
            yield
            return
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
