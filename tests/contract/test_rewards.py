"""Rewards, limits and shared weights in every host: a real `Evaluation` in a real study, search and
experiment. Where a latency counts, children are given it, and their accuracy.
"""

import json
from dataclasses import dataclass, field
from types import SimpleNamespace

import numpy as np
import pytest

from cellwright.plugins import (
    AccuracyReward,
    Dataset,
    Evaluation,
    Limit,
    Measurement,
    MnasNetReward,
    RandomSearch,
    Recipe,
    WeightBank,
)
from cellwright.search_spaces import Decision, MLPSpace, OverLimit, SearchSpace

keras = pytest.importorskip("keras")

IMAGES = np.zeros((4, 2, 2, 1), np.float32)
DATA = Dataset(IMAGES, np.array([0, 1, 0, 1]), IMAGES, np.array([0, 1, 0, 1]), ("a", "b"))
SOFT = {40: 0.5248583418, 80: 0.5, 160: 0.4763189990}
HARD = {40: 0.5, 80: 0.5, 160: 0.25}
SLOW = tuple(range(101, 109))


class Timed(SearchSpace):
    """Networks whose name is the time that they take."""

    def __init__(self, *milliseconds):
        super().__init__([Decision("milliseconds", milliseconds), Decision("n", (0, 1))])

    def canonical(self, params):
        return {**params, "n": 0}

    def build(self, params, input_shape, classes, *, seed=None):
        image = keras.Input(input_shape)
        pooled = keras.layers.GlobalAveragePooling2D()(image)
        name = f"takes_{params['milliseconds']}"
        return keras.Model(image, keras.layers.Dense(classes)(pooled), name=name)


@dataclass(frozen=True)
class Given:
    """A training that ends at an accuracy of a half."""

    trained: list = field(default_factory=list)

    def train(self, model, data, recipe, *, report=None):
        self.trained.append(taken(model))
        report(0, {"val_accuracy": 0.5, "val_loss": 1.0})
        return {"val_accuracy": 0.5, "val_loss": 1.0}


class Stated:
    """The latency that a network's name says."""

    metric = "latency_ms"

    def __call__(self, model):
        return Measurement(taken(model), 0.0, 1, "ms", "as stated")


def taken(model):
    return float(model.name.removeprefix("takes_"))


@dataclass
class Found:
    """What a host has stored of a trial."""

    params: dict
    value: float | None
    metrics: dict


def optuna_trials(evaluation, strategy, trials, folder):
    optuna = pytest.importorskip("optuna")
    from cellwright.adapters.optuna_sampler import StrategySampler
    from cellwright.adapters.optuna_trial import run

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(
        storage=f"sqlite:///{folder}/study.db",
        direction="maximize",
        sampler=StrategySampler(strategy),
    )
    study.optimize(lambda trial: run(trial, evaluation), n_trials=trials)
    found = [Found(t.params, t.value, t.user_attrs) for t in study.trials]
    return found, strategy.history


def keras_tuner_trials(evaluation, strategy, trials, folder):
    kt = pytest.importorskip("keras_tuner")
    from cellwright.adapters.keras_oracle import StrategyOracle
    from cellwright.adapters.keras_trial import EvaluationTuner

    oracle = StrategyOracle(kt.Objective("reward", "max"), trials, strategy=strategy)
    tuner = EvaluationTuner(evaluation, oracle, directory=str(folder), project_name="cells")
    tuner.search(verbose=0)
    tuner.reload()  # what the files hold
    found = [
        Found(
            trial.hyperparameters.values,
            trial.score,
            {name: trial.metrics.get_last_value(name) for name in trial.metrics.metrics},
        )
        for trial in map(oracle.trials.get, sorted(oracle.trials))
    ]
    return found, strategy.history


