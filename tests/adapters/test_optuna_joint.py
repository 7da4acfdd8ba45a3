"""Hyperparameters beside architecture, and multi-fidelity, on real Optuna studies."""

import optuna
import pytest
from optuna.distributions import FloatDistribution, IntDistribution
from optuna.pruners import HyperbandPruner
from optuna.samplers import GridSampler, TPESampler
from optuna.trial import TrialState

from cellwright.adapters.optuna_sampler import StrategySampler, known_trial, rung_of, suggest
from cellwright.adapters.optuna_trial import run_again
from cellwright.plugins import RandomSearch, RegularizedEvolution, Reinforce
from cellwright.plugins.strategies.hyperband import Hyperband
from cellwright.search_spaces import (
    Decision,
    Float,
    Int,
    JointSpace,
    SearchSpace,
)

CELLS = SearchSpace(Decision(f"cell/{i}", ("a", "b", "c", "d")) for i in range(5))
JOINT = JointSpace(
    CELLS,
    Float("learning_rate", 1e-4, 1e-2, log=True),
    Decision("clustering", (False, True)),
    Int("clusters", 4, 20, when={"clustering": True}),
)
TEN = Hyperband(10, 3)


@pytest.fixture(autouse=True)
def _quiet():
    optuna.logging.set_verbosity(optuna.logging.ERROR)


def score(params):
    return sum("abcd".index(params[name]) for name in CELLS.names) - params["learning_rate"]


def objective(trial):
    params = suggest(trial, JOINT)
    assert ("clusters" in params) == params["clustering"]
    return score(params)


def study_with(sampler, **others):
    return optuna.create_study(direction="maximize", sampler=sampler, **others)


def test_all_of_it_by_one_of_our_strategies():
    study = study_with(StrategySampler(RegularizedEvolution(JOINT, seed=0)))
    study.optimize(objective, n_trials=15)
    bare = RegularizedEvolution(JOINT, seed=0)
    for trial in study.trials:
        proposed = bare.ask(trial.number)
        assert trial.params == JOINT.read(proposed)
        bare.tell(trial.number, proposed, trial.value)
    distributions = study.trials[0].distributions
    assert distributions["learning_rate"] == FloatDistribution(1e-4, 1e-2, log=True)
    assert next(
        t.distributions["clusters"] for t in study.trials if "clusters" in t.params
    ) == IntDistribution(4, 20)


def test_the_architecture_by_ours_and_the_rest_by_the_hosts_sampler():
    tpe = TPESampler(seed=0, n_startup_trials=4)
    study = study_with(StrategySampler(Reinforce(CELLS, seed=0), independent_sampler=tpe))
    study.optimize(objective, n_trials=12)
    bare = Reinforce(CELLS, seed=0)
    for trial in study.trials:
        proposed = bare.ask(trial.number)
        assert {name: trial.params[name] for name in CELLS.names} == proposed
        bare.tell(trial.number, proposed, trial.value)
    levels = JOINT.decisions[len(CELLS.names)].choices
    assert any(trial.params["learning_rate"] not in levels for trial in study.trials)


def test_numbers_of_others_are_learned_and_known():
    study = study_with(StrategySampler(RandomSearch(JOINT, seed=0)))
    cells = dict.fromkeys(CELLS.names, "a")
    given = {**cells, "learning_rate": 0.0023, "clustering": False}
    study.enqueue_trial(given)
    study.optimize(objective, n_trials=2)
    assert study.trials[0].params == given
    assert study.sampler.strategy.history[0].params["learning_rate"] == 0.00316228
    study.enqueue_trial(given)
    trial = study.ask()
    suggest(trial, JOINT)
    assert known_trial(trial, JOINT).number == 0


def test_trials_of_the_architecture_alone_are_no_trials_of_all(caplog):
    study = study_with(StrategySampler(RandomSearch(CELLS, seed=0)))
    study.optimize(lambda trial: float(suggest(trial, CELLS)["cell/0"] == "a"), n_trials=2)
    study.sampler = StrategySampler(RandomSearch(JOINT, seed=0))
    study.optimize(objective, n_trials=2)
    assert [told.number for told in study.sampler.strategy.history] == [2]
    (said,) = caplog.messages
    assert "trial 0 holds only some decisions" in said
    assert "without learning_rate, clustering" in said
    assert "trial 1 holds" in said


def learning(params, epochs):
    """Accuracy that rises with the epochs."""
    return score(params) * (1 - 0.7**epochs)


def on_schedule(study, trials=TEN.trials):
    spent = []

    def objective(trial):
        params = suggest(trial, JOINT)
        rung = rung_of(trial)
        for epoch in range(rung.initial_epoch, rung.epochs):
            trial.report(learning(params, epoch + 1), epoch)
            spent.append(trial.number)
        return learning(params, rung.epochs)

    study.optimize(objective, n_trials=trials)
    return len(spent)


