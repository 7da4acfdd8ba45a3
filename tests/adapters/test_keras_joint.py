"""Hyperparameters beside architecture, and multi-fidelity, in real Keras Tuner searches."""

import json
from pathlib import Path

import keras_tuner as kt
import numpy as np
import pytest

from cellwright.adapters.keras_decisions import read_params
from cellwright.adapters.keras_hypermodel import NASNetHyperModel
from cellwright.adapters.keras_oracle import StrategyOracle
from cellwright.plugins import RegularizedEvolution, load_dataset
from cellwright.plugins.strategies.hyperband import Hyperband
from cellwright.search_spaces import Decision, Float, Int, JointSpace, NASNetSpace, SpaceMismatch

pytestmark = pytest.mark.usefixtures("untraced")
CELLS = NASNetSpace(blocks=1, operations=("identity", "max_3x3"))
JOINT = JointSpace(
    CELLS,
    Float("learning_rate", 1e-3, 1e-1, log=True),
    Int("batch_size", 32, 64),
    Decision("augmentation", ("none", "shift")),
    Float("dropout", 0, 0.5, when={"augmentation": "none"}),
)
SMALL = {"input_shape": (8, 8, 1), "classes": 10, "filters": 2, "reductions": 1, "seed": 0}
TEN = Hyperband(10, 3)


@pytest.fixture(scope="module")
def digits():
    return load_dataset("digits")


def objective():
    return kt.Objective("score", "max")


class Arithmetic(kt.Tuner):
    """Scores that rise with the epochs, without training."""

    def run_trial(self, trial, *args, **kwargs):
        values = trial.hyperparameters.values
        params = read_params(values, self.oracle.space)
        epochs = values.get("tuner/epochs", 10)
        score = sum(params[name] == "identity" for name in CELLS.names) + values["learning_rate"]
        return {"score": score * (1 - 0.7**epochs)}


def arithmetic(folder, oracle, trials=None):
    tuner = Arithmetic(oracle=oracle, directory=str(folder), project_name="p")
    tuner.search(verbose=0)
    return tuner.oracle


def test_all_of_it_by_one_of_our_strategies(tmp_path):
    oracle = StrategyOracle(objective(), 12, strategy="evolution", space=JOINT, seed=0)
    found = arithmetic(tmp_path, oracle)
    bare = RegularizedEvolution(JOINT, seed=0)
    for number in range(12):
        trial = found.trials[f"{number:02d}"]
        proposed = bare.ask(number)
        assert read_params(trial.hyperparameters.values, JOINT) == JOINT.read(proposed)
        bare.tell(number, proposed, trial.score)
    kinds = {parameter.name: type(parameter).__name__ for parameter in found.hyperparameters.space}
    assert (kinds["learning_rate"], kinds["batch_size"]) == ("Float", "Int")


def test_another_range_is_refused():
    other = kt.HyperParameters()
    other.Float("learning_rate", 1e-3, 1.0, sampling="log")
    with pytest.raises(SpaceMismatch, match="learning_rate"):
        StrategyOracle(objective(), 3, space=JOINT, hyperparameters=other)


def spent(oracle):
    plan = {}
    for trial in oracle.trials.values():
        values = trial.hyperparameters.values
        plan.setdefault((-values["tuner/bracket"], values["tuner/round"]), []).append(
            (values["tuner/initial_epoch"], values["tuner/epochs"])
        )
    return {place: plan[place] for place in sorted(plan)}


def test_our_schedule_spends_what_the_book_says_and_what_keras_tuners_does(tmp_path):
    ours = StrategyOracle(
        objective(), TEN.trials, strategy="evolution", space=JOINT, seed=0, schedule=TEN
    )
    arithmetic(tmp_path / "ours", ours)
    hp = kt.HyperParameters()
    for decision in CELLS.decisions:
        hp.Choice(decision.name, list(decision.choices))
    hp.Float("learning_rate", 1e-3, 1e-1, sampling="log")
    theirs = kt.oracles.HyperbandOracle(
        objective(), max_epochs=10, factor=3, hyperparameters=hp, seed=1
    )
    theirs.space = CELLS
    arithmetic(tmp_path / "theirs", theirs)
    assert spent(ours) == spent(theirs)
    assert spent(ours) == {
        (-2, 0): [(0, 2)] * 12,
        (-2, 1): [(2, 4)] * 4,
        (-2, 2): [(4, 10)] * 2,
        (-1, 0): [(0, 4)] * 6,
        (-1, 1): [(4, 10)] * 2,
        (0, 0): [(0, 10)] * 4,
    }
    for trial in ours.trials.values():
        values = trial.hyperparameters.values
        if "tuner/trial_id" in values:
            past = ours.trials[values["tuner/trial_id"]].hyperparameters.values
            assert read_params(past, JOINT) == read_params(values, JOINT)


