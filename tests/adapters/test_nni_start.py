"""Real starts: a tuner that is slow or dies, a folder that moves, and a script of a user's own."""

from __future__ import annotations

import contextlib
import difflib
import json
import os
import shutil
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("nni", reason="NNI is not installed")

import psutil

from cellwright.adapters.nni_experiment import free_port, read_trials
from cellwright.adapters.nni_patience import node_options

OWN = Path(__file__).parents[2] / "examples" / "nni" / "own_network"
SPACE = """
from cellwright.search_spaces import Decision, SearchSpace
SPACE = SearchSpace([Decision(f"block/{n}", tuple(range(5))) for n in range(6)])
"""
TRIAL = """
import os, time
from own import SPACE
from cellwright.adapters.nni_trial import architecture, report
params, _ = architecture(SPACE)
time.sleep(float(os.environ.get("TRIAL_SECONDS", 0)))
report(params, {"reward": sum(SPACE.encode(params)) / 10})
"""
CONFIG = """
searchSpaceFile: search_space.json
trialCommand: {python} trial.py
trialCodeDirectory: .
experimentWorkingDirectory: experiments
trialConcurrency: 1
maxTrialNumber: {trials}
tuner:
  className: {tuner}
  codeDirectory: .
  classArgs: {{strategy: random, space: "own:SPACE", seed: 1}}
trainingService: {{platform: local, useActiveGpu: false}}
"""
RUN = """
import sys
sys.path.append(".")
from cellwright.adapters.nni_experiment import run_experiment
run_experiment(".", on_trial=lambda trial: print("trial", trial.number, flush=True))
"""
OURS = "cellwright.adapters.nni_tuner.StrategyTuner"


def write(folder: Path, tuner: str = OURS, trials: int = 1) -> None:
    folder.mkdir()
    (folder / "own.py").write_text(SPACE)
    (folder / "trial.py").write_text(TRIAL)
    (folder / "config.yml").write_text(
        CONFIG.format(python=sys.executable, tuner=tuner, trials=trials)
    )
    entries = {f"block/{n}": {"_type": "choice", "_value": [0, 1, 2, 3, 4]} for n in range(6)}
    (folder / "search_space.json").write_text(json.dumps(entries))


def environment(folder: Path, **more: str) -> dict[str, str]:
    """A home of its own, where NNI keeps its list of experiments, and no proxy."""
    home = folder.parent / "home"
    home.mkdir(exist_ok=True)
    local = {"no_proxy": "localhost,127.0.0.1", "NO_PROXY": "localhost,127.0.0.1"}
    return {**os.environ, **local, "HOME": str(home), **more}


def control(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "cellwright.adapters.nni_ctl", *words],
        cwd=folder, env=environment(folder), capture_output=True, text=True, timeout=300,
        check=False,
    )  # fmt: skip


def rest(port: str, path: str) -> Any:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"http://localhost:{port}/api/v1/nni/{path}", timeout=20) as answer:
        return json.loads(answer.read())


def wait_for(folder: Path, trials: int, seconds: float = 240) -> None:
    deadline = time.monotonic() + seconds
    while len(read_trials(folder)) < trials:
        assert time.monotonic() < deadline, "the trials never ended"
        time.sleep(0.5)


@pytest.mark.slow
def test_a_tuner_is_waited_for_and_a_moved_folder_resumes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """NNI's own clock ends after 10 seconds, and its database holds paths in full."""
    folder, port = tmp_path / "first", str(free_port())
    write(folder, "slow.StrategyTuner")
    (folder / "slow.py").write_text(
        f"import time\ntime.sleep(12)\nfrom {OURS.rpartition('.')[0]} import StrategyTuner\n"
    )
    monkeypatch.syspath_prepend(folder)
    sys.modules.pop("own", None)
    try:
        done = control(folder, "create", "--config", "config.yml", "--port", port)
        assert done.returncode == 0, done.stdout + done.stderr
        wait_for(folder, 1)
    finally:
        control(folder, "stop", "--port", port)
    (folder / "slow.py").write_text(f"from {OURS.rpartition('.')[0]} import StrategyTuner\n")
    moved = folder.rename(tmp_path / "second")
    [id_] = {path.name for path in (moved / "experiments").iterdir()} - {"_latest"}
    try:
        done = control(moved, "resume", id_, "--experiment_dir", "experiments", "--port", port)
        assert done.returncode == 0, done.stdout + done.stderr
        assert f"was created in {folder} and is now in {moved}" in done.stdout
        done = control(moved, "update", "trialnum", id_, "--value", "2")
        assert done.returncode == 0, done.stdout + done.stderr
        wait_for(moved, 2)
    finally:
        control(moved, "stop", "--port", port)


