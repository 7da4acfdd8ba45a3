"""The score of a trained child in int8 is that of its LiteRT file, on all that is held out."""

import dataclasses

import keras
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from cellwright.plugins import AccuracyReward, Dataset, Evaluation, Int8Accuracy, Int8Error, Recipe
from cellwright.plugins.metrics import find_metric
from cellwright.search_spaces import ChildFailed, MLPSpace
from cellwright.search_spaces.export import export_litert

pytestmark = [
    pytest.mark.skipif(
        keras.backend.backend() != "tensorflow", reason="LiteRT files are made by TensorFlow"
    ),
    pytest.mark.usefixtures("untraced"),
]


def rows(classes):
    """250 rows of a table of which the label is learned from two columns, 45 of them held out."""
    rng = np.random.default_rng(0)
    x = rng.random((250, 6), dtype=np.float32)
    y = (3 * x[:, 0]).astype(np.int64) if classes else (x[:, 0] - x[:, 1]).astype(np.float32)
    names = ("low", "middle", "high") if classes else None
    return Dataset(x[:205], y[:205], x[205:], y[205:], names)


SPACE = MLPSpace(nodes=(32,), activations=("relu",), length=2)
RECIPE = Recipe(epochs=8, batch_size=16, learning_rate=0.02)


@pytest.fixture(scope="module")
def trained():
    data = rows(classes=True)
    evaluation = Evaluation(SPACE, data, RECIPE, AccuracyReward("accuracy_int8"), Int8Accuracy())
    return *evaluation.run(SPACE.decode([0] * len(SPACE.names))), data


def by_hand(model, data, seed=0):
    """Outputs of the exported file, run with the interpreter alone, one row at a time."""
    chosen = np.sort(np.random.default_rng(seed).permutation(len(data.x_train))[:100])
    export_litert(model, "child.tflite", int8=True, images=data.x_train[chosen])
    interpreter = Interpreter("child.tflite")
    interpreter.allocate_tensors()
    (taken,), (given,) = interpreter.get_input_details(), interpreter.get_output_details()
    found = []
    for row in data.x_val:
        scale, zero = taken["quantization"]
        whole = np.clip(np.round(row / scale) + zero, -128, 127).astype(np.int8)
        interpreter.set_tensor(taken["index"], whole[None])
        interpreter.invoke()
        scale, zero = given["quantization"]
        found.append((interpreter.get_tensor(given["index"])[0].astype(float) - zero) * scale)
    return np.array(found)


def test_the_accuracy_is_that_of_the_exported_file_on_all_that_is_held_out(trained):
    metrics, model, data = trained
    expected = np.mean(by_hand(model, data).argmax(axis=1) == data.y_val)
    assert metrics["accuracy_int8"] == metrics["reward"] == expected
    assert expected > 0.6  # it has learned something, so that not any answer is as good
    found = Int8Accuracy()(model, data)
    assert (found.value, found.spread, found.repeats, found.unit) == (expected, 0, 1, "")
    assert "int8, ranges from up to 100 of 205 training images, on 45 to validate on" in found.how
    assert Int8Accuracy(threads=2)(model, data) == found


def test_ranges_are_those_of_images_that_the_seed_fixes(trained):
    _, model, data = trained
    shifted = dataclasses.replace(data, x_train=data.x_train.copy())
    chosen = np.random.default_rng(3).permutation(205)[:100]
    others = np.setdiff1d(np.arange(205), chosen)
    shifted.x_train[others] = 1e4  # with such among them, all of these rows would look alike
    assert Int8Accuracy(seed=3)(model, shifted).value == Int8Accuracy(seed=3)(model, data).value
    assert Int8Accuracy(seed=4)(model, shifted).value < 0.6


def test_a_number_to_predict_has_an_error():
    data = rows(classes=False)
    evaluation = Evaluation(SPACE, data, RECIPE, meter=Int8Error())
    metrics, model = evaluation.run(SPACE.decode([0] * len(SPACE.names)))
    expected = np.mean(np.abs(by_hand(model, data)[:, 0] - data.y_val))
    assert metrics["mae_int8"] == pytest.approx(expected)
    assert 0 < metrics["mae_int8"] < 2 * metrics["val_mae"] + 0.05
    assert metrics["reward"] == -metrics["val_loss"]


def test_a_meter_of_the_other_task_is_refused_before_any_training():
    for meter, classes, words in (
        (Int8Accuracy(), False, "these data have a number to predict: measure mae_int8 by"),
        (Int8Error(), True, "these data have classes: measure accuracy_int8 by the meter accuracy"),
    ):
        with pytest.raises(ValueError, match=words):
            Evaluation(SPACE, rows(classes), meter=meter)
    data = rows(classes=True)
    nothing = dataclasses.replace(data, x_val=data.x_val[:0], y_val=data.y_val[:0])
    with pytest.raises(ValueError, match="nothing is held out: give data with a validation part"):
        Evaluation(SPACE, nothing, meter=Int8Accuracy())


@pytest.mark.parametrize(
    "arguments", [{"threads": 0}, {"seed": -1}, {"threads": 1.5}, {"seed": "a"}]
)
def test_impossible_arguments_are_refused(arguments):
    (name,) = arguments
    for kind in (Int8Accuracy, Int8Error):
        with pytest.raises(ValueError, match=f"{name} must be a whole number of at least"):
            kind(**arguments)


def test_a_network_that_litert_cannot_hold_is_a_failed_child():
    data = rows(classes=True)
    row = keras.Input((6,))
    x = keras.ops.erfinv(keras.ops.clip(row, -0.9, 0.9))  # none of LiteRT's own operations
    model = keras.Model(row, keras.layers.Dense(3, activation="softmax")(x))
    with pytest.raises(ChildFailed, match=r"accuracy_int8 cannot be measured: .* cannot be made"):
        Int8Accuracy()(model, data)


@pytest.mark.parametrize(
    ("name", "direction"), [("accuracy_int8", "maximize"), ("mae_int8", "minimize")]
)
def test_by_their_names_it_is_known_which_way_they_are_better(name, direction):
    assert find_metric(name).direction == find_metric(f"val_{name}").direction == direction
    assert find_metric(name).write(0.5) == f"{name.replace('_', ' ')} 0.5000"
