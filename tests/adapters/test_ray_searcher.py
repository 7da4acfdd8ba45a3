"""The searcher in real searches of Ray Tune: what Tune does with it, and what a user gives it."""

from __future__ import annotations

import json
import math
import os
import pickle
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("ray.tune", reason="Ray Tune is not installed")

from ray import tune

from cellwright.adapters.ray_searcher import CellwrightSearch, architecture
from cellwright.plugins import ParetoPredictor, make_strategy
from cellwright.search_spaces import (
    CorruptedState,
    Decision,
    Float,
    InvalidArchitecture,
    JointSpace,
    SearchSpace,
    SpaceMismatch,
)

SPACE = SearchSpace([Decision(f"cell/{i}/operation", ("a", "b", "c", "d")) for i in range(6)])
JOINT = JointSpace(SPACE, Float("rate", 1e-4, 1e-1, log=True))


def score(params: dict[str, Any]) -> float:
    places = enumerate(sorted(SPACE.names))
    return sum(math.sin(7 * "abcd".index(params[name]) + 5 * place) for place, name in places)


def bare_loop(trials: int, failing: frozenset[int] = frozenset(), sign: float = 1.0) -> Any:
    """What a search with the same seed must propose."""
    strategy = make_strategy("evolution", SPACE, seed=3, population=5, sample=3)
    found = []
    for number in range(trials):
        params = strategy.ask(number)
        strategy.tell(number, params, None if number in failing else score(params))
        found.append(params)
    return found


def searcher(**arguments: Any) -> CellwrightSearch:
    usual = {"metric": "score", "mode": "max", "space": SPACE, "seed": 3}
    return CellwrightSearch("evolution", **{**usual, "population": 5, "sample": 3, **arguments})


def test_auto_has_as_many_objectives_as_there_are_metrics() -> None:
    search = CellwrightSearch("auto", ["a", "b", "c"], ["max", "min", "max"], space=SPACE)
    assert type(search.strategy) is ParetoPredictor
    assert search.strategy.objectives == 3


def fit(
    trainable: Any, search: Any, trials: int, folder: Path, scheduler: Any = None, **how: Any
) -> Any:
    failure = tune.FailureConfig(max_failures=how.pop("max_failures", 0))
    wanted = {"num_samples": trials, "max_concurrent_trials": 1, "reuse_actors": True, **how}
    return tune.Tuner(
        trainable,
        tune_config=tune.TuneConfig(search_alg=search, scheduler=scheduler, **wanted),
        run_config=tune.RunConfig(
            name="search", storage_path=str(folder), verbose=0, failure_config=failure
        ),
    ).fit()


def by_number(results: Any) -> list[Any]:
    return sorted(results, key=lambda result: result.config["cellwright"]["number"])


def test_a_whole_search_equals_the_bare_loop(ray_started: Any, tmp_path: Path) -> None:
    """With a trial that raises, one that reports NaN, and one that reports something else."""

    def trainable(config: Any) -> None:
        number = config["cellwright"]["number"]
        if number == 2:
            raise RuntimeError("planned")
        if number == 4:
            tune.report({"other": 1.0})
            return
        value = math.nan if number == 3 else score(architecture(config, SPACE))
        tune.report({"score": -value, "other": 1.0})

    search = searcher(mode="min")
    results = by_number(fit(trainable, search, 14, tmp_path))
    wanted = bare_loop(14, frozenset({2, 3, 4}))
    assert [architecture(each.config, SPACE) for each in results] == wanted
    assert [told.reward is None for told in search.record.told.values()].count(True) == 3
    assert "must be a finite number" in search.record.facts[3]["error"]
    assert "without a value for score; its metrics are other" in search.record.facts[4]["error"]
    assert results[0].config["cellwright"]["objectives"] == ["score"]
    # What Tune keeps of the searcher is JSON, and its pickle holds the same.
    [state] = (tmp_path / "search").glob("searcher-state-*.json")
    assert len(json.loads(state.read_text())["history"]) == 14
    again = pickle.loads(pickle.dumps(search))
    assert again.record.as_text() == search.record.as_text()
    assert again.suggest("next") == search.suggest("next")


def test_what_ends_early_answers_to_its_iterations(ray_started: Any, tmp_path: Path) -> None:
    """Tune's own ASHA: what it stops counts with its last result, and says how far it came."""

    def trainable(config: Any) -> None:
        for epoch in range(1, 5):
            tune.report({"score": score(architecture(config, SPACE)) + epoch})

    asha = tune.schedulers.ASHAScheduler(
        metric="score", mode="max", time_attr="training_iteration", max_t=4, reduction_factor=2
    )
    search = searcher()
    fit(trainable, search, 8, tmp_path, asha)
    iterations = [facts["iterations"] for facts in search.record.facts.values()]
    assert {1, 4} <= set(iterations)
    for number, told in search.record.told.items():
        reached = search.record.facts[number]["iterations"]
        assert told.reward == pytest.approx(score(told.params) + reached)
    assert all(search.record.known(search.record.given_to(n)) is None for n in range(8))

    from cellwright.searches.runs import open_run

    run = open_run(str(tmp_path / "search"), space=f"{__name__}:SPACE")
    assert run.objectives[0].name == "score"
    states = {trial.number: trial.state for trial in run.trials}
    assert states == {n: "complete" if x == 4 else "pruned" for n, x in enumerate(iterations)}


