"""Every search of docs/hyperparameters.md's table drives the same child builder.

One test a cell: real children on a slice of scikit-learn's digits, in the host's own classes. NNI's
run in this process; whole experiments are in tests/adapters/test_nni_experiment.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from cellwright.plugins import Evaluation, Recipe, load_dataset
from cellwright.plugins.strategies.hyperband import Hyperband
from cellwright.search_spaces import Float, JointSpace, MLPSpace

NETWORKS = MLPSpace(nodes=(4, 8), activations=("relu",), length=2)
SPACE = JointSpace(NETWORKS, Float("learning_rate", 1e-3, 1e-1, log=True, levels=3))
SCHEDULE = Hyperband(2, 2)  # 2 trials of 1 epoch, 1 of 2; 2 of 2
TRIALS = 3


@pytest.fixture(scope="module")
def evaluation() -> Evaluation:
    data = load_dataset("digits")
    few = type(data)(
        data.x_train[:64], data.y_train[:64], data.x_val[:64], data.y_val[:64], data.class_names
    )
    return Evaluation(SPACE, few, recipe=Recipe(epochs=1, batch_size=64))


def kept(evaluation: Evaluation, folder: Any, epochs: int = 1) -> Evaluation:
    """The same, with children that go on from their weights."""
    return Evaluation(
        SPACE, evaluation.data, recipe=Recipe(epochs=epochs, batch_size=64), checkpoints=folder
    )


# Optuna.


def optuna_study(sampler: Any, evaluation: Evaluation, trials: int = TRIALS, **others: Any) -> Any:
    optuna = pytest.importorskip("optuna")
    from cellwright.adapters.optuna_sampler import rung_of, suggest

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(direction="maximize", sampler=sampler, study_name="s", **others)

    def objective(trial: Any) -> float:
        params = suggest(trial, SPACE)
        if (rung := rung_of(trial)) is not None:
            params["epochs"] = rung.epochs

        def report(epoch: int, metrics: dict[str, float]) -> None:
            trial.report(metrics["val_accuracy"], epoch + 1)
            if trial.should_prune():
                raise optuna.TrialPruned

        metrics, _ = evaluation.run(params, report)
        trial.set_user_attr("trained_epochs", metrics.get("trained_epochs", 0))
        return metrics["reward"]

    study.optimize(objective, n_trials=trials)
    states = {trial.state.name for trial in study.trials}
    assert states <= {"COMPLETE", "PRUNED"}
    assert "COMPLETE" in states
    return study


def ours(name: str, space: Any = SPACE) -> Any:
    from cellwright.plugins import make_strategy

    return make_strategy(name, space, seed=0)


def optuna_sampler(name: str) -> Any:
    optuna = pytest.importorskip("optuna")
    from cellwright.adapters.optuna_sampler import StrategySampler

    if name == "grid":
        return optuna.samplers.GridSampler({d.name: d.choices for d in SPACE.decisions}, seed=0)
    if name == "gp":
        pytest.importorskip("torch", reason="Optuna's Gaussian process needs PyTorch")
        return optuna.samplers.GPSampler(seed=0, n_startup_trials=2)
    if name == "tpe":
        return optuna.samplers.TPESampler(seed=0, n_startup_trials=2)
    if name == "random":
        return optuna.samplers.RandomSampler(seed=0)
    return StrategySampler(ours(name))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["grid", "random", "tpe", "gp", "evolution", "reinforce"])
def test_optuna(name: str, evaluation: Evaluation) -> None:
    optuna_study(optuna_sampler(name), evaluation)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["tpe", "evolution"])
@pytest.mark.parametrize("pruner", ["SuccessiveHalvingPruner", "HyperbandPruner"])
def test_optunas_pruners(name: str, pruner: str, evaluation: Evaluation) -> None:
    optuna = pytest.importorskip("optuna")
    arguments = {"min_resource": 1, "reduction_factor": 2}
    if pruner == "HyperbandPruner":
        arguments["max_resource"] = 2
    made = getattr(optuna.pruners, pruner)(**arguments)
    twice = Evaluation(SPACE, evaluation.data, recipe=Recipe(epochs=2, batch_size=64))
    study = optuna_study(optuna_sampler(name), twice, 4, pruner=made)
    assert all(trial.intermediate_values for trial in study.trials)


def test_our_schedule_in_optuna(evaluation: Evaluation, tmp_path: Any) -> None:
    pytest.importorskip("optuna")
    from cellwright.adapters.optuna_sampler import StrategySampler

    sampler = StrategySampler(ours("evolution"), schedule=SCHEDULE)
    study = optuna_study(sampler, kept(evaluation, tmp_path), SCHEDULE.trials)
    spent = sum(trial.user_attrs["trained_epochs"] for trial in study.trials)
    assert spent == SCHEDULE.epochs


# Keras Tuner.


def keras_search(oracle: Any, evaluation: Evaluation, folder: Any, tuner: Any = None) -> Any:
    kt = pytest.importorskip("keras_tuner")
    from cellwright.adapters.keras_oracle import NASNetHyperModel

    data = evaluation.data
    hypermodel = NASNetHyperModel(SPACE, input_shape=data.input_shape, classes=data.classes)
    place = {"directory": str(folder), "project_name": "p"}
    if tuner is None:
        made = kt.Tuner(oracle=oracle, hypermodel=hypermodel, **place)
    else:
        made = tuner(hypermodel, objective="val_accuracy", **place)
    made.search(
        data.x_train, data.y_train, epochs=1, verbose=0, validation_data=(data.x_val, data.y_val)
    )
    states = {trial.status for trial in made.oracle.trials.values()}
    assert states == {"COMPLETED"}, [trial.message for trial in made.oracle.trials.values()]
    return made.oracle


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["GridSearchOracle", "RandomSearchOracle", "BayesianOptimizationOracle"]
)
def test_keras_tuner(name: str, evaluation: Evaluation, tmp_path: Any) -> None:
    kt = pytest.importorskip("keras_tuner")
    more = {"num_initial_points": 2} if name.startswith("Bayesian") else {}
    keras_search(getattr(kt.oracles, name)("val_accuracy", 3, **more), evaluation, tmp_path)


@pytest.mark.parametrize("name", ["evolution", "reinforce"])
def test_our_strategies_in_keras_tuner(name: str, evaluation: Evaluation, tmp_path: Any) -> None:
    pytest.importorskip("keras_tuner")
    from cellwright.adapters.keras_oracle import StrategyOracle

    oracle = StrategyOracle("val_accuracy", TRIALS, strategy=ours(name))
    keras_search(oracle, evaluation, tmp_path)


def test_keras_tuners_own_hyperband(evaluation: Evaluation, tmp_path: Any) -> None:
    kt = pytest.importorskip("keras_tuner")

    def tuner(hypermodel: Any, **place: Any) -> Any:
        return kt.Hyperband(hypermodel, max_epochs=2, factor=2, seed=1, **place)

    oracle = keras_search(None, evaluation, tmp_path, tuner)
    assert len(oracle.trials) == SCHEDULE.trials


def test_our_schedule_in_keras_tuner(evaluation: Evaluation, tmp_path: Any) -> None:
    pytest.importorskip("keras_tuner")
    from cellwright.adapters.keras_oracle import StrategyOracle

    oracle = StrategyOracle(
        "val_accuracy", SCHEDULE.trials, strategy=ours("evolution"), schedule=SCHEDULE
    )
    keras_search(oracle, evaluation, tmp_path)
    promoted = [
        trial.hyperparameters.values
        for trial in oracle.trials.values()
        if "tuner/trial_id" in trial.hyperparameters.values
    ]
    assert [(v["tuner/initial_epoch"], v["tuner/epochs"]) for v in promoted] == [(1, 2)]


# NNI.


class Stopped(Exception):
    """An assessor ended the trial."""


def nni_search(
    tuner: Any,
    evaluation: Evaluation,
    trials: int,
    space: Any = None,
    fixed: Mapping[str, Any] | None = None,
    judge: Callable[[str, list[float]], bool] | None = None,
) -> list[dict[str, float]]:
    """Trials one after another, as NNI's dispatcher and `nni_trial.run` make them."""
    from cellwright.adapters.nni_space import search_space_of
    from cellwright.adapters.nni_trial import _in_our_words

    tuner.update_search_space(space or search_space_of(SPACE))
    given: dict[int, Any] = {}
    found = []
    for number in range(trials):
        if number not in given:
            late = given.__setitem__
            for params in tuner.generate_multiple_parameters([number], st_callback=late):
                given[number] = params
        params, checkpoint = _in_our_words({**(fixed or {}), **given[number]}, evaluation)
        history: list[float] = []

        def report(epoch: int, metrics: dict[str, float]) -> None:
            history.append(metrics["val_accuracy"])  # noqa: B023
            if judge is not None and not judge(f"job-{number}", history):  # noqa: B023
                raise Stopped

        try:
            metrics, _ = evaluation.run(params, report, checkpoint)
        except Stopped:
            tuner.trial_end(number, False)
            found.append({"epochs": float(len(history))})
            continue
        value = {"default": metrics["reward"], "reward": metrics["reward"]}
        tuner.receive_trial_result(number, given[number], value)
        tuner.trial_end(number, True)
        found.append(metrics)
    return found


