"""The package of examples/plugin: installed as a stranger's is, and run in every host."""

import csv
import json
import os
import re
import shutil
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np
import pytest

from cellwright.plugins.strategies.checks import check_strategy

EXAMPLE = Path(__file__).parents[2] / "examples" / "plugin"
OPTIONS = ("--strategy", "climber", "--space", "bottleneck", "--meter", "layers",
           "--reward", "shallow,each=0.01", "--data", "data.npz", "--epochs", "1",
           "--filters", "2")  # fmt: skip
SCRIPT = """
import sys
import tensorflow
from cellwright.command_line.app import main
tensorflow.config.run_functions_eagerly(True)  # a child of one step is no worth a graph
for command in open("commands"):
    sys.argv = ["cellwright", *command.split()]
    try:
        main()
    except SystemExit as end:
        if end.code:
            raise
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """A folder beside the environment, in which pip has installed the package without network."""
    folder = tmp_path_factory.mktemp("plugin")
    shutil.copytree(EXAMPLE, folder / "source")  # which the build writes to
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation",
         "--no-index", "--disable-pip-version-check", "--target", "site", "./source"],
        cwd=folder, check=True,
    )  # fmt: skip
    assert list((folder / "site").glob("cellwright_example-*.dist-info/entry_points.txt"))
    return folder / "site"


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    from sklearn.datasets import load_digits

    home = tmp_path_factory.mktemp("home")
    digits = load_digits()
    chosen = np.flatnonzero(digits.target < 3)[:60]
    np.savez(home / "data.npz", x=digits.images[chosen] / 16, y=digits.target[chosen])
    return home


def cellwright(home, installed, *commands):
    """Run commands of ``cellwright`` in one process that finds the package."""
    (home / "commands").write_text("\n".join(" ".join(command) for command in commands))
    paths = [str(installed), os.environ.get("PYTHONPATH", "")]
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        cwd=home,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout + run.stderr


def check_run(folder: Path, host: str, trials: int) -> None:
    """All four parts have had their say: the space and the meter in each trial, and the reward."""
    settings = json.loads((folder / "settings.json").read_text())
    assert (settings["host"], settings["reward"]) == (host, "shallow,each=0.01")
    with (folder / "trials.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["state"] for row in rows] == ["complete"] * trials
    for row in rows:
        layers = float(row["layers"])
        assert layers > 1
        assert float(row["reward"]) == pytest.approx(float(row["val_accuracy"]) - 0.01 * layers)
    operations = {value for row in rows for name, value in row.items() if "operation" in name}
    assert operations <= {"identity", "max_3x3", "bottleneck_3x3"}
    assert "bottleneck_3x3" in operations


def test_the_package_is_short():
    lines = sum(len(file.read_text().splitlines()) for file in EXAMPLE.rglob("*.py"))
    assert lines < 120


def test_the_strategy_keeps_the_contract():
    path = EXAMPLE / "cellwright_example" / "strategy.py"
    spec = spec_from_file_location("climber", path)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    check_strategy(lambda space, seed: module.Climber(space, seed=seed))
    with pytest.raises(ValueError, match="initial must be at least 1"):
        module.Climber(None, initial=0)


def test_optuna_keras_tuner_and_a_written_experiment(installed, home):
    pytest.importorskip("optuna")
    pytest.importorskip("keras_tuner")
    pytest.importorskip("nni")
    hosts = ("optuna", "keras-tuner")
    searches = [("search", "--host", x, "--out", x, "--trials", "1", *OPTIONS) for x in hosts]
    cellwright(home, installed, *searches, ("nni-init", "experiment", *OPTIONS))
    for host in hosts:
        check_run(home / host, host, 1)
    first, second = ((home / host / "trials.csv").open(newline="") for host in hosts)
    with first, second:
        params = [
            [{k: v for k, v in row.items() if "/" in k} for row in csv.DictReader(file)]
            for file in (first, second)
        ]
    assert params[0] == params[1]  # every host asks the same strategy
    script = (home / "experiment" / "trial.py").read_text()
    assert 'reward=make_reward("shallow", each=0.01)' in script
    assert 'meter=make_meter("layers")' in script
    assert 'strategy: "climber"' in (home / "experiment" / "config.yml").read_text()


@pytest.mark.slow
def test_nni(installed, home):
    pytest.importorskip("nni")
    cellwright(
        home, installed, ("search", "--host", "nni", "--out", "nni", "--trials", "2", *OPTIONS)
    )
    check_run(home / "nni", "nni", 2)


def test_the_guide_shows_the_package():
    """docs/extending.md quotes the package as it is."""
    guide = (EXAMPLE.parents[1] / "docs" / "extending.md").read_text()
    quotes = re.findall(r"```python\n# (cellwright_example/\w+\.py)\n(.*?)```", guide, re.DOTALL)
    assert len(quotes) == 4
    for file, code in quotes:
        assert code in (EXAMPLE / file).read_text(), f"{file} has changed: quote it anew"
    (names,) = re.findall(r"```toml\n(.*?)```", guide, re.DOTALL)
    assert names in (EXAMPLE / "pyproject.toml").read_text()
    lines = sum(len(file.read_text().splitlines()) for file in EXAMPLE.rglob("*.py"))
    assert f"in {lines} lines" in " ".join(guide.split())
