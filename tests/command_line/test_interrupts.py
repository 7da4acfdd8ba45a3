"""Ctrl-C and SIGTERM at any moment of `cellwright search`, which then says how to go on."""

import csv
import os
import random
import signal
import subprocess
import sys
import time

import pytest

pytest.importorskip("keras")
pytest.importorskip("optuna")

SPACE = """
from cellwright.search_spaces import NASNetSpace, Skeleton
SPACE = NASNetSpace(blocks=1, skeleton=Skeleton.book(reductions=0))
"""
SEARCH = (
    "search", "--space", "stopped_space:SPACE", "--data", "data.npz", "--epochs", "2",
    "--filters", "2", "--strategy", "random", "--trials", "500",
)  # fmt: skip
# Says when `main` is reached: before it there is only Python itself, and nothing to stop.
PROGRAM = "from cellwright.command_line.app import main; print('main', flush=True); main()"


@pytest.fixture(scope="module")
def home(tmp_path_factory, write_digits):
    home = tmp_path_factory.mktemp("stopped")
    (home / "stopped_space.py").write_text(SPACE)
    write_digits(home / "data.npz")
    return home


def stop(home, out, sign, after, wait):
    """Start a search, send it a signal so many seconds after a line, and give what it printed."""
    path = os.pathsep.join([str(home), os.environ.get("PYTHONPATH", "")])
    process = subprocess.Popen(
        [sys.executable, "-u", "-c", PROGRAM, *SEARCH, "--out", out],
        cwd=home,
        env=os.environ | {"PYTHONPATH": path, "COLUMNS": "100"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert process.stdout is not None
    seen = []
    for line in process.stdout:
        seen.append(line)
        if line.startswith(after):
            break
    time.sleep(wait)
    process.send_signal(sign)
    rest, _ = process.communicate(timeout=120)
    printed = "".join(seen) + rest
    assert process.returncode == 130, printed
    assert "stopped; the same command continues" in printed
    assert "Traceback" not in printed
    file = home / out / "trials.csv"
    if not file.exists():
        return printed, []
    with file.open(newline="") as table:
        states = [row["state"] for row in csv.DictReader(table)]
    assert set(states) <= {"complete", "interrupted"}, printed
    return printed, states


def test_ctrl_c_while_the_frameworks_load_ends_a_search_at_once(home):
    start = time.monotonic()
    printed, states = stop(home, "loading", signal.SIGINT, "main", 0.5)
    assert states == []
    assert "trial" not in printed
    assert time.monotonic() - start < 60


def test_sigterm_while_a_child_is_traced_saves_it_for_the_next_time(home):
    _, states = stop(home, "traced", signal.SIGTERM, "trial    0", 1.0)
    assert states[0] == "complete"
    assert states[-1] in ("interrupted", "complete")  # between two trials there is none to save


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20))
def test_no_moment_loses_ctrl_c(home, seed):
    moments = random.Random(seed)
    after, wait = ("main", 12) if seed % 3 == 0 else ("trial    0", 8)
    stop(home, f"moment-{seed}", signal.SIGINT, after, moments.uniform(0, wait))
