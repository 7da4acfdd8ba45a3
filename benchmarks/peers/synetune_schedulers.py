"""Syne Tune's regularized evolution (REA) and kernel density estimator (TPE) at their defaults."""

from __future__ import annotations

from functools import partial
from typing import Any

from syne_tune.config_space import choice
from syne_tune.optimizer.baselines import REA, TPE
from syne_tune.optimizer.schedulers.ask_tell_scheduler import AskTellScheduler

from benchmarks.contenders import Plan, Proposal
from cellwright.search_spaces import SearchSpace

METRIC = "value"


class SynetuneSearch:
    """A scheduler in a loop of one's own."""

    def __init__(self, make: Any, space: SearchSpace, plan: Plan) -> None:
        choices = {d.name: choice(list(d.choices)) for d in space.decisions}
        scheduler = make(choices, metric=METRIC, do_minimize=False, random_seed=plan.seed)
        self._names = space.names
        self._loop = AskTellScheduler(scheduler)

    def ask(self) -> Proposal:
        trial = self._loop.ask()
        return Proposal({name: trial.config[name] for name in self._names}, trial)

    def tell(self, proposal: Proposal, value: float | None) -> None:
        if value is None:
            self._loop.base_scheduler.on_trial_error(proposal.ticket)
        else:
            self._loop.tell(proposal.ticket, {METRIC: value})


SEARCHES = {
    "synetune-evolution": partial(SynetuneSearch, REA),
    "synetune-tpe": partial(SynetuneSearch, TPE),
}
