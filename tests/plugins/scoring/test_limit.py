"""Limits and targets: what is refused, when, and what a reference network sets."""

import math

import keras
import numpy as np
import pytest

from cellwright.plugins import (
    AccuracyReward,
    Dataset,
    Evaluation,
    Limit,
    Measurement,
    MnasNetReward,
    MultiplyAdds,
    Parameters,
)
from cellwright.plugins.meters import measure
from cellwright.plugins.scoring.reference import target_from
from cellwright.search_spaces import (
    ChildFailed,
    NASNetSpace,
    OverLimit,
    UnbuildableChild,
    costs,
    load_genotype,
)

SPACE = NASNetSpace(blocks=1)
PARAMS = SPACE.decode([0, 1, 5, 4, 0, 0, 1, 5, 3, 0])
IMAGES = np.zeros((4, 8, 8, 1), np.float32)
DATA = Dataset(IMAGES, np.array([0, 1, 0, 1]), IMAGES, np.array([0, 1, 0, 1]), ("a", "b"))


class Untrained:
    """A meter that must not be reached."""

    metric = "latency_ms"

    def __call__(self, model):
        raise AssertionError("measured beyond the limit")


def evaluation(**arguments):
    return Evaluation(SPACE, DATA, options={"filters": 2, "reductions": 0}, **arguments)


def test_a_child_beyond_a_predicted_limit_is_not_even_built(monkeypatch):
    limit = Limit("predicted_latency_ms", 5)
    score = evaluation(predictor=lambda params: 0.006, limit=limit)
    monkeypatch.setattr(Evaluation, "_build", None)
    with pytest.raises(OverLimit, match="predicted_latency_ms is 6, beyond the limit of 5") as over:
        score.run(PARAMS)
    assert isinstance(over.value, ChildFailed)
    assert (over.value.metric, over.value.value, over.value.limit) == (limit.metric, 6, 5)
    assert over.value.metrics == {"predicted_latency_ms": 6, "infeasible": pytest.approx(0.2)}


def test_what_is_beyond_one_limit_is_measured_no_further():
    score = evaluation(meter=[Untrained()], limit=Limit("parameters", 10))
    with pytest.raises(OverLimit, match=r"parameters is .*, beyond the limit of 10"):
        score.run(PARAMS)


def test_a_prediction_is_kept_and_can_be_rewarded():
    asked = []

    def predictor(params):
        asked.append(params)
        return 0.002

    score = evaluation(
        predictor=predictor,
        limit=Limit("predicted_latency_ms", 2),
        reward=MnasNetReward(4, latency="predicted_latency_ms"),
    )
    known, model = score.measure(PARAMS)
    assert known == {"predicted_latency_ms": 2, "parameters": model.count_params()}
    assert asked == [PARAMS]
    assert score.reward({**known, "val_accuracy": 0.5}) == pytest.approx(0.5 * 0.5**-0.07)


@pytest.mark.parametrize("metric", ["latency_ms", "predicted_latency_ms", "val_accuracy"])
def test_a_limit_on_what_nothing_measures_is_refused(metric):
    with pytest.raises(ValueError, match=rf"limit is on '{metric}'.*: give a meter or a predictor"):
        evaluation(limit=Limit(metric, 5))


@pytest.mark.parametrize("most", [0, -1, math.nan, math.inf])
def test_impossible_limits_are_refused(most):
    with pytest.raises(ValueError, match=r"at_most must be (a finite number, )?above 0"):
        Limit("parameters", most)


def test_a_limit_is_one_number():
    for both in ({}, {"at_most": 1, "at_least": 2}):
        with pytest.raises(ValueError, match="a limit is at_most or at_least"):
            Limit("parameters", **both)
    with pytest.raises(ValueError, match="at_least must be above 0, got 0"):
        Limit("kept", at_least=0)
    least, most = Limit("kept", at_least=0.8), Limit.on("parameters", 5, "minimize")
    assert (repr(least), repr(most)) == (
        "Limit(metric='kept', at_least=0.8)",
        "Limit(metric='parameters', at_most=5)",
    )
    assert Limit.on("kept", 0.8, "maximize") == least
    assert least.excess({"kept": 0.5}) == pytest.approx(0.3)
    assert (least.excess({}), most.excess({})) == (-math.inf, -math.inf)


