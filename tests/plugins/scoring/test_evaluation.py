"""A trial's trip: real children on scikit-learn's digits, and what may happen to them."""

import dataclasses
import gc
import math
import time

import keras
import numpy as np
import optuna
import psutil
import pytest

from cellwright.plugins import (
    AccuracyReward,
    Dataset,
    Evaluation,
    KerasLatency,
    MnasNetReward,
    MultiplyAdds,
    Recipe,
    Timing,
    load_dataset,
)
from cellwright.plugins.scoring.rewards import LossReward, progress
from cellwright.plugins.training.train import out_of_memory, train
from cellwright.search_spaces import (
    ChildFailed,
    InvalidArchitecture,
    MLPSpace,
    NASNetSpace,
    UnbuildableChild,
    multiply_adds,
)

SPACE = NASNetSpace(blocks=1)
PARAMS = SPACE.decode([0, 1, 5, 4, 0, 0, 1, 5, 3, 0])
METRICS = {
    *("accuracy", "loss", "val_accuracy", "best_val_accuracy", "weighted_val_accuracy", "val_loss"),
    *("parameters", "seconds", "reward"),
}


def shortened(data, train=256, val=128):
    return Dataset(
        data.x_train[:train], data.y_train[:train], data.x_val[:val], data.y_val[:val],
        data.class_names,
    )  # fmt: skip


@pytest.fixture(scope="module")
def digits():
    return shortened(load_dataset("digits"))


def evaluation(digits, *, epochs=1, space=SPACE, learning_rate=1e-3, **kwargs):
    recipe = Recipe(epochs=epochs, batch_size=64, learning_rate=learning_rate)
    kwargs.setdefault("options", {"filters": 2, "reductions": 0})  # a single cell, built at once
    return Evaluation(space, digits, recipe=recipe, **kwargs)


def test_a_child_is_scored_alike_whenever_it_is_trained(digits):
    keras.utils.clear_session()
    runs = []
    for global_seed in (1, 2):
        keras.utils.set_random_seed(global_seed)
        reports = []
        score = evaluation(digits, epochs=2, seed=3)
        metrics, model = score.run(PARAMS, lambda *report: reports.append(report))  # noqa: B023
        assert metrics.keys() == METRICS
        assert all(math.isfinite(value) for value in metrics.values())
        assert metrics["reward"] == metrics["val_accuracy"]
        assert metrics["parameters"] == model.count_params()
        assert metrics.pop("seconds") > 0
        assert [epoch for epoch, _ in reports] == [0, 1]
        assert all(values.keys() <= METRICS for _, values in reports)
        assert reports[-1][1]["val_accuracy"] == metrics["val_accuracy"]
        runs.append((metrics, reports, model))
    assert runs[0][:2] == runs[1][:2]
    predicted = model.predict(digits.x_val, verbose=0).argmax(axis=1)
    assert metrics["val_accuracy"] == pytest.approx((predicted == digits.y_val).mean())
    weights = runs[0][2].get_weights()
    for mine, theirs in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_best_validation_accuracy_of_the_last_five_epochs_cubed(digits):
    reports = []
    score = evaluation(
        shortened(digits, 64, 32),
        epochs=7,
        learning_rate=0.3,
        reward=AccuracyReward("best_val_accuracy", power=3),
    )
    metrics, _ = score.run(PARAMS, lambda *report: reports.append(report))
    accuracies = [values["val_accuracy"] for _, values in reports]
    assert metrics["best_val_accuracy"] == max(accuracies[-5:])
    assert metrics["reward"] == pytest.approx(max(accuracies[-5:]) ** 3)
    weighted = sum(epoch * value for epoch, value in enumerate(accuracies, start=1)) / 28
    assert metrics["weighted_val_accuracy"] == pytest.approx(weighted)


MLP = MLPSpace(nodes=(16,), activations=("relu",), length=2)


def test_a_number_is_predicted_and_rewarded_by_the_negative_loss():
    data = load_dataset("diabetes")
    reports = []
    score = Evaluation(MLP, data, recipe=Recipe(epochs=20, batch_size=32, learning_rate=0.01))
    metrics, model = score.run({"layer/1": "16 relu"}, lambda *report: reports.append(report))
    assert metrics.keys() == {
        *("loss", "mae", "val_loss", "val_mae", "parameters", "seconds", "reward"),
    }
    errors = model.predict(data.x_val, verbose=0)[:, 0] - data.y_val
    assert metrics["val_loss"] == pytest.approx((errors**2).mean(), rel=1e-4)
    assert metrics["val_mae"] == pytest.approx(np.abs(errors).mean(), rel=1e-4)
    assert metrics["reward"] == -metrics["val_loss"] == progress(reports[-1][1])
    assert 1 - metrics["val_loss"] / data.y_val.var() > 0.3  # R^2
    assert score.reward is None
    assert Evaluation(MLP, data, reward=LossReward("val_mae")).reward.metric == "val_mae"


