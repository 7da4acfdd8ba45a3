"""A result is that of the trial's own training, whoever chose the trial, in every host.

Only equal networks with equal hyperparameters, epochs and data have one result.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from cellwright.plugins import Dataset, Evaluation, RandomSearch, Recipe, load_dataset
from cellwright.search_spaces import Decision, Float, Int, JointSpace, SearchSpace

keras = pytest.importorskip("keras")
Array = NDArray[Any]


class Cells(SearchSpace):
    """Two networks under four names."""

    def canonical(self, params: Mapping[str, Any]) -> dict[str, Any]:
        return {**params, "name": 0}

    def build(
        self, params: Mapping[str, Any], input_shape: Any, classes: int | None, **options: Any
    ) -> Any:
        keras.utils.set_random_seed(options.get("seed") or 0)
        image = keras.Input(input_shape)
        x = keras.layers.Dense(params["width"], "relu")(keras.layers.Flatten()(image))
        return keras.Model(image, keras.layers.Dense(classes, "softmax")(x))


NETWORKS = Cells([Decision("width", (2, 4)), Decision("name", (0, 1))])
SPACE = JointSpace(NETWORKS, Float("learning_rate", 1e-3, 1e-1, log=True), Int("batch_size", 8, 9))
TRIALS = 25


def train(model: Any, data: Dataset, recipe: Recipe, *, report: Any = None) -> dict[str, float]:
    """Plain gradient descent on a child of one hidden layer, in milliseconds."""
    weights = [w.astype(float) for w in model.get_weights()]
    for _ in range(recipe.epochs):
        for start in range(0, len(data.x_train), recipe.batch_size):
            batch = slice(start, start + recipe.batch_size)
            slopes = gradients(weights, data.x_train[batch], data.y_train[batch])
            for w, slope in zip(weights, slopes, strict=True):
                w -= recipe.learning_rate * slope
    _, probabilities = forward(weights, data.x_val)
    right = probabilities[np.arange(len(data.y_val)), data.y_val]
    return {
        "val_loss": float(-np.log(right).mean()),
        "val_accuracy": float((probabilities.argmax(1) == data.y_val).mean()),
    }


def forward(weights: list[Array], x: Array) -> tuple[Array, Array]:
    """The hidden layer and the probabilities, (batch, width) and (batch, classes)."""
    hidden = np.maximum(x.reshape(len(x), -1) @ weights[0] + weights[1], 0)
    scores = np.exp(hidden @ weights[2] + weights[3])
    return hidden, scores / scores.sum(1, keepdims=True)


def gradients(weights: list[Array], x: Array, y: Array) -> list[Array]:
    """Of the mean cross-entropy, by each of the weights."""
    hidden, wrong = forward(weights, x)
    wrong[np.arange(len(y)), y] -= 1
    wrong /= len(y)
    back = (wrong @ weights[2].T) * (hidden > 0)
    flat = x.reshape(len(x), -1)
    return [flat.T @ back, back.sum(0), hidden.T @ wrong, wrong.sum(0)]


@pytest.fixture(scope="module")
def evaluation() -> Evaluation:
    digits = load_dataset("digits")
    few = replace(
        digits, x_train=digits.x_train[:24], y_train=digits.y_train[:24],
        x_val=digits.x_val[:64], y_val=digits.y_val[:64],
    )  # fmt: skip
    return Evaluation(SPACE, few, recipe=Recipe(epochs=1, batch_size=8), train=train)


Trials = list[tuple[Mapping[str, Any], float, bool]]  # parameters, val_loss, whether it is answered


def check(evaluation: Evaluation, trials: Trials) -> None:
    """Compare each result with a training of its own."""
    assert len(trials) == TRIALS
    found: dict[Any, float] = {}
    for params, loss, _ in trials:
        own = SPACE.split(SPACE.read(params))
        key = str((own[0]["width"], own[1]))
        if key not in found:
            found[key] = evaluation.run(SPACE.read(params))[0]["val_loss"]
        assert loss == pytest.approx(found[key], rel=1e-6), params
    answered = sum(known for _, _, known in trials)
    assert answered <= TRIALS - len(found)
    of_one_level: dict[Any, set[float]] = {}  # some are equal but for rates of one level
    for params, _, _ in trials:
        rate = params["learning_rate"]
        key = (params["width"], params["batch_size"], SPACE.decisions[2].index(rate))
        of_one_level.setdefault(key, set()).add(rate)
    assert max(map(len, of_one_level.values())) > 1


def optuna_trials(sampler: Any, evaluation: Evaluation) -> Trials:
    import optuna

    from cellwright.adapters.optuna_trial import run

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    pruner = optuna.pruners.NopPruner()
    study = optuna.create_study(direction="minimize", sampler=sampler, pruner=pruner)
    study.optimize(lambda trial: run(trial, evaluation, ["val_loss"]), n_trials=TRIALS)
    return [
        (trial.params, trial.value or 0.0, "repeat_of" in trial.user_attrs)
        for trial in study.trials
    ]


@pytest.mark.parametrize("sampler", ["random", "tpe", "independent"])
def test_optuna(sampler: str, evaluation: Evaluation) -> None:
    optuna = pytest.importorskip("optuna")
    from cellwright.adapters.optuna_sampler import StrategySampler

    made = {
        "random": lambda: optuna.samplers.RandomSampler(seed=0),
        "tpe": lambda: optuna.samplers.TPESampler(seed=0),
        "independent": lambda: StrategySampler(
            RandomSearch(NETWORKS, seed=0),
            independent_sampler=optuna.samplers.RandomSampler(seed=0),
        ),
    }
    check(evaluation, optuna_trials(made[sampler](), evaluation))


@pytest.mark.parametrize("oracle", ["theirs", "ours on the architecture", "ours"])
def test_keras_tuner(oracle: str, evaluation: Evaluation, tmp_path: Any) -> None:
    kt = pytest.importorskip("keras_tuner")
    from cellwright.adapters.keras_oracle import StrategyOracle
    from cellwright.adapters.keras_trial import EvaluationTuner

    goal = kt.Objective("val_loss", "min")
    if oracle == "theirs":
        made = kt.oracles.RandomSearchOracle(goal, TRIALS, seed=1)
    elif oracle == "ours":
        made = StrategyOracle(goal, TRIALS, strategy="random", space=SPACE, seed=0)
    else:
        made = StrategyOracle(goal, TRIALS, strategy="random", space=NETWORKS, seed=0)
    tuner = EvaluationTuner(evaluation, made, directory=str(tmp_path), project_name="p")
    tuner.search(verbose=0)
    trials = [
        (trial.hyperparameters.values, trial.score, trial.metrics.exists("repeat_of"))
        for trial in made.trials.values()
    ]
    if oracle == "ours":  # which draws levels: what it repeats is the same, number for number
        assert sum(known for _, _, known in trials) > 0
        for params, loss, known in trials:
            assert not known or loss in [x for p, x, k in trials if not k and same(p, params)]
    else:
        check(evaluation, trials)


def same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return all(one[name] == other[name] for name in ("width", "learning_rate", "batch_size"))


@pytest.mark.parametrize("tuner", ["theirs", "ours on the architecture"])
def test_nni(tuner: str, evaluation: Evaluation, experiment: Any) -> None:
    pytest.importorskip("nni")
    from nni.algorithms.hpo.random_tuner import RandomTuner

    from cellwright.adapters.nni_space import search_space_of
    from cellwright.adapters.nni_tuner import StrategyTuner

    made = RandomTuner(seed=0) if tuner == "theirs" else StrategyTuner("random", NETWORKS, seed=0)
    running = experiment(made, search_space_of(SPACE))
    ended = [running.trial(evaluation) for _ in range(TRIALS)]
    check(
        evaluation,
        [(each.given, each.metrics["val_loss"], "repeat_of" in each.metrics) for each in ended],
    )


# Another evaluation in the same record.


class One(Cells):
    """One network, so that every trial after the first could be answered."""


ONLY = One([Decision("width", (2,)), Decision("name", (0, 1))])


def evaluations(evaluation: Evaluation) -> list[Evaluation]:
    """The same twice, on other data, and by another recipe, twice."""
    first = replace(evaluation, space=ONLY)
    data = replace(first.data, x_train=first.data.x_train[::-1].copy())
    longer = replace(first, recipe=Recipe(epochs=2, batch_size=8))
    return [first, replace(first), replace(first, data=data), longer, replace(longer)]


ANSWERED = [False, True, False, False, True]


def check_evaluations(losses: list[float], answered: list[bool]) -> None:
    assert answered == ANSWERED
    assert losses[0] == losses[1]
    assert losses[3] == losses[4]
    assert len(set(losses)) == 3


def test_other_data_in_a_study_of_optuna(evaluation: Evaluation) -> None:
    optuna = pytest.importorskip("optuna")
    from cellwright.adapters.optuna_trial import run

    study = optuna.create_study(direction="minimize")
    for each in evaluations(evaluation):
        study.optimize(lambda trial: run(trial, each, ["val_loss"]), n_trials=1)  # noqa: B023
    check_evaluations(
        [trial.value for trial in study.trials],
        ["repeat_of" in trial.user_attrs for trial in study.trials],
    )


def test_other_data_in_a_project_of_keras_tuner(evaluation: Evaluation, tmp_path: Any) -> None:
    kt = pytest.importorskip("keras_tuner")
    from cellwright.adapters.keras_oracle import StrategyOracle
    from cellwright.adapters.keras_trial import EvaluationTuner

    for number, each in enumerate(evaluations(evaluation), start=1):  # each in a session of its own
        goal = kt.Objective("val_loss", "min")
        oracle = StrategyOracle(goal, number, strategy="random", space=ONLY, seed=0)
        tuner = EvaluationTuner(each, oracle, directory=str(tmp_path), project_name="p")
        tuner.search(verbose=0)
    trials = [oracle.trials[trial_id] for trial_id in sorted(oracle.trials)]
    check_evaluations(
        [trial.score for trial in trials], [trial.metrics.exists("repeat_of") for trial in trials]
    )


def test_other_data_in_an_experiment_of_nni(evaluation: Evaluation, experiment: Any) -> None:
    """A tuner sends the first result that it knows; the trial says whether it is of its data."""
    pytest.importorskip("nni")
    from cellwright.adapters.nni_space import search_space_of
    from cellwright.adapters.nni_tuner import StrategyTuner

    tuner = StrategyTuner("random", ONLY, seed=0)
    running = experiment(tuner, search_space_of(ONLY))
    ended = [running.trial(each).metrics for each in evaluations(evaluation)]
    assert ["repeat_of" in metrics for metrics in ended] == [False, True, False, False, False]
    losses = [metrics["val_loss"] for metrics in ended]
    assert losses[0] == losses[1]
    assert losses[3] == losses[4]
    assert len(set(losses)) == 3


def ray_results(searcher: Any, evaluations: list[Evaluation]) -> list[tuple[Any, dict[str, Any]]]:
    """What each evaluation's trial was given and reported last, without Tune's controller."""
    tune = pytest.importorskip("ray.tune")
    from cellwright.adapters import ray_trial

    ended: list[tuple[Any, dict[str, Any]]] = []
    for number, each in enumerate(evaluations):
        config, reports = searcher.suggest(f"trial-{number}"), []
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(tune, "report", reports.append)
            ray_trial.run(config, each)
        searcher.on_trial_complete(f"trial-{number}", {**reports[-1], "config": config})
        ended.append((config, reports[-1]))
    return ended


def test_ray_tune(evaluation: Evaluation) -> None:
    pytest.importorskip("ray.tune")
    from cellwright.adapters.ray_searcher import CellwrightSearch

    searcher = CellwrightSearch("random", "val_loss", "min", space=SPACE, seed=0)
    ended = ray_results(searcher, [evaluation] * TRIALS)
    known = [(config, last) for config, last in ended if "repeat_of" in last]
    assert known  # levels are drawn: what is repeated is the same, number for number
    for config, last in ended:
        own = evaluation.run(SPACE.read(config))[0]["val_loss"]
        assert last["val_loss"] == pytest.approx(own, rel=1e-6)
    for config, _ in known:
        assert any(same(config, other) for other, last in ended if "repeat_of" not in last)


def test_other_data_in_an_experiment_of_ray_tune(evaluation: Evaluation) -> None:
    """A searcher sends the first result that it knows; the trial says whether it is of its data."""
    pytest.importorskip("ray.tune")
    from cellwright.adapters.ray_searcher import CellwrightSearch

    searcher = CellwrightSearch("random", "val_loss", "min", space=ONLY, seed=0)
    ended = [last for _, last in ray_results(searcher, evaluations(evaluation))]
    assert ["repeat_of" in metrics for metrics in ended] == [False, True, False, False, False]
    losses = [metrics["val_loss"] for metrics in ended]
    assert losses[0] == losses[1]
    assert losses[3] == losses[4]
    assert len(set(losses)) == 3
