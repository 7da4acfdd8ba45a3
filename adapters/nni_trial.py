"""What a trial script under NNI calls.

Every final result holds the trial's decisions, and so does every failure, because NNI may have
given this trial the parameters that it books for another (see `nni_record.read_result`). Beside
them stands the ``architecture`` in a line or two, which NNI's web page shows as a column.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cellwright.adapters.nni_localhost import allow_localhost
from cellwright.adapters.nni_numbers import from_numbers
from cellwright.adapters.nni_record import ARCHITECTURE, DECISIONS, INTERRUPTED
from cellwright.adapters.nni_space import whole_numbers
from cellwright.plugins.interrupts import CannotWrite, was_interrupted
from cellwright.plugins.records.record import AFTER, BUDGET, KNOWN, MEMBER, PAST
from cellwright.plugins.registry import make_space
from cellwright.plugins.scoring.evaluation import Evaluation
from cellwright.plugins.scoring.rewards import progress
from cellwright.plugins.strategies.known import REPEAT_OF, SCORED_BY
from cellwright.plugins.tracking.tracked import Notes, OnTrial, tracking
from cellwright.plugins.training.best_child import Keep, keep_best
from cellwright.plugins.training.checkpoints import Checkpoint
from cellwright.plugins.training.recipe import Recipe
from cellwright.search_spaces import (
    ChildFailed,
    OverLimit,
    Params,
    SearchSpace,
)

__all__ = ["architecture", "build", "keep_best", "report", "report_failure", "run"]
_log = logging.getLogger(__name__)
_searched: list[SearchSpace] = []  # the space of this process's trial, once it is known
_theirs: list[str] = []  # what says that the tuner is one of NNI's own


def run(
    evaluation: Evaluation,
    keep: Keep | None = None,
    fixed: Mapping[str, Any] | None = None,
    on_trial: OnTrial | None = None,
) -> dict[str, float]:
    """Run one trial: get an architecture from NNI, train and measure it, and report.

    The name of a hyperparameter that the experiment searches beside the architecture says what it
    is for (`Evaluation`). Decisions may be given as numbers (`nni_numbers`). ``TRIAL_BUDGET``, from
    a `StrategyTuner` with a schedule or from NNI's own advisors, is the number of epochs to train
    in all; a child goes on from where it stood if ``evaluation`` has ``checkpoints``, which the
    schedule of a population needs. Under NNI's own ``PBT`` a trial trains for as many epochs as the
    recipe says, from the weights that the tuner names. Run by hand, without NNI, it tries a random
    architecture.

    Args:
        evaluation: Trains and measures the child.
        keep: Called with the architecture, its metrics and the trained model, once NNI has them.
        fixed: The architecture, where the experiment searches hyperparameters alone.
        on_trial: Told of the trial when NNI has its result (`TrackedTrial`, whose number is NNI's
            sequence number); the evaluation's own if None.

    Returns:
        The metrics; their ``reward`` is the final result that NNI has.

    Raises:
        KeyboardInterrupt: If it was interrupted. NNI books a failed trial, and the tuner tries the
            child again in another one.
        Exception: Whatever made the child fail, so that NNI books a failed trial. The tuner has
            been told why; after an `OverLimit` it also has what was measured.
    """
    params, others, known = _given(evaluation.space, fixed or {})
    with tracking(on_trial or evaluation.on_trial, evaluation.space, _number()) as notes:
        return _run(evaluation, keep, fixed or {}, params, others, known, notes)


def _run(
    evaluation: Evaluation,
    keep: Keep | None,
    fixed: Mapping[str, Any],
    params: Params,
    others: dict[str, Any],
    known: dict[str, Any] | None,
    notes: Notes,
) -> dict[str, float]:
    if known is not None and _answers(known, evaluation):
        notes.params = {**params, **others}
        notes.metrics = {name: value for name, value in known.items() if name != SCORED_BY}
        report(params, known)
        return notes.metrics
    try:
        others, how = _in_our_words(others, evaluation)
        if "after" in how and fixed:
            raise ValueError(
                "a tuner with the schedule of a population names weights by all parameters: give "
                f"{sorted(fixed)} to the evaluation, or to the tuner's space, and not as fixed"
            )
        metrics, model = evaluation.run({**params, **others}, _report_epoch, notes=notes, **how)
    except BaseException as error:
        report_failure(params, error)
        raise
    report(params, {**metrics, SCORED_BY: evaluation.fingerprint})
    if keep is not None:
        try:
            notes.model = keep(params, metrics, model)
        except CannotWrite as error:  # NNI has the result: the child has not failed
            _log.error("%s", error)
    return metrics


def architecture(space: SearchSpace | str) -> tuple[Params, dict[str, Any]]:
    """This trial's architecture, and the hyperparameters beside it, whole numbers as ints.

    It is for a trial with its own training loop, which then calls `report` or `report_failure`.
    ``space`` is a space or its name.

    Raises:
        InvalidArchitecture: If NNI gives parameters of another space.
        RuntimeError: If NNI gives none.
    """
    params, others, _ = _given(make_space(space), {})
    return params, others


def build(
    space: SearchSpace | str,
    given: Mapping[str, Any],
    input_shape: Sequence[int],
    classes: int | None,
    **options: Any,
) -> Any:
    """The child network that a trial's parameters describe, where a script does the rest itself::

        given = nni.get_next_parameter()
        model = build("nasnet", given, (28, 28, 1), 10, filters=16)
        model.compile(keras.optimizers.Adam(given["learning_rate"]), ...)

    With more than one trial at a time, give the result to `report`, as `nni_record.read_result`
    explains.

    Args:
        space: Which, also by name (`make_space`).
        given: All parameters of the trial; those that are no decisions of ``space`` are left alone.
        input_shape, classes, options: See ``space.build``.

    Raises:
        ValueError: If nothing goes by the name of the space.
        InvalidArchitecture: If a decision is missing or not allowed.
        UnbuildableChild: If the network cannot be made for this input.
    """
    space = make_space(space)
    params = _read(space, given)
    return space.build(space.split(params)[0], input_shape, classes, **options)


def _given(
    space: SearchSpace, fixed: Mapping[str, Any]
) -> tuple[Params, dict[str, Any], dict[str, Any] | None]:
    """Architecture, other hyperparameters, and the metrics of a trial that answers it."""
    import nni

    if nni.get_trial_id() != "STANDALONE":
        allow_localhost()
    given = nni.get_next_parameter()
    if nni.get_trial_id() == "STANDALONE":
        print("No NNI experiment runs this script: it tries a random architecture.")
        return {**space.sample(np.random.default_rng()), **fixed}, {}, None
    if not isinstance(given, Mapping):
        raise RuntimeError("NNI gave this trial no parameters; see its nnimanager.log")
    names = set(space.names)
    given = {**fixed, **given}
    params = _read(space, given)
    given = from_numbers(space, given)
    others = {k: whole_numbers(v) for k, v in given.items() if k not in names}
    known = others.pop(KNOWN, None)
    return params, others, known


def _read(space: SearchSpace, given: Mapping[str, Any]) -> Params:
    """The decisions among the parameters of this process's trial.

    Raises:
        InvalidArchitecture: If they are of another space.
    """
    plain = from_numbers(space, given)
    _searched[:] = [space]
    _theirs[:] = ["numbers"] if plain.keys() != given.keys() else []
    return space.read(plain)


def _number() -> int | None:
    import nni

    return None if nni.get_trial_id() == "STANDALONE" else nni.get_sequence_id()


def _answers(known: Mapping[str, Any], evaluation: Evaluation) -> bool:
    """Whether an earlier trial of the same parameters was scored as this one would be."""
    scored_by = known.get(SCORED_BY)
    if scored_by is None or scored_by == evaluation.fingerprint:
        return True
    _log.info("trial %.0f was scored by other data or another recipe", known[REPEAT_OF])
    return False


def report(params: Mapping[str, Any], metrics: Mapping[str, Any], metric: str = "reward") -> None:
    """Report the final result.

    Args:
        params: This trial's architecture.
        metrics: What was measured; NNI's web page shows all of it.
        metric: The one to optimise.

    Raises:
        ChildFailed: If it is missing, NaN or infinite; the failure is then reported.
    """
    import nni

    value = metrics.get(metric)
    if value is None or not math.isfinite(value):
        error = ChildFailed(f"the final {metric!r} must be a finite number, got {value}")
        report_failure(params, error)
        raise error
    rest = {name: _plain(x) for name, x in metrics.items()}
    nni.report_final_result({**rest, "default": float(value), **_echo(params)})


def report_failure(params: Mapping[str, Any], error: BaseException) -> None:
    """Tell the tuner that this architecture failed, and why; the script then raises ``error``.

    If it was interrupted, that is what the tuner is told, which then tries it again.

    NNI books the trial as failed because of its exit status. It does not tell the tuner reliably
    which trial it was, so the trial does. A tuner that takes numbers (`nni_numbers`) is one of
    NNI's own, which stops for good at a result without a number, and is told nothing.
    """
    import nni

    if _theirs:
        return

    reason = f"{type(error).__name__}: {error}"[:500]
    known = error.metrics if isinstance(error, OverLimit) else {}
    final = {**known, "default": None, "error": reason, **_echo(params)}
    if was_interrupted(error):
        final[INTERRUPTED] = True
    try:
        nni.report_final_result(final)
    except Exception:  # NNI may be gone; `error` is what matters
        _log.exception("the failure cannot be reported")


def _echo(params: Mapping[str, Any]) -> dict[str, str]:
    """What a result says of its trial, for a reader and for the tuner."""
    if not params:
        return {}
    words = {}
    for space in _searched:
        try:
            words = {ARCHITECTURE: space.in_short({**params})}
        except Exception:  # a space of the user's may have no words; the result counts
            _log.exception("the architecture cannot be put into words")
    return {**words, DECISIONS: json.dumps({n: _plain(x) for n, x in params.items()})}


def _in_our_words(
    others: Mapping[str, Any], evaluation: Evaluation
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Separate what tuners say about where to go on and how long to train.

    Returns:
        The other hyperparameters; and arguments for `Evaluation.run`, without those that are left
        to the evaluation.
    """
    others = {name: value for name, value in others.items() if name not in (PAST, MEMBER)}
    words = {"epochs": others.pop(BUDGET, None), "after": others.pop(AFTER, None)}
    how = {name: value for name, value in words.items() if value is not None}
    load, save = (others.pop(f"{what}_checkpoint_dir", None) for what in ("load", "save"))
    if save is not None:
        checkpoint = Checkpoint(Path(save, "child.npz"))
        done = checkpoint.begin_at(Checkpoint(Path(load, "child.npz")))
        how = {"checkpoint": checkpoint, "epochs": done + (evaluation.recipe or Recipe()).epochs}
    return others, how


def _report_epoch(epoch: int, metrics: dict[str, float]) -> None:
    import nni

    nni.report_intermediate_result({"default": progress(metrics), **metrics})


def _plain(value: Any) -> Any:
    """A value without NumPy's types; None for a number that JSON cannot hold."""
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