def test_a_worker_that_is_killed_is_told_once(ray_started: Any, tmp_path: Path) -> None:
    mark = tmp_path / "killed"

    def trainable(config: Any) -> None:
        if config["cellwright"]["number"] == 1 and not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        tune.report({"score": score(architecture(config, SPACE))})

    search = searcher()
    results = by_number(fit(trainable, search, 4, tmp_path, max_failures=1))
    assert mark.exists()
    assert [architecture(each.config, SPACE) for each in results] == bare_loop(4)
    assert [told.reward is None for told in search.record.told.values()] == [False] * 4


def test_restarted_trials_replace_their_failures(ray_started: Any, tmp_path: Path) -> None:
    """`restart_errored` gives trials new ids and tells the searcher nothing."""
    mark = tmp_path / "mended"

    def trainable(config: Any) -> None:
        if config["cellwright"]["number"] in (1, 2) and not mark.exists():
            raise RuntimeError("planned")
        tune.report({"score": score(architecture(config, SPACE))})

    fit(trainable, searcher(), 4, tmp_path)
    mark.touch()
    place = str(tmp_path / "search")
    tuner = tune.Tuner.restore(place, trainable=trainable, restart_errored=True)
    tuner.fit()
    search = tuner._local_tuner._tune_config.search_alg
    told = search.record.told
    assert sorted(told) == [0, 1, 2, 3]
    for number in told:
        assert told[number].reward == pytest.approx(score(told[number].params))


_SEARCH = """
import sys, time
sys.path[:0] = {path!r}
import ray
import test_ray_searcher
from ray import cloudpickle, tune
from test_ray_searcher import SPACE, architecture, score, searcher
cloudpickle.register_pickle_by_value(test_ray_searcher)
folder, resume = sys.argv[1], len(sys.argv) > 2
ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
def trainable(config):
    with open(folder + "/trained.txt", "a") as file:
        print(config["cellwright"]["number"], file=file)
    time.sleep(0.4)
    tune.report({{"score": score(architecture(config, SPACE))}})
if resume:
    tuner = tune.Tuner.restore(folder + "/search", trainable=trainable)
else:
    tuner = tune.Tuner(trainable, tune_config=tune.TuneConfig(
        search_alg=searcher(), num_samples=30, max_concurrent_trials=1, reuse_actors=True),
        run_config=tune.RunConfig(name="search", storage_path=folder, verbose=0))
tuner.fit()
"""


