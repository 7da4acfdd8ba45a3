"""A search that goes the wrong way says so, once, in every host; one that does not is silent."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Any

import pytest

from cellwright.plugins import RegularizedEvolution, make_strategy
from cellwright.plugins.metrics import mistaken
from cellwright.search_spaces import Decision, SearchSpace

ROOT = Path(__file__).parents[2]
SPACE = SearchSpace([Decision(f"layer/{k}", tuple(range(4))) for k in range(4)])


def accuracy(params: dict[str, Any]) -> float:
    return sum(params[name] for name in SPACE.names) / 12


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> Any:
    """The warnings so far."""
    caplog.set_level(logging.WARNING, "cellwright")
    return lambda: [record.getMessage() for record in caplog.records]


@pytest.mark.parametrize(
    ("names", "direction", "words"),
    [
        (["reward"], "minimize", "'reward' is minimised, and more of it is better"),
        (["val_accuracy"], "min", "'val_accuracy' is minimised, and more of it is better"),
        (["val_loss"], "maximize", "'val_loss' is maximised, and less of it is better"),
        (["my_score"], "minimize", ""),
        (["latency_ms", "reward"], "minimize", "'reward' is minimised, and more of it is better"),
        (["loss", "reward"], "minimize", ""),
        (["parameters"], "maximize", ""),
        (["val_accuracy"], "max", ""),
        ([], "minimize", ""),
    ],
)
def test_what_is_mistaken(names: list[str], direction: str, words: str) -> None:
    assert mistaken(names, direction) == words


def optuna_study(objective: Any, name: str, **arguments: Any) -> Any:
    optuna = pytest.importorskip("optuna")
    from cellwright.adapters.optuna_sampler import StrategySampler

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    sampler = StrategySampler(RegularizedEvolution(SPACE, seed=0))
    study = optuna.create_study(sampler=sampler, study_name=name, **arguments)
    study.optimize(objective, n_trials=3)
    return study


def storing(trial: Any) -> float:
    """An objective that stores what it returns, as examples/optuna does."""
    from cellwright.adapters.optuna_sampler import suggest

    params = suggest(trial, SPACE)
    trial.set_user_attr("val_accuracy", accuracy(params))
    return accuracy(params)


def test_a_study_without_a_direction_says_that_it_minimises(said: Any) -> None:
    optuna_study(storing, "bare")
    [words] = said()
    assert "In study 'bare' 'val_accuracy' is minimised, and more of it is better" in words
    assert "Without a direction Optuna minimises" in words
    assert 'create_study(direction="maximize", ...)' in words
    optuna_study(storing, "told", direction="maximize")
    optuna_study(lambda trial: -storing(trial), "negated", direction="minimize")
    assert len(said()) == 1


def test_a_name_of_the_objective_is_judged_before_the_first_trial_ends(said: Any) -> None:
    optuna = pytest.importorskip("optuna")
    from cellwright.adapters.optuna_sampler import StrategySampler, suggest

    for pruner in (optuna.pruners.NopPruner(), optuna.pruners.HyperbandPruner()):
        study = optuna.create_study(
            directions=["minimize"],
            sampler=StrategySampler(RegularizedEvolution(SPACE, seed=0)),
            pruner=pruner,
        )
        study.set_metric_names(["accuracy"])
        before = len(said())
        suggest(study.ask(), SPACE)
        assert len(said()) == before + 1
        assert "'accuracy' is minimised" in said()[-1]


def test_our_objective_knows_what_it_returns(said: Any) -> None:
    keras = pytest.importorskip("keras")
    optuna = pytest.importorskip("optuna")
    import numpy as np

    from cellwright.adapters.optuna_trial import run
    from cellwright.plugins import Dataset, Evaluation

    class Space(SearchSpace):
        def build(self, params: Any, input_shape: Any, classes: Any, **options: Any) -> Any:
            return keras.Sequential([keras.Input(input_shape), keras.layers.Flatten()])

    seen: list[int] = []

    def train(model: Any, data: Any, recipe: Any, *, report: Any) -> dict[str, float]:
        seen.append(len(said()))
        return {"val_accuracy": 0.5, "val_loss": 0.7}

    images, labels = np.zeros((4, 2, 2, 1), np.float32), np.arange(4) % 2
    data = Dataset(images, labels, images, labels, ("a", "b"))
    evaluation = Evaluation(Space(SPACE.decisions), data, train=train)
    bare = optuna.create_study()
    bare.optimize(lambda trial: run(trial, evaluation), n_trials=2)
    assert len(said()) == 1
    assert "'reward' is minimised" in said()[0]
    assert seen[0] == 1  # before the first child is trained
    study = optuna.create_study(direction="maximize")
    study.optimize(lambda trial: run(trial, evaluation, ["val_loss"]), n_trials=1)
    assert "'val_loss' is maximised" in said()[1]
    study = optuna.create_study(directions=["maximize", "minimize"])
    study.optimize(lambda trial: run(trial, evaluation, ["reward", "val_loss"]), n_trials=1)
    assert len(said()) == 2


@pytest.mark.parametrize(
    ("name", "direction", "words"),
    [
        ("val_accuracy", "min", "give keras_tuner.Objective('val_accuracy', 'max')"),
        ("reward", "min", "'reward' is minimised"),
        ("val_loss", "max", "give keras_tuner.Objective('val_loss', 'min')"),
        ("val_accuracy", "max", ""),
        ("my_score", "min", ""),
    ],
)
def test_keras_tuner(name: str, direction: str, words: str, said: Any) -> None:
    kt = pytest.importorskip("keras_tuner")
    from cellwright.adapters.keras_oracle import StrategyOracle

    StrategyOracle(kt.Objective(name, direction), 3, strategy=make_strategy("random", SPACE))
    assert len(said()) == bool(words)
    assert words in "".join(said())


def test_ray_tune(said: Any) -> None:
    pytest.importorskip("ray.tune")
    from cellwright.adapters.ray_searcher import CellwrightSearch

    strategy = make_strategy("random", SPACE)
    CellwrightSearch(strategy, metric="val_loss", mode="min")
    CellwrightSearch(strategy, metric="my_score", mode="min")
    assert said() == []
    CellwrightSearch(strategy, metric="val_accuracy", mode="min")
    [words] = said()
    assert "'val_accuracy' is minimised, and more of it is better" in words
    assert "give the other mode to CellwrightSearch" in words


def test_nni(said: Any, experiment: Any) -> None:
    pytest.importorskip("nni")
    from cellwright.adapters.nni_tuner import StrategyTuner

    def trials(**arguments: Any) -> list[str]:
        before = len(said())
        tuner = StrategyTuner("random", SPACE, seed=0, **arguments)
        for number in range(2):
            given = tuner.generate_parameters(number)
            value = {"default": accuracy(given), "reward": accuracy(given), "val_loss": 2.0}
            tuner.receive_trial_result(number, given, value)
        return list(said()[before:])

    [words] = trials(optimize_mode="minimize")
    assert words == (
        "'reward' is minimised, and more of it is better: change optimize_mode in the tuner's "
        "classArgs"
    )
    assert trials(optimize_mode="maximize") == []
    [words] = trials(objectives={"reward": "minimize"})
    assert "change objectives.reward in the tuner's classArgs" in words


def test_every_page_and_every_example_gives_a_direction() -> None:
    files = [ROOT / "README.md", *ROOT.glob("docs/*.md")]
    for folder in ("src", "examples", "benchmarks"):
        files += ROOT.glob(f"{folder}/**/*.py")
    calls = [
        (file.name, call)
        for file in files
        for call in re.findall(
            r"optuna\.create_study\(((?:[^()]|\([^()]*\))*)\)", file.read_text(encoding="utf-8")
        )
        if call.strip(". ")
    ]
    assert len(calls) >= 8
    told = [(name, call) for name, call in calls if "direction" not in call]
    assert told == []
