"""Experiments as files, and as NNI really runs them."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("nni", reason="NNI is not installed")

from cellwright.adapters.nni_experiment import (
    check_experiment,
    free_port,
    latest_experiment,
    read_trials,
    run_experiment,
    write_experiment,
)
from cellwright.adapters.nni_init import WORKING_DIRECTORY
from cellwright.plugins import Recipe, make_space, make_strategy
from cellwright.plugins.scoring.evaluation import divide
from cellwright.search_spaces import (
    CellwrightError,
    Decision,
    NASNetSpace,
    SearchSpace,
    SpaceMismatch,
)

EXAMPLE = Path(__file__).parents[2] / "examples" / "nni"

OWN_SPACE = """
from cellwright.search_spaces import Decision, SearchSpace
SPACE = SearchSpace([Decision(f"block/{n}", tuple(range(5))) for n in range(6)])
"""
SPACE = SearchSpace([Decision(f"block/{n}", tuple(range(5))) for n in range(6)])

QUICK_TRIAL = """
import os, time
from pathlib import Path
from own import SPACE
from cellwright.adapters.nni_trial import architecture, report, report_failure

params, _ = architecture(SPACE)
if Path("fail").exists():
    Path("fail").unlink()
    error = RuntimeError("made to fail")
    report_failure(params, error)
    raise error
time.sleep(float(os.environ.get("TRIAL_SECONDS", 0)))
report(params, {"reward": sum(SPACE.encode(params)) / 10, "val_accuracy": 0.5})
"""


# The files


def test_the_files_name_every_decision(tmp_path: Path) -> None:
    files = write_experiment(tmp_path / "new" / "search", trials=7, seed=None)
    assert [file.name for file in files] == ["config.yml", "search_space.json", "trial.py"]
    entries = json.loads(files[1].read_text())
    assert tuple(entries) == NASNetSpace().names
    assert entries["normal/1/combination"] == {"_type": "choice", "_value": ["add", "concat"]}
    assert "maxTrialNumber: 7" in files[0].read_text()
    assert "seed: null" in files[0].read_text()
    compile(files[2].read_text(), "trial.py", "exec")
    check_experiment(files[0].parent)


def test_nni_itself_takes_the_config(tmp_path: Path) -> None:
    from nni.experiment.config import ExperimentConfig

    write_experiment(tmp_path, name='a "name": with # signs', data="digits")
    config = ExperimentConfig.load(tmp_path / "config.yml").canonical_copy()
    assert config.experiment_name == 'a "name": with # signs'
    assert config.experiment_working_directory == str(tmp_path / "experiments")
    assert config.training_service.trial_command.endswith("trial.py")


def test_files_that_are_there_are_kept_unless_told(tmp_path: Path) -> None:
    (tmp_path / "trial.py").write_text("mine")
    with pytest.raises(FileExistsError, match=r"trial\.py already there"):
        write_experiment(tmp_path)
    assert (tmp_path / "trial.py").read_text() == "mine"
    assert not (tmp_path / "config.yml").exists()
    write_experiment(tmp_path, overwrite=True)
    assert "keep_best" in (tmp_path / "trial.py").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"strategy": "reinforced"}, "Did you mean 'reinforce'"),
        ({"space": "nasnett"}, "Did you mean 'nasnet'"),
        ({"trials": 0}, "trials must be at least 1"),
        ({"concurrency": 0}, "concurrency must be at least 1"),
        ({"epochs": 0}, "epochs must be at least 1"),
        ({"seed": -1}, "seed must be"),
    ],
)
def test_what_does_not_fit_is_refused_before_a_file_is_written(
    arguments: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=message):
        write_experiment(tmp_path / "search", **arguments)
    assert not (tmp_path / "search").exists()


def test_a_search_space_of_another_tuner_is_found_before_nni_starts(tmp_path: Path) -> None:
    write_experiment(tmp_path)
    entries = json.loads((tmp_path / "search_space.json").read_text())
    entries["reduction/5/combinaton"] = entries.pop("reduction/5/combination")
    (tmp_path / "search_space.json").write_text(json.dumps(entries))
    with pytest.raises(SpaceMismatch, match="is missing, and 'reduction/5/combinaton' is no"):
        check_experiment(tmp_path)


def test_the_example_is_what_nni_init_writes(tmp_path: Path) -> None:
    write_experiment(tmp_path, epochs=3, trials=6, options={"filters": 8})
    for name in ("search_space.json", "trial.py"):
        assert (EXAMPLE / name).read_text() == (tmp_path / name).read_text()
    written = (tmp_path / "config.yml").read_text().splitlines()
    example = (EXAMPLE / "config.yml").read_text().splitlines()
    differ = [line for line in example if line not in written]
    assert differ in ([], ['trialCommand: "python trial.py"'])
    check_experiment(EXAMPLE)


# As NNI runs them


class Nnictl:
    """NNI's own command in a folder, with a home directory of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        home = folder / "home"
        home.mkdir(parents=True)
        bin_folder = str(Path(sys.executable).parent)
        path = os.pathsep.join([bin_folder, os.environ.get("PATH", "")])
        no_proxy = {"no_proxy": "localhost,127.0.0.1", "NO_PROXY": "localhost,127.0.0.1"}
        self.environment = {**os.environ, **no_proxy, "HOME": str(home), "PATH": path}

    def __call__(self, *words: str) -> str:
        done = subprocess.run(
            [str(Path(sys.executable).with_name("nnictl")), *words],
            env=self.environment, cwd=self.folder, capture_output=True, text=True, timeout=120,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def rest(self, path: str) -> Any:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"http://localhost:{self.port}/api/v1/nni/{path}", timeout=20) as answer:
            return json.loads(answer.read())

    def wait(self, done: Callable[[], bool], seconds: float = 300) -> None:
        deadline = time.monotonic() + seconds
        while not done():
            assert time.monotonic() < deadline, self.rest("check-status")
            time.sleep(0.5)

    def start(self, words: Sequence[str], begun: Callable[[], bool], tries: int = 8) -> None:
        """Create or resume, and see that it has ``begun``.

        NNI gives its tuner 10 seconds to connect, and its web server 3: too few where the machine
        is busy, so that it is stopped and started again.
        """
        for _ in range(tries):
            with contextlib.suppress(AssertionError, OSError):  # of a web server that died
                self(*words, "--port", str(self.port))
                self.wait(lambda: begun() or self.status() == "ERROR")
                if begun():
                    return
                assert "did not connect" in self.log(), self.log()[-2000:]
            with contextlib.suppress(AssertionError):
                self("stop", "--port", str(self.port))
            if words[0] == "create":
                shutil.rmtree(self.folder / "experiments", ignore_errors=True)
            time.sleep(10)
        pytest.fail(f"{words} {tries} times, in vain")

    def log(self) -> str:
        """What NNI's manager has written."""
        log = self.folder / "experiments" / self.id() / "log" / "nnimanager.log"
        return log.read_text() if log.exists() else ""

    def status(self) -> str:
        return str(self.rest("check-status")["status"])

    def id(self) -> str:
        latest = latest_experiment(self.folder)
        assert latest is not None
        return latest.name


