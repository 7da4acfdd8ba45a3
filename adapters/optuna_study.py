"""An Optuna study: which space it is of, and its trials as a strategy is told them."""

from __future__ import annotations

import logging
import math
import zlib
from collections.abc import Mapping, Sequence
from typing import Any
from weakref import WeakKeyDictionary

from optuna import Study
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from cellwright.adapters.optuna_private import (
    identity_of,
    note_in_study,
    notes_in_study,
    trials_of,
)
from cellwright.plugins.metrics import mistaken
from cellwright.plugins.strategies.outcome import Rewards, Told, excess_of
from cellwright.plugins.strategies.strategy import NOTES
from cellwright.search_spaces import (
    INFEASIBLE,
    InvalidArchitecture,
    JointSpace,
    Params,
    SearchSpace,
    SpaceMismatch,
)
from cellwright.search_spaces.identity import brief, compare, old_fingerprint, renewed

# Study system attributes: the `old_fingerprint` of the space searched, and its identity in brief,
# as MySQL has little room for an attribute.
_SPACE, _IDENTITY = "cellwright:space", "cellwright:identity"
_logger = logging.getLogger(__name__)
# What this process has said of which study of a storage.
_said: WeakKeyDictionary[Any, set[tuple[int, str]]] = WeakKeyDictionary()


def warn_once(study: Study, text: str) -> None:
    """Say something of a study once in a process, and not for every trial."""
    if _is_new(study, text):
        _logger.warning("In study %r %s", study.study_name, text)


def _is_new(study: Study, text: str) -> bool:
    """Whether this process has not said it of the study; from now on it has."""
    storage, number = identity_of(study)
    said = _said.setdefault(storage, set())
    new = (number, text) not in said
    said.add((number, text))
    return new


def check_directions(study: Study, objectives: Sequence[Sequence[str]]) -> None:
    """Warn, once in a process, if a study is to make a score fall or a loss rise.

    Args:
        study: As a sampler or an objective sees it.
        objectives: For each direction of the study, the names by which its metric is known, or
            those of all metrics that have its value.
    """
    for names, direction in zip(objectives, study.directions, strict=False):
        if wrong := mistaken(names, direction.name.lower()):
            other = "maximize" if direction == StudyDirection.MINIMIZE else "minimize"
            warn_once(
                study,
                f"{wrong}. Without a direction Optuna minimises; a study keeps the direction that "
                "it was created with, so create another, by "
                f'optuna.create_study(direction="{other}", ...)',
            )


def told_of(trial: FrozenTrial, space: SearchSpace, signs: Sequence[float]) -> Told | None:
    """A finished trial as a strategy is told it, or None if it has no decision of the space.

    Raises:
        SpaceMismatch: If the trial holds other choices, or completed without some decisions.
    """
    params = _architecture(trial, space)
    if params is None:
        return None
    reward = reward_of(trial, signs)
    return Told(trial.number, params, reward, _excess(trial) if reward is None else 0.0)


def _architecture(trial: FrozenTrial, space: SearchSpace) -> Params | None:
    """The space's part of a finished trial, or None if the trial has none."""
    held = part_of(trial, space)
    if not held or (space.missing(held) and trial.state != TrialState.COMPLETE):
        return None
    try:
        return space.decode(space.encode(held))
    except InvalidArchitecture as error:
        raise SpaceMismatch(
            f"trial {trial.number} of this study is of another search space: {error}. "
            "Start a new study (another study_name), or search the space that it was made with"
        ) from None


def part_of(trial: FrozenTrial, space: SearchSpace) -> Params:
    """The decisions of the space that a trial holds; only some while it is being suggested."""
    return {name: trial.params[name] for name in space.names if name in trial.params}


def params_of(study: Study, number: int) -> dict[str, Any]:
    """All parameters of another trial."""
    return trials_of(study, cached=True)[number].params


