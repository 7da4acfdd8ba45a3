"""Objectives that are found to be missing before a search has paid for whole trainings.

Keras Tuner looks for its objective when a training has ended, and takes a ``KeyError`` there for a
fault of that one child.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import keras
import keras_tuner as kt
from keras_tuner.src.engine.base_tuner import BaseTuner
from keras_tuner.src.engine.objective import DefaultObjective, MultiObjective, create_objective
from keras_tuner.src.engine.tuner_utils import SaveBestEpoch, TunerCallback

# How Keras Tuner comes to a training whose history is the trial's result, from the inside.
_THEIR_OWN = (
    kt.HyperModel.fit,
    kt.Tuner._build_and_fit_model,
    kt.Tuner.run_trial,
    BaseTuner._run_and_update_trial,
)


def make_objective(given: Any) -> Any:
    """A user's objective as Keras Tuner's own ``Objective``, which says when it has no value.

    Args:
        given: A metric's name, a ``keras_tuner.Objective``, a list of them, or None.

    Raises:
        ValueError: On a direction other than ``"min"`` and ``"max"``, on a name that is given
            twice, or on a name whose direction Keras Tuner does not know.
    """
    objective = create_objective(list(given) if isinstance(given, tuple) else given)
    several = objectives_of(objective)
    names = [one.name for one in several]
    if len(set(names)) < len(names):
        raise ValueError(f"each objective is to be given once, got {names}")
    for one in several:
        if one.direction not in ("min", "max"):
            raise ValueError(
                f'the direction of an objective is "min" or "max", got {one.direction!r} for '
                f"{one.name!r}"
            )
    if type(objective) is MultiObjective:
        return _Several(several)
    if type(objective) is kt.Objective:
        return _One(objective.name, objective.direction)
    return objective  # none, or of a class of the user's


def objectives_of(objective: Any) -> list[Any]:
    """The single objectives of one that may be several."""
    return list(getattr(objective, "objectives", [objective]))


def refuse(missing: Iterable[str], found: Iterable[str], why: str = "") -> kt.errors.FatalError:
    """The error that ends a search whose training gives no value for an objective.

    Args:
        missing: Names of objectives.
        found: Names of the metrics that there are.
        why: What to do, if that is known.
    """
    missing, found = sorted(missing), sorted(found)
    near = difflib.get_close_matches(missing[0], found, 1)
    if not near and missing[0].startswith("val_") and not any(n.startswith("val_") for n in found):
        why = why or (
            "there is no validation in every epoch: give tuner.search validation_data or "
            "validation_split, and no validation_freq"
        )
    return kt.errors.FatalValueError(
        f"no value for the objective {', '.join(map(repr, missing))}: the metrics are "
        f"{', '.join(found)}"
        + (f". Did you mean {near[0]!r}?" if near else "")
        + (f". {why[0].upper()}{why[1:]}" if why else "")
    )


class _One(kt.Objective):  # type: ignore[misc]
    """One objective; a training whose history lacks it ends the search after the first epoch."""

    def has_value(self, logs: Mapping[str, Any]) -> bool:
        if self.name in logs:
            return True
        _refuse_history([self.name], logs)
        return False

    def get_value(self, logs: Mapping[str, Any]) -> Any:
        if self.name not in logs:
            raise refuse([self.name], logs)
        return logs[self.name]


class _Several(MultiObjective):  # type: ignore[misc]
    """Several objectives, likewise; Keras Tuner would leave a missing one out of the sum."""

    def has_value(self, logs: Mapping[str, Any]) -> bool:
        missing = self._missing(logs)
        if missing:
            _refuse_history(missing, logs)
        return not missing

    def get_value(self, logs: Mapping[str, Any]) -> Any:
        if missing := self._missing(logs):
            raise refuse(missing, logs)
        return super().get_value(logs)

    def _missing(self, logs: Mapping[str, Any]) -> list[str]:
        return [name for name in self.name_to_direction if name not in logs]


def _refuse_history(missing: Sequence[str], logs: Mapping[str, Any]) -> None:
    """End the search if the history of the training that is under way will be the result.

    Keras Tuner asks after each epoch whether the metrics hold the objective. They need not where a
    ``fit`` or a ``run_trial`` of the user's computes it from the trained model. Nothing but the
    calls that led here tells which of the two it is.
    """
    calls, frame = [], inspect.currentframe()
    while frame is not None:
        calls.append(frame.f_code)
        frame = frame.f_back
    theirs = [function.__code__ for function in _THEIR_OWN]
    if any(calls[i : i + len(theirs)] == theirs for i in range(len(calls))):
        raise refuse(missing, logs)


class CheckObjective(keras.callbacks.Callback):  # type: ignore[misc]
    """Ends the search after the first epoch if the objective is not among the metrics.

    Args:
        objective: The oracle's.
        derived: Gives the metrics that are stored of a training, from those of its last epoch.
    """

    def __init__(self, objective: Any, derived: Any) -> None:
        super().__init__()
        self.objective, self.derived = objective, derived

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        found = self.derived(logs or {})
        missing = {one.name for one in objectives_of(self.objective)} - set(found)
        if missing:
            raise refuse(missing, found)


def metrics_to_come(model: Any, validates: bool, callbacks: Sequence[Any]) -> set[str] | None:
    """Names of the metrics of each epoch; None if that cannot be known before the first epoch.

    Args:
        model: A compiled child.
        validates: Whether each epoch ends with a validation.
        callbacks: Those of a user may add metrics.
    """
    theirs = (TunerCallback, SaveBestEpoch)
    if any(not isinstance(each, theirs) and not _of_keras(each) for each in callbacks):
        return None
    try:
        names = set(model.get_metrics_result())
    except ValueError:  # metrics that Keras builds when it sees the first labels
        return None
    return names | ({f"val_{name}" for name in names} if validates else set())


def _of_keras(callback: Any) -> bool:
    return type(callback).__module__.split(".")[0] in ("keras", "tensorboard")


def is_default(objective: Any) -> bool:
    """Whether no objective was given."""
    return isinstance(objective, DefaultObjective)
