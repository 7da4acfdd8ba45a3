"""The backend of Keras is told without Keras, and files that it cannot make are refused early."""

import os
import subprocess
import sys
from importlib.util import find_spec

import keras
import pytest

from cellwright.search_spaces import ExportFailed, MLPSpace
from cellwright.search_spaces.backend import WRITERS, backend, check_backend
from cellwright.search_spaces.export import (
    convert_to_litert,
    convert_to_onnx,
    export_keras,
    export_litert,
    export_onnx,
    export_openvino,
    export_python,
)

OTHERS = [("LiteRT", "torch"), *((format, "jax") for format in WRITERS)]


@pytest.mark.parametrize(
    ("variable", "config", "name"),
    [
        (None, None, "tensorflow"),
        ("torch", '{"backend": "jax"}', "torch"),
        (None, '{"backend": "jax"}', "jax"),
        (None, "no JSON", "tensorflow"),
        (None, "[]", "tensorflow"),
    ],
)
def test_the_backend_is_told_as_keras_tells_it(variable, config, name, tmp_path):
    env = {n: x for n, x in os.environ.items() if n not in ("KERAS_BACKEND", "KERAS_HOME")}
    env["KERAS_HOME"] = str(tmp_path)
    if variable is not None:
        env["KERAS_BACKEND"] = variable
    if config is not None:
        (tmp_path / "keras.json").write_text(config)
    code = (
        "from cellwright.search_spaces.backend import backend; print(backend());"
        "import sys; assert 'keras' not in sys.modules"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == name


def test_keras_tells_the_backend_once_it_is_imported(monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "numpy")
    assert backend() == keras.backend.backend() != "numpy"


@pytest.mark.parametrize(("format", "other"), OTHERS)
def test_a_file_that_the_backend_cannot_make_is_refused(format, other, monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: other)
    monkeypatch.setitem(sys.modules, "jax2onnx", None)  # as where it is not installed
    name = {"jax": "JAX", "torch": "PyTorch"}[other]
    allowed, remedy = {
        "LiteRT": ("TensorFlow", "KERAS_BACKEND=tensorflow"),
    }.get(format, ("TensorFlow or PyTorch", "KERAS_BACKEND=tensorflow or KERAS_BACKEND=torch"))
    with pytest.raises(ExportFailed) as refused:
        check_backend(format)
    assert str(refused.value) == (
        f"{format} files are made under {allowed}, and Keras runs on {name} here: set the "
        f"environment variable {remedy} and start again"
    )


def test_other_files_are_made_under_every_backend(monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    check_backend("")
    check_backend("Keras")


@pytest.mark.skipif(keras.backend.backend() == "tensorflow", reason="TensorFlow makes all files")
def test_each_export_is_refused_before_anything_is_written(tmp_path):
    model = MLPSpace().build(MLPSpace().decode([0] * len(MLPSpace().names)), (4,), 2)
    here = backend()
    for export, format, file in (
        (export_keras, "Keras", "a.keras"), (export_python, "Python", "a.py"),
        (export_litert, "LiteRT", "a.tflite"), (export_onnx, "ONNX", "a.onnx"),
        (export_openvino, "OpenVINO", "a.xml"),
    ):  # fmt: skip
        if here in WRITERS.get(format, (here,)) or (format == "ONNX" and find_spec("jax2onnx")):
            continue
        with pytest.raises(ExportFailed, match=f"{format} files are made under TensorFlow"):
            export(model, tmp_path / file)
        assert not (tmp_path / file).exists()
    with pytest.raises(ExportFailed, match="LiteRT files are made under TensorFlow, and Keras ru"):
        convert_to_litert(model)
    if here not in WRITERS["ONNX"] and find_spec("jax2onnx") is None:
        with pytest.raises(ExportFailed, match="ONNX files are made under TensorFlow or PyTorch"):
            convert_to_onnx(model)
