"""Optuna's private parts that are used: all in one module, and each as that module expects it."""

import inspect
import re
from pathlib import Path

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.exceptions import UpdateFinishedTrialError
from optuna.pruners import HyperbandPruner
from optuna.storages import (
    BaseStorage,
    InMemoryStorage,
    JournalStorage,
    RDBStorage,
    RetryHeartbeatStaleTrialCallback,
)
from optuna.storages._rdb import models
from optuna.storages._rdb import storage as rdb
from optuna.storages.journal import JournalFileBackend
from optuna.storages.journal import _file as journal_file
from optuna.storages.journal._storage import JournalOperation
from optuna.study import _optimize
from optuna.trial import TrialState
from sqlalchemy import event

from cellwright.adapters import optuna_private

ROOT = Path(__file__).parents[2]
MODULE = "optuna_private.py"
# What each function of the module stands on: an owner, its part, and the parameters by name.
PARTS = {
    "trials_of": [(optuna.Study, "_get_trials", ["deepcopy", "states", "use_cache"])],
    "stored_trial": [(BaseStorage, "get_trial", ["trial_id"])],
    "note_in_trial": [(BaseStorage, "set_trial_user_attr", ["trial_id", "key", "value"])],
    "keep_in_trial": [(BaseStorage, "set_trial_system_attr", ["trial_id", "key", "value"])],
    "notes_in_study": [(BaseStorage, "get_study_system_attrs", ["study_id"])],
    "metric_names_of": [(optuna.study.study, "_SYSTEM_ATTR_METRIC_NAMES", None)],
    "note_in_study": [(BaseStorage, "set_study_system_attr", ["study_id", "key", "value"])],
    "enqueued_in": [(optuna.trial.FrozenTrial, "system_attrs", None)],
    "innermost_sampler": [],  # an attribute of an object: see the tests below
    "put_back": [(BaseStorage, "set_trial_state_values", ["trial_id", "state"])],
    "storage_of": [],
    "identity_of": [],  # attributes of an object: see the tests below
    "whole_study": [(optuna.Study, "__init__", ["study_name", "storage"])],
    "error_of_objective": [(_optimize, "_run_trial", ["study", "func", "catch"])],
    "lock_of": [(journal_file, "LOCK_FILE_SUFFIX", None)],
    "write_at_once": [
        (BaseStorage, "set_trial_param", ["trial_id", "param_name", "param_value_internal"])
    ],
    "_write_to_database": [
        (rdb, "_create_scoped_session", ["scoped_session"]),
        (RDBStorage, "check_trial_is_updatable", ["trial_id", "trial_state"]),
        (
            RDBStorage,
            "_set_trial_param_without_commit",
            ["session", "trial_id", "param_name", "param_value_internal", "distribution"],
        ),
        (
            RDBStorage,
            "_set_trial_attr_without_commit",
            ["session", "model_cls", "trial_id", "key", "value"],
        ),
        (models.TrialModel, "find_or_raise_by_id", ["trial_id", "session"]),
    ],
    "_write_to_journal": [
        (JournalOperation, "SET_TRIAL_PARAM", None),
        (JournalOperation, "SET_TRIAL_USER_ATTR", None),
        (JournalOperation, "SET_TRIAL_SYSTEM_ATTR", None),
        (JournalStorage, "_sync_with_backend", []),
    ],
    "stored_at_once": [],
    "enqueue": [(optuna.Study, "add_trial", ["trial"])],
    "fail": [(BaseStorage, "set_trial_state_values", ["trial_id", "state"])],
    "retried_in": [(RetryHeartbeatStaleTrialCallback, "retry_history", ["trial"])],
}
PRIVATE = re.compile(
    r"\._(storage|study_id|trial_id|get_trials|cached_all_trials|thread_local)\b"
    r"|\b(from|import)\s+optuna[\w.]*\._"
    r"|\boptuna(\.\w+)*\._\w"
    r"|\b[sg]et_(study|trial)_system_attrs?\b|\bLOCK_FILE_SUFFIX\b|\bfixed_params\b|\._(fixed_params|base_sampler)\b"
)


