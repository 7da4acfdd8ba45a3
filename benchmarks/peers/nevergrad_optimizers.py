"""Nevergrad's NGOpt, which picks an optimizer for the space and the budget.

A decision is a ``Choice``, as documented for values without an order; or a ``TransitionChoice``
without repetitions or order, which small changes lead away from less quickly.
"""

from __future__ import annotations

import math
import warnings
from functools import partial
from typing import Any

import nevergrad as ng

from benchmarks.contenders import Plan, Proposal
from cellwright.search_spaces import SearchSpace


class NevergradSearch:
    """Asked and told; Nevergrad minimises."""

    def __init__(self, choice: Any, space: SearchSpace, plan: Plan) -> None:
        warnings.filterwarnings("ignore", module="nevergrad")
        choices = {d.name: choice(list(d.choices)) for d in space.decisions}
        parameters = ng.p.Dict(**choices)
        parameters.random_state.seed(plan.seed)
        self._optimizer = ng.optimizers.NGOpt(
            parameters, budget=plan.evaluations, num_workers=plan.workers
        )

    def ask(self) -> Proposal:
        candidate = self._optimizer.ask()
        return Proposal(dict(candidate.value), candidate)

    def tell(self, proposal: Proposal, value: float | None) -> None:
        self._optimizer.tell(proposal.ticket, math.inf if value is None else -value)


SEARCHES = {
    "nevergrad-ngopt": partial(NevergradSearch, ng.p.Choice),
    "nevergrad-ngopt-transition": partial(
        NevergradSearch, partial(ng.p.TransitionChoice, ordered=False)
    ),
}
