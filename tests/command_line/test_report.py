"""`cellwright report`: runs of Optuna and Keras Tuner that scripts made, and what is told of them.

Runs of the command line are in test_search.py, those of NNI in contract/test_hosts.py and, as a
search that is kept here, below.
"""

import csv
import json
import shutil
import sqlite3
from contextlib import closing
from functools import partial
from pathlib import Path

import keras_tuner
import numpy as np
import optuna
import pytest
from matplotlib.image import imread
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from cellwright.adapters.keras_decisions import architecture
from cellwright.adapters.keras_oracle import StrategyOracle
from cellwright.adapters.optuna_sampler import StrategySampler, suggest
from cellwright.plugins import PredictorGuided
from cellwright.search_spaces import MLPSpace

SPACE = MLPSpace()
WIDTHS = [int(word.split()[0]) if word[0].isdigit() else 0 for word in SPACE.vocabulary]


def score(params):
    """Wide first layers are good; what follows hardly matters."""
    first, second = SPACE.encode(params)
    return np.log2(WIDTHS[first]) / 10 + 0.001 * (second % 4)


@pytest.fixture
def report(command):
    return partial(command, "report")


def optimise(storage, trials=24, name="mine", direction="maximize"):
    def objective(trial):
        params = suggest(trial, SPACE)
        trial.suggest_float("rate", 0, 1)
        if trial.number == 3:
            raise ValueError("broken on purpose")
        trial.set_user_attr("val_loss", 1 - score(params))
        return score(params) if direction == "maximize" else -score(params)

    study = optuna.create_study(
        storage=storage,
        study_name=name,
        direction=direction,
        sampler=StrategySampler(PredictorGuided(SPACE, seed=0)),
    )
    study.optimize(objective, n_trials=trials, catch=(ValueError,))
    return study


