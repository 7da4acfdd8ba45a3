"""Vizier's default algorithm (GP-UCB-PE) and its Eagle strategy at their defaults."""

from __future__ import annotations

import random
from functools import partial
from typing import Any

from vizier import algorithms
from vizier import pyvizier as vz

# The public `vizier.algorithms.designers` also imports designers that `google-vizier[jax]` lacks
# the packages of.
from vizier._src.algorithms.designers.eagle_strategy.eagle_strategy import EagleStrategyDesigner
from vizier._src.algorithms.designers.gp_ucb_pe import VizierGPUCBPEBandit

from benchmarks.contenders import Exhausted, Plan, Proposal
from cellwright.search_spaces import SearchSpace

METRIC = "value"


class VizierSearch:
    """A designer in a loop of one's own: it is told what is finished and what still runs."""

    def __init__(self, make: Any, space: SearchSpace, plan: Plan) -> None:
        random.seed(plan.seed)
        problem = vz.ProblemStatement()
        for decision in space.decisions:
            choices = [str(place) for place in range(len(decision.choices))]
            problem.search_space.root.add_categorical_param(decision.name, choices)
        goal = vz.ObjectiveMetricGoal.MAXIMIZE
        problem.metric_information.append(vz.MetricInformation(METRIC, goal=goal))
        self._space = space
        self._designer = make(problem, plan.seed)
        self._running: dict[int, Any] = {}
        self._finished: list[Any] = []
        self._asked = 0

    def ask(self) -> Proposal:
        self._designer.update(
            algorithms.CompletedTrials(self._finished),
            algorithms.ActiveTrials(list(self._running.values())),
        )
        self._finished = []
        found = self._designer.suggest(1)
        if not found:
            raise Exhausted
        self._asked += 1
        trial = found[0].to_trial(self._asked)
        self._running[self._asked] = trial
        values = trial.parameters.as_dict()
        return Proposal(self._space.decode([int(values[n]) for n in self._space.names]), trial)

    def tell(self, proposal: Proposal, value: float | None) -> None:
        trial = self._running.pop(proposal.ticket.id)
        if value is None:
            trial.complete(vz.Measurement(), infeasibility_reason="failed")
        else:
            trial.complete(vz.Measurement(metrics={METRIC: value}))
        self._finished.append(trial)


def _gp(problem: Any, seed: int) -> Any:
    return VizierGPUCBPEBandit(problem)  # takes its seed from the global generator


def _eagle(problem: Any, seed: int) -> Any:
    return EagleStrategyDesigner(problem, seed=seed)


SEARCHES = {"vizier-gp": partial(VizierSearch, _gp), "vizier-eagle": partial(VizierSearch, _eagle)}
