"""`ray_trial.run` in real trials of Ray Tune: what is reported, and what is not trained again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("ray.tune", reason="Ray Tune is not installed")
pytest.importorskip("keras")

from ray import tune

from cellwright.adapters.ray_searcher import CellwrightSearch
from cellwright.adapters.ray_trial import trainable
from cellwright.plugins import Dataset, Evaluation, Limit, Recipe
from cellwright.plugins.strategies.hyperband import Hyperband
from cellwright.search_spaces import Decision, SearchSpace

IMAGES, LABELS = np.zeros((4, 2, 2, 1), np.float32), np.arange(4) % 2
DATA = Dataset(IMAGES, LABELS, IMAGES, LABELS, ("a", "b"))


class Cells(SearchSpace):
    """Each network under two names."""

    def canonical(self, params: Mapping[str, Any]) -> dict[str, Any]:
        return {**params, "name": 0}

    def build(
        self, params: Mapping[str, Any], input_shape: Any, classes: Any, **options: Any
    ) -> Any:
        import keras

        image = keras.Input(input_shape)
        x = keras.layers.Dense(params["width"])(keras.layers.Flatten()(image))
        return keras.Model(image, keras.layers.Dense(classes)(x))


SPACE = Cells([Decision("width", (2, 3, 4)), Decision("name", (0, 1))])


def evaluation(folder: Path, **arguments: Any) -> Evaluation:
    """Trainings that give an accuracy by width and epochs, and leave a line each."""

    def train(model: Any, data: Any, recipe: Any, *, report: Any = None) -> dict[str, float]:
        width = model.layers[-2].units
        with (folder / "trained.jsonl").open("a") as file:
            print(json.dumps([width, recipe.epochs]), file=file)
        for epoch in range(recipe.epochs):
            metrics = {"val_accuracy": width / 10 + epoch / 100}
            report(epoch, metrics)
        return metrics

    def tell(trial: Any) -> None:
        with (folder / "told.jsonl").open("a") as file:
            print(json.dumps([trial.number, trial.state, trial.architecture]), file=file)

    recipe = Recipe(epochs=3)
    return Evaluation(SPACE, DATA, recipe, train=train, on_trial=tell, **arguments)


def lines(folder: Path, name: str) -> list[Any]:
    return [json.loads(line) for line in (folder / name).read_text().splitlines()]


def fit(made: Evaluation, search: Any, trials: int, folder: Path, scheduler: Any = None) -> Any:
    results = tune.Tuner(
        trainable(made),
        tune_config=tune.TuneConfig(
            search_alg=search, num_samples=trials, max_concurrent_trials=1, reuse_actors=True,
            scheduler=scheduler,
        ),
        run_config=tune.RunConfig(name="search", storage_path=str(folder), verbose=0),
    ).fit()  # fmt: skip
    return sorted(results, key=lambda result: result.config["cellwright"]["number"])


def test_one_search_trains_each_network_once(ray_started: Any, tmp_path: Path) -> None:
    """With a limit, which one network is beyond, and a space that is used up."""
    made = evaluation(tmp_path, limit=Limit("parameters", 25))
    search = CellwrightSearch("random", "reward", "max", space=SPACE, seed=0)
    results = fit(made, search, 6, tmp_path)
    trained = lines(tmp_path, "trained.jsonl")
    assert sorted(trained) == [[2, 3], [3, 3]]
    within = [result for result in results if result.config["width"] < 4]
    for result in within:
        assert result.metrics["reward"] == pytest.approx(result.config["width"] / 10 + 0.02)
        if "repeat_of" not in result.metrics:
            assert result.metrics["training_iteration"] == 3
            assert len(result.metrics_dataframe) == 3
            assert result.metrics["architecture"] == SPACE.in_short(SPACE.read(result.config))
    repeats = [result for result in within if "repeat_of" in result.metrics]
    assert len(repeats) == len(within) - 2
    for result in repeats:
        first = results[int(result.metrics["repeat_of"])]
        assert (first.metrics["reward"], first.config["width"]) == (
            result.metrics["reward"],
            result.config["width"],
        )
    beyond = [result for result in results if result.config["width"] == 4]
    assert len(beyond) >= 1
    for result in beyond:
        assert result.error is None
        assert np.isnan(result.metrics["reward"])
        assert "OverLimit" in result.metrics["error"]
        number = result.config["cellwright"]["number"]
        assert search.record.told[number].excess == result.metrics["infeasible"] > 0
    states = {state for _, state, _ in lines(tmp_path, "told.jsonl")}
    assert states == {"complete", "infeasible"}


@pytest.mark.slow
def test_our_hyperband_and_tunes_asha(ray_started: Any, tmp_path: Path) -> None:
    schedule = Hyperband(4, 2, 1)
    (tmp_path / "ours").mkdir()
    search = CellwrightSearch("random", "reward", "max", space=SPACE, seed=0, schedule=schedule)
    results = fit(evaluation(tmp_path / "ours"), search, schedule.trials, tmp_path / "ours")
    epochs = [result.config["cellwright"]["TRIAL_BUDGET"] for result in results]
    plan = [rung for bracket in schedule.plan for rung in bracket]
    assert sorted(epochs) == sorted(each for trials, each in plan for _ in range(trials))
    for result in results:
        if result.config["cellwright"]["TRIAL_BUDGET"] == 4:
            past = results[result.config["cellwright"]["goes_on_from"]]
            assert past.config["width"] == result.config["width"] == 4  # the best

    (tmp_path / "asha").mkdir()
    asha = tune.schedulers.ASHAScheduler(
        metric="reward", mode="max", max_t=3, grace_period=1, reduction_factor=2
    )
    search = CellwrightSearch("random", "reward", "max", space=SPACE, seed=0)
    results = fit(evaluation(tmp_path / "asha"), search, 6, tmp_path / "asha", asha)
    reached = [result.metrics["training_iteration"] for result in results]
    assert {1, 3} <= set(reached)
    for number, iterations in enumerate(reached):
        told = search.record.told[number]
        wanted = told.params["width"] / 10 + (iterations - 1) / 100
        repeated = "repeat_of" in results[number].metrics
        assert told.reward == pytest.approx(
            told.params["width"] / 10 + 0.02 if repeated else wanted
        )


@pytest.mark.slow
def test_the_example_runs(run_script: Any, tmp_path: Path) -> None:
    example = Path(__file__).parents[2] / "examples" / "ray" / "search.py"
    printed = run_script(example, "--trials", "2", "--epochs", "1", "--out", tmp_path)
    assert "best validation accuracy: " in printed
    assert "normal: " in printed