def signs_of(study: Study) -> list[float]:
    """The sign by which each objective is multiplied so that more is better."""
    return [-1.0 if d == StudyDirection.MINIMIZE else 1.0 for d in study.directions]


def reward_of(trial: FrozenTrial, signs: Sequence[float]) -> Rewards | None:
    """A trial's values as a strategy maximises them; None for a failed child."""
    if trial.state == TrialState.FAIL or trial.values is None:
        return None
    if not all(map(math.isfinite, trial.values)):
        _logger.warning(
            "Trial %d has the value %s and counts as a failed child.",
            trial.number,
            ", ".join(map(str, trial.values)),
        )
        return None
    if any(amount > 0 for amount in trial.constraints.values()):
        return None
    rewards = tuple(sign * value for sign, value in zip(signs, trial.values, strict=True))
    return rewards if len(rewards) > 1 else rewards[0]


def _excess(trial: FrozenTrial) -> float:
    """How far a trial without a reward is beyond a limit: what `optuna_trial.run` stored, or
    otherwise the sum of the broken constraints."""
    broken = sum(amount for amount in trial.constraints.values() if amount > 0)
    return excess_of({INFEASIBLE: broken, **trial.user_attrs})


def metrics_of(trial: FrozenTrial) -> dict[str, float]:
    """The user attributes that `optuna_trial.store` gave a trial, without what a strategy predicted
    of it."""
    return {
        name: float(value)
        for name, value in trial.user_attrs.items()
        if isinstance(value, int | float) and name not in NOTES
    }


def claim(study: Study, space: SearchSpace) -> None:
    """Note in the study which space it is of, unless it already holds another."""
    if check_space(study, space):
        return
    complete = trials_of(study, states=(TrialState.COMPLETE,))
    held = [trial for trial in complete if trial.params]
    if held and all(space._name_set.isdisjoint(t.params) for t in held):
        raise SpaceMismatch(
            f"study {study.study_name!r} holds {len(held)} trials, and none has a decision of "
            f"{space!r}: their parameters are {sorted(held[0].params)[:4]}. "
            "Start a new study (another study_name) for this search"
        )
    _note(study, space)


def check_space(study: Study, space: SearchSpace) -> bool:
    """Whether the study is noted as of ``space``; an error if it is noted as of another.

    What could not be compared, or only may matter, is said once and noted as it is now; see
    `renewed` for what is not noted, so that a later process says it again.
    """
    notes = notes_in_study(study)
    noted = notes.get(_IDENTITY) or notes.get(_SPACE)
    if noted is None:
        return False
    found = compare(_architecture_of(space), noted)
    if found.different:
        raise SpaceMismatch(
            f"study {study.study_name!r} was made with another search space than {space!r}: "
            f"{found.different}. Start a new study (another study_name), or search the space that "
            "it was made with"
        )
    if found.doubtful and _is_new(study, found.doubtful):
        _logger.warning(
            "Study %r may have been made with another search space than %r: %s. Its trials are "
            "taken as trials of this space, which is noted in the study from now on",
            study.study_name,
            space,
            found.doubtful,
        )
        _note(study, space, noted)
    return True


def _note(study: Study, space: SearchSpace, noted: Mapping[str, Any] | str | None = None) -> None:
    searched = _architecture_of(space)
    identity = searched.identity() if noted is None else renewed(searched, noted)
    notes = {_IDENTITY: brief(identity), _SPACE: old_fingerprint(searched)}
    for name, note in notes.items():
        note_in_study(study, name, note)


def _architecture_of(space: SearchSpace) -> SearchSpace:
    """The space of networks: a strategy may search it alone, and the host the rest."""
    return space.architecture if isinstance(space, JointSpace) else space


def seed_of(study: Study) -> int:
    """A seed that is the same in every process, from the study's name and first trial's start."""
    first = min(trials_of(study, cached=True), key=lambda t: t.number)
    text = f"{study.study_name}/{first.datetime_start}"
    return zlib.crc32(text.encode()) << 32 | zlib.crc32(text[::-1].encode())
