"""`cellwright export`: from the folder of a search to files that were checked."""

import io
import json
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path

import keras
import numpy as np
import pytest
from sklearn.datasets import load_digits

import cellwright
from cellwright.command_line.app import main
from cellwright.command_line.export import FORMATS
from cellwright.plugins.training.best_child import keep_best
from cellwright.searches.settings import Settings

SPACE = """
from cellwright.search_spaces import NASNetSpace

class Tiny(NASNetSpace):
    def build(self, params, input_shape, classes, **options):
        return super().build(params, input_shape, classes, reductions=0, **options)

SPACE = Tiny(blocks=1, operations=("identity", "max_3x3"))
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """The folder of a search as it is left: settings, the best child and its parameters."""
    home = tmp_path_factory.mktemp("export")
    digits = load_digits()
    chosen = np.flatnonzero(digits.target < 3)[:60]
    np.savez(home / "data.npz", x=digits.images[chosen] / 16, y=digits.target[chosen])
    (home / "export_spaces.py").write_text(SPACE)
    settings = Settings("optuna", "random", "export_spaces:SPACE", str(home / "data.npz"),
                        1, 1, 16, 1e-3, 2, 0, None, 1)  # fmt: skip
    (home / "run").mkdir()
    settings.save(home / "run")
    sys.path.insert(0, str(home))
    try:
        evaluation = settings.make_evaluation()
        params = evaluation.space.sample(np.random.default_rng(0))
        metrics, model = evaluation.run(params)
        keep_best(home / "run")(params, metrics, model)
        yield home
    finally:
        sys.path.remove(str(home))


def run(capfd, *arguments):
    """What `cellwright export` prints, its errors with it, and its exit status."""
    before = sys.argv, sys.stdout, sys.stderr
    out, err, code = io.StringIO(), io.StringIO(), 0
    sys.argv, sys.stdout, sys.stderr = ["cellwright", "export", *map(str, arguments)], out, err
    try:
        main()
    except SystemExit as exit:
        code = exit.code or 0
    finally:
        sys.argv, sys.stdout, sys.stderr = before
    words = " ".join((out.getvalue() + err.getvalue() + capfd.readouterr().err).split())
    assert "Traceback" not in words
    return code, words


def test_the_best_child_in_every_format(home, capfd):
    code, words = run(capfd, home / "run", "--int8", "--out", home / "out")
    assert code == 0, words
    files = {file.name for file in (home / "out").iterdir()}
    openvino = {"best.xml", "best.bin"} if find_spec("openvino") else set()
    assert files == {"best.keras", "best.tflite", "best_int8.tflite", "best.onnx", "best.py",
                     "best.weights.h5"} | openvino  # fmt: skip
    assert ("openvino is left out: pip install 'cellwright[openvino]'" in words) != bool(openvino)
    assert "same class" in words
    assert "checked on 48 images" in words  # what the search trained on
    for name in files - {"best.weights.h5", "best.bin"}:
        assert f"│ {name} " in words
    if openvino:
        assert words.endswith("┘")  # nothing of TensorFlow's, LiteRT's or OpenVINO's
    settings = json.loads((home / "run" / "best.json").read_text())
    operation = settings["params"]["normal/1/operation_1"]
    assert f"'operation_1': '{operation}'" in (home / "out" / "best.py").read_text()


def test_a_keras_file_in_one_format(home, capfd):
    model = home / "run" / "best.keras"
    code, words = run(capfd, model, "--to", "keras", "--out", home / "alone")
    assert code == 0, words
    assert [file.name for file in (home / "alone").iterdir()] == ["best.keras"]
    loaded = keras.models.load_model(home / "alone" / "best.keras")
    x = np.random.default_rng(0).random((3, 8, 8, 1), dtype=np.float32)
    kept = keras.models.load_model(model)
    assert np.array_equal(loaded.predict(x, verbose=0), kept.predict(x, verbose=0))
    assert (home / "alone" / "best.keras").stat().st_size < model.stat().st_size  # no optimizer


def test_one_format_that_fails_keeps_the_others(home, capfd):
    image = keras.Input((4, 4, 1))
    x = keras.layers.Flatten()(keras.ops.relu(image))
    (home / "own").mkdir()
    keras.Model(image, x).save(home / "own" / "best.keras")
    code, words = run(capfd, home / "own", "--to", "keras", "--to", "python")
    assert code == 1
    assert "│ best.keras " in words
    assert "same class" not in words  # it has outputs that are no probabilities
    assert "error: layer 'relu" in words  # Keras numbers its names
    assert [file.name for file in (home / "own" / "export").iterdir()] == ["best.keras"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothing"], "nothing is neither a .keras file nor a folder with a best.keras or"),
        (
            ["run", "--to", "tflite"],
            "--to must be one of keras, litert, onnx, openvino, python, all; got",
        ),
        (["run", "--to", "onnx", "--int8"], "--int8 is for litert: give --to litert too"),
        (["run", "--out", "run"], "run/best.keras would be overwritten; give another --out"),
        (["run/best.keras", "--int8"], "images like those that the network will see: give --data"),
        (["run", "--data", "nowhere.npz"], "data 'nowhere.npz'"),
        (["torn.keras"], "torn.keras cannot be loaded"),
    ],
)
def test_what_cannot_be_done_is_said_first(home, capfd, monkeypatch, arguments, message):
    monkeypatch.chdir(home)
    (home / "torn.keras").write_bytes(b"PK")
    code, words = run(capfd, *arguments)
    assert code == 1
    assert message in words
    assert not (home / "run" / "export").exists()


def test_a_format_that_all_leaves_out_is_named_with_its_extra(home, capfd, monkeypatch):
    monkeypatch.setitem(sys.modules, "openvino", None)
    code, words = run(capfd, home / "run" / "best.keras", "--out", home / "without")
    assert code == 0, words
    assert "openvino is left out: pip install 'cellwright[openvino]' brings it" in words
    assert not list((home / "without").glob("*.xml"))
    code, words = run(capfd, home / "run", "--to", "openvino")
    assert code == 1
    assert "OpenVINO is needed but not installed: pip install 'cellwright[openvino]'" in words
    code, words = run(capfd, home / "run", "--to", "keras", "--out", home / "chosen")
    assert (code, "left out" in words) == (0, False)


def test_a_saved_estimator_is_exported(home, capfd):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(60, 3)), np.repeat(["a", "b", "c"], 20)
    space = cellwright.MLPSpace(nodes=(8,), activations=("relu",), length=2)
    estimator = cellwright.CellwrightClassifier(space=space, max_trials=1, epochs=1, random_state=0)
    estimator.fit(1000 * x, y).save(home / "estimator")
    code, words = run(capfd, home / "estimator", "--to", "onnx", "--to", "litert")
    assert code == 0, words
    made = {file.name for file in (home / "estimator" / "export").iterdir()}
    assert made == {"model.onnx", "model.tflite"}
    assert "same class" in words
    code, words = run(capfd, home / "estimator", "--int8", "--out", home / "none")
    assert code == 1
    assert "holds none: give --data, as for cellwright evaluate" in words
    code, words = run(capfd, home / "estimator", "--trial", 3)
    assert code == 1
    assert "--trial 3 is of a search, and" in words
    np.savez(home / "rows.npz", x=1000 * x, y=y)  # in the units of the table, not the network's
    given = ("--int8", "--to", "litert", "--data", home / "rows.npz", "--out", home / "rows")
    code, words = run(capfd, home / "estimator", *given)
    assert code == 0, words
    assert "checked on 60 images" in words


def test_a_missing_package_is_named_with_its_extra(home, capfd, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)  # as Python marks what cannot be imported
    code, words = run(capfd, home / "run", "--to", "onnx")
    assert code == 1
    assert "onnxruntime is needed but not installed: pip install 'cellwright[export]'" in words


def test_a_format_is_a_row_of_the_table_and_a_file():
    rooms = Path(cellwright.__file__).parent / "search_spaces" / "export"
    assert {file.stem for file in rooms.glob("to_*.py")} == {f"to_{name}" for name in FORMATS}
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    for format in FORMATS.values():
        packages = " ".join(project["optional-dependencies"][format.extra])
        for module in format.needs:
            assert module.replace("_", "-") in packages, f"the extra export does not bring {module}"
