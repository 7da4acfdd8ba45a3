"""The searches of docs/sources.md, and "Who chooses what" of docs/hyperparameters.md, trained.

One test a cell: the host's own classes, and the objective, tuner or trial that we ship
(`optuna_trial.run`, `EvaluationTuner` or `NASNetHyperModel`, `nni_trial.run`), on a slice of
scikit-learn's digits. NNI's run in this process; whole experiments are in
tests/adapters/test_nni_experiment.py.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from cellwright.plugins import (
    Evaluation,
    LossReward,
    PopulationBased,
    Recipe,
    load_dataset,
    make_strategy,
)
from cellwright.plugins.strategies.hyperband import Hyperband
from cellwright.search_spaces import Float, JointSpace, MLPSpace, NASNetSpace

NETWORKS = MLPSpace(nodes=(4, 8), activations=("relu",), length=2)
SPACE = JointSpace(NETWORKS, Float("learning_rate", 1e-3, 1e-1, log=True, levels=3))
LEVELS = SPACE.decisions[-1].choices
SCHEDULE = Hyperband(2, 2)  # 2 trials of 1 epoch, 1 of 2; 2 of 2
POPULATION = PopulationBased(2, 2, fraction=0.5)  # 2 members, and 2 steps of 1 epoch
TRIALS = 3
STRATEGIES = ["random", "evolution", "reinforce", "ppo", "predictor", "local"]


@pytest.fixture(scope="module")
def evaluation() -> Evaluation:
    data = load_dataset("digits")
    few = type(data)(
        data.x_train[:64], data.y_train[:64], data.x_val[:64], data.y_val[:64], data.class_names
    )
    return Evaluation(SPACE, few, recipe=Recipe(epochs=1, batch_size=64))


def trained_for(evaluation: Evaluation, epochs: int) -> Evaluation:
    return replace(evaluation, recipe=Recipe(epochs=epochs, batch_size=64))


def noting_rates(evaluation: Evaluation, rates: list[float]) -> Evaluation:
    """The same, which writes down the learning rate of every training."""
    from cellwright.plugins.training.train import train

    def noting(model: Any, data: Any, recipe: Recipe, **how: Any) -> dict[str, float]:
        rates.append(recipe.learning_rate)
        return train(model, data, recipe, **how)

    return replace(evaluation, train=noting)


def ours(name: str, space: Any = SPACE) -> Any:
    return make_strategy(name, space, seed=0)


def check_population(folder: Any) -> None:
    """Both members' second steps went on from the weights of the better one's first."""
    histories = []
    for path in folder.glob("*.npz"):
        with np.load(path) as file:
            histories.append(json.loads(str(file["history"]))["val_loss"])
    first = [history for history in histories if len(history) == 1]
    second = [history for history in histories if len(history) == 2]
    assert (len(first), len(second)) == (2, 2)
    assert [history[:1] for history in second] == [min(first)] * 2


# Optuna.


def optuna_study(sampler: Any, evaluation: Evaluation, trials: int = TRIALS, **others: Any) -> Any:
    optuna = pytest.importorskip("optuna")
    from cellwright.adapters.optuna_trial import run

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(direction="maximize", sampler=sampler, study_name="s", **others)
    study.optimize(lambda trial: run(trial, evaluation), n_trials=trials)
    states = {trial.state.name for trial in study.trials}
    assert states <= {"COMPLETE", "PRUNED"}
    assert "COMPLETE" in states
    return study


def optuna_sampler(name: str) -> Any:
    optuna = pytest.importorskip("optuna")
    from cellwright.adapters.optuna_sampler import StrategySampler

    if name == "GridSampler":
        return optuna.samplers.GridSampler({d.name: d.choices for d in SPACE.decisions}, seed=0)
    if name == "GPSampler":
        pytest.importorskip("torch", reason="Optuna's Gaussian process needs PyTorch")
        return optuna.samplers.GPSampler(seed=0, n_startup_trials=2)
    if name == "TPESampler":
        return optuna.samplers.TPESampler(seed=0, n_startup_trials=2)
    if name == "RandomSampler":
        return optuna.samplers.RandomSampler(seed=0)
    return StrategySampler(ours(name))


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["GridSampler", "RandomSampler", "TPESampler", "GPSampler", *STRATEGIES]
)
def test_optuna(name: str, evaluation: Evaluation) -> None:
    study = optuna_study(optuna_sampler(name), evaluation)
    assert [trial.state.name for trial in study.trials] == ["COMPLETE"] * TRIALS


PRUNERS = {
    "MedianPruner": {"n_startup_trials": 2},
    "SuccessiveHalvingPruner": {"min_resource": 1, "reduction_factor": 2},
    "HyperbandPruner": {"min_resource": 1, "max_resource": 3, "reduction_factor": 2},
}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["TPESampler", "evolution"])
@pytest.mark.parametrize("pruner", PRUNERS)
def test_optunas_pruners(name: str, pruner: str, evaluation: Evaluation) -> None:
    optuna = pytest.importorskip("optuna")
    made = getattr(optuna.pruners, pruner)(**PRUNERS[pruner])
    thrice = trained_for(evaluation, 3)
    study = optuna_study(optuna_sampler(name), thrice, 12, pruner=made)
    pruned = [trial for trial in study.trials if trial.state.name == "PRUNED"]
    assert pruned
    trained = [len(t.intermediate_values) for t in study.trials if "repeat_of" not in t.user_attrs]
    assert sum(trained) < 3 * len(trained)
    for trial in pruned:
        assert trial.value == trial.user_attrs["val_accuracy"] == trial.user_attrs["reward"]
        assert trial.user_attrs["epochs"] == len(trial.intermediate_values) < 3


def test_our_schedule_in_optuna(evaluation: Evaluation, tmp_path: Any) -> None:
    pytest.importorskip("optuna")
    from cellwright.adapters.optuna_sampler import StrategySampler

    sampler = StrategySampler(ours("evolution"), schedule=SCHEDULE)
    kept = replace(evaluation, checkpoints=tmp_path)
    study = optuna_study(sampler, kept, SCHEDULE.trials)
    spent = sum(trial.user_attrs["trained_epochs"] for trial in study.trials)
    assert spent == SCHEDULE.epochs


def test_our_population_in_optuna(evaluation: Evaluation, tmp_path: Any) -> None:
    pytest.importorskip("optuna")
    from cellwright.adapters.optuna_sampler import StrategySampler

    sampler = StrategySampler(ours("evolution"), schedule=POPULATION)
    by_loss = replace(evaluation, checkpoints=tmp_path, reward=LossReward())
    study = optuna_study(sampler, by_loss, POPULATION.trials)
    assert [trial.user_attrs["trained_epochs"] for trial in study.trials] == [1] * 4
    check_population(tmp_path)


def test_who_chooses_what_in_optuna(evaluation: Evaluation) -> None:
    """The architecture by ours, and the rest by a sampler of Optuna's from the whole range."""
    optuna = pytest.importorskip("optuna")
    from cellwright.adapters.optuna_sampler import StrategySampler

    class Rates(optuna.samplers.RandomSampler):  # type: ignore[misc]
        def sample_independent(self, study: Any, trial: Any, name: str, kind: Any) -> Any:
            drawn.append(super().sample_independent(study, trial, name, kind))
            return drawn[-1]

    drawn: list[float] = []
    trained: list[float] = []
    mine = ours("evolution", NETWORKS)
    sampler = StrategySampler(mine, independent_sampler=Rates(seed=0))
    study = optuna_study(sampler, noting_rates(evaluation, trained))
    assert trained == drawn == [trial.params["learning_rate"] for trial in study.trials]
    check_architectures([trial.params for trial in study.trials], study_values(study))
    check_rates(trained)


