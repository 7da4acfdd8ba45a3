"""SMAC3's facade for hyperparameters (random forests, log expected improvement) at its defaults.

An architecture is evaluated once (``deterministic``): with the default, SMAC spends evaluations on
repetitions, in tables that have no others to give.
"""

from __future__ import annotations

import logging
import math
import tempfile
from pathlib import Path

from ConfigSpace import Categorical, ConfigurationSpace
from smac import HyperparameterOptimizationFacade, Scenario
from smac.runhistory import StatusType, TrialValue

from benchmarks.contenders import Plan, Proposal
from cellwright.search_spaces import SearchSpace


class SmacSearch:
    """Asked and told as SMAC documents it; it minimises."""

    def __init__(self, space: SearchSpace, plan: Plan) -> None:
        self._choices = {d.name: d.choices for d in space.decisions}
        found = ConfigurationSpace(seed=plan.seed)
        found.add([Categorical(d.name, range(len(d.choices))) for d in space.decisions])
        self._folder = tempfile.TemporaryDirectory()
        scenario = Scenario(
            found,
            deterministic=True,
            n_trials=plan.evaluations,
            seed=plan.seed,
            output_directory=Path(self._folder.name),
        )
        self._smac = HyperparameterOptimizationFacade(
            scenario, lambda config, seed: 0.0, logging_level=logging.ERROR, overwrite=True
        )

    def ask(self) -> Proposal:
        info = self._smac.ask()
        params = {name: choices[int(info.config[name])] for name, choices in self._choices.items()}
        return Proposal(params, info)

    def tell(self, proposal: Proposal, value: float | None) -> None:
        told = (
            TrialValue(cost=math.inf, status=StatusType.CRASHED)
            if value is None
            else TrialValue(cost=-value)
        )
        self._smac.tell(proposal.ticket, told)


SEARCHES = {"smac": SmacSearch}
