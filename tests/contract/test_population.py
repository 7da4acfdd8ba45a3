"""Population based training: the same seed and results give the same trials in the bare loop and in
every host, member by member and step by step, also after a stop half-way and with failures."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from cellwright.plugins import PopulationBased, make_strategy
from cellwright.plugins.strategies.schedule import Attempt, draws_of
from cellwright.search_spaces import Decision, Float, Int, JointSpace, SearchSpace

SPACE = JointSpace(
    SearchSpace([Decision(f"cell/{i}", ("a", "b", "c", "d")) for i in range(4)]),
    Float("learning_rate", 1e-4, 1e-1, log=True),
    Int("batch_size", 8, 64, log=True),
    Decision("augmentation", ("none", "shift", "shift_flip")),
    Float("weight_decay", 0, 0.1, when={"augmentation": ("none", "shift")}),
)
ARGUMENTS = {"population": 4, "max_epochs": 6, "step": 2}
SCHEDULE = PopulationBased(**ARGUMENTS)
SEED, STRATEGY = 3, "evolution"
TRIALS, HALF = 20, 9  # one population, and two steps of the next
FAILING = frozenset({2, 6, 13})

Step = tuple[dict[str, Any], int, str]  # what it is trained with, its epochs, and after what


def score(params: dict[str, Any], epochs: int) -> float:
    cells = sum(math.sin(5 * place + "abcd".index(params[f"cell/{place}"])) for place in range(4))
    return cells + epochs - abs(math.log(params["learning_rate"] / 0.01)) / 4


def bare_loop(failing: frozenset[int]) -> list[Step]:
    strategy = make_strategy(STRATEGY, SPACE, seed=SEED)
    attempts: list[Attempt] = []
    for number in range(TRIALS):
        rung = SCHEDULE.next(attempts, SPACE, draws_of(SEED, number))
        if rung.past is None:
            params = SPACE.read(strategy.ask(number))
        else:
            params = SPACE.read({**attempts[rung.past].params, **(rung.changes or {})})
        reward = None if number in failing else score(params, rung.epochs)
        held = (rung.bracket, rung.epochs, rung.after, params)
        attempts.append(Attempt(number, rung.past, True, reward, *held))
        strategy.tell(number, SPACE.decode(SPACE.encode(params)), reward)
    assert any(attempt.after for attempt in attempts)
    return [(attempt.params, attempt.epochs, attempt.after) for attempt in attempts]


def in_optuna(trials: int, failing: frozenset[int], folder: Any) -> list[Step]:
    optuna = pytest.importorskip("optuna")
    from cellwright.adapters.optuna_sampler import StrategySampler, rung_of, suggest

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    backend = optuna.storages.journal.JournalFileBackend(str(folder / "journal"))
    study = optuna.create_study(
        study_name="population",
        storage=optuna.storages.JournalStorage(backend),
        sampler=StrategySampler(make_strategy(STRATEGY, SPACE, seed=SEED), schedule=SCHEDULE),
        direction="maximize",
        load_if_exists=True,
    )

    def objective(trial: Any) -> float:
        params = suggest(trial, SPACE)
        if trial.number in failing:
            raise RuntimeError("planned")
        return score(params, rung_of(trial).epochs)

    study.optimize(objective, n_trials=trials - len(study.trials), catch=(RuntimeError,))
    rungs = [rung_of(trial) for trial in study.trials]
    return [
        (SPACE.read(trial.params), rung.epochs, rung.after)
        for trial, rung in zip(study.trials, rungs, strict=True)
    ]


def in_keras_tuner(trials: int, failing: frozenset[int], folder: Any) -> list[Step]:
    kt = pytest.importorskip("keras_tuner")
    from cellwright.adapters.keras_decisions import read_params
    from cellwright.adapters.keras_oracle import StrategyOracle

    class Tuner(kt.Tuner):
        def run_trial(self, trial: Any, *args: Any, **kwargs: Any) -> dict[str, float]:
            values = trial.hyperparameters.values
            if int(trial.trial_id) in failing:
                raise kt.errors.FailedTrialError("planned")
            return {"reward": score(read_params(values, SPACE), values["tuner/epochs"])}

    oracle = StrategyOracle(
        kt.Objective("reward", "max"), trials, strategy=STRATEGY, space=SPACE, seed=SEED,
        schedule=SCHEDULE, max_consecutive_failed_trials=trials,
    )  # fmt: skip
    tuner = Tuner(
        oracle=oracle,
        hypermodel=lambda hp: None,
        directory=str(folder),
        project_name="population",
    )
    tuner.search(verbose=0)
    held = [oracle.trials[i].hyperparameters.values for i in sorted(oracle.trials, key=int)]
    return [(read_params(x, SPACE), x["tuner/epochs"], x["tuner/after"]) for x in held]


class InNNI:
    """An experiment, one tuner process after another, as NNI's dispatcher drives them."""

    def __init__(self, folder: Any, monkeypatch: Any) -> None:
        pytest.importorskip("nni")
        folder.mkdir()
        monkeypatch.setenv("NNI_CHECKPOINT_DIRECTORY", str(folder))
        self.found: list[Step] = []

    def run(self, trials: int, failing: frozenset[int]) -> list[Step]:
        from cellwright.adapters.nni_space import search_space_of
        from cellwright.adapters.nni_tuner import StrategyTuner
        from cellwright.plugins.records.record import AFTER, BUDGET

        tuner = StrategyTuner(STRATEGY, SPACE, seed=SEED, schedule=ARGUMENTS)
        if self.found:
            tuner.load_checkpoint()
        tuner.update_search_space(search_space_of(SPACE))
        for number in range(len(self.found), trials):
            [given] = tuner.generate_multiple_parameters([number])
            params = SPACE.read(given)
            self.found.append((params, given[BUDGET], given[AFTER]))
            if number not in failing:
                value = score(params, given[BUDGET])
                tuner.receive_trial_result(number, given, value, trial_job_id=f"job-{number}")
            tuner.trial_end(number, number not in failing)
        return self.found


