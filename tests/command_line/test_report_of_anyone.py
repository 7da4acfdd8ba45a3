"""`cellwright report` on runs that we did not make, or not alone: their parameters, their signs."""

import csv
import json
import re
from functools import partial

import keras_tuner
import optuna
import pytest
from matplotlib.image import imread
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from cellwright.adapters.optuna_sampler import suggest
from cellwright.search_spaces import MLPSpace, SearchSpace
from cellwright.searches.analysis import importances

SPACE = MLPSpace()
optuna.logging.set_verbosity(optuna.logging.ERROR)


@pytest.fixture
def report(command):
    return partial(command, "report")


def study_in(folder, objective, trials=30, **arguments):
    """A study in a journal file of its own folder, sampled at random."""
    folder.mkdir(exist_ok=True)
    storage = JournalStorage(JournalFileBackend(str(folder / "study.journal")))
    sampler = optuna.samplers.RandomSampler(seed=0)
    study = optuna.create_study(storage=storage, study_name="mine", sampler=sampler, **arguments)
    study.optimize(objective, n_trials=trials, catch=(ValueError,))
    return study


def theirs(trial):
    """A loss of nothing but the script's own parameters, one of them conditional."""
    rate = trial.suggest_float("rate", 1e-5, 1e-1, log=True)
    kind = trial.suggest_categorical("kind", ("adam", "sgd"))
    trial.suggest_int("patience", 1, 3)
    momentum = trial.suggest_float("momentum", 0, 1) if kind == "sgd" else 0
    trial.set_user_attr("accuracy", 1 - rate)
    trial.set_user_attr("quick", True)
    return 100 * rate + 3 * (kind == "sgd") + 0.01 * momentum


def test_a_study_without_any_decision_of_ours(report, tmp_path):
    study = study_in(tmp_path / "run", theirs, direction="minimize")
    code, out, err = report("run/study.journal")
    assert code == 0, err
    best = study.best_trial
    assert out.startswith(f"1. trial {best.number}, value {best.value:.4f}")
    assert f"rate {best.params['rate']:.4g}, kind adam" in out
    assert "(less is better)" in out
    folder = tmp_path / "run" / "mine-report"  # beside the journal
    with (folder / "importances.csv").open() as file:
        rows = {row["decision"]: row for row in csv.DictReader(file)}
    assert set(rows) == {"rate", "kind", "patience", "momentum"}
    assert rows["kind"]["best"] == "adam"
    assert float(rows["kind"]["effect"]) < 0  # in the sign of the study: it lowers the value
    assert re.fullmatch(r"\S+ to \S+", rows["rate"]["best"])
    with (folder / "trials.csv").open() as file:
        first = next(csv.DictReader(file))
    assert float(first["value"]) == study.trials[0].value
    assert float(first["rate"]) == study.trials[0].params["rate"]
    assert "quick" not in first  # no metric, since it is no number


def test_parameters_are_no_metrics(report, tmp_path):
    study_in(tmp_path / "run", theirs, direction="minimize")
    code, _, err = report("run/study.journal", "--metric", "rate")
    assert code == 1
    assert "there are accuracy, reward. 'rate' is a hyperparameter" in " ".join(err.split())
    code, out, err = report("run/study.journal", "--metric", "accuracy", "--json")
    assert code == 0, err
    found = json.loads(out)
    assert found["objectives"] == {"accuracy": "maximize"}
    assert list(found["best"][0]["values"]) == ["accuracy"]


def test_a_study_that_took_our_decisions_later(report, tmp_path):
    """Its first trials count for what they decided, and one with half of the decisions is named."""

    def objective(trial):
        rate = trial.suggest_float("rate", 0, 1)
        if trial.number == 12:
            trial.suggest_categorical(SPACE.names[1], SPACE.decisions[1].choices)
        elif trial.number > 5:
            suggest(trial, SPACE)
        return rate

    study_in(tmp_path / "run", objective, direction="maximize")
    code, out, err = report("run/study.journal", "--space", "mlp")
    assert code == 0, err
    assert "29 trials" in out
    assert "trial 12 is left out: " in out
    with (tmp_path / "run" / "mine-report" / "importances.csv").open() as file:
        first, *others = csv.DictReader(file)
    assert first["decision"] == "rate"
    assert {row["decision"] for row in others} == set(SPACE.names)


def test_the_space_of_a_study_is_named_where_it_is_another(report, tmp_path):
    study_in(tmp_path / "run", lambda trial: len(suggest(trial, SPACE)), trials=2)
    for arguments in ((), ("--space", "mnasnet")):
        code, _, err = report("run/study.journal", *arguments)
        assert code == 1
        assert "which may be mlp" in " ".join(err.split())


