"""Optuna's own pruners end the training of children in `optuna_trial.run`."""

import logging

import keras
import numpy as np
import optuna
import pytest
from optuna.pruners import (
    HyperbandPruner,
    MedianPruner,
    PercentilePruner,
    SuccessiveHalvingPruner,
    ThresholdPruner,
    WilcoxonPruner,
)
from optuna.samplers import RandomSampler, TPESampler
from optuna.trial import TrialState

from cellwright.adapters.optuna_sampler import StrategySampler
from cellwright.adapters.optuna_trial import run
from cellwright.plugins import (
    AccuracyReward,
    Evaluation,
    Measurement,
    MnasNetReward,
    RandomSearch,
    Recipe,
    RegularizedEvolution,
    load_dataset,
)
from cellwright.plugins.data.dataset import Dataset
from cellwright.plugins.strategies.hyperband import Hyperband
from cellwright.search_spaces import Decision, MLPSpace, SearchSpace

optuna.logging.set_verbosity(optuna.logging.ERROR)
EPOCHS, TRIALS = 9, 24
PRUNERS = {
    "median": MedianPruner(n_startup_trials=2),
    "percentile": PercentilePruner(50, n_startup_trials=2),
    "halving": SuccessiveHalvingPruner(min_resource=1, reduction_factor=3),
    "hyperband": HyperbandPruner(min_resource=1, max_resource=EPOCHS, reduction_factor=3),
    "wilcoxon": WilcoxonPruner(p_threshold=0.1),
}


class Widths(SearchSpace):
    """The wider, the better: `Training` scores a child by its width."""

    def build(self, params, input_shape, classes, **options):
        image = keras.Input(input_shape)
        return keras.Model(
            image, keras.layers.Dense(params["width"])(keras.layers.Flatten()(image))
        )


SPACE = Widths([Decision("width", tuple(range(1, 13))), Decision("other", tuple(range(12)))])
IMAGES, LABELS = np.zeros((4, 2, 2, 1), np.float32), np.arange(4) % 2
DATA = Dataset(IMAGES, LABELS, IMAGES, LABELS, ("a", "b"))


class Training:
    """Accuracy that rises with the epochs, and which epochs of which children were trained."""

    def __init__(self):
        self.epochs = []

    def train(self, model, data, recipe, *, report=None, checkpoint=None):
        width = model.output_shape[-1]
        for epoch in range(recipe.epochs):
            self.epochs.append((width, epoch))
            accuracy = width / 12 * (1 - 0.6 ** (epoch + 1))
            metrics = {"val_accuracy": accuracy, "val_loss": 1 - accuracy}
            report(epoch, dict(metrics))
        return metrics


class Weight:
    """A meter: the wider, the slower."""

    metric = "latency_ms"

    def __call__(self, model):
        return Measurement(float(model.output_shape[-1]), 0.0, 1, "ms", "as stated")


def evaluation(training, epochs=EPOCHS, **arguments):
    return Evaluation(SPACE, DATA, recipe=Recipe(epochs=epochs), train=training.train, **arguments)


def strategies(name):
    return {
        "tpe": TPESampler(seed=0, n_startup_trials=4),
        "ours": StrategySampler(RegularizedEvolution(SPACE, seed=0, population=6, sample=3)),
    }[name]


@pytest.mark.parametrize("sampler", ["tpe", "ours"])
@pytest.mark.parametrize("objective", ["reward", "val_loss"])
@pytest.mark.parametrize("pruner", PRUNERS)
def test_pruners_save_epochs(pruner, objective, sampler):
    training, kept, told = Training(), [], []
    direction = "minimize" if objective == "val_loss" else "maximize"
    study = optuna.create_study(
        direction=direction, sampler=strategies(sampler), pruner=PRUNERS[pruner], study_name="s"
    )
    study.optimize(
        lambda trial: run(
            trial,
            evaluation(training),
            [objective],
            keep=lambda params, metrics, model: kept.append(params),
            report=lambda epoch, metrics: told.append(epoch),
        ),
        n_trials=TRIALS,
        catch=(),
    )
    pruned = [trial for trial in study.trials if trial.state == TrialState.PRUNED]
    complete = [trial for trial in study.trials if trial.state == TrialState.COMPLETE]
    assert len(pruned) >= 3
    assert len(complete) >= 2
    assert len(pruned) + len(complete) == TRIALS
    trained = [trial for trial in study.trials if "repeat_of" not in trial.user_attrs]
    steps = sum(len(trial.intermediate_values) for trial in trained)
    assert len(training.epochs) == steps == len(told) <= len(trained) * EPOCHS - 3
    assert len(kept) == len([t for t in complete if "repeat_of" not in t.user_attrs])
    for trial in pruned:
        assert 1 <= trial.last_step < EPOCHS
        assert trial.value == trial.intermediate_values[trial.last_step]
        assert trial.value == trial.user_attrs[objective]
        assert trial.user_attrs["epochs"] == trial.last_step
        words = f"TrialPruned: after {trial.last_step} of 9 epochs, by "
        assert trial.user_attrs["error"].startswith(words)
    for trial in trained:
        if trial.state == TrialState.COMPLETE:
            assert trial.last_step == EPOCHS
            assert trial.value == trial.intermediate_values[EPOCHS]
    best = max(t.user_attrs["val_accuracy"] for t in complete)
    assert study.best_trial.user_attrs["val_accuracy"] == best
    if sampler == "ours":
        sign = 1 if direction == "maximize" else -1
        history = study.sampler.strategy.history
        assert [one.reward for one in history] == [sign * t.value for t in study.trials[:-1]]


