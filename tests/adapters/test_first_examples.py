"""The examples of the first page and the flowers project, as a user runs them."""

import importlib.util
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import cellwright
from cellwright.command_line.app import main

EXAMPLES = Path(__file__).parents[2] / "examples"
SOURCES = str(Path(cellwright.__file__).parents[1])


def run(*command, folder):
    done = subprocess.run(
        [sys.executable, *command], cwd=folder, capture_output=True, text=True, timeout=550,
        check=False, env={**os.environ, "PYTHONPATH": SOURCES},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def search(*arguments, folder):
    return run(
        "-c", "from cellwright.command_line.app import main; main()", *arguments, folder=folder
    )


@pytest.fixture
def search_here(monkeypatch, capsys):
    """The same in this process, which has TensorFlow loaded and no folder of the user's to import
    from, as the executable has none."""

    def search_here(*arguments, folder):
        monkeypatch.setattr(sys, "argv", ["cellwright", *arguments])
        monkeypatch.setattr(sys, "path", [place for place in sys.path if place])
        monkeypatch.chdir(folder)
        with pytest.raises(SystemExit) as ended:
            main()
        assert not ended.value.code
        return capsys.readouterr().out

    return search_here


@pytest.mark.parametrize(
    "host",
    [
        "optuna",
        pytest.param("keras-tuner"),
        *(pytest.param(h, marks=pytest.mark.slow) for h in ("nni", "ray")),
    ],
)
def test_four_trials_in_each_host(host, tmp_path, search_here):
    pytest.importorskip({"keras-tuner": "keras_tuner"}.get(host, host))
    (tmp_path / "four_trials.py").write_text(
        (EXAMPLES / "first_search" / "four_trials.py").read_text()
    )
    out = (search if host in ("nni", "ray") else search_here)(
        "search", "--space", "four_trials:Small", "--strategy", "random", "--trials", "4",
        "--epochs", "1", "--host", host, "--out", "four", folder=tmp_path,
    )  # fmt: skip
    table = (tmp_path / "four" / "trials.csv").read_text().splitlines()
    assert len(table) == 5, out
    assert all("complete" in line for line in table[1:])


@pytest.mark.slow
def test_quantisation_and_clustering(tmp_path):
    pytest.importorskip("optuna")
    out = run(str(EXAMPLES / "first_search" / "compress.py"), folder=tmp_path)
    sizes = [int(line.split()[1]) for line in out.splitlines() if " bytes " in line]
    assert len(sizes) == 16
    assert max(sizes) > 4 * min(sizes)
    assert "smallest within a point of the best" in out


@pytest.mark.parametrize("host", ["optuna", "keras-tuner"])
def test_flowers_offline(host, run_script):
    pytest.importorskip({"keras-tuner": "keras_tuner"}.get(host, host))
    script = EXAMPLES / "flowers" / "search.py"
    out = run_script(script, "--data", "digits", "--epochs", "3", "--host", host)
    assert "6 trials, 11 epochs" in out  # 3 of 1 epoch, 1 of 3; 2 of 3
    assert float(out.split("best validation accuracy: ")[1].split()[0]) > 0.5


@pytest.mark.slow
def test_flowers_offline_in_nni(tmp_path):
    pytest.importorskip("nni")
    script = str(EXAMPLES / "flowers" / "search.py")
    out = run(script, "--data", "digits", "--epochs", "3", "--host", "nni", folder=tmp_path)
    assert "6 trials, 11 epochs" in out


@pytest.fixture(scope="module")
def flowers():
    """The example as a module."""
    spec = importlib.util.spec_from_file_location("flowers", EXAMPLES / "flowers" / "search.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_flowers_projects_dropout_goes_from_a_tenth_to_eight_tenths_in_tenths(flowers):
    for space in (flowers.DIGITS, flowers.FLOWERS):
        dropout = next(one for one in space.hyperparameters if one.name == "dropout")
        assert dropout.choices == (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)


def test_the_flowers_are_split_as_they_come(flowers):
    """By pairs as tensorflow-datasets gives them: images of several sizes, and a class each."""
    tf = pytest.importorskip("tensorflow")
    rng = np.random.default_rng(0)

    def pairs(*classes):
        for number, name in enumerate(classes):
            image = rng.integers(0, 256, (9 + number, 7, 3), dtype=np.uint8)
            yield tf.constant(image), tf.constant(name, tf.int64)

    data = flowers.official(pairs(0, 2, 1, 2), pairs(2, 0), classes=3, size=6)
    assert (data.x_train.shape, data.x_val.shape) == ((4, 6, 6, 3), (2, 6, 6, 3))
    assert (data.y_train.tolist(), data.y_val.tolist()) == ([0, 2, 1, 2], [2, 0])
    assert data.x_train.dtype == np.float32
    assert 0 <= data.x_train.min() < 0.5 < data.x_train.max() <= 1
    assert data.class_names == ("0", "1", "2")


@pytest.mark.slow
def test_the_model_of_the_flowers_project(flowers):
    """ResNet50 without its top, frozen, flattened (9 x 9 x 2048), and 102 classes."""
    model = flowers.Transfer().build({"backbone": "ResNet50"}, (264, 264, 3), 102, dropout=0.2)
    assert model.count_params() == 40_508_390
    assert sum(math.prod(v.shape) for v in model.trainable_variables) == 16_920_678