def in_ray_tune(trials: int, failing: frozenset[int], folder: Any) -> list[Step]:
    """The searcher, asked and told as Tune does it; each session takes up its state."""
    pytest.importorskip("ray.tune")
    from cellwright.adapters.ray_searcher import CellwrightSearch

    search = CellwrightSearch(STRATEGY, "reward", "max", space=SPACE, seed=SEED, schedule=SCHEDULE)
    state, found = folder / "state.json", folder / "found.json"
    steps = json.loads(found.read_text()) if found.exists() else []
    if state.exists():
        search.restore(str(state))
    for number in range(len(steps), trials):
        config = search.suggest(f"trial-{number}")
        params, said = SPACE.read(config), config["cellwright"]
        steps.append([params, said["TRIAL_BUDGET"], said["after_weights"]])
        reward = {"reward": score(params, said["TRIAL_BUDGET"])}
        failed = number in failing
        search.on_trial_complete(f"trial-{number}", None if failed else reward, error=failed)
    search.save(str(state))
    found.write_text(json.dumps(steps))
    return [(params, epochs, after) for params, epochs, after in steps]


@pytest.mark.parametrize("failing", [frozenset(), FAILING])
@pytest.mark.parametrize("host", ["optuna", "keras-tuner", "nni", "ray"])
def test_every_host_runs_the_same_population(
    host: str, failing: frozenset[int], tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = bare_loop(failing)
    if host == "nni":
        whole = InNNI(tmp_path / "whole", monkeypatch).run(TRIALS, failing)
        parts = InNNI(tmp_path / "parts", monkeypatch)
        assert parts.run(HALF, failing) == wanted[:HALF]
        assert parts.run(TRIALS, failing) == wanted
    else:
        run = {"optuna": in_optuna, "keras-tuner": in_keras_tuner, "ray": in_ray_tune}[host]
        for name in ("whole", "parts"):
            (tmp_path / name).mkdir()
        whole = run(TRIALS, failing, tmp_path / "whole")
        assert run(HALF, failing, tmp_path / "parts") == wanted[:HALF]
        assert run(TRIALS, failing, tmp_path / "parts") == wanted
    assert whole == wanted
