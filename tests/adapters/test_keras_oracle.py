"""StrategyOracle in real Keras Tuner searches, whose trials are scored without training."""

import contextlib
import json
import math
import sys
import threading
import zlib

import keras_tuner as kt
import pytest

from cellwright.adapters.keras_oracle import (
    NASNetEvolutionOracle,
    NASNetRLOracle,
    StrategyOracle,
    architecture,
)
from cellwright.adapters.keras_trial import EvaluationTuner
from cellwright.plugins import Evaluation, RandomSearch, load_dataset, make_strategy
from cellwright.search_spaces import (
    Decision,
    Float,
    JointSpace,
    MnasNetSpace,
    NASNetSpace,
    SearchSpace,
    SpaceMismatch,
)

SPACE = SearchSpace(
    [
        Decision("operation_1", ("sep_3x3", "sep_5x5", "identity")),
        Decision("operation_2", ("sep_3x3", "sep_5x5", "identity")),
        Decision("filters", (8, 16, 32)),
        Decision("dropout", (0.1, 0.2, 0.7)),
        Decision("skip", (True, False)),
        Decision("depth", (1, 2, 3, 4)),
    ]
)
ARGUMENTS = {
    "random": {},
    "evolution": {"population": 5, "sample": 3},
    "reinforce": {"units": 8, "batch": 3},
}
FAILING = (3, 7, 8, 14)


def score(params):
    """Between 0 and 1, the same everywhere."""
    return zlib.crc32(json.dumps(params, sort_keys=True).encode()) / 2**32


class Scored(kt.engine.base_tuner.BaseTuner):
    """Scores trials with ``judge(params, number)`` and keeps what was tried."""

    def __init__(self, *args, judge=lambda params, number: score(params), **kwargs):
        super().__init__(*args, **kwargs)
        self.judge, self.tried = judge, []

    def run_trial(self, trial, *args, **kwargs):
        params = architecture(trial.hyperparameters, self.oracle.space)
        self.tried.append((int(trial.trial_id), params))
        return self.judge(params, int(trial.trial_id))


def search(path, oracle, *, judge=None, project="project", **kwargs):
    judge = judge or (lambda params, number: score(params))
    tuner = Scored(oracle, directory=str(path), project_name=project, judge=judge, **kwargs)
    tuner.search(verbose=0)
    return tuner


def oracle(strategy="random", trials=6, objective=None, **kwargs):
    objective = objective or kt.Objective("score", "max")
    return StrategyOracle(objective, trials, strategy=strategy, space=SPACE, **kwargs)


def bare(strategy, trials, judge, seed, **arguments):
    """What the strategy does with no host; ``judge`` raises for a child that fails."""
    asked = make_strategy(strategy, SPACE, seed=seed, **arguments)
    tried = []
    for number in range(trials):
        params = asked.ask(number)
        tried.append((number, params))
        try:
            reward = judge(params, number)
        except RuntimeError:
            reward = None
        asked.tell(number, params, reward)
    return tried


def flaky(params, number):
    if number in FAILING:
        raise RuntimeError(f"child {number} fails")
    return score(params)


@pytest.mark.parametrize("direction", ["max", "min"])
@pytest.mark.parametrize("strategy", ARGUMENTS)
def test_equals_the_bare_loop_also_when_stopped_half_way(tmp_path, strategy, direction):
    def judge(params, number):
        return flaky(params, number) * (1 if direction == "max" else -1)

    tried = []
    for trials in (7, 25):  # ids of one digit, then of two
        new = oracle(strategy, trials, kt.Objective("score", direction), seed=5,
                     **ARGUMENTS[strategy])  # fmt: skip
        tried += search(tmp_path, new, judge=judge).tried
    assert tried == bare(strategy, 25, flaky, 5, **ARGUMENTS[strategy])
    best = new.get_best_trials()[0]
    assert abs(best.score) == max(score(p) for n, p in tried if n not in FAILING)
    assert {int(t.trial_id) for t in new.trials.values() if t.status == "FAILED"} == set(FAILING)
    assert "child 3 fails" in new.trials["3"].message


