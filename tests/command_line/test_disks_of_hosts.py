"""A disk that fills up or becomes read-only, a folder that is deleted, or SIGTERM in the middle:
in every host one message, and the child is trained again later."""

import csv
import os
import shutil
import signal
import subprocess
import sys

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]  # each starts a host twice
CODE = "from cellwright.command_line.app import main; main()"
HOSTS = ["optuna", "keras-tuner", "ray", "nni"]
TRIALS = 3


def start(disk, host):
    words = [
        *("search", "--space", "mlp", "--data", "wine", "--trials", str(TRIALS), "--epochs", "1"),
        *("--strategy", "random", "--seed", "0", "--host", host, "--out", str(disk.place / "out")),
    ]
    return subprocess.Popen(
        [sys.executable, "-u", "-c", CODE, *words],
        cwd=disk.place.parent,
        env={**os.environ, "COLUMNS": "100", "MPLCONFIGDIR": str(disk.place.parent)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


def first_trial(process):
    """What is printed until the first trial has ended."""
    seen = []
    for line in process.stdout:
        seen.append(line)
        if line.startswith("trial    0"):
            return "".join(seen)
    raise AssertionError("".join(seen))


def finish(disk, host, before):
    """Give the same command again; every trial is complete in the end."""
    process = start(disk, host)
    printed, _ = process.communicate(timeout=600)
    assert process.returncode == 0, before + printed
    with (disk.place / "out" / "trials.csv").open(newline="") as table:
        rows = list(csv.DictReader(table))
    states = [row["state"] for row in rows]
    assert states.count("complete") == TRIALS, states
    assert set(states) <= {"complete", "interrupted"}, (states, before)
    assert not list((disk.place / "out").rglob("*.new*"))


@pytest.mark.parametrize("disk", [40_000], indirect=True)
@pytest.mark.parametrize("fault", ["full", "read-only", "deleted"])
@pytest.mark.parametrize("host", HOSTS)
def test_one_message_and_the_child_is_trained_again(disk, host, fault):
    process = start(disk, host)
    printed = first_trial(process)
    if fault == "full":
        disk.fill()
    elif fault == "read-only":
        disk.lock()
    else:
        shutil.rmtree(disk.place / "out", ignore_errors=True)
        shutil.rmtree(disk.place / "out", ignore_errors=True)  # what was written meanwhile
    rest, _ = process.communicate(timeout=400)
    printed += rest
    if fault == "full":
        disk.empty()
    elif fault == "read-only":
        disk.unlock()
    else:  # Keras Tuner has made its project anew by then, with the trials since
        shutil.rmtree(disk.place / "out", ignore_errors=True)
    words = " ".join(printed.split())
    assert process.returncode == 1, printed
    assert words.count("error:") == 1, printed
    assert "cannot be written" in words, printed
    assert str(disk.place / "out") in words, printed
    assert "Traceback" not in printed
    finish(disk, host, printed)


@pytest.mark.parametrize("disk", [40_000], indirect=True)
@pytest.mark.parametrize("host", HOSTS)
def test_sigterm_is_as_ctrl_c(disk, host):
    process = start(disk, host)
    printed = first_trial(process)
    process.send_signal(signal.SIGTERM)
    rest, _ = process.communicate(timeout=400)
    printed += rest
    assert process.returncode == 130, printed
    assert "stopped; the same command continues" in printed
    assert "Traceback" not in printed
    finish(disk, host, printed)
