"""NASNetHyperModel: child networks trained by a real keras_tuner.Tuner on scikit-learn's digits."""

import math

import keras
import keras_tuner as kt
import numpy as np
import pytest

from cellwright.adapters.keras_oracle import (
    NASNetHyperModel,
    NASNetRLOracle,
    StrategyOracle,
    architecture,
)
from cellwright.adapters.keras_trial import EvaluationTuner
from cellwright.plugins import (
    AccuracyReward,
    Dataset,
    Evaluation,
    Int8Accuracy,
    KerasLatency,
    LatencyPredictor,
    Limit,
    MnasNetReward,
    ParetoEvolution,
    Recipe,
    Reinforce,
    Reward,
    Timing,
    load_dataset,
)
from cellwright.search_spaces import Decision, Float, JointSpace, NASNetSpace, UnbuildableChild

SPACE = NASNetSpace(blocks=1, operations=("identity", "max_3x3", "avg_3x3"))
SMALL = {"input_shape": (8, 8, 1), "classes": 10, "filters": 4, "reductions": 0, "seed": 0}


@pytest.fixture(scope="module")
def digits():
    return load_dataset("digits")


def oracle(objective="val_accuracy", trials=1, **kwargs):
    return NASNetRLOracle(objective, trials, space=SPACE, seed=0, **kwargs)


def search(path, digits, mine, hypermodel, **kwargs):
    tuner = kt.Tuner(oracle=mine, hypermodel=hypermodel, directory=str(path), project_name="cells")
    given = {"epochs": 1, "validation_data": (digits.x_val, digits.y_val), **kwargs}
    tuner.search(digits.x_train[:256], digits.y_train[:256], verbose=0, **given)
    return tuner


def test_a_script_with_our_oracle_and_hypermodel(tmp_path, digits):
    for trials in (2, 3):
        hypermodel = NASNetHyperModel(SPACE, **SMALL)
        tuner = search(tmp_path, digits, oracle(trials=trials), hypermodel)
    strategy = Reinforce(SPACE, seed=0)
    for number in range(3):
        trial = tuner.oracle.trials[str(number)]
        assert trial.status == "COMPLETED"
        params = architecture(trial.hyperparameters, SPACE)
        assert params == strategy.ask(number)
        strategy.tell(number, params, trial.score)
    best = tuner.oracle.get_best_trials()[0]
    model = tuner.get_best_models()[0]
    assert model.evaluate(digits.x_val, digits.y_val, verbose=0, return_dict=True)[
        "accuracy"
    ] == pytest.approx(best.score)
    again = tuner.hypermodel.build(tuner.get_best_hyperparameters()[0])
    assert again.count_params() == model.count_params()
    tuner.results_summary(1)


def test_a_reward_with_latency(tmp_path, digits):
    hypermodel = NASNetHyperModel(
        SPACE,
        reward=MnasNetReward(target=1.0),
        meter=KerasLatency(Timing(1, 0.5, 0.0, 0.1)),
        **SMALL,
    )
    tuner = search(tmp_path, digits, oracle(kt.Objective("reward", "max")), hypermodel)
    trial = tuner.oracle.trials["0"]
    found = {name: trial.metrics.get_last_value(name) for name in trial.metrics.metrics}
    assert found["latency_ms"] > 0
    assert found["parameters"] == tuner.get_best_models()[0].count_params()
    assert trial.score == pytest.approx(found["val_accuracy"] * found["latency_ms"] ** -0.07)