def nni_trials(evaluation, strategy, trials, folder):
    """NNI's dispatcher, and its interface for trials, with a channel in place of its manager."""
    nni = pytest.importorskip("nni")
    from nni.runtime import msg_dispatcher
    from nni.runtime.trial_command_channel import base, set_default_trial_command_channel
    from nni.runtime.tuner_command_channel import CommandType

    from cellwright.adapters import nni_trial
    from cellwright.adapters.nni_record import HISTORY, Record
    from cellwright.adapters.nni_space import search_space_of
    from cellwright.adapters.nni_tuner import StrategyTuner

    msg_dispatcher._next_parameter_id, msg_dispatcher._trial_params = 0, {}
    tuner = StrategyTuner("random", space=evaluation.space, seed=strategy.seed)
    given = []

    class Dispatcher(msg_dispatcher.MsgDispatcher):
        def send(self, command, data):
            if command is CommandType.NewTrialJob:
                given.append(json.loads(data))

    class Channel(base.TrialCommandChannel):
        def receive_parameter(self):
            return given[-1]

        def send_metric(self, type, parameter_id, trial_job_id, sequence, value):
            metric = {"parameter_id": parameter_id, "trial_job_id": f"job-{parameter_id}",
                      "type": type, "sequence": sequence, "value": nni.dump(value)}  # fmt: skip
            if type == "FINAL":
                dispatcher.process_command(CommandType.ReportMetricData, metric)

    dispatcher = Dispatcher("ws://_unittest_", tuner)
    dispatcher.process_command(CommandType.Initialize, search_space_of(evaluation.space))
    set_default_trial_command_channel(Channel())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NNI_CHECKPOINT_DIRECTORY", str(folder))
        patch.setattr("nni.trial._trial_id", "job")
        for number in range(trials):
            dispatcher.process_command(CommandType.RequestTrialJobs, 1)
            event = "SUCCEEDED"
            try:
                nni_trial.run(evaluation)
            except OverLimit:
                event = "FAILED"
            end = {"trial_job_id": f"job-{number}", "event": event,
                   "hyper_params": json.dumps(given[-1])}  # fmt: skip
            dispatcher.process_command(CommandType.TrialEnd, end)
    record, _ = Record.load(folder / HISTORY, evaluation.space)
    found = [
        Found(
            told.params,
            told.reward,
            record.facts[number]["metrics"],
        )
        for number, told in record.told.items()
    ]
    return found, tuner.strategy.history


def ray_trials(evaluation, strategy, trials, folder):
    """The searcher and a trial's own function, with a list in place of Tune's controller."""
    tune = pytest.importorskip("ray.tune")
    from cellwright.adapters import ray_trial
    from cellwright.adapters.ray_searcher import CellwrightSearch
    from cellwright.plugins.records.record import TrialRecord

    searcher = CellwrightSearch(strategy, "reward", "max")
    for number in range(trials):
        config, reports = searcher.suggest(f"trial-{number}"), []
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(tune, "report", reports.append)
            ray_trial.run(config, evaluation)
        searcher.on_trial_complete(f"trial-{number}", {**reports[-1], "config": config})
    searcher.save(str(folder / "state.json"))
    record, _ = TrialRecord.load(folder / "state.json", evaluation.space)
    found = [
        Found(told.params, told.reward, record.facts[number]["metrics"])
        for number, told in record.told.items()
    ]
    return found, searcher.strategy.history


class Tested:
    """A score of the trained child: the slower the network, the better it is."""

    metric, unit, direction, after_training = "tested", "", "maximize", True

    def __call__(self, model, data):
        return Measurement(taken(model) / 1000, 0.0, 1, "", "of the trained child")


HOSTS = {
    "optuna": optuna_trials,
    "keras_tuner": keras_tuner_trials,
    "nni": nni_trials,
    "ray": ray_trials,
}


def search(host, folder, space, reward, *, trials, limit=None, meter=None):
    """The trials that the host stored, which were trained, and what the strategy was told."""
    given, meter = Given(), meter or Stated()
    evaluation = Evaluation(space, DATA, reward=reward, meter=meter, limit=limit, train=given.train)
    strategy = RandomSearch(space, seed=3)
    found, told = HOSTS[host](evaluation, strategy, trials, folder)
    return SimpleNamespace(found=found, trained=given.trained, told=told)


@pytest.mark.parametrize(
    ("reward", "expected"), [(MnasNetReward(80), SOFT), (MnasNetReward.hard(80), HARD)]
)
@pytest.mark.parametrize("host", HOSTS)
def test_the_published_rewards_are_what_a_host_stores(host, reward, expected, tmp_path):
    ran = search(host, tmp_path, Timed(40, 80, 160), reward, trials=3)
    assert sorted(trial.params["milliseconds"] for trial in ran.found) == [40, 80, 160]
    for trial in ran.found:
        latency = trial.params["milliseconds"]
        assert trial.value == pytest.approx(expected[latency], abs=1e-10)
        assert trial.metrics["reward"] == trial.value
        assert (trial.metrics["val_accuracy"], trial.metrics["latency_ms"]) == (0.5, latency)


