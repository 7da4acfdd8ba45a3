"""Workers that die, are stopped for a while, or come late: nothing is lost, and nothing twice."""

import contextlib
import logging
import threading
import time

import optuna
import pytest
from optuna.storages import (
    InMemoryStorage,
    JournalStorage,
    RDBStorage,
    RetryHeartbeatStaleTrialCallback,
)
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from cellwright.adapters.optuna_private import SignedStudy, fail, keep_in_trial
from cellwright.adapters.optuna_record import Record, proposed_in
from cellwright.adapters.optuna_sampler import StrategySampler, suggest
from cellwright.adapters.optuna_worker import ALIVE, LOST, count, take_over, work
from cellwright.plugins import RandomSearch, RegularizedEvolution
from cellwright.search_spaces import NASNetSpace

SPACE = NASNetSpace(blocks=1)


@pytest.fixture(params=["memory", "sqlite", "journal"])
def storage(request, tmp_path):
    made = {
        "memory": InMemoryStorage,
        "sqlite": lambda: RDBStorage(f"sqlite:///{tmp_path}/s.db"),
        "journal": lambda: JournalStorage(JournalFileBackend(str(tmp_path / "j"))),
    }
    return made[request.param]()


def study_of(storage, seed=1, strategy=RandomSearch):
    return optuna.create_study(
        study_name="s",
        storage=storage,
        direction="maximize",
        sampler=StrategySampler(strategy(SPACE, seed=seed)),
        load_if_exists=True,
    )


def score(params):
    return float(sum(value == "sep_3x3" for value in params.values()))


def objective(trial):
    return score(suggest(trial, SPACE))


def key(trial):
    return SPACE.key({name: trial.params[name] for name in SPACE.names})


def killed(study, *, suggested=True):
    """A trial as a worker leaves it that is killed."""
    trial = SignedStudy(study, ALIVE, "dead:0").ask()
    if suggested:
        suggest(trial, SPACE)
    return study.trials[trial.number]


def test_the_child_of_a_dead_worker_is_tried_again_and_the_death_teaches_nothing(storage, caplog):
    study = study_of(storage)
    work(study, objective, 3)
    dead = killed(study)
    with caplog.at_level(logging.WARNING):
        work(study, objective, 6, heartbeat=0.02)
    trials = study.trials
    states = [trial.state for trial in trials]
    assert states.count(TrialState.COMPLETE) == 6
    assert states.count(TrialState.FAIL) == 1
    assert count(trials) == 6
    again = next(trial for trial in trials if LOST in trial.user_attrs)
    assert again.user_attrs[LOST] == "trial 3"
    assert again.params == dead.params
    assert trials[3].user_attrs["interrupted"]
    assert "The worker of trial 3 of study 's' is gone" in caplog.text
    assert len({key(trial) for trial in trials if trial.state == TrialState.COMPLETE}) == 6
    joined = study_of(storage)
    suggest(joined.ask(), SPACE)
    told = joined.sampler.strategy.history
    assert [one.number for one in told].count(3) == 0
    assert len(told) == 6


def test_a_worker_that_dies_before_it_suggests_leaves_nothing_behind(storage):
    study = study_of(storage)
    killed(study, suggested=False)
    work(study, objective, 3, heartbeat=0.02)
    assert TrialState.RUNNING not in [trial.state for trial in study.trials]
    assert count(study.trials) == 3


def test_a_child_that_loses_two_workers_has_failed(storage):
    study = study_of(storage)
    killed(study)
    take_over(study, study.trials[0])
    trial = SignedStudy(study, ALIVE, "dead:0").ask()
    assert trial.number == 1
    suggest(trial, SPACE)
    take_over(study, study.trials[1])
    assert [trial.state for trial in study.trials] == [TrialState.FAIL] * 2
    assert study.trials[1].user_attrs["error"] == "its worker died, as that of trial 0 had"
    assert count(study.trials) == 1
    work(study, objective, 3)
    assert [one.reward for one in study.sampler.strategy.history][:1] == [None]


def test_several_that_see_one_death_try_its_child_once(storage):
    study = study_of(storage)
    dead = killed(study)
    take_over(study, dead)
    take_over(study, dead)
    assert [trial.state for trial in study.trials] == [TrialState.FAIL, TrialState.WAITING]


def test_the_sign_of_a_living_worker_is_heeded(storage):
    """Its trial lasts ten times as long as a dead one is left alone."""
    study, slow = study_of(storage), []

    def lasting(trial):
        slow.append(trial.number)
        suggest(trial, SPACE)
        time.sleep(0.8)
        return 1.0

    one = threading.Thread(target=lambda: work(study_of(storage), lasting, 1, heartbeat=0.05))
    one.start()
    while not slow:
        time.sleep(0.01)
    work(study, objective, 1, heartbeat=0.05)
    one.join()
    assert [trial.state for trial in study.trials] == [TrialState.COMPLETE]


def test_a_worker_that_was_taken_for_dead_goes_on_with_the_next(storage, caplog):
    study, began = study_of(storage), []

    def taken(trial):
        params = suggest(trial, SPACE)
        if not began:
            began.append(trial.number)
            take_over(study, study.trials[trial.number])
        return score(params)

    with caplog.at_level(logging.WARNING):
        work(study, taken, 2)
    assert count(study.trials) == 2
    assert "taken over by another one" in caplog.text
    assert study.trials[0].state == TrialState.FAIL


