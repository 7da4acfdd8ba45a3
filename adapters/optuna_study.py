"""What is read off an Optuna study, and what is said of it."""

from __future__ import annotations

import logging
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from weakref import WeakKeyDictionary

from optuna import Study
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from cellwright.adapters.optuna_private import identity_of, retried_in, trials_of
from cellwright.plugins.metrics import mistaken
from cellwright.plugins.strategies.strategy import NOTES
from cellwright.search_spaces.arguments import check_integer

# User attributes: of a trial that was interrupted, and of the one that tries its child again.
INTERRUPTED, AGAIN = "interrupted", "tries_again"
_MOST = 10  # trials that one warning names
_logger = logging.getLogger(__name__)
# What this process has said of which study of a storage.
_said: WeakKeyDictionary[Any, set[tuple[int, str]]] = WeakKeyDictionary()


def warn_once(study: Study, text: str) -> None:
    """Say something of a study once in a process, and not for every trial."""
    if is_new(study, text):
        _logger.warning("In study %r %s", study.study_name, text)


def is_new(study: Study, text: str) -> bool:
    """Whether this process has not said it of the study; from now on it has."""
    storage, number = identity_of(study)
    said = _said.setdefault(storage, set())
    new = (number, text) not in said
    said.add((number, text))
    return new


def warn_of_trials(study: Study, found: Mapping[int, str], text: str) -> None:
    """Say something of trials, each by its number, once in a process.

    Args:
        found: By the number of each trial, what is particular to it.
        text: What is so of all of them, as of one.
    """
    new = {number: words for number, words in found.items() if is_new(study, f"{number} {text}")}
    if new:
        listed = [f"trial {number} {text} ({words})" for number, words in [*new.items()][:_MOST]]
        more = f"; and so do {len(new) - _MOST} more" if len(new) > _MOST else ""
        _logger.warning("In study %r %s%s", study.study_name, "; ".join(listed), more)


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


def was_stopped(trial: FrozenTrial) -> bool:
    """Whether a trial was interrupted: another one tries its child again, in its place.

    One that came to its end all the same, though others thought that its worker had died, was not.
    """
    return bool(trial.user_attrs.get(INTERRUPTED)) and trial.state != TrialState.COMPLETE


def replaced_in(trials: Sequence[FrozenTrial]) -> set[int]:
    """Numbers of the trials that others of ``trials`` try again, by Optuna's own callback: what
    the death of a worker left says nothing about the child."""
    return {number for trial in trials for number in retried_in(trial)}


def place_of(study: Study, trial: FrozenTrial) -> int:
    """Which number of the seed's sequence a trial has: its own, less the trials before it that
    were interrupted, so that the trial that tries a child again stands where the first one did."""
    trials = trials_of(study, cached=True)
    replaced, earlier = replaced_in(trials), trials[: trial.number]
    return trial.number - _stopped(earlier, replaced)


def place_after(trials: Sequence[FrozenTrial]) -> int:
    """`place_of` for the trial after the last of all ``trials``."""
    return len(trials) - _stopped(trials, replaced_in(trials))


def _stopped(trials: Sequence[FrozenTrial], replaced: set[int]) -> int:
    return sum(was_stopped(one) or one.number in replaced for one in trials)


def signs_of(study: Study) -> list[float]:
    """The sign by which each objective is multiplied so that more is better."""
    return [-1.0 if d == StudyDirection.MINIMIZE else 1.0 for d in study.directions]


def metrics_of(trial: FrozenTrial) -> dict[str, float]:
    """The user attributes that `optuna_trial.store` gave a trial, without what a strategy predicted
    of it."""
    return {
        name: float(value)
        for name, value in trial.user_attrs.items()
        if isinstance(value, int | float) and name not in NOTES
    }


def seed_of(study: Study) -> int:
    """A seed that is the same in every process, from the study's name and first trial's start."""
    first = min(trials_of(study), key=lambda t: t.number)
    text = f"{study.study_name}/{first.datetime_start}"
    return zlib.crc32(text.encode()) << 32 | zlib.crc32(text[::-1].encode())


def main_params(
    study: Study, most: int = 6, *, target: Callable[[FrozenTrial], float] | None = None
) -> list[str]:
    """The parameters of a study that are worth a plot: those on which its values depend most.

    A cell has fifty decisions, of which Optuna's plots draw every one. With this they draw a few::

        optuna.visualization.plot_param_importances(study, params=main_params(study))
        optuna.visualization.plot_parallel_coordinate(study, params=main_params(study))

    Importances are Optuna's own (``optuna.importance.get_param_importances``), of all parameters: a
    learning rate is among them if it matters. A parameter that had one value in all trials is not.

    Args:
        study: With at least two complete trials, of one space or several.
        most: How many to name at most, at least 1.
        target: What the importances are of, as in Optuna's plots; needed for one of several
            objectives, where Optuna otherwise weighs them together.

    Returns:
        Names, the most important first.

    Raises:
        ValueError: If ``most`` is below 1, or there are too few complete trials.
    """
    from optuna.importance import get_param_importances  # takes a while to load

    check_integer("most", most)
    complete = trials_of(study, (TrialState.COMPLETE,))
    values: dict[str, set[Any]] = {}
    for trial in complete:
        for name, value in trial.params.items():
            values.setdefault(name, set()).add(value)
    several = [name for name, found in values.items() if len(found) > 1]
    if not several:
        raise ValueError(
            f"study {study.study_name!r} has {len(complete)} complete trials, and no parameter has "
            "had two values in them: run more trials first"
        )
    found = get_param_importances(study, params=several, target=target)
    return sorted(found, key=lambda name: -found[name])[:most]