@pytest.fixture
def nnictl(tmp_path: Path) -> Iterator[Nnictl]:
    if shutil.which("nnictl", path=str(Path(sys.executable).parent)) is None:
        pytest.skip("nnictl is not installed beside this Python")
    command = Nnictl(tmp_path / "search")
    yield command
    with contextlib.suppress(AssertionError):  # it has been stopped, or never started
        command("stop", "--port", str(command.port))


@pytest.fixture
def quick(nnictl: Nnictl, monkeypatch: pytest.MonkeyPatch) -> Nnictl:
    """An experiment over a space of the user's own, whose trials train nothing."""
    (nnictl.folder / "own.py").write_text(OWN_SPACE)
    monkeypatch.syspath_prepend(nnictl.folder)
    sys.modules.pop("own", None)
    write_experiment(nnictl.folder, space="own:SPACE", strategy="evolution", seed=5, trials=4)
    (nnictl.folder / "trial.py").write_text(QUICK_TRIAL)
    (nnictl.folder / "fail").touch()
    return nnictl


def check_quick(folder: Path, numbers: Iterable[int]) -> None:
    """Every trial is told under its own architecture, which is what the bare strategy asks for."""
    trials = {trial.number: trial for trial in read_trials(folder)}
    assert sorted(trials) == sorted(numbers)
    strategy = make_strategy("evolution", SPACE, seed=5)
    for number, trial in trials.items():
        assert trial.params == strategy.ask(number)  # a young population is drawn at random
        if trial.value is not None:
            assert trial.value == pytest.approx(sum(SPACE.encode(trial.params)) / 10)
            assert trial.metrics["val_accuracy"] == 0.5


