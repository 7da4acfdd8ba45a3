"""What an earlier trial answers, in real studies, projects and experiments of every host."""

import json

import numpy as np
import pytest

from cellwright.plugins import Evaluation, RandomSearch
from cellwright.plugins.data.dataset import Dataset
from cellwright.plugins.strategies.hyperband import Hyperband
from cellwright.search_spaces import Decision, Float, JointSpace, SearchSpace

keras = pytest.importorskip("keras")

TEN = Hyperband(10, 3)
LEVEL, NEAR = 0.001, 0.0012  # which the space takes for one


class Cells(SearchSpace):
    """One network under two names."""

    def canonical(self, params):
        return {**params, "name": 0}

    def build(self, params, input_shape, classes, **options):
        image = keras.Input(input_shape)
        return keras.Model(image, keras.layers.Dense(classes)(keras.layers.Flatten()(image)))


ONE = Cells([Decision("name", (0, 1))])  # used up by its first trial
RATED = JointSpace(ONE, Float("learning_rate", 1e-4, 1e-2, log=True, levels=3))
IMAGES, LABELS = np.zeros((4, 2, 2, 1), np.float32), np.arange(4) % 2
DATA = Dataset(IMAGES, LABELS, IMAGES, LABELS, ("a", "b"))


class Trainings(list):
    """The recipes that were trained, and metrics by which each can be told from the others."""

    def train(self, model, data, recipe, *, report=None):
        self.append(recipe)
        return {"val_accuracy": recipe.learning_rate + recipe.epochs / 1000}

    def evaluation(self, space):
        return Evaluation(space, DATA, train=self.train)


@pytest.fixture
def trainings():
    return Trainings()


def optuna_study(space, **arguments):
    optuna = pytest.importorskip("optuna")
    from cellwright.adapters.optuna_sampler import StrategySampler

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    sampler = StrategySampler(RandomSearch(space, seed=0), **arguments)
    return optuna.create_study(direction="maximize", sampler=sampler)


def test_optuna_books_no_score_under_another_number(trainings):
    from cellwright.adapters.optuna_trial import run

    study = optuna_study(RATED)
    for rate in (NEAR, LEVEL, NEAR):
        study.enqueue_trial({"name": 0, "learning_rate": rate})
    evaluation = trainings.evaluation(RATED)
    study.optimize(lambda trial: run(trial, evaluation), n_trials=3)
    assert [recipe.learning_rate for recipe in trainings] == [NEAR, LEVEL]
    assert study.trials[0].value != study.trials[1].value
    assert study.trials[2].value == study.trials[0].value
    assert [trial.user_attrs.get("repeat_of") for trial in study.trials] == [None, None, 0.0]


def test_optuna_trains_what_only_a_trial_without_metrics_knows(trainings):
    from optuna.trial import create_trial

    from cellwright.adapters.optuna_space import distribution_of
    from cellwright.adapters.optuna_trial import run

    study = optuna_study(ONE)
    kinds = {d.name: distribution_of(d) for d in ONE.decisions}
    study.add_trial(create_trial(params={"name": 0}, distributions=kinds, value=0.5))
    evaluation = trainings.evaluation(ONE)
    study.optimize(lambda trial: run(trial, evaluation), n_trials=1)
    assert len(trainings) == 1
    assert study.trials[1].value == study.trials[1].user_attrs["val_accuracy"]


def test_optuna_answers_a_rung_by_one_of_the_same_epochs(trainings):
    from cellwright.adapters.optuna_trial import run

    study = optuna_study(ONE, schedule=TEN)
    study.enqueue_trial({"name": 0})
    evaluation = trainings.evaluation(ONE)
    study.optimize(lambda trial: run(trial, evaluation), n_trials=1 + TEN.trials)
    outside, *rungs = trainings
    assert outside.epochs == study.trials[0].value * 1000 - 1
    check_rungs(
        rungs,
        [(t.user_attrs["rung"]["epochs"], t.value) for t in study.trials if "rung" in t.user_attrs],
    )


def check_rungs(trained, trials):
    """Each number of epochs was trained once, and every trial scored what its own epochs do."""
    assert [recipe.epochs for recipe in trained] == [2, 4, 10]
    assert len(trials) == TEN.trials
    for epochs, value in trials:
        assert value == pytest.approx(0.001 + epochs / 1000)


def keras_search(folder, evaluation, trials, space, **arguments):
    kt = pytest.importorskip("keras_tuner")
    from cellwright.adapters.keras_oracle import StrategyOracle
    from cellwright.adapters.keras_trial import EvaluationTuner

    goal = kt.Objective("reward", "max")
    oracle = StrategyOracle(goal, trials, strategy="random", space=space, seed=0, **arguments)
    EvaluationTuner(evaluation, oracle, directory=str(folder), project_name="p").search(verbose=0)
    return oracle


def test_keras_tuner_books_no_score_under_another_number(tmp_path, trainings):
    """Of trials that Keras Tuner's own search drew from the whole range, and that ours takes up."""
    kt = pytest.importorskip("keras_tuner")
    from cellwright.adapters.keras_decisions import declare
    from cellwright.adapters.keras_trial import EvaluationTuner

    hp = kt.HyperParameters()
    declare(hp, RATED)
    theirs = kt.oracles.RandomSearchOracle(
        kt.Objective("reward", "max"), 9, hyperparameters=hp, seed=1
    )
    evaluation = trainings.evaluation(RATED)
    EvaluationTuner(evaluation, theirs, directory=str(tmp_path), project_name="p").search(verbose=0)
    drawn = [recipe.learning_rate for recipe in trainings]
    assert {RATED.decisions[1].index(rate) for rate in drawn} == {0, 1, 2}
    oracle = keras_search(tmp_path, evaluation, 17, RATED)
    levels = [recipe.learning_rate for recipe in trainings[9:]]
    assert len(set(levels)) == len(levels) == 3  # each once; the other five trials are repeats
    for trial in oracle.trials.values():
        rate = trial.hyperparameters.values["learning_rate"]
        recipe = trainings[0]
        assert trial.score == pytest.approx(rate + recipe.epochs / 1000)


