"""PyGlove's regularized evolution at its defaults."""

from __future__ import annotations

import pyglove as pg
from pyglove.ext.evolution import regularized_evolution

from benchmarks.contenders import Plan, Proposal
from cellwright.search_spaces import SearchSpace


class PygloveSearch:
    """The generator of architectures that stands behind ``pg.sample``."""

    def __init__(self, space: SearchSpace, plan: Plan) -> None:
        self._names = space.names
        choices = [pg.oneof(list(d.choices)) for d in space.decisions]
        self._template = pg.template(pg.List(choices))
        self._algorithm = regularized_evolution(seed=plan.seed)
        self._algorithm.setup(self._template.dna_spec())

    def ask(self) -> Proposal:
        dna = self._algorithm.propose()
        values = self._template.decode(dna)
        return Proposal(dict(zip(self._names, values, strict=True)), dna)

    def tell(self, proposal: Proposal, value: float | None) -> None:
        if value is not None:  # a failed trial is skipped, as in ``pg.sample``
            self._algorithm.feedback(proposal.ticket, value)


SEARCHES = {"pyglove-evolution": PygloveSearch}