def test_a_wrong_experiment_is_refused_before_nni_starts(tmp_path: Path) -> None:
    folder = tmp_path / "wrong"
    write(folder)
    (folder / "search_space.json").write_text('{"block/0": }')
    done = control(folder, "create", "--config", "config.yml")
    assert done.returncode != 0
    assert "search_space.json is damaged: line 1, column 13: Expecting value" in done.stderr
    assert not (folder / "experiments").exists()


def test_a_tuner_that_dies_is_noticed_and_the_next_run_goes_on(tmp_path: Path) -> None:
    folder = tmp_path / "dies"
    write(folder, trials=3)
    command = [sys.executable, "-c", RUN]
    process = subprocess.Popen(
        command, cwd=folder, env=environment(folder, TRIAL_SECONDS="2"), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    next(line for line in process.stdout if line.startswith("trial 0"))
    for child in psutil.Process(process.pid).children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):  # a trial that has just ended
            words = child.cmdline()
            if "--exp_params" in words and "-c" not in words[:2]:
                child.kill()
    threading.Timer(240, process.kill).start()
    _, error = process.communicate()
    assert process.returncode != 0
    assert "The tuner's process has ended" in error
    assert "exit status 137" in error or "SIGKILL" in error

    done = subprocess.run(
        command, cwd=folder, env=environment(folder), text=True, capture_output=True, timeout=300,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "trial 2" in done.stdout


def test_what_node_js_is_told_stands_beside_what_it_was_told() -> None:
    told = node_options("--trace-warnings")
    assert told.startswith('--trace-warnings --require "')
    assert Path(told.split('"')[1]).is_file()
    assert node_options(told) == told


def test_a_script_of_a_users_own_changes_three_lines() -> None:
    changed = 0
    for name in ("trial.py", "config.yml"):
        sides = [(OWN / side / name).read_text().splitlines() for side in ("before", "after")]
        lines = [line[0] for line in difflib.ndiff(*sides) if line[0] in "+-"]
        changed += lines.count("+")
        assert lines.count("-") <= lines.count("+")
    assert changed == 3


@pytest.mark.slow
@pytest.mark.parametrize("side", ["before", "after"])
def test_a_script_of_a_users_own_runs_before_and_after(side: str, tmp_path: Path) -> None:
    pytest.importorskip("keras", reason="Keras is not installed")
    folder, port = tmp_path / side, str(free_port())
    shutil.copytree(OWN / side, folder)
    for file, before, now in (
        ("config.yml", "maxTrialNumber: 20", "maxTrialNumber: 2"),
        ("config.yml", "python trial.py", f"{sys.executable} trial.py"),
        ("trial.py", "epochs=8", "epochs=1"),
        ("trial.py", "filters=8", "filters=2"),
    ):
        text = (folder / file).read_text()
        (folder / file).write_text(text.replace(before, now))
    try:
        done = control(folder, "create", "--config", "config.yml", "--port", port)
        assert done.returncode == 0, done.stdout + done.stderr
        deadline = time.monotonic() + 400
        while (said := rest(port, "check-status")["status"]) != "DONE":
            assert said != "ERROR", rest(port, "check-status")
            assert time.monotonic() < deadline, said
            time.sleep(2)
        jobs = rest(port, "trial-jobs")
    finally:
        control(folder, "stop", "--port", port)
    assert [job["status"] for job in jobs] == ["SUCCEEDED"] * 2
    for job in jobs:
        assert 0 < float(json.loads(json.loads(job["finalMetricData"][0]["data"]))) <= 1
    if side == "after":
        assert len(read_trials(folder)) == 2