@pytest.mark.slow
def test_a_search_goes_on_exactly_after_its_driver_was_killed(tmp_path: Path) -> None:
    path = [str(Path(__file__).parent), *filter(None, os.environ.get("PYTHONPATH", "").split(":"))]
    script = [sys.executable, "-c", _SEARCH.format(path=path), str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path)}
    running = subprocess.Popen(script, env=environment, start_new_session=True)
    trained = tmp_path / "trained.txt"
    end = time.monotonic() + 300
    while time.monotonic() < end and running.poll() is None:
        if trained.exists() and len(trained.read_text().split()) >= 15:
            break
        time.sleep(0.1)
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    assert len(trained.read_text().split()) >= 15
    subprocess.run([*script, "resume"], env=environment, check=True, timeout=400)
    from cellwright.adapters.ray_experiment import trials_in

    found = trials_in(tmp_path / "search")
    numbers = [trial.config["cellwright"]["number"] for trial in found]
    assert sorted(numbers) == list(range(30))
    wanted = bare_loop(30)
    for trial in found:
        number = trial.config["cellwright"]["number"]
        assert architecture(trial.config, SPACE) == wanted[number]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"metric": None}, "needs metric and mode of its own"),
        ({"mode": None}, "needs metric and mode of its own"),
        ({"mode": "maximize"}, 'mode must be "max" or "min", got \'maximize\''),
        ({"metric": ["a", "b"], "mode": ["max"]}, "one mode for each of different metrics"),
        ({"metric": ["a", "b"], "mode": ["max", "min"]}, "ParetoPredictor"),
        ({"unitz": 3}, "unexpected keyword argument 'unitz'"),
        ({"seed": -1}, "seed must be"),
    ],
)
def test_what_is_refused(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        searcher(**arguments)


def test_a_param_space_holds_constants_alone(ray_started: Any, tmp_path: Path) -> None:
    def trial(config: Any) -> None:
        tune.report({"score": score(config), "fixed": config["fixed"]})

    def search(param_space: dict[str, Any], **config: Any) -> Any:
        return tune.Tuner(
            trial,
            param_space=param_space,
            tune_config=tune.TuneConfig(search_alg=searcher(), num_samples=1, **config),
            run_config=tune.RunConfig(storage_path=str(tmp_path), verbose=0),
        ).fit()

    for open_ in (
        tune.loguniform(1e-4, 1e-2),
        tune.grid_search([1, 2]),
        {"deep": tune.choice([1])},
    ):
        with pytest.raises(ValueError, match="param_space is to hold constants alone"):
            search({"lr": open_})
    with pytest.raises(SpaceMismatch, match="cell/0/operation"):
        search({"cell/0/operation": "a"})
    with pytest.raises(ValueError, match="metric='loss', and CellwrightSearch metric='score'"):
        search({"fixed": 7}, metric="loss", mode="min")
    [result] = search({"fixed": 7})
    assert result.metrics["fixed"] == 7


def test_a_metric_that_no_trial_reports_ends_the_search(ray_started: Any, tmp_path: Path) -> None:
    def trainable(config: Any) -> None:
        tune.report({"accuracy": 1.0})

    with pytest.raises(
        Exception, match="ended without a value for score; its metrics are accuracy"
    ):
        fit(trainable, searcher(), 10, tmp_path)


def test_a_strategy_that_fails_ends_no_search(caplog: pytest.LogCaptureFixture) -> None:
    search = searcher()
    search.strategy._propose = lambda number, rng: 1 / 0
    config = search.suggest("a")
    assert SPACE.read(config)
    assert "the architecture of trial 0 is random" in caplog.text


def test_a_state_is_taken_up_where_it_fits_alone(tmp_path: Path) -> None:
    search, file = searcher(seed=None), str(tmp_path / "state.json")
    for number in range(6):
        config = search.suggest(f"id-{number}")
        search.on_trial_complete(f"id-{number}", {"score": score(config)})
    running = search.suggest("id-6")
    search.save(file)
    other = searcher(seed=None)
    other.restore(file)
    assert other.seed == search.seed
    assert other.record.as_text() == search.record.as_text()
    assert other.suggest("id-7") == search.suggest("id-7")
    fresh = searcher(seed=None)
    fresh.restore(file)
    fresh.begin_again()  # the number of the one that ran is not used up
    assert fresh.suggest("new") == running
    with pytest.raises(ValueError, match="told with other objectives"):
        searcher(mode="min").restore(file)
    with pytest.raises(SpaceMismatch):
        searcher(space="mlp").restore(file)
    whole = json.loads(Path(file).read_text())
    for damage, words in (
        ({"again": [77]}, "again has 77, a trial that it does not hold"),
        ({"live": ["nobody"]}, "live has 'nobody'"),
        ({"numbers": {"id-0": True}}, "numbers"),
        ({"expected": [[0, {"predicted": float("nan")}]]}, "a finite number is expected"),
        ({"seed": None}, "seed: Expected `int`, got `null`"),
    ):
        Path(file).write_text(json.dumps({**whole, **damage}))
        with pytest.raises(CorruptedState, match=rf"state\.json is damaged: .*{words}"):
            searcher().restore(file)
    Path(file).write_text(json.dumps(whole)[:-9])
    with pytest.raises(CorruptedState, match=r"state\.json"):
        searcher().restore(file)


def test_numbers_of_ranges_are_kept_as_they_are(tmp_path: Path) -> None:
    search = searcher(space=JOINT)
    rate = search.suggest("a")["rate"]
    search.on_trial_complete("a", {"score": 1.0})
    search.add_evaluated_point({**dict.fromkeys(SPACE.names, "a"), "rate": 0.0123}, 2.0)
    search.save(str(tmp_path / "state.json"))
    other = searcher(space=JOINT)
    other.restore(str(tmp_path / "state.json"))
    assert [other.record.params_of(number)["rate"] for number in (0, 1)] == [rate, 0.0123]
    assert other.record.told[1].reward == 2.0
    with pytest.raises(InvalidArchitecture):
        search.add_evaluated_point({"cell/0/operation": "z"}, 1.0)


def test_state_files_of_two_moments_lose_nothing(ray_started: Any, tmp_path: Path) -> None:
    """A kill while Tune copies its files: its trials are newer than our state, or older."""

    def trainable(config: Any) -> None:
        tune.report({"score": score(architecture(config, SPACE))})

    search = searcher()
    fit(trainable, search, 5, tmp_path)
    [file] = (tmp_path / "search").glob("searcher-state-*.json")
    old = searcher()
    old.suggest("lost")
    old.save(str(file))
    late = searcher()
    late.restore_from_dir(str(tmp_path / "search"))
    assert {n: told.params for n, told in late.record.told.items()} == {
        n: told.params for n, told in search.record.told.items()
    }
    assert (late._live, late._again) == ([], [])
    search.set_max_concurrency(9)
    for number in range(5, 8):
        search.suggest(f"new-{number}")
    search.save(str(file))
    late = searcher()
    late.restore_from_dir(str(tmp_path / "search"))
    assert late._again == [5, 6, 7]
    state = json.loads(file.read_text())
    state["again"] = [5]  # by our state it is to run again, by Tune's it has ended
    state["numbers"] = {**state["numbers"], next(iter(search._numbers)): 5}
    file.write_text(json.dumps(state))
    late = searcher()
    late.restore_from_dir(str(tmp_path / "search"))
    assert (5 in late.record.told, late._again) == (True, [6, 7])
    assert SPACE.read(late.suggest("next"))
