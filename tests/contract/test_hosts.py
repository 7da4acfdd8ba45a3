"""One contract for every strategy and every host: the same seed and the same results give the same
architectures, trial by trial, in the bare loop and in Optuna, NNI, Keras Tuner and Ray Tune; also
after a stop and a resume half-way, and with failed children in between.
"""

import json
import math
import os
import pickle
import sys
from functools import cache
from pathlib import Path

import pytest

from cellwright.plugins import make_strategy
from cellwright.search_spaces import (
    AroundSpace,
    ConvNetSpace,
    Decision,
    EdgeCellSpace,
    NASNetSpace,
    SearchSpace,
)

PLAIN = SearchSpace(
    [Decision(f"cell/{i}/operation", ("a", "b", "c", "d")) for i in range(6)]
    + [Decision("width", (0.25, 0.5, 1.0)), Decision("skip", (True, False)), Decision("n", (1, 2))]
)
GROWING = ConvNetSpace(layers=(1, 2, 3), every=10)  # what trials settle, and what has no effect
SPACES = {"plain": PLAIN, "cells": NASNetSpace(blocks=2), "edges": EdgeCellSpace()}
BOOK = NASNetSpace()
STRATEGIES = {
    "random": {},
    "evolution": {"population": 5, "sample": 3},
    "reinforce": {"batch": 3},
    "reinforce-book": {"units": 8, "baseline": {"window": 5}},
    "ppo": {"batch": 4, "epochs": 2},
    "predictor": {"initial": 4},
    "hybrid": {"batch": 4, "epochs": 2, "units": 8},
    "local": {"initial": 3},
    "auto": {},
    "pareto": {"population": 6, "initial": 4},
    "pareto-predictor": {"initial": 4},
}
SEVERAL = {"pareto", "pareto-predictor"}  # have two objectives
FAILING = frozenset({2, 3, 9, 17})
TRIALS, HALF = 25, 13


def score(space, params):
    indices = space.encode(params)
    return sum(math.sin(7 * choice + 5 * place) for place, choice in enumerate(indices))


def results(space, name, params):
    """What a child scores, all to be maximised: a number for each of the strategy's objectives."""
    shifted = [
        math.cos(5 * choice + 3 * place) for place, choice in enumerate(space.encode(params))
    ]
    return (score(space, params), sum(shifted))[: 2 if name in SEVERAL else 1]


class BareLoop:
    """What every host must equal."""

    def __init__(self, space, name, seed, failing, folder):
        self.space, self.name, self.failing, self.found = space, name, failing, []
        self.strategy = make_strategy(name, space, seed=seed, **STRATEGIES[name])

    def run(self, trials):
        for number in range(len(self.found), trials):
            params = self.strategy.ask(number)
            rewards = results(self.space, self.name, params)
            reward = rewards if len(rewards) > 1 else rewards[0]
            self.strategy.tell(number, params, None if number in self.failing else reward)
            self.found.append(params)
        return self.found


@cache
def bare_loop(space, name, seed, failing):
    """What the bare loop proposes in all trials: once for all hosts."""
    return BareLoop(space, name, seed, failing, None).run(TRIALS)


class Optuna:
    """A study on a journal file; every session opens it anew."""

    directions, signs = ("maximize", "minimize"), (1.0, -1.0)

    def __init__(self, space, name, seed, failing, folder):
        optuna = pytest.importorskip("optuna")
        from cellwright.adapters.optuna_sampler import StrategySampler

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        backend = optuna.storages.journal.JournalFileBackend(str(folder / "journal"))
        strategy = make_strategy(name, space, seed=seed, **STRATEGIES[name])
        self.space, self.name, self.failing = space, name, failing
        self.study = optuna.create_study(
            study_name="contract",
            storage=optuna.storages.JournalStorage(backend),
            sampler=StrategySampler(strategy),
            directions=self.directions[: strategy.objectives],
            load_if_exists=True,
        )

    def run(self, trials):
        from cellwright.adapters.optuna_sampler import suggest

        def objective(trial):
            params = suggest(trial, self.space)
            if trial.number in self.failing:
                raise RuntimeError("planned")
            rewards = results(self.space, self.name, params)
            return [sign * reward for sign, reward in zip(self.signs, rewards, strict=False)]

        before = len(self.study.trials)
        self.study.optimize(objective, n_trials=trials - before, catch=(RuntimeError,))
        return [t.params for t in self.study.trials]