def nni_tuner(name: str) -> Any:
    pytest.importorskip("nni")
    if name == "grid":
        from nni.algorithms.hpo.gridsearch_tuner import GridSearchTuner

        return GridSearchTuner()
    if name == "random":
        from nni.algorithms.hpo.random_tuner import RandomTuner

        return RandomTuner(seed=0)
    if name == "tpe":
        from nni.algorithms.hpo.tpe_tuner import TpeTuner

        return TpeTuner(optimize_mode="maximize", seed=0)
    from cellwright.adapters.nni_tuner import StrategyTuner

    return StrategyTuner("evolution", SPACE, seed=0)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["grid", "random", "tpe", "evolution"])
def test_nni(name: str, evaluation: Evaluation) -> None:
    found = nni_search(nni_tuner(name), evaluation, TRIALS)
    assert all(0 <= metrics["val_accuracy"] <= 1 for metrics in found)


@pytest.mark.parametrize("assessor", ["medianstop", "curvefitting"])
def test_nnis_assessors(assessor: str, evaluation: Evaluation) -> None:
    tuner = nni_tuner("evolution")
    from nni.assessor import AssessResult

    if assessor == "medianstop":
        from nni.algorithms.hpo.medianstop_assessor import MedianstopAssessor

        made: Any = MedianstopAssessor("maximize", start_step=1)
    else:
        from nni.algorithms.hpo.curvefitting_assessor import CurvefittingAssessor

        made = CurvefittingAssessor(epoch_num=3, start_step=2, threshold=0.9)

    def judge(job: str, history: list[float]) -> bool:
        good = made.assess_trial(job, history) is not AssessResult.Bad
        if not good or len(history) == 3:
            made.trial_end(job, good)
        return good

    thrice = Evaluation(SPACE, evaluation.data, recipe=Recipe(epochs=3, batch_size=64))
    found = nni_search(tuner, thrice, 4, judge=judge)
    assert any("val_accuracy" in metrics for metrics in found)