def test_weights_of_rows_are_used_in_training():
    data = load_dataset("breast_cancer")
    first = (data.y_train == 0).astype(np.float32)
    recipe = Recipe(epochs=10, batch_size=32, learning_rate=0.03)
    for weights, class_ in ((first, 0), (1 - first, 1)):
        one_class = dataclasses.replace(data, weights=weights / weights.mean())
        _, model = Evaluation(MLP, one_class, recipe=recipe).run({"layer/1": "16 relu"})
        found = model.predict(data.x_val, verbose=0).argmax(axis=1)
        assert (found == class_).mean() > 0.95


def test_patience_keeps_the_weights_of_the_lowest_validation_loss():
    data = load_dataset("breast_cancer")
    reports = []
    recipe = Recipe(epochs=60, batch_size=16, learning_rate=0.05, patience=3)
    metrics, model = Evaluation(MLP, data, recipe=recipe).run(
        {"layer/1": "16 relu"}, lambda *report: reports.append(report[1])
    )
    losses = [values["val_loss"] for values in reports]
    best = int(np.argmin(losses))
    assert len(losses) == best + 4 < 60
    assert metrics["epochs"] == best + 1
    assert metrics["val_loss"] == losses[best]
    chosen = model.predict(data.x_val, verbose=0)[np.arange(len(data.y_val)), data.y_val]
    assert -np.log(chosen).mean() == pytest.approx(losses[best], rel=1e-3)
    assert metrics["val_accuracy"] == reports[best]["val_accuracy"]


def test_a_deadline_ends_a_training_within_its_epoch():
    data = load_dataset("wine")
    late = Evaluation(MLP, data, recipe=Recipe(epochs=50, batch_size=8), deadline=time.time() - 1)
    reports = []
    metrics, _ = late.run({"layer/1": "16 relu"}, lambda *report: reports.append(report))
    assert metrics["cut"] == 1
    assert len(reports) == 1
    assert "val_accuracy" in metrics


def test_all_data_can_be_trained_on():
    data = load_dataset("wine")
    none = dataclasses.replace(data, x_val=data.x_val[:0], y_val=data.y_val[:0])
    model = MLP.build({"layer/1": "16 relu"}, (13,), 3, seed=0)
    assert train(model, none, Recipe(epochs=1)).keys() == {"accuracy", "loss"}


def test_a_space_of_images_refuses_a_table():
    with pytest.raises(UnbuildableChild, match="a table of 13 features; MLPSpace"):
        Evaluation(SPACE, load_dataset("wine")).run(PARAMS)


def test_the_seed_decides_the_initial_weights(digits):
    first, again, other = (
        evaluation(digits, seed=seed).build(PARAMS).get_weights() for seed in (0, 0, 1)
    )
    assert all((a == b).all() for a, b in zip(first, again, strict=True))
    assert any((a != b).any() for a, b in zip(first, other, strict=True))


@pytest.mark.parametrize("kind", [optuna.TrialPruned, KeyboardInterrupt, ZeroDivisionError])
def test_what_a_report_raises_ends_the_training_and_goes_through(digits, kind):
    epochs = []

    def report(epoch, metrics):
        epochs.append(epoch)
        raise kind

    with pytest.raises(kind):
        evaluation(digits, epochs=3).run(PARAMS, report)
    assert epochs == [0]


def test_a_child_that_diverges_is_a_failed_child(digits):
    with pytest.raises(ChildFailed, match="loss became nan at batch"):
        evaluation(digits, learning_rate=1e30).run(PARAMS)


class Huge(NASNetSpace):
    """Children that no machine has the memory for."""

    def __init__(self, where):
        super().__init__(blocks=1)
        self.where = where

    def build(self, params, input_shape, classes, **options):
        image = keras.Input(input_shape)
        x = image
        if self.where == "array":
            np.zeros(2**50)
        elif self.where == "activations":
            x = keras.layers.UpSampling2D(200_000)(x)
        x = keras.layers.GlobalMaxPooling2D()(x)
        if self.where == "weights":
            x = keras.layers.Dense(10**13)(x)
        return keras.Model(image, keras.layers.Dense(classes, activation="softmax")(x))


@pytest.mark.parametrize(
    ("where", "kind"),
    [
        ("array", "MemoryError"),
        # TensorFlow waits ten seconds before it gives up; the other test is of the same path.
        pytest.param("weights", "ResourceExhaustedError", marks=pytest.mark.slow),
        ("activations", "ResourceExhaustedError"),
    ],
)
def test_a_child_that_memory_cannot_hold_is_a_failed_child(digits, where, kind):
    score = evaluation(digits, space=Huge(where))
    with pytest.raises(ChildFailed, match="out of memory; fewer filters or a smaller") as failed:
        score.run(PARAMS)
    assert type(failed.value.__cause__).__name__ == kind


