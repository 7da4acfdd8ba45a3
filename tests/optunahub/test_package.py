"""The package for OptunaHub's registry: its form, and that it works as it is loaded from there."""

import os
import re
import subprocess
import sys
from pathlib import Path

import optuna
import pytest
import yaml

from cellwright.search_spaces import NASNetSpace

optunahub = pytest.importorskip("optunahub", reason="optunahub is not installed")

ROOT = Path(__file__).parents[2] / "optunahub" / "package"
FOLDER = ROOT / "samplers" / "cellwright_nas"
CHOICES = {f"op_{k}": ("conv_3x3", "conv_5x5", "max_pool", "identity") for k in range(4)}


@pytest.fixture(scope="module")
def package():
    return optunahub.load_local_module("samplers/cellwright_nas", registry_root=str(ROOT))


def test_the_readme_is_what_the_registry_wants():
    text = (FOLDER / "README.md").read_text("utf-8")
    front, page = re.fullmatch(r"---\n(.*?)\n---\n(.*)", text, re.DOTALL).groups()
    told = yaml.safe_load(front)
    assert list(told) == ["author", "title", "description", "tags", "optuna_versions", "license"]
    assert "sampler" in told["tags"]
    assert optuna.__version__ in map(str, told["optuna_versions"])
    assert told["license"] == "MIT License"
    assert (FOLDER / "LICENSE").read_text("utf-8").startswith("MIT License\n")
    for section in ("Abstract", "APIs", "Installation", "Example"):
        assert f"\n## {section}\n" in page
    for file in re.findall(r"\]\(([\w./]+)\)", page):
        assert (FOLDER / file).is_file(), file
    assert (FOLDER / "images" / "nb201.png").stat().st_size < 100_000
    assert (FOLDER / "requirements.txt").read_text("utf-8").split() == ["cellwright[optuna]"]


def test_the_figures_in_the_readme_are_those_that_were_measured():
    table = (ROOT.parents[1] / "benchmarks/results/nb201/results.md").read_text("utf-8")
    rows = {}
    for row in table.partition("4 workers")[0].splitlines():  # the table of one worker
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        rows[cells[0]] = cells
    text = " ".join((FOLDER / "README.md").read_text("utf-8").split())
    for name, words in {
        "auto": "with `auto`",
        "optuna-gp": "with Optuna's GPSampler",
        "optuna-tpe": "with its TPESampler",
        "optuna-random": "with its RandomSampler",
    }.items():
        assert f"{rows[name][7]} {words} ({rows[name][2]} seeds)" in text


def test_all_names_are_there(package):
    assert set(package.__all__) <= set(dir(package))
    assert all(f"`{name}" in (FOLDER / "README.md").read_text("utf-8") for name in package.__all__)


@pytest.mark.parametrize("strategy", ["auto", "evolution", "reinforce"])
def test_a_dictionary_of_choices_is_searched_and_no_network_is_tried_twice(package, strategy):
    def objective(trial):
        chosen = [trial.suggest_categorical(name, values) for name, values in CHOICES.items()]
        trial.suggest_float("rate", 0, 1)
        return float(sum(CHOICES["op_0"].index(one) for one in chosen))

    def run():
        sampler = package.ArchitectureSampler(CHOICES, strategy, seed=0)
        study = optuna.create_study(direction="maximize", sampler=sampler)
        study.optimize(objective, n_trials=20)
        return [trial.params for trial in study.trials]

    tried = run()
    assert len({tuple(params[name] for name in CHOICES) for params in tried}) == 20
    assert run() == tried


def test_the_samplers_of_cells_suggest_a_whole_cell(package):
    space = package.NASNetSpace()
    study = optuna.create_study(direction="maximize", sampler=package.NASNetRLSampler(seed=0))
    study.optimize(lambda trial: float(len(package.suggest(trial, space))), n_trials=2)
    assert isinstance(space, NASNetSpace)
    assert set(study.best_params) == set(space.names)


def test_several_objectives(package):
    def objective(trial):
        codes = [
            values.index(trial.suggest_categorical(n, values)) for n, values in CHOICES.items()
        ]
        return float(sum(codes)), float(codes[0])

    sampler = package.ArchitectureSampler(CHOICES, "pareto", seed=0)
    study = optuna.create_study(directions=["maximize", "minimize"], sampler=sampler)
    study.optimize(objective, n_trials=12)
    assert len({tuple(trial.params.values()) for trial in study.trials}) == 12


def test_a_choice_that_is_none_is_refused(package):
    with pytest.raises(ValueError, match="op_1"):
        package.ArchitectureSampler({"op_0": ("a", "b"), "op_1": ()})


def test_the_example_runs():
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, str(FOLDER / "example.py"), "3"],
        capture_output=True, text=True, timeout=120, check=False, env=environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    value = float(done.stdout.split()[0])
    assert 0.2 < value <= 1
    assert "'width_1'" in done.stdout