def test_nnis_population_based_training(evaluation: Evaluation, tmp_path: Any) -> None:
    pytest.importorskip("nni")
    from nni.algorithms.hpo.pbt_tuner import PBTTuner

    network = NETWORKS.decode([0] * len(NETWORKS.names))
    tuner = PBTTuner("maximize", all_checkpoint_dir=str(tmp_path), population_size=2, fraction=0.5)
    space = {"learning_rate": {"_type": "loguniform", "_value": [1e-3, 1e-1]}}
    found = nni_search(tuner, evaluation, 6, space, fixed=network)
    assert [metrics["trained_epochs"] for metrics in found] == [1.0] * 6
    states = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("child.npz"))
    assert states == [f"{member}/{step}/child.npz" for member in range(2) for step in range(3)]


def test_our_schedule_in_nni(evaluation: Evaluation, tmp_path: Any) -> None:
    pytest.importorskip("nni")
    from cellwright.adapters.nni_tuner import StrategyTuner

    tuner = StrategyTuner("evolution", SPACE, seed=0, schedule={"max_epochs": 2, "factor": 2})
    found = nni_search(tuner, kept(evaluation, tmp_path), SCHEDULE.trials)
    assert sum(metrics["trained_epochs"] for metrics in found) == SCHEDULE.epochs
    assert [metrics["trained_epochs"] for metrics in found] == [1, 1, 1, 2, 2]


def test_nnis_own_hyperband_does_not_run(evaluation: Evaluation) -> None:
    """Why the table names our schedule for NNI (microsoft/nni#5263)."""
    pytest.importorskip("nni")
    from nni.recoverable import Recoverable

    with pytest.raises(TypeError):
        Recoverable().is_created_in_previous_exp("0-2_0_0")  # an id as the advisor makes them
