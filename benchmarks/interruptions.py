"""Searches that are killed or stopped again and again, and whether they find the same in the end.

    python -m benchmarks.interruptions --times 30
    python -m benchmarks.interruptions --host nni --sign kill --times 30

For each host, `cellwright search` runs once without a break. It then runs again from the beginning,
and at random moments gets SIGKILL, or SIGINT as from Ctrl-C, until it has got it so many times; the
same command goes on each time, and in the end nothing disturbs it. The trials that ended must be
those of the first search: the same number of them, and in their order the same architectures with
the same rewards. What is left of trials that were interrupted is counted beside them. Where a
search says that NNI's manager must be ended first, that is done. NNI takes its time to start: give
it ``--longest 90``.
"""

from __future__ import annotations

import contextlib
import csv
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from cellwright.searches.hosts import HOSTS

SIGNS = {"kill": signal.SIGKILL, "interrupt": signal.SIGINT}
SEARCH = (
    *("search", "--data", "wine", "--space", "mlp", "--strategy", "reinforce", "--seed", "0"),
    *("--epochs", "2", "--batch-size", "64"),
)
PROGRAM = "from cellwright.command_line.app import main; main()"
_LINES = 40  # of a log, shown where a search fails
_LONGEST = 3600.0  # seconds that a search may take to end once nothing disturbs it


@dataclass(frozen=True)
class Outcome:
    """What became of one search that was disturbed.

    Attributes:
        host: As in ``--host``.
        sign: How it was disturbed.
        times: How often, while it ran.
        trials: That ended.
        interrupted: Trials that were left behind.
        apart: The first trial that differs from the search without a break; None if none does.
        seconds: Until it had ended.
    """

    host: str
    sign: str
    times: int
    trials: int
    interrupted: int
    apart: int | None
    seconds: float


def main(
    host: Annotated[list[str] | None, typer.Option(help="May be repeated; all by default.")] = None,
    sign: Annotated[list[str] | None, typer.Option(help="kill or interrupt; both.")] = None,
    times: Annotated[int, typer.Option(min=1, help="How often a search is disturbed.")] = 30,
    trials: Annotated[int, typer.Option(min=1, help="Of each search.")] = 60,
    longest: Annotated[float, typer.Option(help="Seconds until a sign, at most.")] = 20.0,
    seed: Annotated[int, typer.Option(min=0, help="Of the moments.")] = 0,
) -> None:
    """Disturb searches, and print a table of what became of them."""
    print("| host | sign | times | trials | interrupted | first that differs | seconds |")
    print("|---" * 7 + "|", flush=True)
    sound = True
    for each in host or list(HOSTS):
        with tempfile.TemporaryDirectory() as folder:
            whole = Path(folder) / "whole"
            wait(start(each, whole, trials), whole)
            wanted, _ = ended(whole)
            for one in sign or list(SIGNS):
                out = Path(folder) / one
                begun = time.perf_counter()
                done = disturb(each, out, trials, one, times, longest, random.Random(seed))
                found, interrupted = ended(out)
                apart = next(
                    (n for n, (a, b) in enumerate(zip(found, wanted, strict=False)) if a != b),
                    None if len(found) == len(wanted) else min(len(found), len(wanted)),
                )
                outcome = Outcome(
                    each, one, done, len(found), interrupted, apart, time.perf_counter() - begun
                )
                sound = sound and apart is None
                cells = [
                    outcome.host, outcome.sign, outcome.times, outcome.trials, outcome.interrupted,
                    "none" if outcome.apart is None else outcome.apart, f"{outcome.seconds:.0f}",
                ]  # fmt: skip
                print(f"| {' | '.join(map(str, cells))} |", flush=True)
    if not sound:
        raise typer.Exit(1)


def start(host: str, out: Path, trials: int) -> subprocess.Popen[bytes]:
    """Begin a search, or go on with it."""
    words = [*SEARCH, "--host", host, "--trials", str(trials), "--out", str(out)]
    with (out.parent / f"{out.name}.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-c", PROGRAM, *words], stdout=log, stderr=log, env=os.environ
        )


def wait(process: subprocess.Popen[bytes], out: Path) -> None:
    """Let the search in ``out`` come to its end.

    Raises:
        RuntimeError: If it ends with an error or takes too long, with the last that it printed.
    """
    try:
        code = process.wait(_LONGEST)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise RuntimeError(failure(out, f"had not ended after {_LONGEST:g} seconds")) from None
    if code:
        raise RuntimeError(failure(out, f"ended with {code}"))


def failure(out: Path, what: str) -> str:
    """What became of the search in ``out``, and the last that it printed."""
    log = out.parent / f"{out.name}.log"
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return "\n".join([f"the search {what}; the last that it printed:", *lines[-_LINES:]])


def disturb(
    host: str, out: Path, trials: int, sign: str, times: int, longest: float, moments: random.Random
) -> int:
    """Run a search that gets a sign so many times, if it does not end before; how often it did."""
    for done in range(times):
        process = start(host, out, trials)
        try:
            code = process.wait(moments.uniform(0, longest))
        except subprocess.TimeoutExpired:
            process.send_signal(SIGNS[sign])
            process.wait(_LONGEST)
            continue
        if code and not remedied(out):
            raise RuntimeError(failure(out, f"ended with {code} after {done} signs"))
        if not code:
            return done
    process = start(host, out, trials)
    if process.wait(_LONGEST) and remedied(out):
        process = start(host, out, trials)
    wait(process, out)
    return times


def remedied(out: Path) -> bool:
    """Do what the search in ``out`` asked for last, if it was to end NNI's manager, which outlives
    a search that is killed."""
    asked = re.search(r"end it by\s+`kill\s+(\d+)`", failure(out, "stopped")[-400:])
    if asked:
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(asked[1]), signal.SIGTERM)
        time.sleep(5)
    return asked is not None


def ended(out: Path) -> tuple[list[tuple[str, ...]], int]:
    """What each trial that ended had and found, in their order; how many others there are."""
    with (out / "trials.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    measured = {"trial", "seconds", "interrupted", "lost_with"}
    states = ("complete", "failed")
    found = [
        tuple(f"{name}={value}" for name, value in row.items() if name not in measured)
        for row in sorted(rows, key=lambda row: int(row["trial"]))
        if row["state"] in states
    ]
    return found, len(rows) - len(found)


if __name__ == "__main__":
    typer.run(main)
