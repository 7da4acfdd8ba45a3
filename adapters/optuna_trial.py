"""One Optuna trial, from the suggested architecture to what the study stores of it.

study.optimize(lambda trial: run(trial, evaluation), n_trials=100, catch=(Exception,))
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import optuna

from cellwright.adapters.optuna_private import keep_in_trial, stored_at_once
from cellwright.adapters.optuna_rung import run_again, rung_of
from cellwright.adapters.optuna_study import check_directions, metrics_of, warn_once
from cellwright.adapters.optuna_suggest import KEPT, known_trial, measured, suggest
from cellwright.plugins.interrupts import never_a_failure
from cellwright.plugins.scoring.evaluation import Evaluation, Report
from cellwright.plugins.tracking.tracked import Notes, OnTrial, tracking
from cellwright.plugins.training.best_child import Keep
from cellwright.plugins.training.recipe import Recipe
from cellwright.search_spaces import OverLimit

# User attribute of a trial of several objectives, of which Optuna takes no intermediate values:
# each metric's [epoch, value] pairs, by its name.
CURVES = "curves"

__all__ = ["metrics_of", "run", "run_again", "store"]


def run(
    trial: optuna.Trial,
    evaluation: Evaluation,
    objectives: Sequence[str] = ("reward",),
    *,
    keep: Keep | None = None,
    report: Report | None = None,
    on_trial: OnTrial | None = None,
) -> float | tuple[float, ...]:
    """Suggest an architecture, train and measure it, and store all its metrics in the study.

    Each metric is a user attribute, under the name that it has in every host. The limited metric
    is also a constraint, so that ``study.best_trial`` and the samplers that know constraints see
    which trials are within the limit. A child beyond it is not trained, and its trial is pruned.
    A child that has been measured before is not trained again (`known_trial`). Under a sampler with
    a schedule, a child is trained for the epochs of the trial's rung; in a population it goes on
    from the rung's weights.

    In a study of one objective, the objective's value after each epoch is reported, in the study's
    direction, at the step that is the number of epochs trained. The study's pruner is then asked
    whether to go on, except after the last epoch, when there is nothing left to save, and under a
    schedule, which decides by itself. A trial that is pruned stores the metrics of its last epoch,
    with the number of ``epochs``, and its child is not kept. An objective that is known only after
    the whole training, such as ``seconds``, is not reported, and nothing is pruned. In a study of
    several objectives, of which Optuna takes no such values, a child of more than one epoch has its
    metrics by epoch in the user attribute ``curves``.

    Args:
        trial: From a study with any sampler.
        evaluation: Trains and measures the child.
        objectives: Names of the metrics to return, in the order of the study's directions.
        keep: Called with the architecture, its metrics and the trained model.
        report: Called with each epoch (from 0) and its metrics.
        on_trial: Told of the trial when it is stored (`TrackedTrial`); the evaluation's own if
            None.

    Returns:
        The value of the objective; a tuple of values if there are several.

    Raises:
        TrialPruned: If the child is beyond the limit, or the study's pruner ends its training.
        KeyboardInterrupt: On Ctrl-C. The trial is marked with the user attribute ``interrupted``,
            and the study tries the child again before any other.
        Exception: Whatever made the child fail; the user attribute ``error`` then says what.
    """
    with tracking(on_trial or evaluation.on_trial, evaluation.space, trial.number) as notes:
        try:
            with never_a_failure(hold_back=False):  # a storage on a full disk is none
                return _run(trial, evaluation, objectives, keep, report, notes)
        except KeyboardInterrupt as stopped:
            try:
                run_again(trial.study, trial)
            except Exception:  # the trial is left running, as by a worker that was killed
                raise stopped from None
            raise


def _run(
    trial: optuna.Trial,
    evaluation: Evaluation,
    objectives: Sequence[str],
    keep: Keep | None,
    report: Report | None,
    notes: Notes,
) -> float | tuple[float, ...]:
    check_directions(trial.study, [[name] for name in objectives])
    params = suggest(trial, evaluation.space)
    rung = rung_of(trial)
    keep_in_trial(trial, KEPT, evaluation.fingerprint)
    known = known_trial(trial, evaluation.space, objectives, evaluation.fingerprint)
    if known is not None:
        metrics = measured(known).repeated()
        notes.params, notes.metrics = params, metrics
        store(trial, metrics, evaluation)
        return _values(metrics, objectives)

    single = len(trial.study.directions) == 1  # Optuna prunes on one objective only
    last = params.get("epochs", (evaluation.recipe or Recipe()).epochs)
    seen: dict[str, float] = {}
    curves: dict[str, list[tuple[int, float]]] = {}

    def report_epoch(epoch: int, metrics: dict[str, float]) -> None:
        trained = epoch + 1
        seen.update(metrics, epochs=float(trained))
        if not single:
            for name, value in metrics.items():
                curves.setdefault(name, []).append((trained, float(value)))
        if report is not None:
            report(epoch, metrics)
        if not single or not _report(trial, objectives[0], metrics, trained):
            return
        if rung is None and trained != last and trial.should_prune():
            pruner = type(trial.study.pruner).__name__
            raise optuna.TrialPruned(f"after {trained} of {last} epochs, by {pruner}")

    try:
        epochs, after = (None, None) if rung is None else (rung.epochs, rung.after)
        metrics, model = evaluation.run(
            params, report_epoch, epochs=epochs, after=after, notes=notes
        )
    except Exception as error:
        trial.set_user_attr("error", f"{type(error).__name__}: {error}")
        if isinstance(error, optuna.TrialPruned):
            store(trial, seen, evaluation if seen else None)
        if not isinstance(error, OverLimit):
            raise
        store(trial, error.metrics, evaluation)
        raise optuna.TrialPruned(str(error)) from error
    store(trial, metrics, evaluation, curves if len(next(iter(curves.values()), ())) > 1 else None)
    if keep is not None:
        notes.model = keep(params, metrics, model)
    return _values(metrics, objectives)


def _report(
    trial: optuna.Trial, objective: str, metrics: Mapping[str, float], trained: int
) -> bool:
    """Report the objective after an epoch; whether it is known then."""
    if objective not in metrics:
        warn_once(
            trial.study,
            f"{objective!r} is not among what is known after an epoch ({', '.join(metrics)}): "
            "there are no intermediate values, and nothing is pruned",
        )
        return False
    trial.report(metrics[objective], trained)
    return True


def store(
    trial: optuna.Trial,
    metrics: Mapping[str, float],
    evaluation: Evaluation | None = None,
    curves: Mapping[str, Sequence[tuple[int, float]]] | None = None,
) -> None:
    """Store metrics as user attributes, ``curves`` as another, and the limited metric as a
    constraint."""
    with stored_at_once(trial):
        for name, value in metrics.items():
            trial.set_user_attr(name, float(value))
        if curves is not None:
            trial.set_user_attr(CURVES, curves)
    if evaluation is not None and evaluation.limit is not None:
        trial.set_constraint(evaluation.limit.metric, evaluation.limit.excess(metrics))


def _values(metrics: Mapping[str, float], objectives: Sequence[str]) -> float | tuple[float, ...]:
    values = tuple(float(metrics[name]) for name in objectives)
    return values[0] if len(values) == 1 else values
