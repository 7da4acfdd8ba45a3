"""AutoKeras's greedy oracle at its defaults: the best so far, with a group of decisions redrawn.

It is driven as Keras Tuner drives it.
"""

from __future__ import annotations

import os
import tempfile

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras_tuner
from autokeras.tuners.greedy import GreedyOracle
from keras_tuner.engine.trial import TrialStatus

from benchmarks.contenders import Exhausted, Plan, Proposal
from cellwright.search_spaces import SearchSpace


class GreedySearch:
    """An oracle with its project in a folder for a while; it saves itself at every trial."""

    def __init__(self, space: SearchSpace, plan: Plan) -> None:
        hyperparameters = keras_tuner.HyperParameters()
        for decision in space.decisions:
            hyperparameters.Choice(decision.name, list(decision.choices), ordered=False)
        self._folder = tempfile.TemporaryDirectory()
        self._names = space.names
        self._oracle = GreedyOracle(
            objective=keras_tuner.Objective("value", "max"),
            max_trials=plan.evaluations,
            hyperparameters=hyperparameters,
            seed=plan.seed + 1,  # its seed 0 is a random one
            max_retries_per_trial=0,
            max_consecutive_failed_trials=plan.evaluations,
        )
        self._oracle.verbose = 0
        self._oracle._set_project_dir(self._folder.name, "search")
        self._asked = 0

    def ask(self) -> Proposal:
        trial = self._oracle.create_trial(f"tuner{self._asked}")  # one tuner, one trial at a time
        self._asked += 1
        if trial.status == TrialStatus.STOPPED:
            raise Exhausted
        values = trial.hyperparameters.values
        return Proposal({name: values[name] for name in self._names}, trial)

    def tell(self, proposal: Proposal, value: float | None) -> None:
        trial = proposal.ticket
        if value is None:
            trial.status = TrialStatus.INVALID
        else:
            self._oracle.update_trial(trial.trial_id, {"value": value})
            trial = self._oracle.get_trial(trial.trial_id)
            trial.status = TrialStatus.COMPLETED
        self._oracle.end_trial(trial)


SEARCHES = {"autokeras-greedy": GreedySearch}