def test_our_strategy_chooses_all_in_optuna(evaluation: Evaluation) -> None:
    trained: list[float] = []
    study = optuna_study(optuna_sampler("evolution"), noting_rates(evaluation, trained))
    assert trained == [trial.params["learning_rate"] for trial in study.trials]
    check_all([trial.params for trial in study.trials], study_values(study))


def study_values(study: Any) -> list[float]:
    return [trial.value for trial in study.trials]


def check_architectures(given: list[dict[str, Any]], values: list[float]) -> None:
    """The strategy on the architecture decided on it, and was told every value."""
    bare = ours("evolution", NETWORKS)
    for number, (params, value) in enumerate(zip(given, values, strict=True)):
        network = {name: params[name] for name in NETWORKS.names}
        assert network == bare.ask(number)
        bare.tell(number, network, value)


def check_rates(rates: list[float]) -> None:
    """They are of the whole range, and not of its levels alone."""
    assert len(set(rates)) == TRIALS
    assert all(1e-3 <= rate <= 1e-1 for rate in rates)
    assert not set(rates) & set(LEVELS)


def check_all(given: list[dict[str, Any]], values: list[float]) -> None:
    """The strategy on the joint space decided on everything, rates among their levels."""
    bare = ours("evolution", SPACE)
    for number, (params, value) in enumerate(zip(given, values, strict=True)):
        params = {name: params[name] for name in SPACE.names}
        assert params == bare.ask(number)
        assert params["learning_rate"] in LEVELS
        bare.tell(number, params, value)


