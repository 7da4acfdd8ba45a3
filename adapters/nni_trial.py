"""The side of a trial: what a trial script under NNI calls.

Every final result carries the trial's architecture, and so does every failure, because NNI may
have handed this trial the parameters that it books for another (see `nni_record.read_result`).
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from cellwright.adapters.nni_localhost import allow_localhost
from cellwright.adapters.nni_record import BUDGET, KNOWN, PAST
from cellwright.plugins.scoring.evaluation import Evaluation
from cellwright.plugins.scoring.rewards import progress
from cellwright.plugins.training.best_child import Keep, keep_best
from cellwright.plugins.training.checkpoints import Checkpoint
from cellwright.plugins.training.recipe import Recipe
from cellwright.search_spaces import ChildFailed, OverLimit, Params, SearchSpace

__all__ = ["architecture", "keep_best", "report", "report_failure", "run"]
_log = logging.getLogger(__name__)


def run(
    evaluation: Evaluation, keep: Keep | None = None, fixed: Mapping[str, Any] | None = None
) -> dict[str, float]:
    """Be one trial: get an architecture from NNI, train and measure it, report.

    Hyperparameters that the experiment searches beside the architecture go by their names
    (`Evaluation`). ``TRIAL_BUDGET``, of a `StrategyTuner` with a schedule or of NNI's own advisors,
    is the epochs to train in all; a child goes on from where it stood if ``evaluation`` has
    ``checkpoints``. Under NNI's ``PBT`` a trial trains the recipe's epochs more, from the weights
    that the tuner names. Run by hand, without NNI, it tries a random architecture.

    Args:
        evaluation: Of a child network.
        keep: Called with the architecture, its metrics and the trained model, once NNI has them.
        fixed: The architecture, where the experiment searches hyperparameters alone.

    Returns:
        The metrics, whose ``reward`` NNI has as the final result.

    Raises:
        Whatever made the child fail, so that NNI books a failed trial; the tuner knows of it. Of
        an `OverLimit` NNI also has what was measured.
    """
    params, others, known = _given(evaluation.space, fixed or {})
    if known is not None:  # this network has been measured: the space is used up
        report(params, known)
        return dict(known)
    try:
        others, checkpoint, epochs = _in_our_words(others, evaluation)
        metrics, model = evaluation.run(
            {**params, **others}, _report_epoch, checkpoint, epochs=epochs
        )
    except BaseException as error:
        report_failure(params, error)
        raise
    report(params, metrics)
    if keep is not None:
        keep(params, metrics, model)
    return metrics


def architecture(space: SearchSpace) -> tuple[Params, dict[str, Any]]:
    """This trial's architecture, and the hyperparameters that are no part of it.

    For a trial with a training loop of its own, which then calls `report` or `report_failure`.

    Raises:
        InvalidArchitecture: If NNI hands over parameters of another space.
        RuntimeError: If NNI hands over none.
    """
    params, others, _ = _given(space, {})
    return params, others


def _given(
    space: SearchSpace, fixed: Mapping[str, Any]
) -> tuple[Params, dict[str, Any], dict[str, float] | None]:
    """Architecture, other hyperparameters, and the metrics of this network if it has been tried."""
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
    params = space.read(given)
    others = {k: v for k, v in given.items() if k not in names}
    known = others.pop(KNOWN, None)
    return params, others, known


def report(params: Mapping[str, Any], metrics: Mapping[str, Any], metric: str = "reward") -> None:
    """Report the final result.

    Args:
        params: This trial's architecture.
        metrics: What was measured; NNI's web page shows all of it.
        metric: The one to optimise.

    Raises:
        ChildFailed: If it is missing, NaN or infinite; the tuner then knows of a failure.
    """
    import nni

    value = metrics.get(metric)
    if value is None or not math.isfinite(value):
        error = ChildFailed(f"the final {metric!r} must be a finite number, got {value}")
        report_failure(params, error)
        raise error
    rest = {name: _plain(x) for name, x in metrics.items()}
    nni.report_final_result({**rest, "default": float(value), "architecture": dict(params)})


def report_failure(params: Mapping[str, Any], error: BaseException) -> None:
    """Let the tuner know that this architecture failed, and why; then end with that exception.

    NNI books the trial as failed by its exit status. It does not tell the tuner reliably which
    one it was, so the trial does.
    """
    import nni

    reason = f"{type(error).__name__}: {error}"[:500]
    known = error.metrics if isinstance(error, OverLimit) else {}
    final = {**known, "default": None, "error": reason, "architecture": dict(params)}
    try:
        nni.report_final_result(final)
    except Exception:  # NNI may be gone; `error` is what matters
        _log.exception("the failure cannot be reported")


def _in_our_words(
    others: Mapping[str, Any], evaluation: Evaluation
) -> tuple[dict[str, Any], Checkpoint | None, int | None]:
    """Hyperparameters without those by which tuners say from where on and how long to train, and
    these: a checkpoint and a number of epochs, each None if it is left to the evaluation."""
    others = {name: value for name, value in others.items() if name != PAST}
    epochs = others.pop(BUDGET, None)
    load, save = (others.pop(f"{what}_checkpoint_dir", None) for what in ("load", "save"))
    if save is None:
        return others, None, epochs
    checkpoint = Checkpoint(Path(save, "child.npz"))
    done = checkpoint.begin_at(Checkpoint(Path(load, "child.npz")))
    return others, checkpoint, done + (evaluation.recipe or Recipe()).epochs


def _report_epoch(epoch: int, metrics: dict[str, float]) -> None:
    import nni

    nni.report_intermediate_result({"default": progress(metrics), **metrics})


def _plain(value: Any) -> Any:
    """Numbers without NumPy's types, and none that JSON cannot hold."""
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
