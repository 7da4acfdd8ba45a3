"""A search driven by Optuna, on its journal file or any of its storages."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import make_url

from cellwright.adapters.optuna_private import (
    lock_of,
    metric_names_of,
    note_in_study,
    notes_in_study,
)
from cellwright.adapters.optuna_record import Odd, fitted
from cellwright.adapters.optuna_rung import run_again, rung_of
from cellwright.adapters.optuna_sampler import StrategySampler
from cellwright.adapters.optuna_space import is_claimed, part_of
from cellwright.adapters.optuna_storage import open_storage
from cellwright.adapters.optuna_study import INTERRUPTED, was_stopped
from cellwright.adapters.optuna_trial import CURVES, run
from cellwright.adapters.optuna_worker import work
from cellwright.plugins import Evaluation, make_space
from cellwright.plugins.interrupts import check
from cellwright.plugins.metrics import Metric, find_metric, split_direction
from cellwright.plugins.passwords import keep
from cellwright.plugins.training.best_child import keep_best
from cellwright.search_spaces import (
    INFEASIBLE,
    CellwrightError,
    CorruptedState,
    InvalidArchitecture,
    SearchSpace,
)
from cellwright.searches.folder import has_workers
from cellwright.searches.hosts import OnEpoch, OnTrial
from cellwright.searches.run import Run, name_of_values, split_params
from cellwright.searches.settings import Settings, as_told
from cellwright.searches.trial import Curves, Trial, read_curves

JOURNAL = "study.journal"
_SEARCH = "cellwright:search"  # system attribute of a study: the settings that all workers share
# What each worker may have for itself: where it writes, and where its data lie.
_MAY_DIFFER = {"host", "storage", "study", "trials", "concurrency", "track", "data", "predict",
               "target", "deadline", "edition", "after", "prior",
               "supernet_folder", "shared"}  # fmt: skip
_STATES = {TrialState.COMPLETE: "complete", TrialState.FAIL: "failed", TrialState.PRUNED: "pruned"}


def read(folder: Path, settings: Settings) -> list[Trial]:
    """The finished trials of the search in ``folder``."""
    if settings.storage is None and not (folder / JOURNAL).exists():
        return []
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        study = optuna.load_study(
            study_name=_name(folder, settings), storage=storage_of(folder, settings)
        )
    except KeyError:  # stopped before the study was made
        return []
    goals = [split_direction(text)[0] for text in settings.objectives or ("reward",)]
    return [
        trial_of(trial, goals) for trial in study.get_trials(deepcopy=False)
        if trial.state.is_finished()
    ]  # fmt: skip


def search(
    folder: Path,
    settings: Settings,
    evaluation: Evaluation,
    on_trial: OnTrial,
    on_epoch: OnEpoch,
) -> None:
    """Run trials until there are ``settings.trials``; those interrupted before come first.

    Raises:
        KeyboardInterrupt: After the running trial is stored, to be run again.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    alone = settings.storage is None and not has_workers(folder)
    if alone:
        _mend(folder / JOURNAL)
        _unlock(folder / JOURNAL)
    study = optuna.create_study(
        study_name=_name(folder, settings),
        storage=storage_of(folder, settings),
        directions=list(settings.goals.values()),
        # The other hosts train every child to its end; by default Optuna would prune.
        pruner=optuna.pruners.NopPruner(),
        load_if_exists=True,
    )
    strategy = settings.make_strategy(evaluation)
    study.sampler = sampler = StrategySampler(strategy, schedule=settings.make_schedule())
    sampler.check(study)
    if alone:  # nobody is left to whom they could belong
        _release_abandoned(study)
    _check_joined(study, settings)
    keep = keep_best(folder)

    def objective(trial: optuna.Trial) -> float | tuple[float, ...]:
        import keras

        keras.utils.clear_session()  # forget the last child, or memory grows with every trial
        return run(
            trial,
            evaluation,
            list(settings.goals),
            keep=keep,
            report=lambda epoch, metrics: on_epoch(trial.number, epoch, metrics),
        )

    def finished(study: optuna.Study, trial: FrozenTrial) -> None:
        on_trial(trial_of(trial))

    work(study, objective, settings.trials, callbacks=[finished], check=check)


def _name(folder: Path, settings: Settings) -> str:
    if settings.study is not None:
        return settings.study
    return f"cellwright-{folder.resolve().name}" if settings.storage else "cellwright"