@pytest.mark.parametrize("measured", [True, False])
def test_several_objectives(tmp_path, digits, measured):
    """Measured by a meter, or the training's own history."""
    second = "latency_ms" if measured else "loss"
    objectives = [kt.Objective("val_accuracy", "max"), kt.Objective(second, "min")]
    meter = KerasLatency(Timing(1, 0.5, 0.0, 0.1)) if measured else None
    for trials in (1, 2):  # the second in a project that is reloaded
        mine = StrategyOracle(objectives, trials, strategy="pareto", space=SPACE, seed=0)
        tuner = search(tmp_path, digits, mine, NASNetHyperModel(SPACE, meter=meter, **SMALL))
    strategy = ParetoEvolution(SPACE, seed=0)
    for told in mine.record():
        assert told.params == strategy.ask(told.number)
        trial = tuner.oracle.trials[str(told.number)]
        accuracy, latency = map(trial.metrics.get_last_value, ("val_accuracy", second))
        assert told.reward == (accuracy, -latency)
        assert trial.score == pytest.approx(latency - accuracy)
        strategy.tell(*told)
    assert len(strategy.history) == 2


def test_a_child_beyond_the_limit_is_not_trained(tmp_path, digits, capsys):
    """Nor does it end a search that allows one failure, or take up a retry."""

    def predict(params):
        return 0.001 if params["normal/1/operation_2"] == "identity" else 0.002

    limited = {"predictor": predict, "limit": Limit("predicted_latency_ms", 1.5)}
    mine = oracle(trials=4, max_consecutive_failed_trials=1, max_retries_per_trial=1)
    search(tmp_path, digits, mine, NASNetHyperModel(SPACE, **limited, **SMALL))
    mine.reload()  # what the files hold
    within = []
    for told in mine.record():
        trial = mine.trials[str(told.number)]
        found = {name: trial.metrics.get_last_value(name) for name in trial.metrics.metrics}
        assert found["predicted_latency_ms"] == predict(told.params) * 1000
        within.append(found["predicted_latency_ms"] == 1)
        if within[-1]:
            assert trial.status == "COMPLETED"
            assert told.reward == trial.score == found["val_accuracy"]
        else:
            assert (trial.status, trial.score) == ("FAILED", None)
            assert trial.message.startswith(
                "OverLimit: predicted_latency_ms is 2, beyond the limit"
            )
            assert found.keys() == {"predicted_latency_ms", "infeasible"}
    assert len(within) == 4
    assert {True, False} <= set(within)
    assert "Traceback" not in "".join(capsys.readouterr())
    with pytest.raises(ValueError, match="the limit is on 'latency_ms'"):
        NASNetHyperModel(SPACE, limit=Limit("latency_ms", 1), **SMALL)


def test_a_limit_with_several_objectives_and_with_an_oracle_of_keras_tuner(tmp_path, digits):
    given = {"reward": MnasNetReward(1.0, latency="parameters"), "limit": Limit("parameters", 1)}
    objectives = [kt.Objective("val_accuracy", "max"), kt.Objective("parameters", "min")]
    mine = StrategyOracle(objectives, 2, strategy="random", space=SPACE, seed=0)
    search(tmp_path / "mine", digits, mine, NASNetHyperModel(SPACE, **given, **SMALL))
    theirs = kt.oracles.RandomSearchOracle("val_accuracy", 2)
    search(tmp_path / "theirs", digits, theirs, NASNetHyperModel(SPACE, **given, **SMALL))
    for each in (mine, theirs):
        assert [trial.status for trial in each.trials.values()] == ["FAILED", "FAILED"]
        for trial in each.trials.values():
            assert trial.metrics.get_last_value("parameters") > 1
    assert set(mine.trials["0"].metrics.metrics) == {"parameters", "infeasible"}


def test_a_training_that_diverges_is_a_failed_trial(tmp_path, digits):
    mine = oracle(max_consecutive_failed_trials=2)
    search(tmp_path, digits, mine, NASNetHyperModel(SPACE, learning_rate=1e38, **SMALL))
    assert mine.trials["0"].status == "FAILED"
    assert "ChildFailed" in mine.trials["0"].message
    assert mine.record()[0].reward is None