def test_trials_of_other_scripts_are_left_alone(storage):
    study = study_of(storage)
    study.ask()  # gives no signs, and nobody knows whether it lives
    work(study, objective, 2, heartbeat=0.01)
    time.sleep(0.1)
    work(study, objective, 4, heartbeat=0.01)
    states = [trial.state for trial in study.trials]
    assert states == [TrialState.RUNNING] + [TrialState.COMPLETE] * 4


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_what_optuna_tries_again_teaches_no_failure_either(storage):
    """With Optuna's own heartbeats: the strategy stands where it stood before the kill."""
    study = study_of(storage, strategy=RegularizedEvolution)
    study.optimize(objective, n_trials=3)
    trial = study.ask()
    suggest(trial, SPACE)
    fail(study, study.trials[3])
    study.optimize(objective, n_trials=1)  # before it is known that it is tried again
    assert [one.reward for one in study_told(study)][3] is None
    RetryHeartbeatStaleTrialCallback()(study, study.trials[3])
    study.optimize(objective, n_trials=2)
    told = study_told(study)
    assert None not in [one.reward for one in told]
    assert sorted(one.number for one in told) == [0, 1, 2, 4, 5, 6]
    assert study.trials[5].params == study.trials[3].params
    joined = study_of(storage, strategy=RegularizedEvolution)
    one, other = study.ask(), joined.ask()
    del other
    assert study_told(joined) == told
    assert suggest(one, SPACE)


def study_told(study):
    study.sampler._record.update(study)
    return list(study.sampler._record.told)


def test_no_two_workers_try_one_network_though_both_read_at_once(storage, monkeypatch):
    """Each time all of them read the record, then all of them write what they propose."""
    study, barrier = study_of(storage), threading.Barrier(4)
    found, lock = [], threading.Lock()

    class Same(RandomSearch):
        def ask(self, number, running=(), fixed=None):
            return super().ask(0, running, fixed)  # all of them propose the same

    read = Record.running

    def in_step(record, study, asking, **how):
        with contextlib.suppress(threading.BrokenBarrierError):
            barrier.wait(5)
        found = read(record, study, asking, **how)
        with contextlib.suppress(threading.BrokenBarrierError):
            barrier.wait(5)
        return found

    monkeypatch.setattr(Record, "running", in_step)

    def one():
        mine = study_of(storage, strategy=Same)
        params = suggest(mine.ask(), SPACE)
        with lock:
            found.append(SPACE.key(params))

    threads = [threading.Thread(target=one) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 4, study.trials


def test_a_worker_that_dies_while_it_suggests_leaves_its_whole_child(storage):
    """gRPC stores decisions one by one: some are there, and the others are proposed alone."""
    study = study_of(storage)
    trial = study.ask()
    for decision in SPACE.decisions[:7]:
        trial.suggest_categorical(decision.name, decision.choices)
    proposed = proposed_in(study.trials[0], SPACE)
    joined = study_of(storage, seed=5)
    take_over(joined, joined.trials[0])
    assert suggest(joined.ask(), SPACE) == proposed


def test_nothing_is_left_running_once_the_trials_are_there(storage, caplog):
    study = study_of(storage)

    def beside_another(trial):
        killed(study)  # begins while this one runs, and is never heard of again
        return objective(trial)

    with caplog.at_level(logging.WARNING):
        work(study, beside_another, 1, heartbeat=0.05)
    assert "the study has its trials without it" in caplog.text
    assert [one.state for one in study.trials] == [TrialState.COMPLETE, TrialState.FAIL]
    killed(study)
    work(study, objective, 1, heartbeat=60)  # who comes late waits for nobody
    assert [one.state for one in study.trials][2:] == [TrialState.RUNNING]


def test_a_child_that_waits_to_be_tried_again_is_proposed_to_nobody_else(storage):
    study = study_of(storage)
    trial = study.ask()
    params = suggest(trial, SPACE)
    joined = study_of(storage)
    take_over(joined, joined.trials[0])
    assert [one.state for one in joined.trials] == [TrialState.FAIL, TrialState.WAITING]
    joined.sampler.proposal(joined)
    assert joined.sampler._record.running(joined, None) == {1: params}
    assert SPACE.key(joined.sampler.proposal(joined)) != SPACE.key(params)


def test_what_is_proposed_is_known_before_it_is_suggested(storage):
    study = study_of(storage)
    first = study.ask()
    first.suggest_categorical(SPACE.decisions[1].name, SPACE.decisions[1].choices)
    joined = study_of(storage)
    suggest(joined.ask(), SPACE)
    assert len(joined.sampler._record.running(joined, joined.trials[1])) == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"trials": 0}, "trials"),
        ({"trials": True}, "trials"),
        ({"trials": 2.5}, "trials"),
        ({"trials": 1, "heartbeat": 0}, "heartbeat"),
        ({"trials": 1, "heartbeat": float("nan")}, "heartbeat"),
        ({"trials": 1, "heartbeat": float("inf")}, "heartbeat"),
    ],
)
def test_what_no_worker_can_do_is_refused(arguments, words):
    study = study_of(InMemoryStorage())
    with pytest.raises(ValueError, match=words):
        work(study, objective, **arguments)
    assert study.trials == []


def test_a_storage_that_is_away_for_a_while_ends_no_training(storage, caplog, monkeypatch):
    study = study_of(storage)

    def lasting(trial):
        params = suggest(trial, SPACE)
        monkeypatch.setattr(
            "cellwright.adapters.optuna_worker.keep_in_trial", lambda *_: 1 / 0, raising=True
        )
        time.sleep(0.1)
        monkeypatch.setattr("cellwright.adapters.optuna_worker.keep_in_trial", keep_in_trial)
        time.sleep(0.1)
        return score(params)

    work(study, lasting, 1, heartbeat=0.03)
    assert "No sign of life of trial 0 could be stored" in caplog.text
    assert study.trials[0].state == TrialState.COMPLETE