def _check_joined(study: optuna.Study, settings: Settings) -> None:
    """Note in a study that others may join how its children are scored, or check that it says the
    same. What lies in the folder of one search is compared when its settings are read.

    Raises:
        CellwrightError: If it says otherwise, naming the options.
    """
    if settings.storage is None:
        return
    # The edition counts by what it means: the space, and the arguments of the strategy.
    meant = replace(settings, strategy_arg=settings.strategy_arguments())
    told = {name: x for name, x in as_told(meant).items() if name not in _MAY_DIFFER}
    told["space"] = settings.meant_space
    mine = json.loads(json.dumps(told, default=repr))  # a space may be an object
    noted = notes_in_study(study).get(_SEARCH)
    if not isinstance(noted, str):
        note_in_study(study, _SEARCH, json.dumps(mine))
        return
    try:
        theirs = dict(json.loads(noted))
    except (ValueError, TypeError, RecursionError) as error:
        raise CorruptedState(
            f"the study {study.study_name!r} has a damaged user attribute {_SEARCH!r} ({error}): "
            "remove it there, or give another --study"
        ) from error
    changed = [
        f"--{name.replace('_', '-')} is {theirs[name]!r} there and {mine[name]!r} here"
        for name in mine
        if name in theirs and theirs[name] != mine[name]
    ]
    if changed:
        raise CellwrightError(
            f"the study {study.study_name!r} is another search: {'; '.join(changed)}. Give the "
            "same options to join it, or another --study or --out to start a new one"
        )


def storage_of(folder: Path, settings: Settings) -> BaseStorage:
    """Where the search in a folder keeps its trials: in the storage of its settings, or a journal.

    Raises:
        CellwrightError: If it cannot be opened, or is damaged.
    """
    if settings.storage is not None:
        return open_storage(settings.storage)
    path = folder.resolve() / JOURNAL
    try:
        return open_storage(str(path))
    except CellwrightError as error:  # Optuna shows damage as whatever its readers raise
        broken = _broken_line(path)
        raise CorruptedState(
            f"{path} is damaged{f' in line {broken}' if broken else ''} and Optuna cannot read it: "
            f"{error}. Every line is a JSON object: mend or remove the broken one, or start a "
            "new search with another --out"
        ) from error


def _mend(journal: Path) -> None:
    """Cut off a last line that was not written to its end, as when the process was killed.

    Optuna passes over such a line, but would write its next one behind it, and could then read
    neither, nor anything after them.

    Raises:
        CorruptedState: If the last line has its end and is no JSON all the same.
    """
    if not journal.exists():
        return
    whole, _, rest = journal.read_bytes().rpartition(b"\n")
    if rest.startswith(b"{"):
        with journal.open("rb+") as file:
            file.truncate(len(whole) + 1 if whole else 0)
    broken = _broken_line(journal)
    if broken:
        raise CorruptedState(
            f"{journal} is damaged in line {broken}, which is no JSON object: mend or remove it, "
            "or start a new search with another --out"
        )


def _unlock(journal: Path) -> None:
    """Take away the lock of a process that was killed while it wrote to the journal.

    Whoever searches is the folder's only user, so nobody holds it; Optuna would wait for half a
    minute.
    """
    lock_of(journal).unlink(missing_ok=True)


def _broken_line(journal: Path) -> int | None:
    """Number of the first line that is no JSON object, from 1."""
    for number, line in enumerate(journal.read_bytes().splitlines(), start=1):
        try:
            if not isinstance(json.loads(line), dict):
                return number
        except (ValueError, RecursionError):
            return number
    return None


def _release_abandoned(study: optuna.Study) -> None:
    """Trials of a process that was killed run for ever; store them as interrupted, run again."""
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        run_again(study, trial)
        study.tell(trial.number, state=TrialState.FAIL)


def trial_of(trial: FrozenTrial, goals: Sequence[str] = ()) -> Trial:
    """A finished trial of any study, its metrics those of its user attributes.

    Args:
        trial: In any state that is an end.
        goals: The names of the study's values, of which one alone has intermediate values.
    """
    attributes: dict[str, Any] = dict(trial.user_attrs)
    error = str(attributes.pop("error", ""))
    attributes.pop(INTERRUPTED, False)
    interrupted = was_stopped(trial)
    metrics = {
        name: float(value)
        for name, value in attributes.items()
        if isinstance(value, int | float)
        and not isinstance(value, bool)
        and name not in trial.params
    }
    after = None
    if (rung := rung_of(trial)) is not None:
        metrics["epochs"], after = float(rung.epochs), rung.after
    state = "interrupted" if interrupted else _STATES[trial.state]
    if INFEASIBLE in metrics:
        state = "infeasible"
    curves = _curves(trial, goals[0] if len(goals) == 1 else "value")
    return Trial(trial.number, dict(trial.params), state, metrics, error, after, curves=curves)


def _curves(trial: FrozenTrial, goal: str) -> Curves:
    """What a trial reported by epoch, or what a trial of several objectives has noted."""
    noted = trial.user_attrs.get(CURVES)
    with suppress(TypeError, ValueError, AttributeError):  # an attribute of the user's, so named
        return read_curves({goal: trial.intermediate_values.items(), **(noted or {})})
    return read_curves({goal: trial.intermediate_values.items()})


