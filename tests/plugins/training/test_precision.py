"""Children in half precision: what they compute in, on every backend, and in exported files."""

import importlib.util
import json
import os
import subprocess
import sys
import warnings
from pathlib import Path

import keras
import numpy as np
import pytest

from cellwright.plugins import (
    Evaluation,
    Int8Accuracy,
    KerasLatency,
    LatencyPredictor,
    LiteRTLatency,
    Recipe,
    Timing,
    load_dataset,
)
from cellwright.plugins.strategies.population import PopulationBased
from cellwright.plugins.training.auxiliary import as_trained
from cellwright.plugins.training.train import compile_child, train
from cellwright.search_spaces import Decision, Float, JointSpace, MLPSpace, NASNetSpace
from cellwright.search_spaces.export import (
    export_keras,
    export_litert,
    export_onnx,
    export_openvino,
    export_python,
)
from cellwright.search_spaces.keras_settings import computing_in

SCRIPT = Path(__file__).with_name("precision_children.py")
HALF = {"float32": "float32", "mixed_bfloat16": "bfloat16", "mixed_float16": "float16"}
QUICK = Timing(1, 0.5, 0.0, 0.1)
CELLS = NASNetSpace(blocks=1, operations=("sep_3x3", "max_3x3"))


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch"])
def test_every_backend_trains_in_every_precision(backend):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    env = {**os.environ, "KERAS_BACKEND": backend, "JAX_PLATFORMS": "cpu",
           "XLA_FLAGS": "--xla_backend_optimization_level=0"}  # fmt: skip
    done = subprocess.run(
        [sys.executable, str(SCRIPT)], env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found.keys() == HALF.keys()
    for precision, facts in found.items():
        assert facts["computed"] == sorted({HALF[precision], "float32"})
        assert facts["weights"] == ["float32"]
        assert facts["policy"] == "float32", "Keras's own setting is left as it was"
        scaled = precision == "mixed_float16"
        assert facts["optimizer"] == ("LossScaleOptimizer" if scaled else "Adam")
        assert facts["val_loss"] < 1.7, "it learns: chance is ln 10, 2.30"
        assert facts["val_loss"] == pytest.approx(found["float32"]["val_loss"], rel=0.15)


@pytest.mark.parametrize("precision", [*HALF, None])
def test_a_child_is_built_in_its_precision(precision):
    data = load_dataset("digits")
    mine = Evaluation(CELLS, data, recipe=Recipe(precision=precision), options={"filters": 2})
    model = mine.build(CELLS.decode([0] * len(CELLS.names)))
    convolutions = [layer for layer in model.layers if "SeparableConv" in type(layer).__name__]
    assert {layer.compute_dtype for layer in convolutions} == {HALF[precision or "float32"]}
    assert model.layers[-1].compute_dtype == "float32"
    assert keras.config.dtype_policy().name == "float32"


def test_a_setting_of_keras_counts_where_the_recipe_says_nothing():
    data = load_dataset("wine")
    params = MLPSpace().decode([0] * len(MLPSpace().names))
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        unsaid, said = (
            Evaluation(MLPSpace(), data, recipe=Recipe(precision=precision)).build(params)
            for precision in (None, "float32")
        )
    finally:
        keras.config.set_dtype_policy("float32")
    assert "bfloat16" in {layer.compute_dtype for layer in unsaid.layers}
    assert {layer.compute_dtype for layer in said.layers} == {"float32"}


def test_a_child_of_half_precision_goes_on_and_is_exported(tmp_path, untraced):
    data, space = load_dataset("wine"), MLPSpace()
    params = space.decode([0] * len(space.names))
    recipe = Recipe(2, 64, precision="mixed_float16")
    _, straight = Evaluation(space, data, recipe=recipe).run(params)
    for stop in (1, 2):
        kept = Evaluation(space, data, recipe=recipe, checkpoints=tmp_path / "kept")
        _, model = kept.run(params, epochs=stop)
    for one, other in zip(straight.variables, model.variables, strict=True):
        np.testing.assert_array_equal(np.asarray(one), np.asarray(other))
    scale = "dynamic_scale"
    assert [v.path for v in model.optimizer.variables if scale in v.path]
    model.save(tmp_path / "best.keras")
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="Skipping variable loading")
        again = keras.models.load_model(tmp_path / "best.keras")
    expected = keras.ops.convert_to_numpy(model(data.x_val))
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(again(data.x_val)), expected)
    file = tmp_path / "child.keras"
    export_keras(again, file)
    exported = keras.models.load_model(file)
    found = keras.ops.convert_to_numpy(exported(data.x_val))
    np.testing.assert_allclose(found, expected, atol=0.01)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="LiteRT is TensorFlow's")