# Keras Tuner.


def keras_search(oracle: Any, evaluation: Evaluation, folder: Any, tuner: Any = None) -> Any:
    """By `NASNetHyperModel` in Keras Tuner's own tuner."""
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
    return complete(made.oracle)


def evaluation_search(oracle: Any, evaluation: Evaluation, folder: Any) -> Any:
    """By `EvaluationTuner`."""
    from cellwright.adapters.keras_trial import EvaluationTuner

    tuner = EvaluationTuner(evaluation, oracle, directory=str(folder), project_name="p")
    tuner.search(verbose=0)
    return complete(tuner.oracle)


def complete(oracle: Any) -> Any:
    states = {trial.status for trial in oracle.trials.values()}
    assert states == {"COMPLETED"}, [trial.message for trial in oracle.trials.values()]
    return oracle


WAYS = [keras_search, evaluation_search]


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "name", ["GridSearchOracle", "RandomSearchOracle", "BayesianOptimizationOracle"]
)
def test_keras_tuner(name: str, way: Any, evaluation: Evaluation, tmp_path: Any) -> None:
    kt = pytest.importorskip("keras_tuner")
    more = {"num_initial_points": 2} if name.startswith("Bayesian") else {}
    oracle = way(getattr(kt.oracles, name)("val_accuracy", 3, **more), evaluation, tmp_path)
    drawn = [trial.hyperparameters.values for trial in oracle.trials.values()]
    assert all(set(SPACE.names) <= values.keys() for values in drawn)


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.slow] * (name != "reinforce")) for name in STRATEGIES],
)
def test_our_strategies_in_keras_tuner(name: str, evaluation: Evaluation, tmp_path: Any) -> None:
    pytest.importorskip("keras_tuner")
    from cellwright.adapters.keras_oracle import StrategyOracle

    for way in WAYS:
        oracle = StrategyOracle("val_accuracy", TRIALS, strategy=ours(name))
        way(oracle, evaluation, tmp_path / way.__name__)


def test_keras_tuners_own_hyperband(evaluation: Evaluation, tmp_path: Any) -> None:
    kt = pytest.importorskip("keras_tuner")

    def tuner(hypermodel: Any, **place: Any) -> Any:
        return kt.Hyperband(hypermodel, max_epochs=2, factor=2, seed=1, **place)

    oracle = keras_search(None, evaluation, tmp_path, tuner)
    assert len(oracle.trials) == SCHEDULE.trials