def failures(folder: Path) -> list[str]:
    return [trial.error for trial in read_trials(folder) if trial.value is None]


@pytest.mark.slow
def test_nnictl_create_stop_and_resume(quick: Nnictl) -> None:
    quick.start(["create", "--config", "config.yml"], lambda: bool(quick.rest("trial-jobs")))
    quick.wait(lambda: quick.status() == "DONE")
    jobs = quick.rest("trial-jobs")
    assert sorted(job["status"] for job in jobs) == ["FAILED"] + ["SUCCEEDED"] * 3
    for job in jobs:
        SPACE.validate(json.loads(job["hyperParameters"][0])["parameters"])
    quick.wait(lambda: len(read_trials(quick.folder)) == 4, 20)
    check_quick(quick.folder, range(4))
    assert failures(quick.folder) == ["RuntimeError: made to fail"]

    quick("stop", "--port", str(quick.port))
    id_ = quick.id()

    def goes_on() -> bool:
        quick("update", "trialnum", id_, "--value", "6")
        return len(quick.rest("trial-jobs")) > 4

    quick.start(["resume", id_, "--experiment_dir", "experiments"], goes_on)
    quick.wait(lambda: quick.status() == "DONE")
    quick.wait(lambda: len(read_trials(quick.folder)) == 6, 20)
    check_quick(quick.folder, range(6))
    assert failures(quick.folder) == ["RuntimeError: made to fail"]


def test_nnictl_create_ends_with_an_error_where_the_search_space_is_wrong(quick: Nnictl) -> None:
    (quick.folder / "search_space.json").write_text("{}")
    quick.start(["create", "--config", "config.yml"], lambda: "'block/0' is missing" in quick.log())
    quick.wait(lambda: quick.status() == "ERROR", 60)


RUN = """
import sys
from cellwright.adapters.nni_experiment import run_experiment

def show(trial):
    print("trial", trial.number, trial.value, flush=True)

run_experiment(".", trials=int(sys.argv[1]), on_trial=show)
"""


@pytest.mark.slow
def test_run_experiment_stops_on_ctrl_c_and_resumes(quick: Nnictl) -> None:
    def start(trials: int, seconds: float) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", RUN, str(trials)], cwd=quick.folder, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env={**quick.environment, "TRIAL_SECONDS": str(seconds)},
        )  # fmt: skip

    process = start(5, 3)
    assert process.stdout is not None
    assert "asks for no password" in next(process.stdout)
    first = next(line for line in process.stdout if "None" not in line)  # the first that succeeds
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=120)
    assert process.returncode != 0
    assert len(read_trials(quick.folder)) < 5

    process = start(7, 0)
    out, error = process.communicate(timeout=300)
    assert process.returncode == 0, error
    shown = [int(line.split()[1]) for line in out.splitlines() if line.startswith("trial")]
    assert int(first.split()[1]) not in shown
    numbers = [trial.number for trial in read_trials(quick.folder)]
    assert len(set(numbers)) == 7
    assert set(numbers) <= set(range(7 + 2))  # one or two may wait, if NNI ran another one again
    check_quick(quick.folder, numbers)