def test_a_schedule_goes_on_after_a_stop(tmp_path):
    def oracle(trials):
        return StrategyOracle(
            objective(), trials, strategy="evolution", space=JOINT, seed=0, schedule=TEN
        )

    for trials in (7, 16, 30):
        stopped = arithmetic(tmp_path / "stopped", oracle(trials))
    whole = arithmetic(tmp_path / "whole", oracle(30))
    assert by_number(stopped) == by_number(whole)


def by_number(oracle):
    """The values of each trial; ids are as wide as ``max_trials``."""
    found = {int(trial_id): dict(t.hyperparameters.values) for trial_id, t in oracle.trials.items()}
    for values in found.values():
        if "tuner/trial_id" in values:
            values["tuner/trial_id"] = int(values["tuner/trial_id"])
    return found


def train(folder, digits, oracle, space=JOINT, tuner=kt.Tuner):
    tuner = tuner(
        oracle=oracle,
        hypermodel=NASNetHyperModel(space, **SMALL),
        directory=str(folder),
        project_name="p",
    )
    tuner.search(
        digits.x_train[:64],
        digits.y_train[:64],
        epochs=1,
        validation_data=(digits.x_val[:64], digits.y_val[:64]),
        verbose=0,
    )
    return tuner


def test_hyperparameters_reach_the_training(tmp_path, digits):
    oracle = StrategyOracle("val_accuracy", 2, strategy="random", space=JOINT, seed=1)
    tuner = train(tmp_path, digits, oracle)
    for trial in oracle.trials.values():
        assert trial.status == "COMPLETED", trial.message
        model = tuner.load_model(trial)
        values = read_params(trial.hyperparameters.values, JOINT)
        rate = float(np.asarray(model.optimizer.learning_rate))
        assert rate == pytest.approx(values["learning_rate"])
        rates = [layer.rate for layer in model.layers if type(layer).__name__ == "Dropout"]
        assert rates == [values["dropout"]] * ("dropout" in values and values["dropout"] > 0)


def test_the_architecture_by_ours_and_the_rest_at_random(tmp_path, digits):
    oracle = StrategyOracle("val_accuracy", 1, strategy="random", space=CELLS, seed=1)
    train(tmp_path, digits, oracle)
    [trial] = oracle.trials.values()
    assert trial.status == "COMPLETED", trial.message
    levels = JOINT.decisions[len(CELLS.names)].choices
    assert trial.hyperparameters.values["learning_rate"] not in levels


def test_children_go_on_from_their_weights(tmp_path, digits):
    schedule = Hyperband(4, 4)  # 8 of 1 epoch, 2 of 4; 2 of 4
    assert schedule.plan[0][0][1] == 1
    steps = schedule.plan[0][0][0] + 1
    oracle = StrategyOracle(
        "val_accuracy", steps, strategy="random", space=CELLS, seed=0, schedule=schedule
    )
    epochs = []

    class Counting(kt.Tuner):
        def on_epoch_end(self, trial, model, epoch, logs=None):
            epochs.append((int(trial.trial_id), epoch))
            super().on_epoch_end(trial, model, epoch, logs=logs)

    train(tmp_path, digits, oracle, CELLS, Counting)
    last = [epoch for number, epoch in epochs if number == steps - 1]
    assert last == [1, 2, 3]
    assert len(epochs) == steps - 1 + 3
    assert len(list(Path(tmp_path, "p", "children").glob("*.npz"))) == steps - 1
    json.dumps([t.get_state() for t in oracle.trials.values()])
