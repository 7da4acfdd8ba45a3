"""`cellwright report`: runs of Optuna and Keras Tuner that scripts made, and what is told of them.

Runs of the command line are in test_search.py, those of NNI in contract/test_hosts.py and, as a
search that is kept here, below.
"""

import csv
import json
import shutil
from functools import partial
from pathlib import Path

import keras_tuner
import numpy as np
import optuna
import pytest
from matplotlib.image import imread
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

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
    assert out.startswith(f"1. trial {study.best_trial.number}, reward {abs(study.best_value):.4f}")
    best = {name: study.best_params[name] for name in SPACE.names}
    assert SPACE.words(best)[0] in out
    assert "23 trials, 1 more failed" in out
    assert "predicted against measured: Spearman" in out
    assert out.index("layer/1") < out.index("layer/2")
    folder = tmp_path / "runs" / "mine-report"
    for name in ("trials", "distribution", "importances", "predictions"):
        assert imread(folder / f"{name}.png").std() > 0.02
    with (folder / "trials.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["state"] for row in rows].count("failed") == 1
    with (folder / "importances.csv").open() as file:
        [first, second] = csv.DictReader(file)
    assert (first["decision"], second["decision"]) == ("layer/1", "layer/2")
    assert float(first["share"]) > 0.5 > float(second["share"])


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
    with (tmp_path / "runs" / "mine-report" / "trials.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["trial"]) for row in rows if row["state"] == "pruned"] == [3, 7, 11]
    for row in rows:
        assert float(row["reward"]) == sign * study.trials[int(row["trial"])].value
    picture = (tmp_path / "runs" / "mine-report" / "trials.svg").read_text()
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
    rewards = [trial["metrics"]["reward"] for trial in found["best"]]
    assert rewards == sorted(rewards, reverse=True)
    assert rewards[0] == -found["best"][0]["metrics"]["val_loss"] < 0
    assert found["files"] == []
    assert not (tmp_path / "runs").exists()


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
    assert out.startswith(f"1. trial {int(best.trial_id)}, reward {-best.score:.4f}")
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


def test_what_is_no_run_or_of_another_space_is_refused(report, tmp_path):
    code, _, err = report(tmp_path)
    assert code == 1
    assert "is no run" in err
    optimise(f"sqlite:///{tmp_path}/study.db", trials=2)
    code, _, err = report(f"sqlite:///{tmp_path}/study.db")
    assert code == 1
    assert "--space" in err
