"""Every part of Optuna that is used here and that Optuna does not document.

Optuna's own samplers use the same parts, as do those of OptunaHub, because a sampler cannot do
without them. ``tests/adapters/test_optuna_private.py`` tries each on the installed Optuna, and
fails if one is used anywhere else.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, cast
from weakref import WeakKeyDictionary

import optuna
from optuna import Study, Trial
from optuna.artifacts._protocol import ArtifactStore
from optuna.distributions import BaseDistribution, distribution_to_json
from optuna.samplers import BaseSampler, PartialFixedSampler
from optuna.storages import (
    BaseStorage,
    GrpcStorageProxy,
    JournalStorage,
    RDBStorage,
    _CachedStorage,
)
from optuna.storages.journal._file import LOCK_FILE_SUFFIX
from optuna.storages.journal._storage import JournalOperation
from optuna.study._optimize import _run_trial
from optuna.study.study import _SYSTEM_ATTR_METRIC_NAMES
from optuna.trial import FrozenTrial, TrialState, create_trial

__all__ = ["ArtifactStore"]  # what every store of ``optuna.artifacts`` is

_AT_A_TIME = 8  # calls to a gRPC server, which by default has ten threads
_logger = logging.getLogger(__name__)
# Parameters that a study of a storage is known to hold, by the study and the parameter's name.
_held: WeakKeyDictionary[Any, dict[tuple[int, str], BaseDistribution]] = WeakKeyDictionary()


def trials_of(
    study: Study, states: Sequence[TrialState] | None = None, *, cached: bool = False
) -> list[FrozenTrial]:
    """A study's trials in the order of their numbers, not copied: nobody may change them.

    ``Study.get_trials`` copies all of them each time, and under a ``HyperbandPruner`` it shows a
    sampler those of one bracket only.

    Args:
        study: As a sampler or an objective sees it.
        states: Only trials in one of these; all if None.
        cached: As this thread read them when it asked for its trial, which saves a query.
    """
    chosen = None if states is None else tuple(states)
    return study._get_trials(deepcopy=False, states=chosen, use_cache=cached)


def stored_trial(study: Study, trial: Trial | FrozenTrial) -> FrozenTrial:
    """A trial as the storage has it now: a ``Trial`` shows its attributes as they were when it
    began."""
    return study._storage.get_trial(trial._trial_id)


def note_in_trial(study: Study, trial: Trial | FrozenTrial, name: str, value: Any) -> None:
    """Store a user attribute, where only a ``FrozenTrial`` is at hand, which cannot do it."""
    study._storage.set_trial_user_attr(trial._trial_id, name, value)


def keep_in_trial(trial: Trial, name: str, value: str) -> None:
    """Store a system attribute, which tables and dashboards do not show as a metric."""
    trial.study._storage.set_trial_system_attr(trial._trial_id, name, value)


def notes_in_study(study: Study) -> Mapping[str, Any]:
    """The study's system attributes, which are for samplers; a study of Optuna 5 hides them."""
    return study._storage.get_study_system_attrs(study._study_id)


def metric_names_of(study: Study) -> Sequence[str]:
    """What ``Study.set_metric_names`` called the objectives; empty if it was not called.

    Under a ``HyperbandPruner`` a sampler's study does not say it.
    """
    names: Sequence[str] = notes_in_study(study).get(_SYSTEM_ATTR_METRIC_NAMES) or ()
    return names


def note_in_study(study: Study, name: str, value: Any) -> None:
    """Store a system attribute of the study."""
    study._storage.set_study_system_attr(study._study_id, name, value)


def enqueued_in(trial: Trial | FrozenTrial) -> dict[str, Any]:
    """The parameters that a user gave the trial by ``Study.enqueue_trial``.

    Those of a ``Trial`` may be changed before they are suggested.
    """
    if isinstance(trial, Trial):
        given = trial._fixed_params
    else:
        given = trial.system_attrs.get("fixed_params")
    return given if isinstance(given, dict) else {}


def innermost_sampler(study: Study) -> BaseSampler:
    """The study's sampler, or the one in a ``PartialFixedSampler``."""
    sampler = study.sampler
    while isinstance(sampler, PartialFixedSampler):
        sampler = sampler._base_sampler
    return sampler


def put_back(study: Study, trial: FrozenTrial) -> None:
    """Let a trial that has just begun wait for the next run of the study, as if enqueued."""
    study._storage.set_trial_state_values(trial._trial_id, TrialState.WAITING)