def test_all_hosts_store_the_same_under_the_same_names(tmp_path):
    stored = {}
    for host in HOSTS:
        (tmp_path / host).mkdir()
        ran = search(
            host, tmp_path / host, Timed(40, 80, 160), MnasNetReward(80), trials=3,
            limit=Limit("latency_ms", 100),
        )  # fmt: skip
        stored[host] = {
            trial.params["milliseconds"]: {
                name: value
                for name, value in trial.metrics.items()
                if name not in ("error", "architecture")
            }
            for trial in ran.found
        }
        for metrics in stored[host].values():
            assert metrics.pop("seconds", 1) > 0
    assert stored["optuna"] == stored["keras_tuner"] == stored["nni"] == stored["ray"]
    assert stored["nni"][40].keys() == {
        "val_accuracy", "val_loss", "latency_ms", "parameters", "reward",
    }  # fmt: skip
    beyond = {"latency_ms": 160, "parameters": 4, "infeasible": pytest.approx(0.6)}
    assert stored["nni"][160] == beyond


@pytest.mark.parametrize("host", HOSTS)
def test_what_is_measured_of_the_trained_child_is_rewarded_and_limited(host, tmp_path):
    limit = Limit("tested", at_least=0.05)
    reward = MnasNetReward(80, metric="tested")
    ran = search(
        host, tmp_path, Timed(40, 80, 160), reward, trials=3, limit=limit,
        meter=[Tested(), Stated()],
    )  # fmt: skip
    assert sorted(ran.trained) == [40, 80, 160]  # nothing is known before
    for trial in ran.found:
        latency = trial.params["milliseconds"]
        assert trial.metrics["tested"] == latency / 1000
        if latency == 40:
            assert trial.value is None
            assert trial.metrics["infeasible"] == pytest.approx(0.2)
        else:
            weighed = latency / 1000 * (latency / 80) ** -0.07
            assert trial.value == trial.metrics["reward"] == pytest.approx(weighed)


@pytest.mark.parametrize("host", HOSTS)
def test_a_child_beyond_the_limit_is_not_trained_and_the_search_goes_on(host, tmp_path):
    space = Timed(*SLOW, 100)  # 8 of 9 children are beyond it
    ran = search(host, tmp_path, space, MnasNetReward(80), trials=9, limit=Limit("latency_ms", 100))
    assert ran.trained == [100]
    assert len(ran.found) == 9
    within = [trial for trial in ran.found if trial.params["milliseconds"] == 100]
    beyond = [trial for trial in ran.found if trial.params["milliseconds"] > 100]
    assert len(within) == 1
    assert within[0].value == pytest.approx(0.5 * (100 / 80) ** -0.07)
    for trial in beyond:
        assert trial.value is None
        assert trial.metrics["latency_ms"] == trial.params["milliseconds"]
        assert trial.metrics["infeasible"] == pytest.approx(trial.params["milliseconds"] / 100 - 1)
    for told, trial in zip(ran.told, ran.found[:8], strict=False):  # before the last was asked for
        assert told.params["milliseconds"] == trial.params["milliseconds"]
        assert (told.reward is None) == (trial.value is None)
        assert told.excess == trial.metrics.get("infeasible", 0)


def test_optuna_knows_the_limit_as_a_constraint(tmp_path):
    optuna = pytest.importorskip("optuna")
    search(
        "optuna", tmp_path, Timed(90, 100, 130), MnasNetReward(1, -1, -1), trials=3,
        limit=Limit("latency_ms", 95),
    )  # fmt: skip
    url = f"sqlite:///{tmp_path}/study.db"
    [summary] = optuna.get_all_study_summaries(storage=url)
    study = optuna.load_study(study_name=summary.study_name, storage=url)
    for trial in study.trials:
        excess = trial.params["milliseconds"] - 95
        assert trial.constraints == {"latency_ms": excess}
        assert trial.state.name == ("COMPLETE" if excess <= 0 else "PRUNED")
    assert study.best_trial.params["milliseconds"] == 90


