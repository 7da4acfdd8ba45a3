"""What a tracker is told of a trial, in every host and without one; nothing is trained."""

import logging
import sys

import numpy as np
import pytest

from cellwright.plugins import Evaluation, Limit, RandomSearch, Recipe, TrackedTrial
from cellwright.plugins.data.dataset import Dataset
from cellwright.plugins.registry import make_tracker
from cellwright.plugins.tracking.tracked import Trackers
from cellwright.search_spaces import Decision, JointSpace, SearchSpace, read_hyperparameter


class Child:
    """All that is asked of a network here."""

    def __init__(self, width):
        self.width = width

    def count_params(self):
        return self.width


class Widths(SearchSpace):
    options = frozenset()

    def build(self, params, input_shape, classes, **options):
        return Child(params["width"])


CELLS = Widths([Decision("width", tuple(range(1, 9)))])
SPACE = JointSpace(CELLS, read_hyperparameter("learning_rate=1e-3,1e-2"))
DATA = Dataset(np.zeros((4, 2), np.float32), np.arange(4) % 2, np.zeros((2, 2)), np.arange(2),
               ("a", "b"))  # fmt: skip
PARAMS = {"width": 5, "learning_rate": 1e-2}


class Training:
    """Accuracy that rises by an epoch, and what goes wrong in between."""

    def __init__(self, error=None):
        self.error = error

    def __call__(self, model, data, recipe, *, report=None):
        for epoch in range(recipe.epochs):
            metrics = {"val_accuracy": model.width / 10 + epoch / 100}
            if epoch == 1 and self.error is not None:
                raise self.error
            if report is not None:
                report(epoch, metrics)
        return metrics


def evaluation(error=None, **given):
    return Evaluation(SPACE, DATA, Recipe(epochs=2), train=Training(error), **given)


def test_a_trial_is_told_with_all_that_it_came_to():
    told = []
    metrics, _ = evaluation(on_trial=told.append).run(PARAMS)
    [trial] = told
    assert isinstance(trial, TrackedTrial)
    assert (trial.number, trial.state, trial.error, trial.model) == (None, "complete", "", None)
    assert trial.params == PARAMS
    assert trial.architecture == "width: 5"
    assert trial.hyperparameters == {"learning_rate": 1e-2}
    assert trial.metrics == metrics
    assert trial.reward == metrics["reward"] == pytest.approx(0.51)
    assert [each["val_accuracy"] for each in trial.history.values()] == [0.5, 0.51]
    assert list(trial.history) == [0, 1]


@pytest.mark.parametrize(
    ("error", "state"),
    [(ZeroDivisionError("no"), "failed"), (KeyboardInterrupt("SIGINT"), "interrupted")],
)
def test_what_ends_a_trial_is_its_state(error, state):
    told = []
    with pytest.raises(type(error)):
        evaluation(error, on_trial=told.append).run(PARAMS)
    assert (told[0].state, told[0].reward) == (state, None)
    assert told[0].error == f"{type(error).__name__}: {error}"
    assert list(told[0].history) == [0]


def test_a_child_beyond_a_limit_is_told_with_what_was_measured():
    told = []
    with pytest.raises(Exception, match="limit"):
        evaluation(on_trial=told.append, limit=Limit("parameters", 3)).run(PARAMS)
    assert told[0].state == "infeasible"
    assert told[0].metrics["parameters"] == 5


def test_a_host_that_ends_a_training_has_pruned_it():
    told = []

    def report(epoch, metrics):
        raise StopIteration("enough")

    with pytest.raises(StopIteration):
        evaluation(on_trial=told.append).run(PARAMS, report)
    assert (told[0].state, told[0].error) == ("pruned", "StopIteration: enough")
    assert told[0].metrics["val_accuracy"] == 0.5


def test_what_a_tracker_raises_is_a_warning(caplog):
    told = []

    def broken(trial):
        raise ConnectionError("the server is away")

    metrics, _ = evaluation(on_trial=Trackers([broken, told.append])).run(PARAMS)
    assert metrics["reward"] == told[0].reward
    [record] = caplog.records
    assert record.levelno == logging.WARNING
    assert "the server is away" in record.message
    evaluation(on_trial=broken).run(PARAMS)
    with pytest.raises(KeyboardInterrupt):  # is not an error of the tracker
        evaluation(on_trial=lambda trial: (_ for _ in ()).throw(KeyboardInterrupt)).run(PARAMS)