@pytest.mark.parametrize("way", WAYS)
def test_our_schedule_in_keras_tuner(way: Any, evaluation: Evaluation, tmp_path: Any) -> None:
    pytest.importorskip("keras_tuner")
    from cellwright.adapters.keras_oracle import StrategyOracle

    oracle = StrategyOracle(
        "val_accuracy", SCHEDULE.trials, strategy=ours("evolution"), schedule=SCHEDULE
    )
    way(oracle, replace(evaluation, checkpoints=tmp_path / "children"), tmp_path)
    promoted = [
        trial.hyperparameters.values
        for trial in oracle.trials.values()
        if "tuner/trial_id" in trial.hyperparameters.values
    ]
    assert [(v["tuner/initial_epoch"], v["tuner/epochs"]) for v in promoted] == [(1, 2)]
    if way is evaluation_search:
        spent = sum(t.metrics.get_last_value("trained_epochs") for t in oracle.trials.values())
        assert spent == SCHEDULE.epochs


@pytest.mark.parametrize("way", WAYS)
def test_our_population_in_keras_tuner(way: Any, evaluation: Evaluation, tmp_path: Any) -> None:
    kt = pytest.importorskip("keras_tuner")
    from cellwright.adapters.keras_oracle import StrategyOracle

    goal = kt.Objective("val_loss", "min")
    oracle = StrategyOracle(
        goal, POPULATION.trials, strategy=ours("evolution"), schedule=POPULATION
    )
    folder = tmp_path / "p" / "children"  # where the hypermodel keeps them by itself
    way(oracle, replace(evaluation, checkpoints=folder), tmp_path)
    check_population(folder)


def test_an_evaluation_without_a_folder_for_a_population_is_refused(evaluation: Evaluation) -> None:
    pytest.importorskip("keras_tuner")
    from cellwright.adapters.keras_oracle import StrategyOracle

    oracle = StrategyOracle("val_accuracy", 4, strategy=ours("evolution"), schedule=POPULATION)
    with pytest.raises(ValueError, match="give the evaluation a folder for them"):
        evaluation_search(oracle, evaluation, "p")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("space", [NETWORKS, SPACE])
def test_who_chooses_what_in_keras_tuner(
    space: Any, way: Any, evaluation: Evaluation, tmp_path: Any
) -> None:
    pytest.importorskip("keras_tuner")
    from cellwright.adapters.keras_oracle import StrategyOracle

    trained: list[float] = []
    oracle = StrategyOracle("val_accuracy", TRIALS, strategy=ours("evolution", space))
    way(oracle, noting_rates(evaluation, trained), tmp_path)
    trials = [oracle.trials[trial_id] for trial_id in sorted(oracle.trials)]
    given = [trial.hyperparameters.values for trial in trials]
    rates = [values["learning_rate"] for values in given]
    if way is evaluation_search:
        assert trained == rates
    if space is SPACE:
        check_all(given, [trial.score for trial in trials])
    else:
        check_architectures(given, [trial.score for trial in trials])
        check_rates(rates)


# NNI: the fixture `experiment` is its dispatcher and its interface for trials.


def nni_tuner(name: str) -> Any:
    pytest.importorskip("nni")
    if name == "GridSearch":
        from nni.algorithms.hpo.gridsearch_tuner import GridSearchTuner

        return GridSearchTuner()
    if name == "Random":
        from nni.algorithms.hpo.random_tuner import RandomTuner

        return RandomTuner(seed=0)
    if name == "TPE":
        from nni.algorithms.hpo.tpe_tuner import TpeTuner

        return TpeTuner(optimize_mode="maximize", seed=0)
    from cellwright.adapters.nni_tuner import StrategyTuner

    return StrategyTuner(name, SPACE, seed=0)


