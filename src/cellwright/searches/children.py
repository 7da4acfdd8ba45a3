"""The child network of any trial of a search, although a search keeps only the best one."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from cellwright.plugins import Evaluation
from cellwright.plugins.files import atomic_path
from cellwright.plugins.metrics import METRICS, SHARED
from cellwright.plugins.training.best_child import keep_best, read_best
from cellwright.search_spaces import CellwrightError
from cellwright.searches.confirmation import read_trials
from cellwright.searches.settings import CHECKPOINTS, Settings
from cellwright.searches.trial import Trial, is_child_of, run_again

FOLDER = "children"


def find_trial(out: Path, settings: Settings, number: int) -> Trial:
    """Find the finished trial with this number.

    Raises:
        CellwrightError: If there is none.
    """
    trials = read_trials(out, settings)
    found = {trial.number: trial for trial in trials}
    if number not in found:
        raise CellwrightError(
            f"{out} has no trial {number}; its {len(found)} trials are numbered from 0"
        )
    return found[number]


def make_sure_of(folder: Path, best: Trial, evaluation: Evaluation) -> None:
    """Make sure that the child kept as the best one is that of the trial ``best``, which is trained
    again if it is not (`run_again`): after a crash between two writes, or where another trial was
    confirmed than the one of the highest reward.

    Args:
        folder: Of the search, which then holds ``best.keras`` and ``best.json`` of this trial.
        best: What the search hands over.
        evaluation: Of the search.
    """
    kept = is_child_of(read_best(folder), best, evaluation.space)
    if kept and (folder / "best.keras").exists():
        return
    for name in ("best.json", "best.keras"):
        (folder / name).unlink(missing_ok=True)
    metrics, model = run_again(replace(evaluation, limit=None), best)
    keep_best(folder)(best.params, metrics, model)


def trained_child(
    out: Path, settings: Settings, trial: Trial, announce: Callable[[str], None]
) -> Path:
    """The ``.keras`` file of a trial's child, which is trained again if it is not the best one.

    The recipe, its seeds and the data are the search's, so on the same machine the child is the
    same. It is kept in the folder ``children`` and not trained a second time. In a one-shot search
    any trial's child, also the best one's, is trained again from fresh weights, and so gives the
    accuracy of a training of its own.

    Args:
        out: Folder of the search.
        settings: Settings of the search.
        trial: A complete trial.
        announce: Called with lines for the user: what is done, and how the accuracy compares.

    Raises:
        CellwrightError: If the trial was not trained to its end.
    """
    if trial.reward is None:
        raise CellwrightError(
            f"trial {trial.number} has no child to export: it is {trial.state}. {trial.error}"
        )
    path = out / FOLDER / f"trial_{trial.number}.keras"
    if path.exists():
        return path
    path.parent.mkdir(exist_ok=True)
    best = out / "best.keras"
    alone = SHARED not in trial.metrics
    if alone and best.exists() and is_child_of(read_best(out), trial, settings.make_space()):
        with atomic_path(path) as beside:
            shutil.copyfile(best, beside)
        return path
    how = "is trained again, as it was"
    if trial.after is not None:
        how = f"is read from its weights in {out / CHECKPOINTS}"
    announce(
        f"a search keeps only its best child: trial {trial.number} {how}"
        if alone
        else f"a one-shot search: trial {trial.number} is trained again, from fresh weights"
    )
    weights = out / CHECKPOINTS if trial.after is not None else None  # of a population
    metrics, model = run_again(settings.make_evaluation(measure=False, checkpoints=weights), trial)
    with atomic_path(path) as beside:
        model.save(beside)
    name = "val_accuracy"
    if name in metrics and name in trial.metrics:
        announce(
            f"{METRICS[name].write(metrics[name])}; in the search it was "
            + METRICS[name].number(trial.metrics[name])
            + ("" if alone else ", with shared weights")
        )
    return path