@pytest.mark.slow
def test_an_experiment_that_brings_no_more_trials_ends_with_an_error(quick: Nnictl) -> None:
    config = quick.folder / "config.yml"
    config.write_text(f"{config.read_text()}\nmaxExperimentDuration: 1s\n")
    done = subprocess.run(
        [sys.executable, "-c", RUN, "3"], cwd=quick.folder, text=True, capture_output=True,
        env={**quick.environment, "TRIAL_SECONDS": "60"}, timeout=400, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert re.search(r"with \d of 3 trials, and 3 resumes brought no further one", done.stderr)
    assert "nnimanager.log" in done.stderr


def test_an_experiment_that_nni_still_runs_is_refused(tmp_path: Path) -> None:
    write_experiment(tmp_path, strategy="random", data="digits", trials=1)
    database = tmp_path / WORKING_DIRECTORY / "abc12345" / "db" / "nni.sqlite"
    database.parent.mkdir(parents=True)
    with closing(sqlite3.connect(database)) as begun:
        begun.execute("CREATE TABLE ExperimentProfile (id)")
        begun.execute("INSERT INTO ExperimentProfile VALUES ('abc12345')")
        begun.commit()
    program = [sys.executable, "-c", "input()", "main.js", "--experiment-id", "abc12345"]
    with subprocess.Popen(program, stdin=subprocess.PIPE) as manager:
        with pytest.raises(CellwrightError, match=f"still runs .* end it by `kill {manager.pid}`"):
            run_experiment(tmp_path)
        manager.kill()


SLOWED = """
import threading, time
import psutil
from cellwright.adapters.nni_experiment import run_experiment

def hold_back():
    while True:
        for child in psutil.Process().children():
            if any("main.js" in word for word in child.cmdline()):
                child.suspend()
                print("held back", flush=True)
                time.sleep(8)
                child.resume()
                return
        time.sleep(0.01)

threading.Thread(target=hold_back, daemon=True).start()
run_experiment(".", on_trial=lambda trial: print("trial", trial.number, flush=True))
"""


@pytest.mark.slow
def test_a_machine_on_which_the_web_server_starts_slowly(quick: Nnictl) -> None:
    """NNI's own patience ends after 3 seconds, with "Connection refused"."""
    done = subprocess.run(
        [sys.executable, "-c", SLOWED], cwd=quick.folder, text=True, capture_output=True,
        env=quick.environment, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("held back")
    check_quick(quick.folder, range(4))


@pytest.mark.slow
def test_children_trained_on_digits(nnictl: Nnictl) -> None:
    pytest.importorskip("keras", reason="Keras is not installed")
    write_experiment(nnictl.folder, trials=6, epochs=1, options={"filters": 4})
    nnictl.start(["create", "--config", "config.yml"], lambda: bool(nnictl.rest("trial-jobs")))
    nnictl.wait(lambda: nnictl.status() == "DONE", 540)
    assert [job["status"] for job in nnictl.rest("trial-jobs")] == ["SUCCEEDED"] * 6
    nnictl.wait(lambda: len(read_trials(nnictl.folder)) == 6, 20)
    trials = read_trials(nnictl.folder)
    for trial in trials:
        NASNetSpace().validate(trial.params)
        assert trial.value == trial.metrics["val_accuracy"] > 0
        assert trial.metrics["parameters"] > 0
    best = json.loads((nnictl.folder / "best" / "best.json").read_text())
    assert best["metrics"]["reward"] == max(trial.value or 0 for trial in trials)
    assert (nnictl.folder / "best" / "best.keras").exists()


def test_the_example_of_population_based_training_is_one_that_nni_takes() -> None:
    import yaml
    from nni.algorithms.hpo.pbt_tuner import PBTTuner
    from nni.experiment.config import ExperimentConfig

    ExperimentConfig.load(EXAMPLE / "pbt.yml").canonical_copy()
    config = yaml.safe_load((EXAMPLE / "pbt.yml").read_text())
    tuner = PBTTuner(**config["tuner"]["classArgs"], all_checkpoint_dir="weights")
    tuner.update_search_space(json.loads((EXAMPLE / "pbt_search_space.json").read_text()))
    [given] = tuner.generate_multiple_parameters([0], st_callback=print)
    recipe, _ = divide({n: given[n] for n in ("learning_rate", "batch_size")}, Recipe(), SPACE)
    assert (recipe.learning_rate, recipe.batch_size) == tuple(given.values())[:2]
    assert set(given) == {
        "learning_rate", "batch_size", "load_checkpoint_dir", "save_checkpoint_dir",
    }  # fmt: skip


def finals(nnictl: Nnictl) -> list[dict[str, Any]]:
    """What the trials of any tuner of NNI's own reported, in the order of their parameter ids."""
    jobs = sorted(nnictl.rest("trial-jobs"), key=lambda job: job["sequenceId"])
    assert [job["status"] for job in jobs] == ["SUCCEEDED"] * len(jobs)
    return [json.loads(json.loads(job["finalMetricData"][0]["data"])) for job in jobs]


@pytest.mark.slow
def test_nnis_population_based_training_as_the_example_has_it(nnictl: Nnictl) -> None:
    """Two members of the example's population, two steps each, on a smaller network."""
    pytest.importorskip("keras", reason="Keras is not installed")
    for file in EXAMPLE.glob("pbt*"):
        text = file.read_text().replace("population_size: 4", "population_size: 2")
        text = text.replace("fraction: 0.25", "fraction: 0.5").replace(
            '"filters": 8', '"filters": 2'
        )
        text = text.replace("maxTrialNumber: 12", "maxTrialNumber: 4").replace(
            "epochs=2", "epochs=1"
        )
        (nnictl.folder / file.name).write_text(text)
    nnictl("create", "--config", "pbt.yml", "--port", str(nnictl.port))
    nnictl.wait(lambda: nnictl.status() == "DONE", 540)
    assert [final["trained_epochs"] for final in finals(nnictl)] == [1.0] * 4
    states = (nnictl.folder / "experiments" / nnictl.id() / "checkpoint").rglob("child.npz")
    assert sorted("/".join(path.parts[-3:-1]) for path in states) == ["0/0", "0/1", "1/0", "1/1"]


@pytest.mark.slow
def test_nnis_gaussian_process_searches_our_space_in_numbers(nnictl: Nnictl) -> None:
    pytest.importorskip("keras", reason="Keras is not installed")
    words = [
        "nni-init", ".", "--numeric", "--data", "wine", "--space", "mlp", "--epochs", "1",
        "--tune", "learning_rate=1e-3..1e-1:log", "--trials", "4", "--concurrency", "1",
    ]  # fmt: skip
    subprocess.run(
        [sys.executable, "-c", "from cellwright.command_line.app import main; main()", *words],
        cwd=nnictl.folder, env=nnictl.environment, check=True, timeout=120,
    )  # fmt: skip
    config = nnictl.folder / "config.yml"
    quick = "maximize\n    cold_start_num: 2\n    selection_num_warm_up: 200\n"
    config.write_text(config.read_text().replace("maximize\n", quick))
    nnictl("create", "--config", "config.yml", "--port", str(nnictl.port))
    nnictl.wait(lambda: nnictl.status() == "DONE", 540)
    space = make_space("mlp", ["learning_rate=1e-3..1e-1:log"])
    found = finals(nnictl)
    assert len(found) == 4
    for final in found:
        space.validate(space.read(json.loads(final["decisions"])))
        assert final["default"] == final["val_accuracy"]


@pytest.mark.slow
def test_a_table_with_all_that_nni_init_takes(nnictl: Nnictl) -> None:
    """Hyperparameters, a schedule and two objectives, on a table without one of its columns."""
    pytest.importorskip("keras", reason="Keras is not installed")
    rows = [f"{i},{i % 7},{i % 3 - 1},{'yes' if i % 7 > 3 else 'no'}" for i in range(120)]
    (nnictl.folder / "people.csv").write_text("\n".join(["id,age,town,answer", *rows]))
    tuned = ["learning_rate=1e-3..1e-1:log", "batch_size=16,32"]
    words = [
        "nni-init", ".", "--data", "people.csv", "--label", "answer", "--drop", "id",
        "--space", "mlp", "--tune", tuned[0], "--tune", tuned[1], "--seed", "4",
        "--schedule", "hyperband", "--epochs", "4", "--factor", "2", "--trials", "7",
        "--objectives", "val_accuracy,parameters", "--concurrency", "1",
    ]  # fmt: skip
    subprocess.run(
        [sys.executable, "-c", "from cellwright.command_line.app import main; main()", *words],
        cwd=nnictl.folder, env=nnictl.environment, check=True, timeout=120,
    )  # fmt: skip
    nnictl.start(["create", "--config", "config.yml"], lambda: bool(nnictl.rest("trial-jobs")))
    nnictl.wait(lambda: nnictl.status() == "DONE", 400)
    assert [job["status"] for job in nnictl.rest("trial-jobs")] == ["SUCCEEDED"] * 7
    nnictl.wait(lambda: len(read_trials(nnictl.folder)) == 7, 20)
    trials = read_trials(nnictl.folder)
    assert [trial.others["TRIAL_BUDGET"] for trial in trials] == [1, 1, 1, 1, 2, 2, 4]
    assert [trial.metrics["trained_epochs"] for trial in trials] == [1, 1, 1, 1, 1, 1, 2]
    space = make_space("mlp", tuned)
    strategy = make_strategy("pareto", space, seed=4, objectives=2)
    for trial in trials[:4]:
        asked = strategy.ask(trial.number)
        assert trial.params == asked
        rewards = (trial.metrics["val_accuracy"], -trial.metrics["parameters"])
        strategy.tell(trial.number, asked, rewards)
    assert (nnictl.folder / "best" / "best.keras").exists()