def changed(owner, part, parameters):
    """What is different in the installed Optuna; empty if nothing is."""
    name = f"{owner.__name__}.{part}"
    if not hasattr(owner, part):
        found = f"has no {name} any more"
    elif parameters is not None and not set(parameters) <= set(
        inspect.signature(getattr(owner, part)).parameters
    ):
        found = f"gives {name} the parameters {inspect.signature(getattr(owner, part))}"
    else:
        return ""
    return f"Optuna {optuna.__version__} {found}: mend adapters/{MODULE}"


@pytest.mark.parametrize("function", PARTS)
def test_the_installed_optuna_has_every_part(function):
    assert hasattr(optuna_private, function)
    for part in PARTS[function]:
        assert not changed(*part), changed(*part)


def test_an_optuna_that_changed_is_said_clearly():
    for part, words in (("_gone", "has no Study._gone any more"), ("ask", "Study.ask the param")):
        message = changed(optuna.Study, part, ["deepcopy"])
        assert words in message
        assert optuna.__version__ in message
        assert "mend adapters/optuna_private.py" in message


def test_every_function_of_the_module_is_named_here():
    functions = inspect.getmembers(optuna_private, inspect.isfunction)
    here = {name for name, f in functions if f.__module__ == optuna_private.__name__}
    assert here == PARTS.keys()


def test_no_other_module_uses_a_private_part():
    folders = ["adapters", "plugins", "search_spaces", "examples", "benchmarks", "src/cellwright"]
    files = [file for folder in folders for file in (ROOT / folder).rglob("*.py")]
    assert len(files) > 100
    found = [
        f"{file.relative_to(ROOT)}:{number}: {line.strip()}"
        for file in files
        if file.name != MODULE
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1)
        if PRIVATE.search(line)
    ]
    assert found == [], f"move these into adapters/{MODULE}"
    assert len(PRIVATE.findall((ROOT / "adapters" / MODULE).read_text())) >= len(PARTS)


@pytest.fixture(params=["memory", "sqlite", "journal"])
def storage(request, tmp_path):
    made = {
        "memory": InMemoryStorage,
        "sqlite": lambda: RDBStorage(f"sqlite:///{tmp_path}/s.db"),
        "journal": lambda: JournalStorage(JournalFileBackend(str(tmp_path / "j"))),
    }
    return made[request.param]()


def test_what_is_stored_is_read_again(storage):
    study = optuna.create_study(study_name="s", storage=storage)
    study.enqueue_trial({"x": 0.5})
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=3)
    running = study.ask()
    optuna_private.note_in_study(study, "cellwright:space", "abc")
    optuna_private.note_in_trial(study, running, "rung", {"epochs": 3})
    assert optuna_private.metric_names_of(study) == ()
    study.set_metric_names(["accuracy"])
    assert optuna_private.metric_names_of(study) == ["accuracy"]
    optuna_private.keep_in_trial(running, "cellwright:kept", "xyz")
    again = optuna.load_study(study_name="s", storage=storage)
    assert again.trials[3].system_attrs["cellwright:kept"] == "xyz"
    assert optuna_private.notes_in_study(again)["cellwright:space"] == "abc"
    trials = optuna_private.trials_of(again)
    assert [trial.number for trial in trials] == [0, 1, 2, 3]
    assert [trial.params for trial in trials[:3]] == [trial.params for trial in study.trials[:3]]
    assert trials[3].user_attrs == {"rung": {"epochs": 3}}
    assert "rung" not in running.user_attrs  # which is why `stored_trial` is needed
    for trial in (running, trials[3]):
        stored = optuna_private.stored_trial(again, trial)
        assert (stored.number, stored.user_attrs) == (3, {"rung": {"epochs": 3}})
    complete = optuna_private.trials_of(again, [TrialState.COMPLETE])
    assert [trial.number for trial in complete] == [0, 1, 2]
    enqueued = [optuna_private.enqueued_in(trial) for trial in trials]
    assert enqueued == [{"x": 0.5}, {}, {}, {}]


def test_an_enqueued_value_may_be_changed_before_it_is_suggested(storage):
    study = optuna.create_study(storage=storage)
    study.enqueue_trial({"x": 5})
    trial = study.ask()
    optuna_private.enqueued_in(trial)["x"] = 1
    assert trial.suggest_float("x", 0, 1) == 1
    assert study.trials[0].params == {"x": 1}


