"""The best children of a search, trained again with other seeds, and the trials that this ranks.

The highest of many noisy rewards is an overestimate, and not always of the best child. So the best
few are trained again, and the mean of all trainings decides between them.
"""

from __future__ import annotations

import json
import statistics
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from cellwright.plugins import Evaluation, Recipe
from cellwright.plugins.checked import check_finite, read_as
from cellwright.plugins.files import atomic_write
from cellwright.plugins.interrupts import must_write
from cellwright.plugins.metrics import CONFIRMED, METRICS, SPREAD, TRAININGS
from cellwright.search_spaces import ChildFailed, Value
from cellwright.searches.hosts import driver_of
from cellwright.searches.settings import Settings
from cellwright.searches.trial import Trial, ranked, run_again

FILE = "confirmed.json"
AGAIN = 2  # trainings of each of the best children, beside the first one
_REMEDY = "Delete it, and the best children are trained again by `cellwright search --confirm`"


@dataclass(frozen=True)
class Training:
    """A training of a trial's child with another seed.

    Args:
        trial: Number of the trial.
        params: Its architecture, and its hyperparameters if any were searched.
        turn: 1 up to `AGAIN`, which is added to the seeds of the search.
        reward: What it gave; None if the training failed.
        error: Why it failed.
    """

    trial: int
    params: dict[str, Value]
    turn: int
    reward: float | None
    error: str = ""


@dataclass(frozen=True)
class _File:
    trainings: list[Training]


def read_trials(folder: Path, settings: Settings) -> list[Trial]:
    """The trials that the host's driver reads, with the metrics of those that were confirmed.

    Raises:
        CorruptedState: If the host's record or ``confirmed.json`` cannot be read.
    """
    trials = driver_of(settings.host).read(folder, settings)
    if settings.confirm is None:
        return trials
    return with_confirmed(trials, read_trainings(folder), settings.confirm)


def read_trainings(folder: Path) -> list[Training]:
    """The contents of ``confirmed.json``; none if there is no such file.

    Raises:
        CorruptedState: If it cannot be read.
    """
    file = folder / FILE
    if not file.exists():
        return []
    trainings = read_as(file, _File, _REMEDY).trainings
    check_finite([asdict(training) for training in trainings], file, _REMEDY, "trainings")
    return trainings


def with_confirmed(
    trials: Sequence[Trial], trainings: Iterable[Training], best: int
) -> list[Trial]:
    """The trials with the mean and the spread of their trainings, by which `ranked` goes.

    They count once the ``best`` children have all been trained again, so that a confirmation that
    was stopped prefers none of them. A child of which a training failed has no mean.
    """
    rewards = _by_trial(trials, trainings)
    if any(len(rewards[trial.number]) < AGAIN for trial in best_of(trials, best)):
        return list(trials)
    return [_with_metrics(trial, rewards[trial.number]) for trial in trials]


def best_of(trials: Iterable[Trial], number: int) -> list[Trial]:
    """The trials of the highest rewards in the search, each child once."""
    found: dict[str, Trial] = {}
    for trial in ranked(_without(trial) for trial in trials):
        found.setdefault(json.dumps(trial.params, sort_keys=True), trial)
    return list(found.values())[:number]


def confirm(
    folder: Path,
    trials: Sequence[Trial],
    best: int,
    evaluation: Evaluation,
    told: Callable[[str], None],
    check: Callable[[], None] = lambda: None,
) -> list[Trial]:
    """Train the best children again, as often as ``confirmed.json`` lacks, one after the other.

    Each training is written before the next begins, so that the same call goes on where this one
    was stopped.

    Args:
        folder: Of the search.
        trials: Of the search.
        best: How many children, at least 1.
        evaluation: Of the search.
        told: Called with a line before and after each training.
        check: Called before each training; what it raises ends the confirmation.

    Returns:
        The trials with what was found.

    Raises:
        KeyboardInterrupt: On Ctrl-C, after a batch.
        CannotWrite: If the file cannot be written.
        CorruptedState: If it cannot be read.
    """
    trainings = read_trainings(folder)
    chosen, rewards = best_of(trials, best), _by_trial(trials, trainings)
    missing = [
        (trial, turn)
        for turn in range(1, AGAIN + 1)
        for trial in chosen
        if len(rewards[trial.number]) < turn
    ]
    for place, (trial, turn) in enumerate(missing, start=1):
        check()
        told(f"trial {trial.number} again, with another seed ({place} of {len(missing)})")
        training = _train(evaluation, trial, turn)
        trainings.append(training)
        with must_write(folder / FILE), atomic_write(folder / FILE) as file:
            json.dump(asdict(_File(trainings)), file, indent=1)
        told(_told(trial, training))
    return with_confirmed(trials, trainings, best)


def _train(evaluation: Evaluation, trial: Trial, turn: int) -> Training:
    recipe = evaluation.recipe or Recipe()
    other = replace(
        evaluation,
        limit=None,  # the first child kept it
        seed=evaluation.seed + turn,
        recipe=replace(recipe, seed=recipe.seed + turn),
    )
    params = dict(trial.params)
    try:
        metrics, _ = run_again(other, trial)
    except ChildFailed as error:
        return Training(trial.number, params, turn, None, str(error))
    return Training(trial.number, params, turn, metrics["reward"])


def _told(trial: Trial, training: Training) -> str:
    if training.reward is None:
        return f"trial {trial.number} with another seed failed: {training.error}"
    first, again = trial.metrics["reward"], training.reward
    return (
        f"trial {trial.number} with another seed: {METRICS['reward'].write(again)}; "
        f"it was {METRICS['reward'].number(first)}"
    )


def _by_trial(
    trials: Iterable[Trial], trainings: Iterable[Training]
) -> dict[int, list[float | None]]:
    """The further rewards of each trial, none of a record that was deleted and begun anew."""
    params = {trial.number: dict(trial.params) for trial in trials}
    found: dict[int, list[float | None]] = defaultdict(list)
    for training in trainings:
        if params.get(training.trial) == training.params:
            found[training.trial].append(training.reward)
    return found


def _with_metrics(trial: Trial, again: Sequence[float | None]) -> Trial:
    first = trial.reward
    more = [reward for reward in again if reward is not None]
    if first is None or len(more) < max(AGAIN, len(again)):
        return trial
    rewards = [first, *more]
    found = {
        CONFIRMED: statistics.fmean(rewards),
        SPREAD: statistics.stdev(rewards),
        TRAININGS: float(len(rewards)),
    }
    return replace(trial, metrics={**trial.metrics, **found})


def _without(trial: Trial) -> Trial:
    kept = {name: x for name, x in trial.metrics.items() if name != CONFIRMED}
    return replace(trial, metrics=kept)