def test_keras_tuner_answers_a_rung_by_one_of_the_same_epochs(tmp_path, trainings):
    oracle = keras_search(tmp_path, trainings.evaluation(ONE), TEN.trials, ONE, schedule=TEN)
    trials = oracle.trials.values()
    check_rungs(trainings, [(t.hyperparameters.values["tuner/epochs"], t.score) for t in trials])


class Nni:
    """NNI's dispatcher, and its interface for trials, with a channel in place of its manager."""

    def __init__(self, monkeypatch, folder, evaluation, **arguments):
        nni = pytest.importorskip("nni")
        from nni.runtime import msg_dispatcher
        from nni.runtime.trial_command_channel import base, set_default_trial_command_channel
        from nni.runtime.tuner_command_channel import CommandType

        from cellwright.adapters.nni_space import search_space_of
        from cellwright.adapters.nni_tuner import StrategyTuner

        monkeypatch.setenv("NNI_CHECKPOINT_DIRECTORY", str(folder))
        monkeypatch.setattr("nni.trial._trial_id", "job")
        monkeypatch.setattr(msg_dispatcher, "_next_parameter_id", 0)
        monkeypatch.setattr(msg_dispatcher, "_trial_params", {})
        self.tuner = StrategyTuner("random", space=evaluation.space, seed=0, **arguments)
        self.evaluation, self.commands, self.given, self.echo = evaluation, CommandType, [], {}
        given, echo = self.given, self.echo

        class Dispatcher(msg_dispatcher.MsgDispatcher):
            def send(self, command, data):
                if command is CommandType.NewTrialJob:
                    given.append(json.loads(data))

        class Channel(base.TrialCommandChannel):
            def receive_parameter(self):
                params = {**given[-1]["parameters"], **echo}
                return {**given[-1], "parameters": params}

            def send_metric(self, type, parameter_id, trial_job_id, sequence, value):
                metric = {"parameter_id": parameter_id, "trial_job_id": f"job-{parameter_id}",
                          "type": type, "sequence": sequence, "value": nni.dump(value)}  # fmt: skip
                if type == "FINAL":
                    dispatcher.process_command(CommandType.ReportMetricData, metric)

        self.dispatcher = dispatcher = Dispatcher("ws://_unittest_", self.tuner)
        dispatcher.process_command(CommandType.Initialize, search_space_of(evaluation.space))
        set_default_trial_command_channel(Channel())

    def trial(self, **echo):
        """One trial; with ``echo`` it runs under other values than those that were proposed."""
        from cellwright.adapters import nni_trial

        self.echo.clear()
        self.echo.update(echo)
        self.dispatcher.process_command(self.commands.RequestTrialJobs, 1)
        metrics = nni_trial.run(self.evaluation)
        end = {"trial_job_id": f"job-{len(self.given) - 1}", "event": "SUCCEEDED",
               "hyper_params": json.dumps(self.given[-1])}  # fmt: skip
        self.dispatcher.process_command(self.commands.TrialEnd, end)
        return self.given[-1]["parameters"], metrics

    def learn(self, params, value):
        entry = {"parameter": params, "value": value}
        self.dispatcher.process_command(self.commands.ImportData, [entry])


@pytest.mark.parametrize("imported", [False, True])
def test_nni_books_no_score_under_another_number(imported, tmp_path, monkeypatch, trainings):
    experiment = Nni(monkeypatch, tmp_path, trainings.evaluation(RATED))
    if imported:
        for rate in (0.00011, 0.0012, 0.009):
            params = {"name": 0, "learning_rate": rate}
            experiment.learn(params, {"default": 0.5, "reward": 0.5, "architecture": params})
        assert len(experiment.tuner.record.told) == 3
    else:
        for near in (0.00011, 0.0012, 0.009):
            experiment.trial(learning_rate=near)
        assert [recipe.learning_rate for recipe in trainings] == [0.00011, 0.0012, 0.009]
    before = len(trainings)
    for _ in range(8):
        params, metrics = experiment.trial()
        assert metrics["reward"] == pytest.approx(
            params["learning_rate"] + trainings[-1].epochs / 1000
        )
    rates = [recipe.learning_rate for recipe in trainings[before:]]
    assert len(rates) == len(set(rates)) == 3
    record = experiment.tuner.record
    assert [record.params_of(number)["learning_rate"] for number in range(3)] == [
        0.00011, 0.0012, 0.009,
    ]  # fmt: skip


def test_nni_answers_a_rung_by_one_of_the_same_epochs(tmp_path, monkeypatch, trainings):
    schedule = {"max_epochs": 10, "factor": 3}
    experiment = Nni(monkeypatch, tmp_path, trainings.evaluation(ONE), schedule=schedule)
    trials = [experiment.trial() for _ in range(TEN.trials)]
    check_rungs(
        trainings, [(params["TRIAL_BUDGET"], metrics["reward"]) for params, metrics in trials]
    )