@pytest.mark.parametrize("independent", [None, TPESampler(seed=1, n_startup_trials=3)])
def test_our_schedule_spends_what_the_book_says(independent):
    sampler = StrategySampler(
        RegularizedEvolution(CELLS, seed=0), schedule=TEN, independent_sampler=independent
    )
    study = study_with(sampler)
    assert on_schedule(study) == TEN.epochs == 120
    rungs = [rung_of(trial) for trial in study.trials]
    for number, bracket in enumerate(TEN.plan):
        for turn, (size, epochs) in enumerate(bracket):
            here = [r for r in rungs if (r.bracket, r.round) == (number, turn)]
            assert [r.epochs for r in here] == [epochs] * size
    for trial, rung in zip(study.trials, rungs, strict=True):
        if rung.past is not None:
            assert trial.params == study.trials[rung.past].params


def test_a_schedule_goes_on_in_another_process(tmp_path):
    def study(trials):
        storage = f"sqlite:///{tmp_path}/study.db"
        sampler = StrategySampler(Reinforce(CELLS, seed=3), schedule=TEN)
        made = study_with(sampler, storage=storage, study_name="s", load_if_exists=True)
        on_schedule(made, trials)
        return made

    for trials in (7, 9, 8):
        last = study(trials)
    whole = study_with(StrategySampler(Reinforce(CELLS, seed=3), schedule=TEN))
    on_schedule(whole, 24)
    assert [(t.params, t.user_attrs["rung"]) for t in last.trials] == [
        (t.params, t.user_attrs["rung"]) for t in whole.trials
    ]


def test_a_rung_that_is_interrupted_is_run_again():
    study = study_with(StrategySampler(RandomSearch(CELLS, seed=0), schedule=TEN))
    on_schedule(study, 14)  # two children have gone on
    trial = study.ask()
    params, rung = suggest(trial, JOINT), rung_of(trial)
    assert rung.past is not None
    run_again(study, trial)
    study.tell(trial, state=TrialState.FAIL)
    assert rung_of(study.trials[14]) is None
    on_schedule(study, TEN.trials - 14)
    again = study.trials[15]
    assert (again.params, rung_of(again)) == (params, rung)
    rungs = [rung for trial in study.trials if (rung := rung_of(trial)) is not None]
    assert len(rungs) == TEN.trials
    assert sum(rung.epochs - rung.initial_epoch for rung in rungs) == TEN.epochs
    pasts = [rung.past for rung in rungs if rung.past is not None]
    assert len(set(pasts)) == len(pasts)


def test_failures_and_trials_beside_the_schedule_do_not_stop_it():
    study = study_with(StrategySampler(RandomSearch(JOINT, seed=0), schedule=TEN))

    def objective(trial):
        params = suggest(trial, JOINT)
        rung = rung_of(trial)
        if rung is None:
            return 100.0
        if trial.number % 4 == 0:
            raise RuntimeError
        return learning(params, rung.epochs)

    cells = dict.fromkeys(CELLS.names, "a")
    study.enqueue_trial({**cells, "learning_rate": 0.001, "clustering": False})
    study.optimize(objective, n_trials=40, catch=(RuntimeError,))
    rungs = [rung_of(trial) for trial in study.trials]
    assert rungs[0] is None
    pasts = {rung.past for rung in rungs[1:] if rung.past is not None}
    assert len(pasts) >= 8
    assert all(study.trials[past].state == TrialState.COMPLETE for past in pasts)
    assert 0 not in pasts


@pytest.mark.parametrize("strategy", [RegularizedEvolution, Reinforce, RandomSearch])
def test_our_strategies_under_optunas_own_hyperband(strategy):
    pruner = HyperbandPruner(min_resource=1, max_resource=9, reduction_factor=3)
    # The pruner draws a trial's bracket from the study's name.
    study = study_with(StrategySampler(strategy(JOINT, seed=0)), pruner=pruner, study_name="hb")
    spent = []

    def objective(trial):
        params = suggest(trial, JOINT)
        for epoch in range(9):
            spent.append(epoch)
            trial.report(learning(params, epoch + 1), epoch + 1)
            if trial.should_prune():
                raise optuna.TrialPruned
        return learning(params, 9)

    study.optimize(objective, n_trials=40)
    states = [trial.state for trial in study.trials]
    assert states.count(TrialState.PRUNED) + states.count(TrialState.COMPLETE) == 40
    assert states.count(TrialState.PRUNED) > 5
    assert states.count(TrialState.COMPLETE) > 3
    assert len(spent) < 40 * 9
    assert len(study.sampler.strategy.history) == 39  # the last trial is read before the next


def test_a_grid_of_a_joint_space():
    space = SearchSpace([Decision("filters", (4, 8)), Float("rate", 0.1, 0.3, levels=3)])
    grid = GridSampler({d.name: d.choices for d in space.decisions}, seed=0)
    study = study_with(grid)
    study.optimize(lambda trial: float(suggest(trial, space)["filters"]), n_trials=20)
    assert {tuple(t.params.values()) for t in study.trials} == {
        (filters, rate) for filters in (4, 8) for rate in (0.1, 0.2, 0.3)
    }