class OptunaMinimising(Optuna):
    directions, signs = ("minimize", "maximize"), (-1.0, 1.0)


class KerasTuner:
    """A project folder; every session reloads it."""

    directions, signs = ("max", "min"), (1.0, -1.0)

    def __init__(self, space, name, seed, failing, folder):
        self.space, self.name, self.seed, self.failing = space, name, seed, failing
        self.folder = folder
        pytest.importorskip("keras_tuner")

    def run(self, trials):
        import keras_tuner

        from cellwright.adapters.keras_decisions import architecture
        from cellwright.adapters.keras_oracle import StrategyOracle

        space, name, failing, signs = self.space, self.name, self.failing, self.signs
        names = ("score", "cost")[: 2 if name in SEVERAL else 1]
        objectives = [
            keras_tuner.Objective(name, direction)
            for name, direction in zip(names, self.directions, strict=False)
        ]

        class Tuner(keras_tuner.Tuner):
            def run_trial(self, trial, *arguments, **keywords):
                params = architecture(trial.hyperparameters, space)
                if int(trial.trial_id) in failing:
                    raise keras_tuner.errors.FailedTrialError("planned")
                rewards = results(space, name, params)
                found = [sign * reward for sign, reward in zip(signs, rewards, strict=False)]
                metrics = dict(zip(names, found, strict=True))
                if len(names) > 1:  # the sum that Keras Tuner minimises, and asks for
                    metrics["multi_objective"] = self.oracle.objective.get_value(metrics)
                return metrics

        tuner = Tuner(
            oracle=StrategyOracle(
                objectives if len(objectives) > 1 else objectives[0],
                trials,
                strategy=self.name,
                space=space,
                seed=self.seed,
                max_consecutive_failed_trials=9,
                **STRATEGIES[self.name],
            ),
            directory=str(self.folder),
            project_name="contract",
        )
        tuner.search(verbose=0)
        ended = [tuner.oracle.trials[trial_id] for trial_id in sorted(tuner.oracle.end_order)]
        return [architecture(trial.hyperparameters, space) for trial in ended]


class KerasTunerMinimising(KerasTuner):
    directions, signs = ("min", "max"), (-1.0, 1.0)


class NNI:
    """NNI's own dispatcher, given the commands of its manager; every session is a new one.

    `test_nni_experiment_equals_the_bare_loop` runs the manager and the trials' processes too.
    """

    modes, signs = ("maximize", "minimize"), (1.0, -1.0)

    def __init__(self, space, name, seed, failing, folder):
        pytest.importorskip("nni")
        from nni.runtime import msg_dispatcher

        from cellwright.adapters.nni_tuner import StrategyTuner

        self.space, self.name, self.failing, self.folder = space, name, failing, folder
        record = folder / "found.json"
        self.found = json.loads(record.read_text()) if record.exists() else []
        msg_dispatcher._next_parameter_id = 1 if self.found else 0  # as NNI begins, and resumes
        msg_dispatcher._trial_params = {}
        wanted = {"optimize_mode": self.modes[0]}
        if name in SEVERAL:
            wanted = {"objectives": dict(zip(("score", "cost"), self.modes, strict=True))}
        self.tuner = StrategyTuner(name, space=space, seed=seed, **wanted, **STRATEGIES[name])
        if self.found:
            self.tuner.load_checkpoint()

    def run(self, trials):
        import nni
        from nni.runtime.msg_dispatcher import MsgDispatcher
        from nni.runtime.tuner_command_channel import CommandType

        from cellwright.adapters.nni_space import search_space_of

        given = []

        class Dispatcher(MsgDispatcher):
            def send(self, command, data):
                if command is CommandType.NewTrialJob:
                    given.append(json.loads(data))

        dispatcher = Dispatcher("ws://_unittest_", self.tuner)
        dispatcher.process_command(CommandType.Initialize, search_space_of(self.space))
        for number in range(len(self.found), trials):
            dispatcher.process_command(CommandType.RequestTrialJobs, 1)
            trial = given[-1]
            job = f"job-{number}"
            failed = number in self.failing
            if not failed:
                rewards = results(self.space, self.name, trial["parameters"])
                found = [sign * reward for sign, reward in zip(self.signs, rewards, strict=False)]
                value = found[0]
                if len(found) > 1:  # NNI shows the default, which the strategy is not told
                    value = {"default": 0.5, "score": found[0], "cost": found[1]}
                dispatcher.process_command(
                    CommandType.ReportMetricData,
                    {"parameter_id": trial["parameter_id"], "trial_job_id": job, "type": "FINAL",
                     "sequence": 0, "value": nni.dump(value)},
                )  # fmt: skip
            dispatcher.process_command(
                CommandType.TrialEnd,
                {"trial_job_id": job, "event": "FAILED" if failed else "SUCCEEDED",
                 "hyper_params": json.dumps(trial)},
            )  # fmt: skip
            self.found.append(trial["parameters"])
        (self.folder / "found.json").write_text(json.dumps(self.found))
        return self.found