@pytest.mark.parametrize("direction", ["maximize", "minimize"])
def test_an_optuna_study(direction, report, tmp_path):
    study = optimise(f"sqlite:///{tmp_path}/study.db", direction=direction)
    code, out, err = report(f"sqlite:///{tmp_path}/study.db", "--space", "mlp", "--top", 2)
    assert code == 0, err
    assert out.startswith(f"1. trial {study.best_trial.number}, value {study.best_value:.4f}")
    assert f"value: best {study.best_value:.4f}, " in out
    best = {name: study.best_params[name] for name in SPACE.names}
    assert SPACE.words(best)[0] in out
    assert "23 trials, 1 more failed" in out
    assert "predicted against measured: Spearman" in out
    assert out.index("layer/1") < out.index("layer/2")
    folder = tmp_path / "mine-report"
    for name in ("trials", "distribution", "importances", "predictions"):
        assert imread(folder / f"{name}.png").std() > 0.02
    with (folder / "trials.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["state"] for row in rows].count("failed") == 1
    with (folder / "importances.csv").open() as file:
        first, *rest = csv.DictReader(file)
    assert (first["decision"], {one["decision"] for one in rest}) == (
        "layer/1",
        {"layer/2", "rate"},
    )
    assert float(first["share"]) > 0.5 > max(float(one["share"]) for one in rest)
    assert (float(first["effect"]) > 0) == (direction == "maximize")
    assert [row["rate"] for row in rows] == [str(t.params["rate"]) for t in study.trials]


@pytest.mark.parametrize("direction", ["maximize", "minimize"])
def test_pruned_trials_are_counted_and_keep_what_they_had_reached(direction, report, tmp_path):
    sign = 1 if direction == "maximize" else -1

    def objective(trial):
        params = suggest(trial, SPACE)
        trial.report(sign * score(params) / 2, 1)
        if trial.number % 4 == 3:
            raise optuna.TrialPruned
        trial.set_user_attr("val_loss", 1 - score(params))
        return sign * score(params)

    url = f"sqlite:///{tmp_path}/study.db"
    study = optuna.create_study(
        storage=url,
        study_name="mine",
        direction=direction,
        sampler=StrategySampler(PredictorGuided(SPACE, seed=0)),
    )
    study.optimize(objective, n_trials=12)
    code, out, err = report(url, "--space", "mlp")
    assert code == 0, err
    assert "9 trials, 3 more were pruned\n" in out
    for number in (3, 7, 11):
        assert (
            f"trial {number} {study.trials[number].value:.4f}" in out[out.index("when pruned:") :]
        )
    with (tmp_path / "mine-report" / "trials.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["trial"]) for row in rows if row["state"] == "pruned"] == [3, 7, 11]
    for row in rows:
        assert float(row["value"]) == study.trials[int(row["trial"])].value
    picture = (tmp_path / "mine-report" / "trials.svg").read_text()
    assert "pruned (3 of 12)" in picture
    assert "failed" not in picture
    code, out, err = report(url, "--space", "mlp", "--metric", "val_loss")
    assert code == 0, err
    assert "9 trials, 3 more were pruned\n" in out


def test_a_journal_with_two_studies_and_another_metric(report, tmp_path):
    file = tmp_path / "study.journal"
    for name in ("one", "two"):
        optimise(JournalStorage(JournalFileBackend(str(file))), trials=12, name=name)
    code, _, err = report(file, "--space", "mlp")
    assert code == 1
    assert "--study, one of one, two" in err
    arguments = ("--space", "mlp", "--study", "two", "--metric", "val_loss", "--json")
    code, out, err = report(file, *arguments)
    assert code == 0, err
    found = json.loads(out)
    losses = [trial["metrics"]["val_loss"] for trial in found["best"]]
    assert losses == sorted(losses)
    assert losses[0] > 0
    assert found["judged_by"] == {"val_loss": "minimize"}
    assert found["files"] == []
    assert not list(tmp_path.glob("*report*"))


METRICS = [{"latency_int8_ms": 9.0, "f1": 0.2, "f1_macro": 0.2, "my_score": 3.0},
           {"latency_int8_ms": 2.0, "f1": 0.8, "f1_macro": 0.8, "my_score": 4.0}]  # fmt: skip


@pytest.fixture
def measured(tmp_path):
    """A study of two objectives, whose two trials have `METRICS`."""
    url = f"sqlite:///{tmp_path}/measured.db"
    study = optuna.create_study(storage=url, directions=["minimize", "maximize"])
    for k, metrics in enumerate(METRICS):
        trial = study.ask()
        suggest(trial, SPACE)
        for name, value in metrics.items():
            trial.set_user_attr(name, value)
        study.tell(trial, (float(k), float(k)))
    return url


@pytest.mark.parametrize(
    ("metric", "best"),
    [("latency_int8_ms", 1), ("f1", 1), ("f1_macro:max", 1), ("f1_macro:min", 0),
     ("my_score:minimize", 0), ("latency_int8_ms:max", 0), ("value_0", 0), ("value_1", 1)],
)  # fmt: skip
def test_the_best_trial_by_any_metric(report, measured, metric, best):
    code, out, err = report(measured, "--space", "mlp", "--metric", metric, "--json")
    assert code == 0, err
    assert [trial["trial"] for trial in json.loads(out)["best"]] == [best, 1 - best]


@pytest.mark.parametrize("metric", ["f1_macro", "my_score"])
def test_a_metric_that_nobody_has_declared_is_refused(report, measured, metric):
    code, _, err = report(measured, "--space", "mlp", "--metric", metric)
    assert code == 1
    assert f"write --metric {metric}:max or --metric {metric}:min" in " ".join(err.split())


def test_a_keras_tuner_project_says_what_goes_up_and_not_what_goes_down(report, tmp_path):
    """Keras Tuner records "min" of a metric that it knows nothing about."""

    class Tuner(keras_tuner.Tuner):
        def run_trial(self, trial, *args, **kwargs):
            architecture(trial.hyperparameters, SPACE)
            return METRICS[int(trial.trial_id)]

    oracle = StrategyOracle(
        keras_tuner.Objective("my_score", "max"), 2, strategy="random", space=SPACE, seed=1
    )
    Tuner(oracle=oracle, directory=str(tmp_path), project_name="tuned").search(verbose=0)
    assert oracle.trials["0"].metrics.metrics["f1_macro"].direction == "min"
    folder = tmp_path / "tuned"
    for metric in ("my_score", "latency_int8_ms", "f1_macro:max"):
        code, out, err = report(folder, "--space", "mlp", "--metric", metric, "--json")
        assert code == 0, err
        assert json.loads(out)["best"][0]["trial"] == 1
    code, _, err = report(folder, "--space", "mlp", "--metric", "f1_macro")
    assert code == 1
    assert "f1_macro:max" in err


def test_a_keras_tuner_project(report, tmp_path):
    class Tuner(keras_tuner.Tuner):
        def run_trial(self, trial, *args, **kwargs):
            params = {name: trial.hyperparameters.values[name] for name in SPACE.names}
            return {"val_loss": 1 - score(params), "latency_ms": 2.0}

    oracle = StrategyOracle(
        keras_tuner.Objective("val_loss", "min"), 12, strategy="evolution", space=SPACE, seed=1
    )
    Tuner(oracle=oracle, directory=str(tmp_path), project_name="tuned").search(verbose=0)
    code, out, err = report(tmp_path / "tuned", "--space", "mlp", "--out", tmp_path / "told")
    assert code == 0, err
    best = oracle.get_best_trials(1)[0]
    assert out.startswith(f"1. trial {int(best.trial_id)}, validation loss {best.score:.4f}")
    assert (tmp_path / "told" / "distribution.svg").exists()


def test_a_search_by_nni(report, tmp_path):
    """One of `cellwright search --host nni`, kept as version 0.1.0 left it."""
    pytest.importorskip("nni")
    kept = Path(__file__).parents[1] / "fixtures" / "before_rooms" / "runs" / "nni"
    shutil.copytree(kept, tmp_path / "kept")
    code, out, err = report(tmp_path / "kept", "--top", 2, "--out", tmp_path / "told")
    assert code == 0, err
    with (kept / "trials.csv").open() as file:
        rows = sorted(csv.DictReader(file), key=lambda row: -float(row["reward"]))
    for place, row in enumerate(rows[:2], start=1):
        assert f"{place}. trial {row['trial']}, reward {float(row['reward']):.4f}" in out
    assert f"{len(rows)} trials" in out
    for name in ("trials", "distribution"):
        assert imread(tmp_path / "told" / f"{name}.png").std() > 0.02


def test_an_experiment_of_a_tuner_of_nnis_own(report, tmp_path):
    """As NNI keeps it: the checkpoint of our tuner is taken away, and a trial stopped early."""
    pytest.importorskip("nni")
    kept = Path(__file__).parents[1] / "fixtures" / "before_rooms" / "runs" / "nni"
    [made] = (kept / "experiment" / "experiments").glob("*/db/nni.sqlite")
    folder = shutil.copytree(made.parents[1], tmp_path / "kept")
    shutil.rmtree(folder / "checkpoint", ignore_errors=True)
    with closing(sqlite3.connect(folder / "db" / "nni.sqlite")) as opened, opened:
        opened.execute(
            "update TrialJobEvent set event = 'EARLY_STOPPED' where event = 'SUCCEEDED' and "
            "trialJobId = (select trialJobId from TrialJobEvent where sequenceId = 1)"
        )
    code, out, err = report(folder, "--space", "mlp")
    assert code == 0, err
    with (kept / "trials.csv").open() as file:
        rows = list(csv.DictReader(file))
    best, stopped = float(rows[0]["reward"]), float(rows[1]["reward"])
    assert out.startswith(f"1. trial 0, default {best:.4f}\n  8 relu > 16 elu > output\n")
    assert "3 trials, 1 more were pruned" in out
    assert f"default when pruned: trial 1 {stopped:.4f}" in out
    assert (folder / "report" / "trials.svg").exists()


def test_what_is_no_run_or_of_another_space_is_refused(report, tmp_path):
    code, _, err = report(tmp_path)
    assert code == 1
    assert "is no run" in err
    url = f"sqlite:///{tmp_path}/study.db"
    optimise(url, trials=2)
    for arguments in ([], ["--space", "mnasnet"]):
        code, _, err = report(url, *arguments)
        assert code == 1
        assert (
            "--space with the name of the one that was searched; the decisions are those of mlp"
            in err
        )


def of_user(trial):
    """As users write them: a learning rate, early stopping, and a loss to minimise."""
    params = suggest(trial, SPACE)
    rate = trial.suggest_float("learning_rate", 1e-4, 1e-1, log=True)
    momentum = trial.suggest_float("momentum", 0, 1) if rate < 0.01 else None
    trial.set_user_attr("val_accuracy", score(params) / 10)
    trial.set_user_attr("stopped_early", True)
    trial.set_user_attr("note", "mine")
    loss = 2 + abs(np.log10(rate) + 2.5) - score(params) / 10
    trial.report(loss + 1, 1)
    if trial.number == 4:
        raise optuna.TrialPruned
    if trial.number == 5:
        raise ValueError("broken on purpose")
    return loss + 0 * (momentum or 0)


@pytest.fixture
def a_study(tmp_path):
    """A function that makes a study by TPE, of as many trials, which minimises."""

    def make(trials, objective=of_user, **options):
        file = str(tmp_path / "of_user.journal")
        study = optuna.create_study(
            storage=JournalStorage(JournalFileBackend(file)),
            sampler=optuna.samplers.TPESampler(seed=0),
            study_name="a/b",
            **options,
        )
        study.optimize(objective, n_trials=trials, catch=(ValueError,))
        return file, study

    return make


def test_hyperparameters_of_the_user_are_parameters_and_no_metrics(report, a_study, tmp_path):
    url, study = a_study(30)
    code, out, err = report(url, "--space", "mlp", "--json", "--out", tmp_path / "told")
    assert code == 0, err
    found = json.loads(out)
    best = found["best"][0]
    assert best["trial"] == study.best_trial.number
    assert best["params"] == study.best_params
    assert best["metrics"] == {
        "value": study.best_value,
        "val_accuracy": study.best_trial.user_attrs["val_accuracy"],
    }
    assert any("learning_rate" in line for line in best["words"])
    first = found["importances"][0]
    assert first["decision"] == "learning_rate"
    assert first["effect"] < 0
    low, high = map(float, first["best"].split(" to "))
    assert low <= 10**-2.5 * 1.5
    assert high >= 10**-2.5 / 1.5
    assert {one["decision"] for one in found["importances"]} == set(study.best_params) | {
        "momentum"
    }
    [pruned] = found["pruned"]
    assert (pruned["trial"], pruned["metrics"]["value"]) == (4, study.trials[4].value)
    with (tmp_path / "told" / "trials.csv").open() as file:
        rows = list(csv.DictReader(file))
    for row, trial in zip(rows, study.trials, strict=True):
        assert {name: row[name] for name in trial.params} == {
            n: str(x) for n, x in trial.params.items()
        }
    assert {rows[4]["state"], rows[5]["state"]} == {"pruned", "failed"}
    code, _, err = report(url, "--space", "mlp", "--metric", "learning_rate")
    assert code == 1
    assert "there are val_accuracy, value" in err


def test_three_trials_are_too_few_to_say_what_mattered(report, a_study, tmp_path):
    url, _ = a_study(3)
    code, out, err = report(url, "--space", "mlp")
    assert code == 0, err
    assert "too few to tell which choices mattered: 3 complete trials, and it takes 10" in out
    assert (tmp_path / "a_b-report" / "trials.csv").exists()
    assert not list((tmp_path / "a_b-report").glob("importances.png"))


def test_several_objectives_have_a_front_and_their_own_importances(report, a_study, tmp_path):
    def objective(trial):
        params = suggest(trial, SPACE)
        rate = trial.suggest_float("learning_rate", 1e-4, 1e-1, log=True)
        return abs(np.log10(rate) + 2.5), SPACE.encode(params)[0]

    url, study = a_study(24, objective, directions=["minimize", "maximize"])
    with pytest.warns(optuna.exceptions.ExperimentalWarning):
        study.set_metric_names(["val_loss", "size"])
    code, out, err = report(url, "--space", "mlp", "--json", "--out", tmp_path / "told")
    assert code == 0, err
    found = json.loads(out)
    assert set(found["front"]) == {trial.number for trial in study.best_trials}
    assert found["judged_by"] == {"val_loss": "minimize", "size": "maximize"}
    assert found["importances"]["val_loss"][0]["decision"] == "learning_rate"
    assert found["importances"]["size"][0]["decision"] == "layer/1"
    assert found["best"][0]["metrics"]["val_loss"] == min(t.values[0] for t in study.trials)
    for name in ("front", "trials_val_loss", "distribution_size", "importances_size"):
        assert imread(tmp_path / "told" / f"{name}.png").std() > 0.02
    code, out, err = report(url, "--space", "mlp", "--metric", "size", "--top", 1)
    assert code == 0, err
    assert out.startswith(f"1. trial {max(study.trials, key=lambda t: t.values[1]).number}, size ")
    assert f"front: {len(found['front'])} trials" in out


def test_a_study_of_the_users_own_parameters_alone(report, a_study):
    def objective(trial):
        x = trial.suggest_float("x", -5, 5)
        trial.suggest_categorical("optimizer", ["adam", None])
        return {3: 1.7e308, 4: float("inf")}.get(trial.number, 1 + x * x)

    url, study = a_study(20, objective)
    code, out, err = report(url)
    assert code == 0, err
    assert "no trial holds an architecture of a known space" in out
    assert out.index(f"1. trial {study.best_trial.number}, value {study.best_value:.4f}") > 0
    assert f"x {study.best_params['x']:.4g}" in out
    assert "2 trials with a value far from all others" in out
    table = out[out.index("share of variance") :]
    assert " x " in table
    assert " optimizer " in table


def test_trials_without_an_architecture_stand_beside_those_with_one(report, tmp_path):
    url = f"sqlite:///{tmp_path}/study.db"
    study = optimise(url, trials=3)
    rate = optuna.distributions.FloatDistribution(0, 1)
    study.add_trial(
        optuna.trial.create_trial(value=9.0, params={"rate": 0.5}, distributions={"rate": rate})
    )
    code, out, err = report(url, "--space", "mlp")
    assert code == 0, err
    assert out.startswith("1. trial 3, value 9.0000\n  rate 0.5\n2. trial")


def test_a_run_without_a_complete_trial_says_how_its_trials_ended(report, a_study):
    def objective(trial):
        trial.suggest_float("x", 0, 1)
        if trial.number:
            raise optuna.TrialPruned
        raise ValueError("broken on purpose")

    url, _ = a_study(3, objective)
    code, _, err = report(url)
    assert code == 1
    assert "has no complete trial yet: 1 failed, 2 pruned" in err


def test_a_keras_tuner_project_of_the_users_own_parameters(report, tmp_path):
    class Tuner(keras_tuner.Tuner):
        def run_trial(self, trial, *args, **kwargs):
            hp = trial.hyperparameters
            rate = hp.Float("learning_rate", 1e-4, 1e-1, sampling="log")
            hp.Boolean("norm")
            return {"val_loss": abs(np.log10(rate) + 2.5), "my_score": 1.0}

    oracle = keras_tuner.oracles.RandomSearchOracle(
        keras_tuner.Objective("val_loss", "min"), 14, seed=1
    )
    Tuner(oracle=oracle, directory=str(tmp_path), project_name="tuned").search(verbose=0)
    code, out, err = report(tmp_path / "tuned")
    assert code == 0, err
    best = oracle.get_best_trials(1)[0]
    first = f"1. trial {int(best.trial_id)}, validation loss {best.score:.4f}"
    assert first in out
    assert "learning_rate" in out[out.index(first) :].splitlines()[1]
    table = out[out.index("share of variance") :]
    assert table.index("learning_rate") < table.index("norm")
    assert (tmp_path / "tuned" / "report" / "importances.svg").exists()


def test_a_keras_tuner_project_of_two_objectives(report, tmp_path):
    kept = Path(__file__).parents[1] / "fixtures" / "before_rooms" / "keras_tuner" / "pareto"
    shutil.copytree(kept, tmp_path / "kept")
    code, out, err = report(tmp_path / "kept", "--space", "mlp", "--json")
    assert code == 0, err
    found = json.loads(out)
    assert found["judged_by"] == {"score_0": "maximize", "score_1": "minimize"}
    values = {t["trial"]: (t["metrics"]["score_0"], t["metrics"]["score_1"]) for t in found["best"]}
    assert set(values) <= set(found["front"])
    assert sorted(values.values(), reverse=True) == list(values.values())
    assert [pair[1] for pair in values.values()] == sorted(
        (p[1] for p in values.values()), reverse=True
    )
