"""What a trainable under Ray Tune calls, or is.

tune.Tuner(trainable(evaluation), tune_config=tune.TuneConfig(search_alg=CellwrightSearch(...)))
"""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Callable, Mapping
from typing import Any

from ray import tune

from cellwright.adapters.ray_words import ARCHITECTURE, ERROR, NUMBER, OBJECTIVES, notes_in
from cellwright.adapters.ray_words import NOTES as _NOTES
from cellwright.plugins.records.record import AFTER, BUDGET, KNOWN
from cellwright.plugins.scoring.evaluation import Evaluation
from cellwright.plugins.strategies.known import SCORED_BY
from cellwright.plugins.strategies.strategy import NOTES as PREDICTED
from cellwright.plugins.tracking.tracked import Notes, OnTrial, tracking
from cellwright.plugins.training.best_child import Keep
from cellwright.plugins.training.recipe import Recipe
from cellwright.search_spaces import OverLimit

__all__ = ["run", "trainable"]
_log = logging.getLogger(__name__)


class _Stopped(Exception):
    """Tune's scheduler has ended the trial."""


def trainable(
    evaluation: Evaluation, keep: Keep | None = None, on_trial: OnTrial | None = None
) -> Callable[[Mapping[str, Any]], None]:
    """A trainable whose trials each call `run` with these arguments.

    The evaluation, with its data, is sent to Ray's object store once. ``Tuner.restore`` needs
    another such trainable.
    """
    made: Callable[[Mapping[str, Any]], None] = tune.with_parameters(
        _trial, evaluation=evaluation, keep=keep, on_trial=on_trial
    )
    return made


def _trial(config: Mapping[str, Any], evaluation: Any, keep: Any, on_trial: Any) -> None:
    run(config, evaluation, keep=keep, on_trial=on_trial)


def run(
    config: Mapping[str, Any],
    evaluation: Evaluation,
    *,
    keep: Keep | None = None,
    on_trial: OnTrial | None = None,
) -> None:
    """Run one trial: train and measure the child that ``config`` decides on, and report.

    Each epoch is reported with its number, from 1, as ``training_iteration``, which schedulers such
    as ``ASHAScheduler`` go by, as long as all that is searched for is known after an epoch. The
    last report holds all metrics, and the ``architecture`` in a line or two. A child that has been
    measured before is not trained again; its metric ``repeat_of`` is that trial's number. A child
    beyond the evaluation's limit is not trained: its trial ends with what was measured, the reason
    as ``error``, and NaN as what is searched for, which Tune's ``get_best_result`` passes over.
    Under a schedule of `CellwrightSearch` a child is trained for the epochs of the trial's rung,
    and goes on from where it stood if ``evaluation`` has ``checkpoints``. That folder is to be one
    that all machines share, named by its absolute path: Tune has each trial work in a folder of its
    own.

    Args:
        config: As Tune hands it to the trainable. Entries that are no decisions of the space, such
            as the constants of a ``param_space``, are hyperparameters (`Evaluation`).
        evaluation: Trains and measures the child.
        keep: Called with the architecture, its metrics and the trained model.
        on_trial: Told of the trial when it ends (`TrackedTrial`); the evaluation's own if None.

    Raises:
        Exception: Whatever made the child fail, so that Tune books an error.
    """
    notes = notes_in(config)
    given = {name: value for name, value in config.items() if name != _NOTES}
    names = set(evaluation.space.names)
    others = {name: value for name, value in given.items() if name not in names}
    params = {**evaluation.space.read(given), **others}
    tracker = on_trial or evaluation.on_trial
    try:
        with tracking(tracker, evaluation.space, notes.get(NUMBER)) as tracked:
            _run(params, notes, evaluation, keep, tracked)
    except _Stopped as stopped:
        raise SystemExit(0) from stopped  # as Tune ends the thread of a trial


def _run(
    params: Mapping[str, Any],
    notes: Mapping[str, Any],
    evaluation: Evaluation,
    keep: Keep | None,
    tracked: Notes,
) -> None:
    expected = {name: notes[name] for name in PREDICTED if name in notes}
    told = {**expected, ARCHITECTURE: evaluation.space.in_short(evaluation.space.read(params))}
    scored = {SCORED_BY: evaluation.fingerprint}
    known = notes.get(KNOWN)
    if known is not None and known.get(SCORED_BY) == evaluation.fingerprint:
        metrics = {name: value for name, value in known.items() if name != SCORED_BY}
        tracked.params, tracked.metrics = dict(params), metrics
        tune.report({**metrics, **told, **scored})
        return
    epochs, objectives = notes.get(BUDGET), notes.get(OBJECTIVES, ["reward"])
    last = epochs or params.get("epochs", (evaluation.recipe or Recipe()).epochs)
    trained = 0

    def report_epoch(epoch: int, metrics: dict[str, float]) -> None:
        nonlocal trained
        trained = epoch + 1
        if trained == last or not all(name in metrics for name in objectives):
            return  # the last report tells of the last epoch
        try:
            tune.report({**metrics, **told, "training_iteration": trained})
        except SystemExit as stopped:
            raise _Stopped(f"after {trained} of {last} epochs, by Tune's scheduler") from stopped

    _forget_the_last_child()
    try:
        metrics, model = evaluation.run(
            params, report_epoch, epochs=epochs, after=notes.get(AFTER), notes=tracked
        )
    except OverLimit as error:
        nothing = dict.fromkeys(objectives, math.nan)
        reason = f"{type(error).__name__}: {error}"
        tune.report({**nothing, **error.metrics, **nothing, **told, **scored, ERROR: reason})
        return
    if keep is not None:
        tracked.model = keep(evaluation.space.read(params), metrics, model)
    final = {} if trained == 0 else {"training_iteration": trained}
    tune.report({**metrics, **told, **scored, **final})


def _forget_the_last_child() -> None:
    """Or memory grows with every trial of a process that Tune uses again."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import keras

    keras.utils.clear_session()
