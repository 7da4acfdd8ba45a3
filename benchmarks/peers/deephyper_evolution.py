"""DeepHyper's regularized evolution at its defaults."""

from __future__ import annotations

import tempfile

from deephyper.hpo import HpProblem, RegularizedEvolution

from benchmarks.contenders import Plan, Proposal
from cellwright.search_spaces import SearchSpace


class DeephyperSearch:
    """Asked and told directly, without an evaluator."""

    def __init__(self, space: SearchSpace, plan: Plan) -> None:
        problem = HpProblem()
        for decision in space.decisions:
            problem.add_hyperparameter(list(decision.choices), decision.name)
        self._folder = tempfile.TemporaryDirectory()
        self._search = RegularizedEvolution(
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


SEARCHES = {"deephyper-evolution": DeephyperSearch}
