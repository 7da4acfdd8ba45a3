"""Further processes that help a search, each of which may end at any moment."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from cellwright.searches.settings import Settings
from cellwright.searches.workers import environment

_START = "from cellwright.command_line.app import main; main()"


@contextmanager
def helped(out: Path, settings: Settings, helpers: int, console: Console) -> Iterator[None]:
    """Have processes of `cellwright worker` help the search in ``out`` until the block ends.

    Each writes what it prints to ``worker-2.log`` and so on. They end by themselves when the search
    has its trials; if the block ends in an error, or by Ctrl-C, they are told to save and to end.

    Args:
        out: Folder of the search, with its settings.
        settings: Settings of the search.
        helpers: How many.
        console: Where it is said if one of them went wrong.
    """
    started: list[tuple[Path, subprocess.Popen[bytes]]] = []
    try:
        for number in range(2, helpers + 2):
            log = out / f"worker-{number}.log"
            log.unlink(missing_ok=True)  # a link is not followed
            with log.open("xb") as file:
                command = [sys.executable, "-c", _START, "worker", str(out.absolute()), "--trust"]
                env = {**os.environ, **environment(settings)}
                process = subprocess.Popen(command, stdout=file, stderr=file, env=env)
            started.append((log, process))
        yield
    except BaseException:
        for _, process in started:
            process.terminate()
        raise
    finally:
        for log, process in started:
            if _went_wrong(process.wait(), log):
                console.print(
                    f"[yellow]a worker ended with status {process.returncode}: see {log}[/]",
                    highlight=False,
                    soft_wrap=True,
                )


def _went_wrong(status: int, log: Path) -> bool:
    """Whether a worker ended by a fault; without one it ends with 1 if no child could be trained,
    which the search says itself."""
    if status == 1:
        return "error:" in log.read_text(encoding="utf-8", errors="replace")
    return status not in (0, 130, -15)