class Kept:
    """The largest bias of the last layer, which is 0 before the training."""

    metric, unit, direction, after_training = "kept", "", "maximize", True

    def __call__(self, model, data):
        assert len(data.x_val) == 4
        bias = model.get_layer("classes").bias
        return Measurement(
            float(np.abs(keras.ops.convert_to_numpy(bias)).max()), 0.0, 1, "", "read"
        )


def fit(model, data, recipe, *, report=None):
    """A training that moves one weight."""
    model.get_layer("classes").bias.assign([0.25, 0.0])
    report and report(0, {"val_accuracy": 0.5})
    return {"val_accuracy": 0.5, "val_loss": 1.0}


def test_some_meters_measure_the_trained_child():
    seen = []
    score = evaluation(
        meter=[Kept(), Parameters(metric="weights")], train=fit, reward=AccuracyReward("kept")
    )
    metrics, model = score.run(PARAMS, lambda epoch, found: seen.append(found))
    assert metrics["kept"] == metrics["reward"] == 0.25
    assert (score.known_before, score.known_after) == (("parameters", "weights"), ("kept",))
    assert "kept" not in score.measure(PARAMS)[0]
    assert not {"kept", "reward"} & seen[0].keys()  # no epoch knows it
    assert score.measure_trained(model) == {"kept": 0.25}
    assert measure(model, Kept(), DATA) == {"kept": 0.25}
    with pytest.raises(ValueError, match=r"measures a trained child .*: give the data too"):
        measure(model, Kept())


def test_a_child_below_a_limit_on_what_follows_the_training_does_not_count():
    score = evaluation(meter=Kept(), train=fit, limit=Limit("kept", at_least=0.5))
    words = "kept is 0.25, below the least that is allowed, 0.5: the child does not count"
    with pytest.raises(OverLimit, match=words) as over:
        score.run(PARAMS)
    assert over.value.metrics["infeasible"] == pytest.approx(0.5)
    assert over.value.metrics["val_accuracy"] == 0.5  # all that it cost a training to know
    assert (
        evaluation(meter=Kept(), train=fit, limit=Limit("kept", at_least=0.2)).run(PARAMS)[0][
            "kept"
        ]
        == 0.25
    )


def test_a_meter_refuses_data_before_the_first_child():
    class Picky(Kept):
        def check(self, data):
            raise ValueError(f"no {data.classes} classes")

    with pytest.raises(ValueError, match="no 2 classes"):
        evaluation(meter=Picky())


def test_the_metric_of_any_meter_can_be_weighed():
    meters = [MultiplyAdds(), Parameters(metric="weights")]
    score = evaluation(meter=meters, reward=MnasNetReward.hard(10, latency="multiply_adds"))
    known, model = score.measure(PARAMS)
    assert known["multiply_adds"] == costs(model).multiply_adds
    assert known["weights"] == known["parameters"]
    expected = 0.5 * 10 / known["multiply_adds"]
    assert score.reward({**known, "val_accuracy": 0.5}) == pytest.approx(expected)


def test_a_target_is_what_the_meter_finds_of_a_network_that_one_knows(tmp_path):
    images = {"input_shape": (28, 28, 1), "classes": 3}
    genotype = load_genotype("mnasnet-small").build((28, 28, 1), 3)
    expected = costs(genotype).multiply_adds
    assert target_from("mnasnet-small", MultiplyAdds(), **images) == expected
    assert target_from(genotype, MultiplyAdds()) == expected
    genotype.save(tmp_path / "mine.keras")
    assert target_from(str(tmp_path / "mine.keras"), MultiplyAdds()) == expected
    mobile = keras.applications.MobileNetV2((32, 32, 1), weights=None, classes=3)
    known = target_from("MobileNetV2", Parameters(), input_shape=(32, 32, 1), classes=3)
    assert known == mobile.count_params()
    assert target_from("MobileNetV2", Parameters(), **images) == known  # below Keras's own 32 x 32


def test_reference_networks_that_there_are_not_are_named():
    for name in ("mnasnet-z9", "imagenet_utils", "mobilenet"):
        with pytest.raises(ValueError, match=f"no reference network is called '{name}'"):
            target_from(name, Parameters(), input_shape=(8, 8, 1), classes=3)
    with pytest.raises(UnbuildableChild, match=r"VGG16 cannot be built for images of \(8, 8, 1\)"):
        target_from("VGG16", Parameters(), input_shape=(8, 8, 1), classes=3)