def nni_space() -> Any:
    from cellwright.adapters.nni_space import search_space_of

    return search_space_of(SPACE)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["GridSearch", "Random", "TPE", *STRATEGIES])
def test_nni(name: str, evaluation: Evaluation, experiment: Any) -> None:
    running = experiment(nni_tuner(name), nni_space())
    for _ in range(TRIALS):
        trial = running.trial(evaluation)
        assert trial.final["default"] == trial.metrics["reward"] == trial.metrics["val_accuracy"]


@pytest.mark.parametrize("assessor", ["Medianstop", "Curvefitting"])
def test_nnis_assessors(assessor: str, evaluation: Evaluation, experiment: Any) -> None:
    tuner = nni_tuner("evolution")
    if assessor == "Medianstop":
        from nni.algorithms.hpo.medianstop_assessor import MedianstopAssessor

        made: Any = MedianstopAssessor("maximize", start_step=1)
    else:
        from nni.algorithms.hpo.curvefitting_assessor import CurvefittingAssessor

        made = CurvefittingAssessor(epoch_num=3, start_step=2, threshold=0.9)
    running = experiment(tuner, nni_space(), made)
    trials = [running.trial(trained_for(evaluation, 3)) for _ in range(8)]
    whole = [trial for trial in trials if trial.metrics is not None]
    assert whole
    for trial in whole:
        if "repeat_of" not in trial.metrics:
            assert len(trial.intermediate) == 3
            assert trial.intermediate[-1]["default"] == trial.metrics["reward"]
    stopped = [number for number, trial in enumerate(trials) if trial.metrics is None]
    for number in stopped:
        assert trials[number].final is None
        assert tuner.record.told[number].reward is None
    if assessor == "Medianstop":  # the other judges by a fit to three epochs
        assert stopped


def test_nnis_population_based_training(
    evaluation: Evaluation, experiment: Any, tmp_path: Any
) -> None:
    pytest.importorskip("nni")
    from nni.algorithms.hpo.pbt_tuner import PBTTuner

    network = NETWORKS.decode([0] * len(NETWORKS.names))
    folder = tmp_path / "pbt"
    tuner = PBTTuner("maximize", all_checkpoint_dir=str(folder), population_size=2, fraction=0.5)
    space = {"learning_rate": {"_type": "loguniform", "_value": [1e-3, 1e-1]}}
    running = experiment(tuner, space)
    found = [running.trial(evaluation, fixed=network).metrics for _ in range(6)]
    assert [metrics["trained_epochs"] for metrics in found] == [1.0] * 6
    states = sorted(str(path.relative_to(folder)) for path in folder.rglob("child.npz"))
    assert states == [f"{member}/{step}/child.npz" for member in range(2) for step in range(3)]


def test_our_population_in_nni(evaluation: Evaluation, experiment: Any, tmp_path: Any) -> None:
    pytest.importorskip("nni")
    from cellwright.adapters.nni_tuner import StrategyTuner

    schedule = {"population": 2, "max_epochs": 2, "fraction": 0.5}
    goal = {"val_loss": "minimize"}
    tuner = StrategyTuner("evolution", SPACE, seed=0, schedule=schedule, objectives=goal)
    running = experiment(tuner, nni_space())
    folder = tmp_path / "children"
    kept = replace(evaluation, checkpoints=folder)
    found = [running.trial(kept).metrics for _ in range(POPULATION.trials)]
    assert [metrics["trained_epochs"] for metrics in found] == [1] * 4
    check_population(folder)


