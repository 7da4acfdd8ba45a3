"""An experiment whose folder was moved or copied: NNI's database holds its paths in full."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

from cellwright.search_spaces import CorruptedState


def has_begun(experiment: Path) -> bool:
    """Whether NNI came so far as to store the experiment, without which it cannot be resumed."""
    file = experiment / "db" / "nni.sqlite"
    try:
        with closing(sqlite3.connect(f"file:{quote(str(file))}?mode=ro", uri=True)) as database:
            return bool(database.execute("SELECT 1 FROM ExperimentProfile LIMIT 1").fetchone())
    except sqlite3.OperationalError as error:  # such as a table that is not there yet
        return "no such table" not in str(error)
    except sqlite3.DatabaseError:
        return True  # a damaged file is reported when it is used


def mend(experiment: Path, home: Path) -> list[str]:
    """Tell NNI's database where the folder of a stopped experiment is now.

    Otherwise a resumed experiment looks for its trial script, its tuner and its files where they
    were when it was created: it ends with an error, or runs what still lies there.

    Args:
        experiment: NNI's own folder, with ``db/nni.sqlite`` in it.
        home: The folder that was moved, with ``config.yml`` in it.

    Returns:
        Lines to tell the user; none if nothing had to be changed.

    Raises:
        CorruptedState: If the database cannot be read.
    """
    file = experiment / "db" / "nni.sqlite"
    if not file.is_file():
        return []
    try:
        with closing(sqlite3.connect(file)) as database, database:
            return list(_mended(database, experiment.resolve(), home.resolve()))
    except (sqlite3.Error, ValueError, KeyError, TypeError, RecursionError) as error:
        raise CorruptedState(
            f"{file} cannot be read ({error}): NNI cannot resume this experiment. Create a new "
            "one; `nnictl experiment import` takes results over"
        ) from error


def _mended(database: sqlite3.Connection, experiment: Path, home: Path) -> Iterator[str]:
    found = database.execute("SELECT rowid, params, logDir FROM ExperimentProfile").fetchall()
    for row, text, _ in found:
        params = json.loads(text)
        working = Path(params["experimentWorkingDirectory"])
        inside = experiment.parent.relative_to(home)
        if working == home / inside or working.parts[len(working.parts) - len(inside.parts) :] != (
            inside.parts
        ):
            continue
        before = Path(*working.parts[: len(working.parts) - len(inside.parts)])
        moved = json.dumps(_with(params, str(before), str(home)))
        database.execute(
            "UPDATE ExperimentProfile SET params = ?, logDir = ? WHERE rowid = ?",
            (moved, str(experiment), row),
        )
        if row == found[-1][0]:
            yield (
                f"the experiment was created in {before} and is now in {home}: its database, which "
                "holds paths in full, now says so"
            )


def _with(value: Any, before: str, now: str) -> Any:
    """``value`` with every path in the folder ``before`` in the folder ``now``."""
    if isinstance(value, str):
        inside = value == before or value.startswith((before + "/", before + "\\"))
        return now + value[len(before) :] if inside else value
    if isinstance(value, dict):
        return {name: _with(part, before, now) for name, part in value.items()}
    return [_with(part, before, now) for part in value] if isinstance(value, list) else value