class Full(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        raise MemoryError


class Unweighed(Reward):
    def __call__(self, metrics):
        return math.nan


@pytest.mark.parametrize(
    ("reward", "callbacks", "message"),
    [
        (None, [Full()], "ChildFailed: out of memory; fewer filters"),
        (Unweighed(), [], "ChildFailed: the reward is nan, and must be a finite number"),
    ],
)
def test_a_child_fails_as_in_an_evaluation(tmp_path, digits, reward, callbacks, message):
    objective = "val_accuracy" if reward is None else kt.Objective("reward", "max")
    mine = oracle(objective, max_consecutive_failed_trials=2)
    hypermodel = NASNetHyperModel(SPACE, reward=reward, **SMALL)
    search(tmp_path, digits, mine, hypermodel, callbacks=callbacks)
    assert mine.trials["0"].status == "FAILED"
    assert message in mine.trials["0"].message


def test_a_child_is_stored_as_that_of_an_evaluation(tmp_path, digits):
    stored = []
    options = {"filters": 4, "reductions": 0}
    evaluation = Evaluation(SPACE, digits, recipe=Recipe(epochs=1), options=options)
    mine, theirs = (oracle(kt.Objective("reward", "max")) for _ in range(2))
    hypermodel = NASNetHyperModel(SPACE, reward=AccuracyReward(), **SMALL)
    search(tmp_path / "mine", digits, mine, hypermodel)
    EvaluationTuner(evaluation, theirs, directory=str(tmp_path / "theirs")).search(verbose=0)
    for each in (mine, theirs):
        metrics = each.trials["0"].metrics
        stored.append({name: metrics.get_last_value(name) for name in metrics.metrics})
    assert stored[0].keys() == stored[1].keys()
    assert stored[0]["parameters"] == stored[1]["parameters"]
    assert stored[0]["seconds"] > 0
    assert stored[0]["reward"] == stored[0]["val_accuracy"]


def test_what_no_child_could_be_given_is_refused_as_by_an_evaluation():
    with pytest.raises(ValueError, match="weighs latency_ms, and nothing measures it"):
        NASNetHyperModel(SPACE, reward=MnasNetReward(1.0), **SMALL)
    unknown = JointSpace(SPACE, Float("nonsense", 0, 1))
    with pytest.raises(ValueError, match=r"'nonsense'.* mean nothing here"):
        NASNetHyperModel(unknown, **SMALL)
    wrong = JointSpace(SPACE, Float("learning_rate", -1, 1))
    with pytest.raises(ValueError, match="learning_rate must be above 0"):
        NASNetHyperModel(wrong, **SMALL)
    shared = JointSpace(SPACE, Decision("devices", (1, 2)))
    with pytest.raises(ValueError, match="leave devices out of the"):
        NASNetHyperModel(shared, **SMALL)
    half = JointSpace(SPACE, Decision("precision", ("mixed_float16",)))
    pieces = LatencyPredictor(SPACE, (8, 8, 1), 10, meter=KerasLatency())
    with pytest.raises(ValueError, match="children compute in mixed_float16"):
        NASNetHyperModel(half, predictor=pieces, **SMALL)


def test_the_training_step_is_traced_once(digits):
    hypermodel = NASNetHyperModel(SPACE, **SMALL)
    hp = kt.HyperParameters()
    model = hypermodel.build(hp)
    traced = []
    step = model.train_step
    model.train_step = lambda *args: traced.append(1) or step(*args)
    hypermodel.fit(hp, model, digits.x_train[:100], digits.y_train[:100], epochs=2, verbose=0)
    assert len(traced) == 1


def test_compile_may_use_hyperparameters_of_its_own():
    class Mine(NASNetHyperModel):
        def compile(self, hp, model):
            rate = hp.Choice("learning_rate", [0.5, 0.25])
            model.compile(keras.optimizers.SGD(rate), "categorical_crossentropy")

    hp = kt.HyperParameters()
    hp.values = {"learning_rate": 0.25}
    hypermodel = Mine(SPACE, **SMALL)
    model = hypermodel.build(hp)
    assert float(model.optimizer.learning_rate) == 0.25
    labels = np.eye(10)[np.arange(16) % 10]
    images = np.zeros((16, 8, 8, 1), np.float32)
    history = hypermodel.fit(hp, model, images, labels, verbose=0).history
    assert math.isfinite(history["loss"][0])


@pytest.mark.parametrize(
    ("objective", "given", "message"),
    [
        (None, {}, "the oracle needs one"),
        (kt.Objective("reward", "max"), {}, "was given no reward"),
        ("val_accuracy", {"validation_data": None}, "no validation_data"),
    ],
)
def test_an_objective_without_a_value_is_said_before_any_training(
    tmp_path, digits, objective, given, message
):
    with pytest.raises(kt.errors.FatalValueError, match=message):
        search(tmp_path, digits, oracle(objective), NASNetHyperModel(SPACE, **SMALL), **given)


def test_images_that_are_too_small_are_refused_before_any_trial(tmp_path):
    hypermodel = NASNetHyperModel(SPACE, input_shape=(2, 2, 1), classes=10)
    with pytest.raises(UnbuildableChild, match="too small"):
        kt.Tuner(oracle=oracle(), hypermodel=hypermodel, directory=str(tmp_path))


def test_a_wrong_learning_rate_is_refused():
    with pytest.raises(ValueError, match="learning_rate must be above 0"):
        NASNetHyperModel(SPACE, learning_rate=0.0, **SMALL)


def test_several_objectives_of_a_whole_evaluation(tmp_path, digits):
    """Keras Tuner asks for a sum, which the evaluation does not know."""
    objectives = [kt.Objective("val_accuracy", "max"), kt.Objective("parameters", "min")]
    mine = StrategyOracle(objectives, 2, strategy="pareto", space=SPACE, seed=0)
    options = {"filters": 4, "reductions": 0}
    evaluation = Evaluation(SPACE, digits, recipe=Recipe(epochs=1), options=options)
    tuner = EvaluationTuner(evaluation, mine, directory=str(tmp_path), project_name="cells")
    tuner.search(verbose=0)
    for told in mine.record():
        metrics = mine.trials[str(told.number)].metrics
        found = (metrics.get_last_value(name) for name in ("val_accuracy", "parameters"))
        assert told.reward == tuple(sign * x for sign, x in zip((1, -1), found, strict=True))


def test_a_trained_child_is_measured_on_the_arrays_that_the_search_was_given(tmp_path, digits):
    """By Keras Tuner's own objective too, and below a limit it does not count."""
    meter, limit = Int8Accuracy(), Limit("accuracy_int8", at_least=0.9999)
    tuner = search(
        tmp_path / "all",
        digits,
        oracle(kt.Objective("accuracy_int8", "max")),
        NASNetHyperModel(SPACE, meter=meter, **SMALL),
    )
    (trial,) = tuner.oracle.trials.values()
    assert trial.status == "COMPLETED"
    seen = digits.x_train[:256], digits.y_train[:256]
    data = Dataset(*seen, digits.x_val, digits.y_val, digits.class_names)
    expected = meter(tuner.get_best_models()[0], data).value
    assert trial.score == trial.metrics.get_last_value("accuracy_int8") == expected
    tuner = search(
        tmp_path / "none",
        digits,
        oracle(kt.Objective("accuracy_int8", "max")),
        NASNetHyperModel(SPACE, meter=meter, limit=limit, **SMALL),
    )
    (trial,) = tuner.oracle.trials.values()
    assert (trial.status, trial.score) == ("FAILED", None)
    assert trial.message.startswith("OverLimit: accuracy_int8 is 0")


def test_a_meter_of_trained_children_needs_arrays(tmp_path, digits):
    import tensorflow as tf

    batches = tf.data.Dataset.from_tensor_slices((digits.x_train, digits.y_train)).batch(32)
    hypermodel = NASNetHyperModel(SPACE, meter=Int8Accuracy(), **SMALL)
    tuner = kt.Tuner(oracle(), hypermodel, directory=tmp_path, project_name="cells")
    with pytest.raises(kt.errors.FatalValueError, match=r"needs arrays: give tuner\.search"):
        tuner.search(batches, validation_data=batches, verbose=0)