def test_no_objective_is_a_float_to_minimise_as_in_keras_tuner(tmp_path):
    mine = StrategyOracle(max_trials=8, strategy="evolution", space=SPACE, seed=1,
                          **ARGUMENTS["evolution"])  # fmt: skip
    tried = search(tmp_path, mine).tried
    assert tried == bare("evolution", 8, lambda p, n: -score(p), 1, **ARGUMENTS["evolution"])
    assert all(told.reward < 0 for told in mine.record())


@pytest.mark.parametrize("direction", ["max", "min"])
def test_predictions_stand_among_the_metrics_of_trials(tmp_path, direction):
    new = oracle("predictor", 9, kt.Objective("score", direction), seed=2, initial=3)
    search(tmp_path, new, judge=lambda params, number: 5 + params["depth"])
    again = oracle("predictor", 9, kt.Objective("score", direction), seed=2, initial=3)
    search(tmp_path, again)  # nothing is left to do
    for trial_id, trial in again.trials.items():
        noted = {"predicted", "predicted_std"} & trial.metrics.metrics.keys()
        assert len(noted) == (2 if int(trial_id) >= 3 else 0)
    last = again.trials["8"]
    assert 5.5 < last.metrics.get_last_value("predicted") < 9.5
    assert last.metrics.get_last_value("predicted_std") > 0
    assert last.score == last.metrics.get_last_value("score")


def test_seed_0_is_a_seed(tmp_path):
    mine = oracle(seed=0)
    assert mine.seed == 0
    assert search(tmp_path, mine).tried == bare("random", 6, flaky, 0)


@pytest.mark.parametrize("make", [lambda: "random", lambda: RandomSearch(SPACE)])
def test_a_drawn_seed_stays_with_the_project(tmp_path, make):
    def oracle(trials):
        space = SPACE if make() == "random" else None
        objective = kt.Objective("score", "max")
        return StrategyOracle(objective, trials, strategy=make(), space=space)

    first, second, elsewhere = oracle(trials=3), oracle(trials=6), oracle(trials=3)
    tried = search(tmp_path, first).tried + search(tmp_path, second).tried
    assert second.seed == first.seed != elsewhere.seed
    assert tried == bare("random", 6, flaky, first.seed)


def test_a_given_seed_wins_over_the_stored_one(tmp_path):
    search(tmp_path, oracle(trials=3, seed=1))
    mine = oracle(trials=6, seed=2)
    assert search(tmp_path, mine).tried == bare("random", 6, flaky, 2)[3:]
    assert mine.seed == mine.get_state()["seed"] == 2


def test_a_strategy_object_brings_space_and_seed(tmp_path):
    mine = StrategyOracle("val_accuracy", 4, strategy=RandomSearch(SPACE, seed=9))
    assert search(tmp_path, mine).tried == bare("random", 4, flaky, 9)
    with pytest.raises(ValueError, match="brings its own"):
        StrategyOracle("val_accuracy", strategy=RandomSearch(SPACE, seed=9), seed=9)


def test_the_named_oracles_search_the_books_space():
    for kind in (NASNetRLOracle, NASNetEvolutionOracle):
        mine = kind("val_loss", 3, seed=1)
        assert mine.space.fingerprint == NASNetSpace().fingerprint
        assert mine.objective.direction == "min"
        assert [hp.name for hp in mine.get_space().space] == list(NASNetSpace().names)


@pytest.mark.parametrize("bad", [math.nan, "raise"])
def test_a_retry_keeps_id_and_values_and_its_result_counts(tmp_path, bad):
    runs = {}

    def judge(params, number):
        runs[number] = runs.get(number, 0) + 1
        if (number, runs[number]) in {(1, 1), (2, 1), (2, 2), (4, 1)}:
            if bad == "raise":
                raise RuntimeError("bad luck")
            return bad
        return score(params)

    mine = oracle("reinforce", 6, seed=3, max_retries_per_trial=1, **ARGUMENTS["reinforce"])
    tried = search(tmp_path, mine, judge=judge).tried
    assert [number for number, _ in tried] == [0, 1, 1, 2, 2, 3, 4, 4, 5]
    assert [told.reward for told in mine.record()] == [
        None if told.number == 2 else score(told.params) for told in mine.record()
    ]
    once = [tried[i] for i in (0, 1, 3, 5, 6, 8)]
    assert [tried[i] for i in (2, 4, 7)] == [tried[i] for i in (1, 3, 6)]

    def final(params, number):
        if number == 2:
            raise RuntimeError
        return score(params)

    assert once == bare("reinforce", 6, final, 3, **ARGUMENTS["reinforce"])


