"""NNI's tuners at their defaults, called in the order in which NNI's dispatcher calls them.

Evolution draws from a generator that takes no seed: its searches are not the same again.
"""

from __future__ import annotations

import logging
from typing import Any

import nni
from nni.algorithms.hpo.evolution_tuner import EvolutionTuner
from nni.algorithms.hpo.tpe_tuner import TpeTuner

from benchmarks.contenders import Exhausted, Plan, Proposal, Search
from cellwright.search_spaces import SearchSpace


class NniSearch:
    """A tuner outside an experiment."""

    def __init__(self, tuner: Any, space: SearchSpace) -> None:
        logging.getLogger("nni").setLevel(logging.ERROR)
        self._tuner = tuner
        self._tuner.update_search_space(
            {d.name: {"_type": "choice", "_value": list(d.choices)} for d in space.decisions}
        )
        self._asked = 0

    def ask(self) -> Proposal:
        try:
            found = self._tuner.generate_multiple_parameters([self._asked], st_callback=None)
        except nni.NoMoreTrialError as error:
            raise Exhausted from error
        if not found:
            raise Exhausted
        self._asked += 1
        return Proposal(found[0], self._asked - 1)

    def tell(self, proposal: Proposal, value: float | None) -> None:
        if value is not None:
            self._tuner.receive_trial_result(proposal.ticket, proposal.params, value)
        self._tuner.trial_end(proposal.ticket, value is not None)


def _tpe(space: SearchSpace, plan: Plan) -> Search:
    return NniSearch(TpeTuner(optimize_mode="maximize", seed=plan.seed), space)


def _evolution(space: SearchSpace, plan: Plan) -> Search:
    return NniSearch(EvolutionTuner(optimize_mode="maximize"), space)


SEARCHES = {"nni-tpe": _tpe, "nni-evolution": _evolution}