def test_a_trial_that_is_put_back_is_run_next(storage):
    study = optuna.create_study(study_name="s", storage=storage)
    study.enqueue_trial({"x": 0.5})
    for number in (0, 1):  # enqueued, and new
        for _ in range(2):
            assert study.ask().number == number
            optuna_private.put_back(study, study.trials[number])
            again = optuna.load_study(study_name="s", storage=storage)
            assert again.trials[number].state == TrialState.WAITING
        again.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=1)
    assert [trial.state for trial in again.trials] == [TrialState.COMPLETE] * 2
    assert again.trials[0].params == {"x": 0.5}


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_the_sampler_inside_those_that_fix_parameters_is_found():
    inner = optuna.samplers.RandomSampler()
    sampler = optuna.samplers.PartialFixedSampler({"x": 1}, inner)
    sampler = optuna.samplers.PartialFixedSampler({"y": 1}, sampler)
    assert optuna_private.innermost_sampler(optuna.create_study(sampler=sampler)) is inner
    assert optuna_private.innermost_sampler(optuna.create_study(sampler=inner)) is inner


def test_a_study_is_told_from_every_other(storage):
    one, other = (optuna.create_study(study_name=name, storage=storage) for name in "ab")
    again = optuna.load_study(study_name="a", storage=storage)
    identity = optuna_private.identity_of
    assert identity(one) != identity(other)
    assert identity(one)[1] == identity(again)[1]


def test_trials_are_cached_until_the_next_is_asked_for(storage):
    study = optuna.create_study(storage=storage)
    study.ask()
    counts = []
    for _ in range(2):
        counts.append(len(optuna_private.trials_of(study, cached=True)))
        study.add_trial(optuna.trial.create_trial(value=1.0))
    assert counts == [1, 1]
    assert len(optuna_private.trials_of(study)) == 3
    study.ask()
    assert len(optuna_private.trials_of(study, cached=True)) == 4


def test_under_hyperband_the_trials_of_all_brackets_are_seen(storage):
    seen = []

    class Sampler(optuna.samplers.RandomSampler):
        def before_trial(self, study, trial):
            seen.append((len(study.get_trials()), len(optuna_private.trials_of(study))))
            optuna_private.note_in_trial(study, trial, "seen", True)
            assert optuna_private.stored_trial(study, trial).user_attrs == {"seen": True}
            assert optuna_private.identity_of(study)[0] is not None

    pruner = HyperbandPruner(min_resource=1, max_resource=9)
    study = optuna.create_study(
        study_name="s", storage=storage, sampler=Sampler(seed=0), pruner=pruner
    )

    def objective(trial):
        x = trial.suggest_float("x", 0, 1)
        trial.report(x, 1)
        trial.should_prune()
        return x

    study.optimize(objective, n_trials=6)
    assert [every for _, every in seen] == [1, 2, 3, 4, 5, 6]
    assert any(shown < every for shown, every in seen)


def test_a_journal_is_locked_by_the_file_that_is_named(tmp_path):
    journal = tmp_path / "study.journal"
    backend = JournalFileBackend(str(journal))
    assert backend._lock.acquire()
    assert [path.name for path in tmp_path.iterdir() if path != journal] == [
        optuna_private.lock_of(journal).name
    ]
    backend._lock.release()
    assert not optuna_private.lock_of(journal).is_symlink()


def writes():
    return optuna_private.Writes(
        {"x": (0.25, FloatDistribution(0, 1)), "c": (1, CategoricalDistribution(["a", "b"]))},
        {"words": "a b"},
        {"cellwright:proposed": [1, 2]},
    )


@pytest.fixture
def counted(storage, monkeypatch):
    """How many writes a block makes: commits of a database, appends of a journal; None in memory,
    where it does not matter."""
    if isinstance(storage, RDBStorage):
        changed, commits = [], []

        def seen(connection, cursor, statement, *others):
            if statement.split()[0] in ("INSERT", "UPDATE"):
                changed.append(statement)

        def committed(connection):
            commits.extend(changed[:1])  # a transaction that only reads is no write
            changed.clear()

        event.listen(storage.engine, "before_cursor_execute", seen)
        event.listen(storage.engine, "commit", committed)
        return lambda: len(commits)
    if isinstance(storage, JournalStorage):
        appends, append = [], storage._backend.append_logs
        monkeypatch.setattr(
            storage._backend, "append_logs", lambda logs: (appends.append(logs), append(logs))
        )
        return lambda: len(appends)
    return None