def storage_of(study: Study) -> BaseStorage:
    """The study's storage, for parts of Optuna that ask for it."""
    return study._storage


def identity_of(study: Study) -> tuple[Any, int]:
    """What tells this study from every other, though each hook is given a new object of it."""
    return study._storage, study._study_id


def whole_study(study: Study) -> Study:
    """The study itself, where a hook under a ``HyperbandPruner`` sees only a bracket of it, in
    which nothing can be enqueued."""
    return Study(study_name=study.study_name, storage=study._storage)


def error_of_objective() -> BaseException | None:
    """What the objective raised whose trial is being stored; None outside of ``Study.optimize``.

    Optuna tells a sampler that a trial failed, and not why, and fails those that Ctrl-C interrupts.
    """
    frame = inspect.currentframe()
    while frame is not None:
        if frame.f_code is _run_trial.__code__:
            error: BaseException | None = frame.f_locals.get("func_err")
            return error
        frame = frame.f_back
    return None


def lock_of(journal: Path) -> Path:
    """The file that a process makes while it writes to a journal file."""
    return journal.with_name(journal.name + LOCK_FILE_SUFFIX)


@dataclass
class Writes:
    """What is to be stored of one trial: parameters as Optuna writes them, and attributes."""

    params: dict[str, tuple[float, BaseDistribution]] = field(default_factory=dict)
    user_attrs: dict[str, Any] = field(default_factory=dict)
    system_attrs: dict[str, Any] = field(default_factory=dict)


def write_at_once(study: Study, trial: Trial | FrozenTrial, writes: Writes) -> None:
    """Store all of it in one transaction of a database, or one append to a journal.

    Optuna stores each parameter and each attribute by itself, so that an architecture of fifty
    decisions is fifty writes, and others see half of it for a while. gRPC offers nothing else,
    and is sent several at a time; in memory a write costs nothing.

    Raises:
        ValueError: If the study holds a parameter with another distribution.
        UpdateFinishedTrialError: If the trial has ended.
    """
    if not (writes.params or writes.user_attrs or writes.system_attrs):
        return
    storage, number = study._storage, trial._trial_id
    backend = storage._backend if isinstance(storage, _CachedStorage) else storage
    try:
        if isinstance(backend, RDBStorage):
            _write_to_database(backend, study._study_id, number, writes)
            return
        if isinstance(backend, JournalStorage):
            _write_to_journal(backend, number, writes)
            return
    except (AttributeError, TypeError, ImportError) as error:  # another Optuna than this was for
        _logger.warning(
            "Optuna %s stores a trial otherwise than expected, so that its parameters are stored "
            "one by one, which is slower and no less right: %r",
            optuna.__version__,
            error,
        )
    calls: list[Callable[[], object]] = [
        partial(storage.set_trial_param, number, name, value, distribution)
        for name, (value, distribution) in writes.params.items()
    ]
    calls += [partial(storage.set_trial_user_attr, number, *x) for x in writes.user_attrs.items()]
    calls += [
        partial(storage.set_trial_system_attr, number, *x) for x in writes.system_attrs.items()
    ]
    if isinstance(storage, GrpcStorageProxy) and len(calls) > 1:  # each waits for the server
        with ThreadPoolExecutor(_AT_A_TIME) as pool:
            for done in [pool.submit(call) for call in calls]:
                done.result()
    else:
        for call in calls:
            call()


def _write_to_database(storage: RDBStorage, study: int, number: int, writes: Writes) -> None:
    # Here alone, as these load SQLAlchemy, which costs as much as Optuna without them.
    from optuna.storages._rdb import models
    from optuna.storages._rdb import storage as rdb

    held = _held.setdefault(storage, {})
    rows = []
    with rdb._create_scoped_session(storage.scoped_session) as session:
        trial = models.TrialModel.find_or_raise_by_id(number, session)
        storage.check_trial_is_updatable(number, cast(TrialState, trial.state))
        for name, (value, distribution) in writes.params.items():
            # Whether the study holds it otherwise is asked once, and not for every trial: Optuna
            # needs three statements for each parameter.
            if held.get((study, name)) != distribution:
                storage._set_trial_param_without_commit(session, number, name, value, distribution)
            else:
                rows.append(
                    models.TrialParamModel(
                        trial_id=number,
                        param_name=name,
                        param_value=value,
                        distribution_json=distribution_to_json(distribution),
                    )
                )
        session.add_all(rows)
        for kind, attributes in (
            (models.TrialUserAttributeModel, writes.user_attrs),
            (models.TrialSystemAttributeModel, writes.system_attrs),
        ):
            for name, noted in attributes.items():
                storage._set_trial_attr_without_commit(session, kind, number, name, noted)
    held.update({(study, name): given for name, (_, given) in writes.params.items()})