def test_a_threshold_prunes_what_is_below_it_but_not_what_is_trained():
    training = Training()
    study = optuna.create_study(
        direction="maximize", sampler=RandomSampler(seed=0), pruner=ThresholdPruner(lower=0.2)
    )
    study.optimize(lambda trial: run(trial, evaluation(training)), n_trials=9)
    for trial in study.trials:
        low = trial.params["width"] / 12 * 0.4 < 0.2
        assert trial.state == (TrialState.PRUNED if low else TrialState.COMPLETE)
        assert len(trial.intermediate_values) in ((1,) if low else (0, EPOCHS))
    assert {trial.state for trial in study.trials} == {TrialState.PRUNED, TrialState.COMPLETE}
    once = optuna.create_study(direction="maximize", pruner=ThresholdPruner(lower=2.0))
    once.optimize(lambda trial: run(trial, evaluation(training, epochs=1)), n_trials=3)
    assert {trial.state for trial in once.trials} == {TrialState.COMPLETE}


def test_a_pruned_trial_answers_no_other():
    training = Training()
    study = optuna.create_study(direction="maximize", pruner=ThresholdPruner(lower=0.9))
    for _ in range(2):
        study.enqueue_trial({"width": 3, "other": 0})
    study.optimize(lambda trial: run(trial, evaluation(training)), n_trials=2)
    assert [trial.state for trial in study.trials] == [TrialState.PRUNED] * 2
    assert training.epochs == [(3, 0), (3, 0)]


def test_under_our_schedule_nothing_is_pruned():
    training, schedule = Training(), Hyperband(EPOCHS, 3)
    study = optuna.create_study(
        direction="maximize",
        sampler=StrategySampler(RandomSearch(SPACE, seed=0), schedule=schedule),
        pruner=ThresholdPruner(lower=2.0),
    )
    study.optimize(lambda trial: run(trial, evaluation(training)), n_trials=schedule.trials)
    assert {trial.state for trial in study.trials} == {TrialState.COMPLETE}


def test_with_several_objectives_nothing_is_reported_and_nothing_pruned():
    training = Training()
    study = optuna.create_study(
        directions=["maximize", "minimize"], pruner=ThresholdPruner(lower=2.0)
    )
    scores = evaluation(training, meter=Weight())
    names = ["val_accuracy", "latency_ms"]
    study.optimize(lambda trial: run(trial, scores, names), n_trials=3)
    for trial in study.trials:
        assert trial.state == TrialState.COMPLETE
        assert trial.values == [trial.user_attrs[name] for name in names]
        assert not trial.intermediate_values
        curve = trial.user_attrs["curves"]["val_accuracy"]  # for a report
        assert [epoch for epoch, _ in curve] == list(range(1, EPOCHS + 1))
        assert curve[-1][1] == trial.values[0]


def test_what_is_known_only_in_the_end_is_said_and_not_reported(caplog):
    training = Training()
    study = optuna.create_study(pruner=ThresholdPruner(upper=-1.0), study_name="slow")
    with caplog.at_level(logging.WARNING, "cellwright"):
        study.optimize(lambda trial: run(trial, evaluation(training), ["seconds"]), n_trials=3)
    assert [trial.state for trial in study.trials] == [TrialState.COMPLETE] * 3
    assert not any(trial.intermediate_values for trial in study.trials)
    [said] = [record.getMessage() for record in caplog.records]
    assert "In study 'slow' 'seconds' is not among what is known after an epoch" in said
    assert "there are no intermediate values, and nothing is pruned" in said


@pytest.mark.parametrize(
    ("reward", "data", "objective"),
    [
        (None, "digits", "reward"),
        (AccuracyReward("best_val_accuracy", power=3), "digits", "reward"),
        (AccuracyReward("weighted_val_accuracy"), "digits", "reward"),
        (MnasNetReward(50.0), "digits", "reward"),
        (None, "digits", "latency_ms"),
        (None, "numbers", "reward"),
        (None, "numbers", "val_loss"),
    ],
)
def test_the_last_report_is_the_value(reward, data, objective):
    """Whatever is searched for, pruners and samplers compare like with like."""
    few = load_dataset("digits")
    x, y = few.x_train[:64], few.y_train[:64]
    names = few.class_names
    if data == "numbers":
        y, names = ((y - y.mean()) / y.std()).astype(np.float32), None
    scores = Evaluation(
        MLPSpace(nodes=(4,), activations=("relu",), length=2),
        Dataset(x, y, x, y, names),
        recipe=Recipe(epochs=3, batch_size=16),
        reward=reward,
        meter=Weight(),
    )
    study = optuna.create_study(direction="maximize" if objective == "reward" else "minimize")
    study.optimize(lambda trial: run(trial, scores, [objective]), n_trials=1)
    [trial] = study.trials
    assert list(trial.intermediate_values) == [1, 2, 3]
    assert trial.intermediate_values[3] == pytest.approx(trial.value, rel=1e-6)
    if objective != "latency_ms":
        assert len(set(trial.intermediate_values.values())) > 1