def _check_there(what: str) -> None:
    """Raise FileNotFoundError for a file of SQLite that is not there: Optuna would make one."""
    if what.startswith("sqlite"):
        file = make_url(what).database
        if file and file != ":memory:" and not file.startswith("file:") and not Path(file).exists():
            raise FileNotFoundError(f"there is no file {file}")


def open_run(what: str, space: str | None, study: str | None) -> Run:
    """A study in a journal file or a storage, whoever made it.

    Raises:
        CellwrightError: If the storage holds several studies and none of them is named, or trials
            of another space.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    what = keep(what)
    try:
        _check_there(what)
        storage = open_storage(what)
        names = optuna.get_all_study_names(storage)
    except Exception as error:  # Optuna and SQLAlchemy raise a dozen types
        kind = "storage" if "://" in what else "journal file of Optuna"
        raise CellwrightError(
            f"{what} cannot be opened as a {kind}: {error or type(error).__name__}"
        ) from error
    if not names:
        raise CellwrightError(f"{what} holds no study of Optuna: give another file or storage URL")
    if study is None and len(names) == 1:
        study = names[0]
    if study not in names:
        raise CellwrightError(
            f"give --study, one of {', '.join(names)}"
            + ("" if study is None else f"; got {study!r}")
        )
    loaded = optuna.load_study(study_name=study, storage=storage)
    ended = [trial for trial in loaded.trials if trial.state.is_finished()]
    told = [_of_user(trial) for trial in ended]
    objectives = _objectives(loaded, ended, told)
    told = [_with_values(one, trial, objectives) for one, trial in zip(told, ended, strict=True)]
    searched = make_space(space)
    odd = Odd()
    told = [_fitted(one, trial, searched, odd) for one, trial in zip(told, ended, strict=True)]
    odd.report(loaded)
    made, told = split_params(study, space, told, ours=is_claimed(loaded))
    return Run(
        study,
        made,
        told,
        objectives,
        objectives,
        objectives[0] if len(objectives) == 1 else None,
        _home(what) / (re.sub(r"[^\w.-]+", "_", study) + "-report"),
    )


def _fitted(told: Trial, trial: FrozenTrial, space: SearchSpace, odd: Odd) -> Trial:
    """A trial with the nearest values that the space allows, as a sampler of ours takes it."""
    try:
        part, moved = fitted(part_of(trial, space), space)
    except InvalidArchitecture:
        return told
    if moved:
        odd.moved[trial.number] = "; ".join(moved)
    return replace(told, params={**told.params, **part})


def _home(what: str) -> Path:
    """The folder of a journal or of SQLite's file; ``runs`` for a database on a server."""
    if "://" not in what:
        return Path(what).parent
    from sqlalchemy.engine import make_url

    url = make_url(what)
    if url.get_backend_name() != "sqlite" or not url.database or url.database == ":memory:":
        return Path("runs")
    return Path(url.database).parent


def _of_user(trial: FrozenTrial) -> Trial:
    """A trial of any study, which is not within reach if it breaks a constraint."""
    told = trial_of(trial)
    broken = sorted(str(name) for name, amount in trial.constraints.items() if amount > 0)
    if told.state == "complete" and broken:
        error = f"breaks the constraint {', '.join(broken)}"
        return replace(told, state="infeasible", error=error)
    return told


def _objectives(
    study: optuna.Study, ended: Sequence[FrozenTrial], told: Sequence[Trial]
) -> list[Metric]:
    """The metric of each value: as the study calls it, or the user attribute that is equal to it in
    every trial, or ``value_0``, ``value_1``, ..., or ``value`` if there is only one."""
    several = len(study.directions) > 1
    pairs = [(one, trial.values) for one, trial in zip(told, ended, strict=True)
             if one.state == "complete"]  # fmt: skip
    complete, called = [one for one, _ in pairs], metric_names_of(study)
    found: list[Metric] = []
    for k, direction in enumerate(study.directions):
        name = called[k] if called else name_of_values(
            [values[k] for _, values in pairs], complete, f"value_{k}" if several else "value"
        )  # fmt: skip
        if name in [metric.name for metric in found]:
            name = f"value_{k}"
        found.append(find_metric(f"{name}:{direction.name.lower()}"))
    return found


def _with_values(told: Trial, trial: FrozenTrial, objectives: Sequence[Metric]) -> Trial:
    """A trial with the study's values among its metrics, and its curve under the value's name."""
    if len(objectives) == 1:
        curves = {objectives[0].name if n == "value" else n: x for n, x in told.curves.items()}
        told = replace(told, curves=curves)
    if told.state not in ("complete", "pruned") or trial.values is None:
        return told
    values = zip((metric.name for metric in objectives), trial.values, strict=True)
    return replace(told, metrics=told.metrics | dict(values))