def test_a_trial_is_written_at_once(storage, counted):
    study = optuna.create_study(study_name="s", storage=storage)
    for _ in range(3):  # the first one asks what the study holds
        trial = study.ask()
        before = counted() if counted else 0
        optuna_private.write_at_once(study, trial, writes())
        if counted:
            assert counted() == before + 1
        again = optuna.load_study(study_name="s", storage=storage).trials[-1]
        assert again.params == {"x": 0.25, "c": "b"}
        assert again.distributions == {name: given for name, (_, given) in writes().params.items()}
        assert again.user_attrs == {"words": "a b"}
        assert again.system_attrs == {"cellwright:proposed": [1, 2]}
    study.tell(trial, 1.0)
    with pytest.raises(UpdateFinishedTrialError):
        optuna_private.write_at_once(study, trial, writes())


def test_a_parameter_that_the_study_holds_otherwise_is_refused(storage):
    study = optuna.create_study(storage=storage)
    study.ask({"c": CategoricalDistribution(["a", "z"])})
    trial = study.ask()
    with pytest.raises(ValueError, match="dynamic value space"):
        optuna_private.write_at_once(study, trial, writes())


def test_what_is_suggested_in_a_block_is_written_at_its_end_even_after_an_error(storage, counted):
    study = optuna.create_study(study_name="s", storage=storage)
    trial = study.ask()
    before = counted() if counted else 0

    def suggested():
        with optuna_private.stored_at_once(trial):
            x = trial.suggest_float("x", 0, 1)
            assert trial.suggest_float("x", 0, 1) == x
            trial.set_user_attr("n", 1)
            assert trial.params == {"x": x}
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        suggested()
    if counted:
        assert counted() == before + 1
    again = optuna.load_study(study_name="s", storage=storage).trials[-1]
    assert (again.params, again.user_attrs) == (trial.params, {"n": 1})
    assert trial.params.keys() == {"x"}
    assert trial.storage is study._storage


def test_an_optuna_that_stores_otherwise_is_served_one_by_one(storage, monkeypatch, caplog):
    study = optuna.create_study(study_name="s", storage=storage)
    trial = study.ask()
    monkeypatch.setattr("optuna.storages._rdb.storage", object())  # as if it had other parts
    monkeypatch.setattr(optuna_private, "JournalOperation", object())
    optuna_private.write_at_once(study, trial, writes())
    again = optuna.load_study(study_name="s", storage=storage).trials[-1]
    assert (again.params, again.user_attrs) == ({"x": 0.25, "c": "b"}, {"words": "a b"})
    assert ("one by one" in caplog.text) == (not isinstance(storage, InMemoryStorage))


def test_a_new_trial_is_signed_from_the_beginning_and_an_enqueued_one_is_left(storage):
    study = optuna.create_study(study_name="s", storage=storage)
    signed = optuna_private.SignedStudy(study, "cellwright:alive", "me")
    optuna_private.enqueue(study, {"x": 0.5}, {"a": 1}, {"cellwright:alive": "waiting"})
    signs = []

    def objective(trial):
        signs.append(study.trials[trial.number].system_attrs["cellwright:alive"])
        return trial.suggest_float("x", 0, 1)

    signed.optimize(objective, n_trials=2)
    assert signs == ["waiting", "me"]
    first, second = study.trials
    assert (first.params, first.user_attrs) == ({"x": 0.5}, {"a": 1})
    assert second.state == TrialState.COMPLETE
    assert second.datetime_start is not None
    assert signed.ask({"y": FloatDistribution(0, 1)}).params.keys() == {"y"}


def test_only_one_of_two_lets_a_trial_fail(storage):
    study = optuna.create_study(storage=storage)
    study.ask()
    trial = study.trials[0]
    assert optuna_private.fail(study, trial)
    assert not optuna_private.fail(study, trial)
    assert study.trials[0].state == TrialState.FAIL


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_the_trials_that_optuna_tries_again_are_known(storage):
    study = optuna.create_study(storage=storage)
    study.ask({"x": FloatDistribution(0, 1)})
    RetryHeartbeatStaleTrialCallback()(study, study.trials[0])
    RetryHeartbeatStaleTrialCallback()(study, study.trials[1])
    assert [list(optuna_private.retried_in(trial)) for trial in study.trials] == [[], [0], [0, 1]]