def test_other_errors_are_not_taken_for_a_lack_of_memory():
    assert out_of_memory(MemoryError())
    assert out_of_memory(RuntimeError("RESOURCE_EXHAUSTED: out of device memory"))
    assert not out_of_memory(RuntimeError("shapes do not agree"))


def test_what_cannot_be_built_is_refused_before_training(digits):
    small = Dataset(
        digits.x_train[:, :3, :3], digits.y_train, digits.x_val[:, :3, :3], digits.y_val,
        digits.class_names,
    )  # fmt: skip
    reports = []
    with pytest.raises(UnbuildableChild, match="3x3 is too small for 2 reduction cells"):
        evaluation(small, options={"filters": 2}).run(
            PARAMS, lambda *report: reports.append(report)
        )
    with pytest.raises(InvalidArchitecture, match="normal/1/operation_1 = 'conv_9x9'"):
        evaluation(digits).run({**PARAMS, "normal/1/operation_1": "conv_9x9"})
    assert reports == []


def test_accuracy_and_latency_make_the_reward_of_mnasnet(digits):
    target = 1e-3  # milliseconds: out of reach, so that the latency weighs
    score = evaluation(
        digits,
        reward=MnasNetReward(target),
        meter=[KerasLatency(Timing(1, 0.5, 0.0, 0.1)), MultiplyAdds()],
    )
    metrics, _ = score.run(PARAMS)
    assert metrics.keys() == METRICS | {"latency_ms", "multiply_adds"}
    assert metrics["multiply_adds"] == multiply_adds(score.build(PARAMS))
    assert metrics["latency_ms"] > target
    expected = metrics["val_accuracy"] * (metrics["latency_ms"] / target) ** -0.07
    assert metrics["reward"] == pytest.approx(expected)


def test_a_reward_of_a_metric_that_is_not_measured_is_a_failed_child(digits):
    score = evaluation(digits, reward=AccuracyReward("val_f1"))
    with pytest.raises(ChildFailed, match="'val_f1' is missing; measured were"):
        score.run(PARAMS)


@pytest.mark.parametrize(
    "arguments",
    [{"epochs": 0}, {"batch_size": 0}]
    + [{"learning_rate": value} for value in (0, -1, math.nan, math.inf)],
)
def test_impossible_recipes_are_refused(arguments):
    with pytest.raises(ValueError, match=f"{next(iter(arguments))} must be"):
        Recipe(**arguments)


def training_steps():
    """Graphs of training steps that Python still holds."""
    gc.collect()
    graphs = [thing for thing in gc.get_objects() if type(thing).__name__ == "FuncGraph"]
    return [graph for graph in graphs if "one_step" in graph.name]


def test_nothing_of_a_child_stays_when_it_is_gone(digits):
    before = len(training_steps())  # an earlier test's error may still hold its own
    children = 3
    for _ in range(children):
        evaluation(digits).run(PARAMS)
        keras.utils.clear_session()
    assert len(training_steps()) - before < children


@pytest.mark.slow
def test_memory_does_not_grow_from_child_to_child(digits):
    score = evaluation(digits, options={"filters": 2})
    process = psutil.Process()
    used = []
    for number in range(10):
        keras.utils.clear_session()
        score.run({**PARAMS, "normal/1/operation_1": ("sep_3x3", "identity")[number % 2]})
        used.append(process.memory_info().rss / 2**20)
    assert used[-1] - used[3] < 25, used


def test_a_fingerprint_says_by_what_a_child_is_scored(digits, tmp_path):
    mine = evaluation(digits)
    same = [
        dataclasses.replace(mine),
        dataclasses.replace(mine, meter=KerasLatency()),
        dataclasses.replace(mine, checkpoints=tmp_path),
    ]
    assert {each.fingerprint for each in same} == {mine.fingerprint}
    fewer = dataclasses.replace(digits, x_train=digits.x_train[:-1], y_train=digits.y_train[:-1])
    labels = dataclasses.replace(digits, y_val=digits.y_val[::-1].copy())
    others = [
        dataclasses.replace(mine, data=fewer),
        dataclasses.replace(mine, data=labels),
        dataclasses.replace(mine, recipe=Recipe(epochs=7)),
        dataclasses.replace(mine, reward=AccuracyReward(power=2)),
        dataclasses.replace(mine, reward=AccuracyReward(power=3)),
        dataclasses.replace(mine, reward=LossReward()),
        dataclasses.replace(mine, options={**mine.options, "filters": 3}),
        dataclasses.replace(mine, seed=5),
        dataclasses.replace(mine, train=lambda *arguments, **others: {}),
    ]
    assert len({each.fingerprint for each in [mine, *others]}) == len(others) + 1
