"""Every part of Optuna that is used here and that Optuna does not document.

Optuna's own samplers use the same parts, as do those of OptunaHub, because a sampler cannot do
without them. ``tests/adapters/test_optuna_private.py`` tries each on the installed Optuna, and
fails if one is used anywhere else.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from optuna import Study, Trial
from optuna.artifacts._protocol import ArtifactStore
from optuna.samplers import BaseSampler, PartialFixedSampler
from optuna.storages import BaseStorage
from optuna.storages.journal._file import LOCK_FILE_SUFFIX
from optuna.study._optimize import _run_trial
from optuna.study.study import _SYSTEM_ATTR_METRIC_NAMES
from optuna.trial import FrozenTrial, TrialState

__all__ = ["ArtifactStore"]  # what every store of ``optuna.artifacts`` is


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