def test_a_trained_child_of_half_precision_is_in_every_exported_file(tmp_path, untraced):
    """float32 files are as exact as those of a child in float32; the int8 file keeps most classes;
    meters of what is deployed measure these files."""
    data = load_dataset("digits")
    options = {"filters": 2, "reductions": 0}
    mine = Evaluation(CELLS, data, recipe=Recipe(1, 32, 0.01, precision="mixed_bfloat16"),
                      meter=[KerasLatency(QUICK), Int8Accuracy()], options=options)  # fmt: skip
    metrics, model = mine.run(CELLS.decode([0] * len(CELLS.names)))
    assert metrics["accuracy_int8"] == pytest.approx(metrics["val_accuracy"], abs=0.05)
    assert "mixed_bfloat16, batch of one" in KerasLatency(QUICK)(model).how
    x = data.x_val[:100]
    for export, file in (
        (export_keras, "child.keras"), (export_python, "child.py"), (export_litert, "child.tflite"),
        (export_onnx, "child.onnx"), (export_openvino, "child.xml"),
    ):  # fmt: skip
        if export is export_openvino and importlib.util.find_spec("openvino") is None:
            continue
        done = export(model, tmp_path / file, images=x)
        assert (done.same_class, done.difference) == (1, pytest.approx(0, abs=1e-4))
    done = export_litert(model, tmp_path / "int8.tflite", int8=True, images=x)
    assert done.same_class >= 0.9


def in_half(precision="mixed_float16"):
    """A small network of the wine table, whose layers compute in a precision of their own."""
    with computing_in(precision):
        return MLPSpace().build(MLPSpace().decode([0] * len(MLPSpace().names)), (13,), 3)


def with_a_second_output():
    with computing_in("mixed_float16"):
        features = keras.Input((13,))
        hidden = keras.layers.Dense(8)(features)
        outputs = {n: keras.layers.Dense(3, "softmax", dtype="float32")(hidden) for n in (
            "classes", "auxiliary")}  # fmt: skip
        network = keras.Model(features, outputs)
    return as_trained(network)


def read_again():
    in_half().save("child.keras")
    return keras.models.load_model("child.keras", compile=False)


@pytest.mark.parametrize("make", [in_half, with_a_second_output, read_again])
def test_the_loss_is_scaled_wherever_a_network_in_float16_comes_from(make):
    model = make()
    compile_child(model, Recipe(precision="mixed_float16"))
    assert type(model.optimizer).__name__ == "LossScaleOptimizer"


@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16"])
def test_the_loss_is_not_scaled_where_no_gradient_is_in_float16(precision):
    model = in_half(precision)
    compile_child(model, Recipe())
    assert type(model.optimizer).__name__ == "Adam"


@pytest.mark.parametrize(
    ("asked", "built", "has"),
    [
        ("mixed_float16", "float32", "float32"),
        ("float32", "mixed_float16", "float16"),
        ("mixed_bfloat16", "mixed_float16", "float16"),
    ],
)
def test_a_network_of_another_precision_than_the_recipe_s_is_refused(asked, built, has):
    model, data = in_half(built), load_dataset("wine")
    before = [np.array(weight) for weight in model.get_weights()]
    with pytest.raises(ValueError, match=(
        f"the recipe's precision is '{asked}', and the network was built to compute in {has}, .*"
        rf"Leave precision out \(None\) .*set_dtype_policy\('{asked}'\)"
    )):  # fmt: skip
        train(model, data, Recipe(1, precision=asked))
    assert all(map(np.array_equal, before, model.get_weights()))
    compile_child(model, Recipe(precision=built))
    compile_child(model, Recipe())


def test_a_network_of_an_output_layer_alone_may_have_any_precision():
    for precision in HALF:
        with computing_in(precision):
            row = keras.Input((13,))
            model = keras.Model(row, keras.layers.Dense(3, "softmax", dtype="float32")(row))
        compile_child(model, Recipe(precision=precision))


def test_pieces_are_timed_in_the_precision_of_the_children():
    half = Recipe(precision="mixed_bfloat16")
    data = load_dataset("digits")
    for meter in (LiteRTLatency(), KerasLatency()):
        pieces = LatencyPredictor(CELLS, data.input_shape, 10, meter=meter)
        Evaluation(CELLS, data, recipe=Recipe(precision="float32"), predictor=pieces)
        if isinstance(meter, LiteRTLatency):  # whose files are in float32
            Evaluation(CELLS, data, recipe=half, predictor=pieces)
            continue
        with pytest.raises(ValueError, match="Keras times in float32, and children compute in mi"):
            Evaluation(CELLS, data, recipe=half, predictor=pieces)


def test_a_population_keeps_the_precision_of_its_children():
    choices = Decision("precision", ("float32", "mixed_float16"))
    schedule = PopulationBased(2, 4)
    with pytest.raises(ValueError, match="it may change none"):
        schedule.check(JointSpace(MLPSpace(), choices))
    space = JointSpace(MLPSpace(), choices, Float("learning_rate", 1e-4, 1e-2))
    schedule.check(space)
    assert schedule._changed(space) == {"learning_rate"}
    with pytest.raises(ValueError, match="perturb must not name precision"):
        PopulationBased(2, 4, perturb=["precision"]).check(space)
