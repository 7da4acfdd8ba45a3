"""Optuna's private parts that are used: all in one module, and each as that module expects it."""

import inspect
import re
from pathlib import Path

import optuna
import pytest
from optuna.pruners import HyperbandPruner
from optuna.storages import BaseStorage, InMemoryStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from optuna.storages.journal import _file as journal_file
from optuna.study import _optimize
from optuna.trial import TrialState

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