@pytest.mark.parametrize("number", [2, 3])
def test_several_objectives_have_a_front(number, report, tmp_path):
    def objective(trial):
        rate = trial.suggest_float("rate", 0, 1)
        size = trial.suggest_int("size", 1, 50)
        return (rate * size, size, rate)[:number]

    directions = ["maximize", "minimize", "minimize"][:number]
    study = study_in(tmp_path / "run", objective, directions=directions)
    study.set_metric_names(["f1", "size_bytes", "val_loss"][:number])
    code, out, err = report("run/study.journal", "--top", 2, "--out", "told")
    assert code == 0, err
    assert "front: f1 against size (bytes)" in " ".join(out.split())
    assert f"{len(study.best_trials)} trials" in " ".join(out.split())
    folder = tmp_path / "told"
    pictures = ["front"] if number == 2 else ["front_f1_size_bytes", "front_size_bytes_val_loss"]
    for name in (*pictures, "importances_f1", "importances_size_bytes"):
        assert imread(folder / f"{name}.png").std() > 0.02
    with (folder / "importances.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["objective"] for row in rows} == set(study.metric_names)
    found = json.loads(report("run/study.journal", "--json", "--top", 100)[1])
    assert {one["trial"] for one in found["best"]} == {t.number for t in study.best_trials}


def test_pruned_trials_are_named_with_their_value(report, tmp_path):
    def objective(trial):
        rate = trial.suggest_float("rate", 0, 1)
        trial.report(rate / 2, 0)
        if trial.number == 3:
            raise optuna.TrialPruned
        return rate

    study = study_in(tmp_path / "run", objective, 8, direction="minimize")
    code, out, err = report("run/study.journal")
    assert code == 0, err
    assert f"pruned: trial 3 at value {study.trials[3].value:.4f}" in out
    assert "7 trials, 1 more were pruned" in out
    assert "takes at least 10 complete trials, and there are 7" in " ".join(out.split())
    assert not (tmp_path / "run" / "mine-report" / "importances.png").exists()
    with (tmp_path / "run" / "mine-report" / "trials.csv").open() as file:
        row = list(csv.DictReader(file))[3]
    assert (row["state"], float(row["value"])) == ("pruned", study.trials[3].value)


def test_an_objective_that_is_among_the_metrics_has_its_name(report, tmp_path):
    def objective(trial):
        loss = trial.suggest_float("rate", 0, 1)
        trial.set_user_attr("val_loss", loss)
        return loss

    study = study_in(tmp_path / "run", objective, 12, direction="minimize")
    code, out, err = report("run/study.journal")
    assert code == 0, err
    assert f"validation loss: best {study.best_value:.4f}" in out
    assert f"trial {study.best_trial.number}, validation loss {study.best_value:.4f}\n" in out


@pytest.mark.parametrize("several", [False, True])
def test_a_keras_tuner_search_of_hyperparameters_alone(several, report, tmp_path):
    class Tuner(keras_tuner.RandomSearch):
        def run_trial(self, trial, *args, **kwargs):
            rate = trial.hyperparameters.Float("rate", 0, 1)
            units = trial.hyperparameters.Int("units", 8, 64, step=8)
            metrics = {"val_loss": rate, "f1": rate * units}
            return metrics | ({"multi_objective": rate - rate * units} if several else {})

    objective = keras_tuner.Objective("val_loss", "min")
    Tuner(
        objective=[objective, keras_tuner.Objective("f1", "max")] if several else objective,
        max_trials=14, seed=0, directory=str(tmp_path), project_name="tuned",
    ).search(verbose=0)  # fmt: skip
    code, out, err = report("tuned")
    assert code == 0, err
    folder = tmp_path / "tuned" / "report"
    assert (folder / "front.png").exists() == several
    assert ("front: validation loss against f1" in out) == several
    assert (folder / "distribution.png").exists() != several
    with (folder / "importances.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["decision"] for row in rows} == {"rate", "units"}
    assert "which choices mattered" in out


def test_a_number_of_a_script_counts_by_the_quarter_that_it_is_in():
    others = [{"rate": n / 40} if n % 5 else {} for n in range(40)]
    rewards = [one.get("rate", 0.5) > 0.7 for one in others]
    found = importances(None, [({}, float(x)) for x in rewards], others)
    assert [one.decision for one in found] == ["rate"]
    assert found[0].share > 0.6
    low, high = map(float, found[0].best.split(" to "))
    assert 0.7 < low < high < 1
    assert found[0].trials == sum(low <= one.get("rate", 0) for one in others)


def test_trials_without_a_decision_of_the_space_do_not_count_for_it():
    space = SearchSpace(SPACE.decisions[:1])
    params = [{}, space.decode([0]), space.decode([1])] * 8
    rewards = [9.0, 0.0, 1.0] * 8
    (one,) = importances(space, list(zip(params, rewards, strict=True)))
    assert one.best == space.decisions[0].choices[1]
    assert one.trials == 8