@pytest.mark.parametrize("bad", [math.inf, -math.inf, math.nan])
def test_a_result_that_is_not_finite_is_a_failed_trial_with_a_reason(tmp_path, bad):
    mine = oracle(seed=1)
    search(tmp_path, mine, judge=lambda params, number: bad if number == 2 else score(params))
    assert mine.trials["2"].status == "FAILED"
    assert "not a finite number" in mine.trials["2"].message
    assert mine.record()[2].reward is None
    assert math.isfinite(mine.get_best_trials()[0].score)


def test_too_many_failures_stop_the_search_which_can_go_on_later(tmp_path):
    broken = [True]

    def judge(params, number):
        if broken[0] and number in (2, 3, 4):
            raise RuntimeError("the disk is full")
        return score(params)

    mine = oracle(seed=2, trials=7)
    tuner = Scored(mine, directory=str(tmp_path), project_name="p", judge=judge)
    with pytest.raises(RuntimeError, match="the disk is full"):
        tuner.search(verbose=0)
    broken[0] = False
    tuner.search(verbose=0)
    assert [number for number, _ in tuner.tried] == [0, 1, 2, 3, 4, 4, 5, 6]
    assert tuner.tried[5:] == bare("random", 7, flaky, 2)[4:]
    assert [told.reward is None for told in mine.record()] == [False] * 2 + [True] * 2 + [False] * 3


def test_an_exception_does_not_leave_the_oracle_locked(tmp_path):
    mine = oracle(seed=1)
    Scored(mine, directory=str(tmp_path), project_name="p")
    trial = mine.create_trial("tuner0")
    with pytest.raises(ValueError, match="no value for the objective 'score': the metrics are acc"):
        mine.update_trial(trial.trial_id, {"accuracy": 0.5})
    other = threading.Thread(
        target=mine.update_trial, args=(trial.trial_id, {"score": 0.5}), daemon=True
    )
    other.start()
    other.join(20)
    assert not other.is_alive()
    assert mine.trials[trial.trial_id].metrics.get_best_value("score") == 0.5


def test_tuners_that_work_at_once_share_no_network(tmp_path):
    space = SearchSpace([Decision("a", (1, 2, 3)), Decision("b", ("x", "y"))])
    chief = StrategyOracle(kt.Objective("score", "max"), 6, strategy="random", space=space, seed=0)
    chief._set_project_dir(str(tmp_path), "project")
    running = [chief.create_trial(f"tuner{i}").hyperparameters.values for i in range(6)]
    assert len({space.key({n: values[n] for n in space.names}) for values in running}) == 6


def test_a_space_that_is_used_up_still_gets_all_its_trials(tmp_path):
    small = SearchSpace([Decision("skip", (True, False))])
    mine = StrategyOracle(
        kt.Objective("score", "max"), 6, strategy="evolution", space=small, seed=0
    )
    tried = search(tmp_path, mine).tried
    assert len(tried) == 6
    assert {params["skip"] for _, params in tried} == {True, False}
    assert all(type(params["skip"]) is bool for _, params in tried)


def test_a_network_that_was_tried_brings_its_metrics(tmp_path):
    small = SearchSpace([Decision("skip", (True, False))])
    mine = StrategyOracle(kt.Objective("score", "max"), 5, strategy="random", space=small, seed=0)
    paid = []

    class Thrifty(kt.Tuner):
        def run_trial(self, trial, *arguments, **keywords):
            known = self.oracle.known_metrics(trial)
            if known is not None:
                return known
            paid.append(trial.trial_id)
            return {"score": float(len(paid)), "other": 7.0}

    Thrifty(oracle=mine, directory=str(tmp_path), project_name="p").search(verbose=0)
    assert len(paid) == 2
    scores = {bool(t.hyperparameters.values["skip"]): t.score for t in mine.trials.values()}
    assert sorted(scores.values()) == [1.0, 2.0]
    repeats = [t for t in mine.trials.values() if t.metrics.exists("repeat_of")]
    assert len(repeats) == 3
    for trial in repeats:
        original = mine.trials[str(int(trial.metrics.get_last_value("repeat_of")))]
        assert (trial.score, original.trial_id in paid) == (original.score, True)
        assert trial.metrics.get_last_value("other") == 7.0