def test_our_schedule_in_nni(evaluation: Evaluation, experiment: Any, tmp_path: Any) -> None:
    pytest.importorskip("nni")
    from cellwright.adapters.nni_tuner import StrategyTuner

    tuner = StrategyTuner("evolution", SPACE, seed=0, schedule={"max_epochs": 2, "factor": 2})
    running = experiment(tuner, nni_space())
    kept = replace(evaluation, checkpoints=tmp_path / "children")
    found = [running.trial(kept).metrics for _ in range(SCHEDULE.trials)]
    assert sum(metrics["trained_epochs"] for metrics in found) == SCHEDULE.epochs
    assert [metrics["trained_epochs"] for metrics in found] == [1, 1, 1, 2, 2]


@pytest.mark.parametrize("space", [NETWORKS, SPACE])
def test_who_chooses_what_in_nni(space: Any, evaluation: Evaluation, experiment: Any) -> None:
    pytest.importorskip("nni")
    from cellwright.adapters.nni_tuner import StrategyTuner

    trained: list[float] = []
    running = experiment(StrategyTuner("evolution", space, seed=0), nni_space())
    scores = noting_rates(evaluation, trained)
    trials = [running.trial(scores) for _ in range(TRIALS)]
    given = [trial.given for trial in trials]
    assert trained == [params["learning_rate"] for params in given]
    values = [trial.metrics["reward"] for trial in trials]
    if space is SPACE:
        check_all(given, values)
    else:
        check_architectures(given, values)
        check_rates(trained)


def test_nnis_own_hyperband_does_not_run(evaluation: Evaluation) -> None:
    """Why the table names our schedule for NNI (microsoft/nni#5263)."""
    pytest.importorskip("nni")
    from nni.recoverable import Recoverable

    with pytest.raises(TypeError):
        Recoverable().is_created_in_previous_exp("0-2_0_0")  # an id as the advisor makes them


# NNI's tuners that take nothing but numbers: all of them that can be imported here.


def numeric_tuner(name: str, **arguments: Any) -> Any:
    pytest.importorskip("nni")
    if name == "GP":
        from nni.algorithms.hpo.gp_tuner import GPTuner

        return GPTuner(cold_start_num=2, selection_num_warm_up=200, **arguments)
    from nni.algorithms.hpo.metis_tuner import MetisTuner

    return MetisTuner(cold_start_num=2, **arguments)


def numbers() -> Any:
    from cellwright.adapters.nni_space import search_space_of

    return search_space_of(SPACE, numeric=True)


def test_nnis_gaussian_process_in_numbers(evaluation: Evaluation, experiment: Any) -> None:
    """Without starting points, as `cellwright nni-init --numeric` writes it."""
    tuner = numeric_tuner("GP", selection_num_starting_points=0)
    running = experiment(tuner, numbers())
    for _ in range(4):
        trial = running.trial(evaluation)
        assert set(trial.given) == set(numbers())
        assert trial.final["default"] == trial.metrics["reward"] == trial.metrics["val_accuracy"]
        SPACE.validate(json.loads(trial.final["decisions"]))
    assert tuner._space.len() == 4  # the last two are the Gaussian process's own


@pytest.mark.parametrize("name", ["GP", "Metis"])
def test_what_scipy_refuses_of_nnis_tuners(
    name: str, evaluation: Evaluation, experiment: Any
) -> None:
    """They work in numbers while they draw at random; what follows fails in NNI's own code."""
    tuner = numeric_tuner(name)
    running = experiment(tuner, numbers())
    for _ in range(2):
        assert running.trial(evaluation).metrics["val_accuracy"] >= 0
    # scipy/scipy#17590, in SciPy 1.11: change docs/nni.md when this passes.
    with pytest.raises(ValueError, match="'x0' must only have one dimension"):
        tuner.generate_parameters(2)


def test_text_is_why_they_need_numbers() -> None:
    from cellwright.adapters.nni_space import search_space_of

    words = search_space_of(NASNetSpace(blocks=1))
    with pytest.raises(ValueError, match="supports only numerical values"):
        numeric_tuner("GP").update_search_space(words)
    with pytest.raises(RuntimeError, match="only support numerical choice"):
        numeric_tuner("Metis").update_search_space(words)