def _write_to_journal(storage: JournalStorage, number: int, writes: Writes) -> None:
    parts: list[tuple[JournalOperation, dict[str, Any]]] = [
        (
            JournalOperation.SET_TRIAL_PARAM,
            {
                "param_name": name,
                "param_value_internal": value,
                "distribution": distribution_to_json(distribution),
            },
        )
        for name, (value, distribution) in writes.params.items()
    ]
    for operation, word, attributes in (
        (JournalOperation.SET_TRIAL_USER_ATTR, "user_attr", writes.user_attrs),
        (JournalOperation.SET_TRIAL_SYSTEM_ATTR, "system_attr", writes.system_attrs),
    ):
        parts += [(operation, {word: {name: noted}}) for name, noted in attributes.items()]
    worker = storage._replay_result.worker_id
    with storage._thread_lock:
        storage._backend.append_logs(
            [
                {"op_code": operation, "worker_id": worker, "trial_id": number, **part}
                for operation, part in parts
            ]
        )
        storage._sync_with_backend()


class _Gathering:
    """A storage that keeps what is to be stored of one trial, and does all else as before."""

    def __init__(self, storage: BaseStorage, writes: Writes) -> None:
        self._storage, self._writes = storage, writes

    def __getattr__(self, name: str) -> Any:
        return getattr(self._storage, name)

    def set_trial_param(
        self, number: int, name: str, value: float, distribution: BaseDistribution
    ) -> None:
        self._writes.params[name] = (value, distribution)

    def set_trial_user_attr(self, number: int, name: str, value: Any) -> None:
        self._writes.user_attrs[name] = value


@contextmanager
def stored_at_once(trial: Trial) -> Iterator[None]:
    """What is suggested of ``trial`` in the block, and its user attributes, are stored when the
    block ends, by `write_at_once`; also if it ends in an error."""
    storage, writes = trial.storage, Writes()
    trial.storage = cast(BaseStorage, _Gathering(storage, writes))
    try:
        yield
    finally:
        trial.storage = storage
        write_at_once(trial.study, trial, writes)


class SignedStudy(Study):
    """A study whose new trials hold a system attribute from the moment they are there."""

    def __init__(self, study: Study, name: str, value: str) -> None:
        super().__init__(study.study_name, study._storage, study.sampler, study.pruner)
        self._signature = {name: value}

    def ask(self, fixed_distributions: dict[str, BaseDistribution] | None = None) -> Trial:
        """As ``Study.ask``; a trial that was enqueued has what it was enqueued with."""
        self._thread_local.cached_all_trials = None
        number = self._pop_waiting_trial_id()
        if number is None:
            template = create_trial(state=TrialState.RUNNING, system_attrs=self._signature)
            number = self._storage.create_new_trial(self._study_id, template_trial=template)
        trial = Trial(self, number)
        for name, distribution in (fixed_distributions or {}).items():
            trial._suggest(name, distribution)
        return trial


def enqueue(
    study: Study,
    params: Mapping[str, Any],
    user_attrs: Mapping[str, Any],
    system_attrs: Mapping[str, Any],
) -> None:
    """``Study.enqueue_trial``, with system attributes too."""
    study.add_trial(
        create_trial(
            state=TrialState.WAITING,
            user_attrs=dict(user_attrs),
            system_attrs={"fixed_params": dict(params), **system_attrs},
        )
    )


def fail(study: Study, trial: FrozenTrial) -> bool:
    """Let a running trial fail; whether it was this call that did it."""
    try:
        return study._storage.set_trial_state_values(trial._trial_id, TrialState.FAIL)
    except optuna.exceptions.UpdateFinishedTrialError:
        return False


def retried_in(trial: FrozenTrial) -> Sequence[int]:
    """Numbers of the trials that ``trial`` tries again, by the callback that Optuna has for trials
    whose worker has died (``RetryHeartbeatStaleTrialCallback``)."""
    history = trial.system_attrs.get("retry_history")
    if not isinstance(history, list):
        return ()
    return [number for number in history if isinstance(number, int)]