class Extra(kt.HyperModel):
    """A user's own build, with hyperparameters of its own; one depends on a decision."""

    def build(self, hp):
        params = architecture(hp, SPACE)
        hp.Float("learning_rate", 1e-4, 1e-1, sampling="log")
        hp.Float("momentum", 0.0, 1.0)
        hp.Float("weight_decay", 0.0, 1.0)
        with hp.conditional_scope("skip", [1]):
            if params["skip"]:
                hp.Int("skip_width", 1, 100)


class ExtraTuner(Scored):
    def run_trial(self, trial, *args, **kwargs):
        self.hypermodel.build(trial.hyperparameters)
        self.values = [*getattr(self, "values", []), dict(trial.hyperparameters.values)]
        return super().run_trial(trial)


def extra_search(path, trials, **kwargs):
    tuner = ExtraTuner(oracle(trials=trials, seed=4, **kwargs), hypermodel=Extra(),
                       directory=str(path), project_name="p")  # fmt: skip
    tuner.search(verbose=0)
    return tuner


def test_other_hyperparameters_are_random_and_do_not_disturb_the_architectures(tmp_path):
    whole = extra_search(tmp_path / "whole", 8)
    halves = [extra_search(tmp_path / "halves", trials) for trials in (4, 8)]
    assert whole.tried == bare("random", 8, flaky, 4)
    rates = [values["learning_rate"] for values in whole.values]
    assert len(set(rates)) == 8
    assert all(1e-4 <= rate <= 1e-1 for rate in rates)
    assert all(values["momentum"] != values["weight_decay"] for values in whole.values)
    assert all(("skip_width" in v) == bool(v["skip"]) for v in whole.values)
    assert len({v["skip_width"] for v in whole.values if v["skip"]}) > 1
    assert halves[0].values + halves[1].values == whole.values


def test_new_entries_follow_keras_tuners_rules(tmp_path):
    given = kt.HyperParameters()
    given.Fixed("learning_rate", 0.05)
    tuner = extra_search(tmp_path / "given", 4, hyperparameters=given)
    assert {values["learning_rate"] for values in tuner.values} == {0.05}
    assert "operation_1" not in given.values  # the user's object stays as it was
    tuner = extra_search(tmp_path / "default", 4, tune_new_entries=False)
    assert {values["learning_rate"] for values in tuner.values} == {1e-4}
    with pytest.raises(RuntimeError, match="allow_new_entries"):
        extra_search(tmp_path / "none", 4, allow_new_entries=False)


def test_the_objectives_of_a_trial_are_those_of_its_best_step(tmp_path):
    """Keras Tuner scores a trial of several steps by the best sum; a retry forgets the steps."""
    objectives = [kt.Objective("accuracy", "max"), kt.Objective("latency", "min")]
    mine = StrategyOracle(objectives, 2, strategy="pareto", space=SPACE, seed=0,
                          max_retries_per_trial=1)  # fmt: skip
    tries = []

    class Steps(kt.engine.base_tuner.BaseTuner):
        def run_trial(self, trial, *args, **kwargs):
            tries.append(trial.trial_id)
            architecture(trial.hyperparameters, SPACE)
            for step, accuracy in enumerate((0.5, 0.9, 0.7)):
                latency = math.nan if tries == ["0"] else 20.0 + step / 8
                metrics = {"accuracy": accuracy, "latency": latency}
                metrics["multi_objective"] = self.oracle.objective.get_value(metrics)
                self.oracle.update_trial(trial.trial_id, metrics, step=step)

    with pytest.warns(DeprecationWarning, match="update_trial"):
        Steps(mine, directory=str(tmp_path), project_name="p").search(verbose=0)
    assert tries == ["0", "0", "1"]
    assert [told.reward for told in mine.record()] == [(0.9, -20.125)] * 2


def test_one_objective_in_a_list_is_one_objective(tmp_path):
    mine = StrategyOracle([kt.Objective("score", "max")], 3, strategy="random", space=SPACE, seed=0)
    judged = search(
        tmp_path,
        mine,
        judge=lambda params, number: {"score": number + 0.5, "multi_objective": -number - 0.5},
    )
    assert [told.reward for told in judged.oracle.record()] == [0.5, 1.5, 2.5]


