"""A meter whose files Keras's backend cannot make is refused before the first child."""

import os
import subprocess
import sys

import keras
import pytest

from cellwright.plugins import (
    CommandMeter,
    Evaluation,
    Int8Accuracy,
    KerasLatency,
    LatencyPredictor,
    LiteRTLatency,
    LiteRTSize,
    ModelSize,
    ONNXLatency,
    load_dataset,
)
from cellwright.search_spaces import MLPSpace, NASNetSpace

ON_A_PHONE = [sys.executable, "{model}"]


@pytest.mark.parametrize(
    ("meter", "other", "words"),
    [
        (LiteRTLatency(), "jax", "latency_ms .*LiteRT files are made under TensorFlow, .*on JAX"),
        (LiteRTLatency.quantised(), "torch", "runs on PyTorch here: .*KERAS_BACKEND=tensorflow"),
        (LiteRTSize(), "jax", "size_bytes cannot be measured by LiteRTSize"),
        (Int8Accuracy(), "torch", "accuracy_int8 cannot be measured .*LiteRT files"),
        (ONNXLatency(), "jax", "ONNX files are made under TensorFlow or PyTorch, .*on JAX here"),
        (CommandMeter(ON_A_PHONE), "jax", "latency_ms cannot be measured .*LiteRT files"),
    ],
)
def test_it_is_refused_when_the_evaluation_is_made(meter, other, words, monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: other)
    monkeypatch.setitem(sys.modules, "jax2onnx", None)
    with pytest.raises(ValueError, match=words):
        Evaluation(MLPSpace(), load_dataset("wine"), meter=[ModelSize(metric="bytes"), meter])


@pytest.mark.parametrize(
    ("meter", "other"),
    [
        (ONNXLatency(), "torch"),
        (CommandMeter(ON_A_PHONE, format=".keras"), "jax"),
        (KerasLatency(), "jax"),
    ],
)
def test_others_are_taken_under_other_backends(meter, other, monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: other)
    Evaluation(MLPSpace(), load_dataset("wine"), meter=meter)


def test_pieces_are_not_timed_by_files_that_cannot_be_made(monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    space = NASNetSpace(blocks=1)
    with pytest.raises(ValueError, match="LiteRT files are made under TensorFlow"):
        LatencyPredictor(space, (8, 8, 1), 3, lazy=True)
    pieces = LatencyPredictor(space, (8, 8, 1), 3)
    for time in (pieces.fill, pieces.calibrate):
        with pytest.raises(ValueError, match="LiteRT files are made under TensorFlow"):
            time()
    LatencyPredictor(space, (8, 8, 1), 3, meter=KerasLatency(), lazy=True)


def test_it_is_refused_without_a_framework():
    code = (
        "import sys\n"
        "from cellwright.plugins import Evaluation, Int8Accuracy, load_dataset\n"
        "from cellwright.search_spaces import MLPSpace\n"
        "try: Evaluation(MLPSpace(), load_dataset('wine'), meter=Int8Accuracy())\n"
        "except ValueError as error: print(error)\n"
        "print([n for n in ('tensorflow', 'keras', 'jax') if n in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "KERAS_BACKEND": "jax"}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    refused, imported = done.stdout.splitlines()
    assert "LiteRT files are made under TensorFlow, and Keras runs on JAX here" in refused
    assert imported == "[]"
