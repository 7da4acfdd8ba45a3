"""A tuner of Keras Tuner that runs a whole `Evaluation` in each trial.

tuner = EvaluationTuner(
    evaluation,
    oracle=NASNetRLOracle(keras_tuner.Objective("reward", "max"), max_trials=100),
    directory="results", project_name="cells",
)
tuner.search()
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import keras_tuner as kt

from cellwright.adapters.keras_decisions import architecture, check_searched, read_params
from cellwright.adapters.keras_objective import objectives_of, refuse
from cellwright.adapters.keras_oracle import StrategyOracle
from cellwright.adapters.keras_results import not_trained, with_sum
from cellwright.adapters.keras_schedule import AFTER, EPOCHS
from cellwright.plugins.interrupts import check
from cellwright.plugins.scoring.evaluation import NO_FOLDER, Evaluation
from cellwright.plugins.strategies.population import PopulationBased
from cellwright.plugins.tracking.tracked import Notes, OnTrial, tracking
from cellwright.plugins.training.best_child import Keep
from cellwright.search_spaces import OverLimit

_AT_THE_END = ("reward", "seconds")  # metrics of a child that its epochs need not have


class EvaluationTuner(kt.Tuner):  # type: ignore[misc]
    """Trains, measures and weighs each child as every other host does.

    All metrics are stored in the trial, under the names that all hosts share. A child beyond the
    evaluation's limit is not trained. Its trial is FAILED, with what was measured among its
    metrics, and does not count towards ``max_consecutive_failed_trials`` if the oracle is a
    `StrategyOracle`; with Keras Tuner's own oracles it does. A child that has been measured before
    is not trained again (`StrategyOracle.known_metrics`). Under a schedule a child is trained for
    the epochs of the trial's rung, and in a population it goes on from the rung's weights.

    Args:
        evaluation: Trains and measures the children.
        oracle: A `StrategyOracle`, or one of Keras Tuner's own, with one of the evaluation's
            metrics as its objective. It searches the evaluation's space; of a `JointSpace` a
            strategy may search the architecture alone, and the other hyperparameters are then drawn
            at random from their whole ranges. The tuner declares what the oracle lacks.
        keep: Called with the architecture, its metrics and the trained model.
        report: Called with the trial's number, each epoch (from 0) and its metrics.
        on_trial: Told of each trial that ends (`TrackedTrial`); the evaluation's own if None.
        arguments: Those of ``keras_tuner.Tuner``: ``directory``, ``project_name``, ...

    Raises:
        SpaceMismatch: If the oracle searches another space, or holds a decision with other choices.
        ValueError: If the oracle has the schedule of a population, and the evaluation no folder for
            its weights.
    """

    def __init__(
        self,
        evaluation: Evaluation,
        oracle: Any,
        *,
        keep: Keep | None = None,
        report: Callable[[int, int, dict[str, float]], None] | None = None,
        on_trial: OnTrial | None = None,
        **arguments: Any,
    ) -> None:
        check_searched(getattr(oracle, "space", evaluation.space), evaluation.space)
        population = isinstance(getattr(oracle, "schedule", None), PopulationBased)
        if population and evaluation.checkpoints is None:
            raise ValueError(NO_FOLDER)
        self.evaluation, self.keep, self.report = evaluation, keep, report
        self.tracker = on_trial or evaluation.on_trial
        super().__init__(oracle=oracle, **arguments)
        if isinstance(self.oracle, kt.Oracle):  # in a worker, the chief has declared it
            declared = self.oracle.get_space()
            architecture(declared, evaluation.space)
            self.oracle.update_space(declared)

    def pre_create_trial(self) -> None:
        super().pre_create_trial()
        check()  # between two trials, when everything is stored

    def run_trial(self, trial: Any, *args: Any, **kwargs: Any) -> dict[str, float]:
        """Run one trial; what ``search`` was given is not used.

        Raises:
            FatalValueError: After the first epoch, if the objective is none of the metrics. The
                search ends.
            KeyboardInterrupt: On Ctrl-C; the same trial is run again when the search goes on.
            Exception: Whatever made the child fail.
        """
        keras.utils.clear_session()  # forget the last child, or memory grows with every trial
        with tracking(self.tracker, self.evaluation.space, int(trial.trial_id)) as notes:
            return self._run(trial, notes)

    def _run(self, trial: Any, notes: Notes) -> dict[str, float]:
        values = trial.hyperparameters.values
        params, number = read_params(values, self.evaluation.space), int(trial.trial_id)
        known = self._known(trial)
        if known is not None:
            notes.params, notes.metrics = params, known
            return known

        def report_epoch(epoch: int, metrics: dict[str, float]) -> None:
            self._check_objective(metrics)
            if self.report is not None:
                self.report(number, epoch, metrics)

        try:
            metrics, model = self.evaluation.run(
                params,
                report_epoch,
                epochs=values.get(EPOCHS),
                after=values.get(AFTER),
                notes=notes,
            )
        except OverLimit as error:
            return not_trained(error, self.oracle.objective, trial)
        if self.keep is not None:
            notes.model = self.keep(params, metrics, model)
        return with_sum(metrics, self.oracle.objective)

    def _check_objective(self, metrics: dict[str, float]) -> None:
        """End the search after the first epoch if it will not give the objective."""
        names = {one.name for one in objectives_of(self.oracle.objective)}
        known = {*metrics, *_AT_THE_END, *self.evaluation.known_after}
        if (missing := names - known) and self.evaluation.train is None:
            raise refuse(missing, known)

    def _known(self, trial: Any) -> dict[str, float] | None:
        """The metrics of a trial that answers this one; a worker of a chief cannot look it up."""
        if not isinstance(self.oracle, StrategyOracle):
            return None
        scored_by = self.evaluation.fingerprint
        self.oracle.note_scored_by(trial, scored_by)
        return self.oracle.known_metrics(trial, scored_by)