def test_a_reward_beside_other_metrics(tmp_path):
    def judge(params, number):
        accuracy = score(params)
        return {"reward": accuracy / 2, "val_accuracy": accuracy, "latency_ms": 3.0}

    mine = oracle(objective=kt.Objective("reward", "max"), seed=1)
    search(tmp_path, mine, judge=judge)
    assert [told.reward for told in mine.record()] == [score(t.params) / 2 for t in mine.record()]
    assert mine.trials["0"].metrics.get_best_value("latency_ms") == 3.0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"objective": ["val_accuracy", "val_loss"]},
            "Reinforce searches on one objective, and there",
        ),
        ({"objective": "cleverness"}, "cleverness"),
        ({"max_trials": 0}, "max_trials must be at least 1"),
        ({"seed": -1}, "seed must be"),
        ({"strategy": RandomSearch}, "a name was expected"),
        ({"strategy": "reinforced"}, "Did you mean 'reinforce'"),
        ({"population": 5}, "cannot be made so"),
        ({"space": "book"}, "unknown name 'book'"),
    ],
)
def test_wrong_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        StrategyOracle(**arguments)


def test_another_space_in_the_hypermodel_is_refused_before_any_trial(tmp_path):
    def build(hp):
        architecture(hp, NASNetSpace(blocks=1))

    with pytest.raises(SpaceMismatch, match="give both the same space"):
        kt.Tuner(oracle=NASNetRLOracle("val_accuracy", space=NASNetSpace(blocks=2)),
                 hypermodel=build, directory=str(tmp_path))  # fmt: skip


@pytest.mark.parametrize("stem", [16, 32])
@pytest.mark.parametrize("joint", [False, True])
def test_a_hypermodel_whose_space_was_told_something_else_is_refused(tmp_path, stem, joint):
    searched = MnasNetSpace(stem=16)
    built = MnasNetSpace(stem=stem)
    space = JointSpace(built, Float("learning_rate", 1e-4, 1e-2)) if joint else built
    refused = pytest.raises(SpaceMismatch, match="stem was 16 and is now 32; give both the same")
    oracle = NASNetRLOracle("val_accuracy", space=searched)
    with contextlib.nullcontext() if stem == 16 else refused:
        kt.Tuner(oracle, lambda hp: architecture(hp, space), directory=str(tmp_path))


@pytest.mark.parametrize("stem", [16, 32])
def test_an_evaluation_whose_space_was_told_something_else_is_refused(tmp_path, stem):
    oracle = NASNetRLOracle("val_accuracy", space=MnasNetSpace(stem=16))
    evaluation = Evaluation(MnasNetSpace(stem=stem), load_dataset("digits"))
    refused = pytest.raises(SpaceMismatch, match="stem was 16 and is now 32; give both the same")
    with contextlib.nullcontext() if stem == 16 else refused:
        EvaluationTuner(evaluation, oracle, directory=str(tmp_path))


def test_a_space_that_may_differ_is_said_once(tmp_path, caplog):
    class Mine(NASNetSpace):
        pass

    hp = NASNetRLOracle("val_accuracy", space=NASNetSpace(blocks=1)).get_space()
    for _ in range(3):
        architecture(hp, Mine(blocks=1))
    (said,) = caplog.messages
    assert "its class was NASNetSpace and is now Mine" in said


def test_a_name_scope_around_the_architecture_is_refused(tmp_path):
    def build(hp):
        with hp.name_scope("child"):
            architecture(hp, SPACE)

    with pytest.raises(ValueError, match="outside any name_scope"):
        kt.Tuner(oracle=oracle(), hypermodel=build, directory=str(tmp_path))


def test_a_decision_that_the_user_declared_otherwise_is_refused():
    given = kt.HyperParameters()
    given.Fixed("operation_1", "identity")
    with pytest.raises(SpaceMismatch, match="operation_1 is declared as"):
        oracle(hyperparameters=given)


def test_missing_tensorboard_is_said_at_once(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboard", None)  # as if it were not installed
    with pytest.raises(ImportError, match="pip install tensorboard"):
        oracle()