def test_optuna_tells_numbers_states_and_files(tmp_path):
    optuna = pytest.importorskip("optuna")
    from cellwright.adapters.optuna_sampler import StrategySampler
    from cellwright.adapters.optuna_trial import run

    told, best = [], []

    def keep(params, metrics, model):
        best.append(metrics["reward"])
        return tmp_path / "best.keras" if metrics["reward"] == max(best) else None

    class Second(optuna.pruners.BasePruner):
        def prune(self, study, trial):
            return trial.number == 1

    study = optuna.create_study(
        direction="maximize", sampler=StrategySampler(RandomSearch(SPACE, seed=0)), pruner=Second()
    )
    study.optimize(
        lambda trial: run(trial, evaluation(), keep=keep, on_trial=told.append), n_trials=3
    )
    study.enqueue_trial(study.trials[0].params)
    study.optimize(lambda trial: run(trial, evaluation(on_trial=told.append)), n_trials=1)
    assert [trial.number for trial in told] == [0, 1, 2, 3]
    assert [trial.state for trial in told] == ["complete", "pruned", "complete", "complete"]
    assert [trial.params for trial in told] == [trial.params for trial in study.trials]
    assert told[0].model == tmp_path / "best.keras"
    assert told[3].metrics["repeat_of"] == 0  # not trained again, and told all the same
    assert told[3].reward == told[0].reward


def test_keras_tuner_tells_numbers_and_states(tmp_path):
    kt = pytest.importorskip("keras_tuner")
    from cellwright.adapters.keras_oracle import StrategyOracle
    from cellwright.adapters.keras_trial import EvaluationTuner

    told = []
    tuner = EvaluationTuner(
        evaluation(limit=Limit("parameters", 6)),
        StrategyOracle(kt.Objective("reward", "max"), 6, strategy=RandomSearch(SPACE, seed=0)),
        on_trial=told.append,
        directory=str(tmp_path),
    )
    tuner.search(verbose=0)
    assert [trial.number for trial in told] == list(range(6))
    states = {"COMPLETED": "complete", "FAILED": "infeasible"}
    stored = sorted(tuner.oracle.trials.values(), key=lambda trial: int(trial.trial_id))
    assert [trial.state for trial in told] == [states[trial.status] for trial in stored]
    assert {trial.state for trial in told} == {"complete", "infeasible"}


def test_nni_tells_a_trial_that_is_run_by_hand(capsys):
    pytest.importorskip("nni")
    from cellwright.adapters import nni_trial

    told = []
    metrics = nni_trial.run(evaluation(), on_trial=told.append)
    assert (told[0].number, told[0].metrics) == (None, metrics)


def test_a_tracker_of_ones_own_is_made_by_its_path(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "mine_tracks.py").write_text(
        "class Mine:\n    def __init__(self, where=None, **given):\n"
        "        self.given = where, given\n    def __call__(self, trial): pass\n"
    )
    made = make_tracker("mine_tracks:Mine=a=b", folder=tmp_path, search="s", space=SPACE)
    assert made.given == ("a=b", {"folder": tmp_path, "search": "s", "space": SPACE})
    with pytest.raises(ValueError, match=r"installed trackers are .*mlflow.*tensorboard"):
        make_tracker("mlfow", space=SPACE)
    with pytest.raises(ValueError, match="write mlflow=http://localhost:5000"):
        make_tracker("mlflow:http://localhost:5000", space=SPACE)


@pytest.mark.parametrize("name", ["mlflow", "tensorboard"])
def test_a_missing_package_names_the_extra(name, monkeypatch):
    for module in ("mlflow", "tensorboard", "tensorboard.plugins", "tensorboard.plugins.hparams"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ModuleNotFoundError, match=rf"pip install 'cellwright\[{name}\]'"):
        make_tracker(name, space=SPACE)