def test_keras_tuner_counts_a_crash_and_not_what_is_beyond_a_limit(tmp_path):
    kt = pytest.importorskip("keras_tuner")
    from cellwright.adapters.keras_oracle import StrategyOracle
    from cellwright.adapters.keras_trial import EvaluationTuner

    class Broken(Given):
        def train(self, model, data, recipe, *, report=None):
            raise ZeroDivisionError

    evaluation = Evaluation(
        Timed(*SLOW, 1, 2, 3, 4),
        DATA,
        meter=Stated(),
        limit=Limit("latency_ms", 100),
        train=Broken().train,
    )
    strategy = RandomSearch(evaluation.space, seed=0)
    oracle = StrategyOracle(kt.Objective("reward", "max"), 12, strategy=strategy)
    tuner = EvaluationTuner(evaluation, oracle, directory=str(tmp_path), project_name="cells")
    with pytest.raises(RuntimeError, match=r"limit of 3\.(?s:.*)ZeroDivisionError"):
        tuner.search(verbose=0)
    crashed = [t for t in oracle.trials.values() if not t.metrics.exists("infeasible")]
    assert len(crashed) == 3


TABLE = np.random.default_rng(0).normal(size=(80, 4)).astype(np.float32)
CLASSES = (TABLE[:, 0] > 0).astype(np.int64) + (TABLE[:, 1] > 0)
ROWS = Dataset(TABLE[:60], CLASSES[:60], TABLE[60:], CLASSES[60:], ("a", "b", "c"))
NETWORKS = MLPSpace(nodes=(4, 8), activations=("relu",), length=3)
THRICE = Recipe(epochs=3, batch_size=60, learning_rate=0.1)


def accuracies_by_epoch(params):
    found = []
    evaluation = Evaluation(NETWORKS, ROWS, THRICE)
    evaluation.run(params, lambda _, metrics: found.append(metrics["val_accuracy"]))
    return found


@pytest.mark.parametrize("host", HOSTS)
def test_the_reward_of_the_series_is_the_accuracy_of_all_epochs(host, tmp_path):
    evaluation = Evaluation(NETWORKS, ROWS, THRICE, AccuracyReward.weighted())
    found, _ = HOSTS[host](evaluation, RandomSearch(NETWORKS, seed=3), 3, tmp_path)
    assert len({trial.value for trial in found}) > 1
    for trial in found:
        first, second, third = accuracies_by_epoch(trial.params)
        assert trial.value == pytest.approx((first + 2 * second + 3 * third) / 6)
        assert trial.metrics["weighted_val_accuracy"] == trial.value
        assert trial.metrics["val_accuracy"] == pytest.approx(third)


@pytest.mark.parametrize("host", HOSTS)
def test_children_share_weights_as_they_do_one_after_the_other(host, tmp_path):
    evaluation = Evaluation(NETWORKS, ROWS, THRICE, weights=WeightBank(tmp_path / "weights"))
    found, _ = HOSTS[host](evaluation, RandomSearch(NETWORKS, seed=3), 4, tmp_path)
    bare = Evaluation(NETWORKS, ROWS, THRICE, weights=WeightBank(tmp_path / "bare"))
    fresh = Evaluation(NETWORKS, ROWS, THRICE)
    alone = []
    for trial in found:
        expected, _ = bare.run(trial.params)
        for name in ("reward", "val_accuracy", "val_loss", "shared_layers"):
            assert trial.metrics[name] == pytest.approx(expected[name]), name
        alone.append(fresh.run(trial.params)[0]["val_loss"])
    assert found[0].metrics["shared_layers"] == 0
    assert found[0].metrics["val_loss"] == pytest.approx(alone[0])
    shared = [trial.metrics["shared_layers"] > 0 for trial in found]
    moved = [
        trial.metrics["val_loss"] != pytest.approx(loss)
        for trial, loss in zip(found, alone, strict=True)
    ]
    assert any(shared)
    assert moved == shared  # no score is that of a training of its own if a layer was shared


@pytest.mark.parametrize("host", HOSTS)
def test_a_score_with_shared_weights_answers_no_other_trial(host, tmp_path):
    only = MLPSpace(nodes=(4,), activations=("relu",), length=2)  # one network
    for weights, layers in ((WeightBank(tmp_path / "weights"), [0, 2, 2]), (None, [None] * 3)):
        folder = tmp_path / f"{weights is None}"
        folder.mkdir()
        evaluation = Evaluation(only, ROWS, THRICE, weights=weights)
        found, _ = HOSTS[host](evaluation, RandomSearch(only, seed=3), 3, folder)
        assert [trial.metrics.get("shared_layers") for trial in found] == layers
        repeated = [trial.metrics.get("repeat_of") for trial in found]
        assert repeated == [None] * 3 if weights else repeated[1:] == [0, 0]
