"""DeepHyper's searches, at their defaults but for what their names say."""

from __future__ import annotations

import tempfile
import warnings
from functools import partial
from typing import Any

from deephyper.hpo import CBO, HpProblem, RegularizedEvolution

from benchmarks.contenders import Plan, Proposal
from cellwright.search_spaces import SearchSpace


class DeephyperSearch:
    """Asked and told directly, without an evaluator."""

    def __init__(self, kind: Any, space: SearchSpace, plan: Plan) -> None:
        warnings.filterwarnings("ignore", module="deephyper")  # it may propose a network again
        problem = HpProblem()
        for decision in space.decisions:
            problem.add_hyperparameter(list(decision.choices), decision.name)
        self._folder = tempfile.TemporaryDirectory()
        self._search = kind(
            problem,
            random_state=plan.seed,
            log_dir=self._folder.name,
            checkpoint_history_to_csv=False,
        )

    def ask(self) -> Proposal:
        found = self._search.ask(1)[0]
        return Proposal(dict(found), found)

    def tell(self, proposal: Proposal, value: float | None) -> None:
        self._search.tell([(proposal.ticket, "F_failed" if value is None else value)])


SEARCHES = {
    "deephyper-evolution": partial(DeephyperSearch, RegularizedEvolution),
    "deephyper-forest": partial(DeephyperSearch, partial(CBO, surrogate_model="RF")),
}