class RayTune:
    """Ray Tune's own generator of trials, in place of whose controller trials end at once; every
    session reads the state that the one before has written.

    `test_a_search_of_ray_tune_equals_the_bare_loop` runs the controller and workers too.
    """

    modes, signs = ("max", "min"), (1.0, -1.0)

    def __init__(self, space, name, seed, failing, folder):
        tune = pytest.importorskip("ray.tune")
        from ray.tune.experiment import Experiment
        from ray.tune.search import ConcurrencyLimiter, SearchGenerator

        from cellwright.adapters.ray_searcher import CellwrightSearch

        self.space, self.name, self.failing, self.folder = space, name, failing, folder
        self.several = name in SEVERAL
        wanted = {"metric": "score", "mode": self.modes[0]}
        if self.several:
            wanted = {"metric": ["score", "cost"], "mode": list(self.modes)}
        searcher = CellwrightSearch(name, space=space, seed=seed, **wanted, **STRATEGIES[name])
        searcher = pickle.loads(pickle.dumps(searcher))  # as Tune keeps it
        self.generator = SearchGenerator(ConcurrencyLimiter(searcher, 1))
        tune.register_trainable("contract", lambda config: None)
        storage = str(folder / "ray")
        self.generator.add_configurations(
            [Experiment("contract", "contract", num_samples=TRIALS, storage_path=storage)]
        )
        record = folder / "found.json"
        self.found = json.loads(record.read_text()) if record.exists() else []
        if self.found:
            self.generator.restore_from_dir(str(folder))

    def run(self, trials):
        from cellwright.adapters.ray_searcher import architecture

        for number in range(len(self.found), trials):
            trial = self.generator.next_trial()
            assert self.generator.next_trial() is None  # one at a time
            params = architecture(trial.config, self.space)
            self.found.append(params)
            if number in self.failing:
                self.generator.on_trial_complete(trial.trial_id, error=True)
                continue
            rewards = results(self.space, self.name, params)
            found = [sign * reward for sign, reward in zip(self.signs, rewards, strict=False)]
            result = dict(zip(("score", "cost"), found, strict=False))
            self.generator.on_trial_result(trial.trial_id, result)
            self.generator.on_trial_complete(trial.trial_id, result)
        self.generator.save_to_dir(str(self.folder), "session")
        (self.folder / "found.json").write_text(json.dumps(self.found))
        return self.found


class RayTuneMinimising(RayTune):
    modes, signs = ("min", "max"), (-1.0, 1.0)


class NNIMinimising(NNI):
    modes, signs = ("minimize", "maximize"), (-1.0, 1.0)


@pytest.fixture(autouse=True)
def _nni_checkpoint_folder(tmp_path, monkeypatch):
    """Where NNI's manager tells the tuner's process to keep its checkpoint."""
    monkeypatch.setenv("NNI_CHECKPOINT_DIRECTORY", str(tmp_path))


PAIRS = [
    *((space, name) for space in SPACES for name in STRATEGIES),
    # All five blocks of the book: its controller, and each other strategy as a slow test.
    ("book", "reinforce-book"),
    *(
        pytest.param("book", name, marks=pytest.mark.slow)
        for name in STRATEGIES
        if name != "reinforce-book"
    ),
]
HOSTS = [Optuna, OptunaMinimising, KerasTuner, KerasTunerMinimising, NNI, NNIMinimising]
HOSTS += [RayTune, RayTuneMinimising]


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize(("space", "name"), PAIRS)
def test_host_equals_the_bare_loop(host, name, space, tmp_path):
    setting = (SPACES.get(space, BOOK), name, 11, FAILING, tmp_path)
    assert host(*setting).run(TRIALS) == bare_loop(*setting[:-1])


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("name", STRATEGIES)
@pytest.mark.parametrize("half", [HALF, 1])
def test_stopped_and_resumed_host_equals_the_bare_loop(host, name, half, tmp_path):
    setting = (PLAIN, name, 5, FAILING, tmp_path)
    host(*setting).run(half)
    assert host(*setting).run(TRIALS) == bare_loop(*setting[:-1])


@pytest.mark.parametrize("host", HOSTS)
def test_space_grows_alike_in_every_host(host, tmp_path):
    setting = (GROWING, "reinforce", 2, FAILING, tmp_path)
    host(*setting).run(HALF)
    found = host(*setting).run(TRIALS)
    assert found == bare_loop(*setting[:-1])
    assert [params["depth"] for params in found] == [1] * 10 + [2] * 10 + [3] * 5


@pytest.mark.parametrize("host", HOSTS)
def test_a_search_around_a_network_begins_with_it_in_every_host(host, tmp_path):
    space = AroundSpace("mobilenet-v3-small")
    setting = (space, "evolution", 2, FAILING, tmp_path)
    host(*setting).run(HALF)
    found = host(*setting).run(TRIALS)
    assert found == bare_loop(*setting[:-1])
    assert [params == space.centre for params in found] == [True] + [False] * (TRIALS - 1)


@pytest.mark.parametrize("host", HOSTS)
def test_seed_0_is_a_seed(host, tmp_path):
    setting = (PLAIN, "random", 0, frozenset(), tmp_path)
    assert host(*setting).run(5) == bare_loop(*setting[:-1])[:5]


_TRIAL = """
import math, sys
from cellwright.adapters.nni_trial import architecture, report
from cellwright.search_spaces import Decision, SearchSpace
sys.path.insert(0, {folder!r})
from contract_space import SPACE, score
params, _ = architecture(SPACE)
value = score(params)
if value < -1.5:
    raise SystemExit("planned")
report(params, {{"reward": value}})
"""
_SPACE = """
import math
from cellwright.search_spaces import Decision, SearchSpace
SPACE = SearchSpace(Decision(f"cell/{i}/operation", ("a", "b", "c", "d")) for i in range(6))
def score(params):
    indices = SPACE.encode(params)
    return sum(math.sin(7 * choice + 5 * place) for place, choice in enumerate(indices))
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", ["evolution", "reinforce"])
def test_nni_experiment_equals_the_bare_loop(name, tmp_path: Path, monkeypatch):
    """NNI whole: manager, dispatcher, a process a trial; stopped after 7 trials and resumed."""
    pytest.importorskip("nni")
    from cellwright.adapters.nni_experiment import read_trials, run_experiment
    from cellwright.adapters.nni_init import write_experiment

    (tmp_path / "contract_space.py").write_text(_SPACE)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv(
        "PYTHONPATH", os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH")]))
    )
    sys.modules.pop("contract_space", None)
    import contract_space

    folder = tmp_path / "experiment"
    write_experiment(
        folder, strategy=name, space="contract_space:SPACE", seed=3, trials=7, concurrency=1
    )
    (folder / "trial.py").write_text(_TRIAL.format(folder=str(tmp_path)))
    run_experiment(folder, trials=7)
    run_experiment(folder, trials=12)
    trials = read_trials(folder)

    strategy = make_strategy(name, contract_space.SPACE, seed=3)
    assert [trial.number for trial in trials] == list(range(12))
    for trial in trials:
        assert trial.params == strategy.ask(trial.number)
        value = contract_space.score(trial.params)
        assert trial.value == (None if value < -1.5 else pytest.approx(value))
        strategy.tell(trial.number, trial.params, trial.value)

    from cellwright.searches.runs import open_run

    told = open_run(str(folder)).trials
    assert [(t.number, t.params, t.reward) for t in told] == [
        (t.number, t.params, t.value) for t in trials
    ]
