"""Optuna's samplers at their defaults, asked and told as Optuna documents it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import optuna
from optuna.samplers import BaseSampler

from benchmarks.contenders import Plan, Proposal
from cellwright.search_spaces import SearchSpace


class OptunaSearch:
    """A study in memory. Every parameter is categorical."""

    def __init__(self, make: Callable[..., BaseSampler], space: SearchSpace, plan: Plan) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._space = space
        self._study = optuna.create_study(
            directions=["maximize"] * plan.objectives, sampler=make(seed=plan.seed)
        )

    def ask(self) -> Proposal:
        trial = self._study.ask()
        params: dict[str, Any] = {
            d.name: trial.suggest_categorical(d.name, d.choices) for d in self._space.decisions
        }
        return Proposal(params, trial)

    def tell(self, proposal: Proposal, value: Any) -> None:
        if value is None:
            self._study.tell(proposal.ticket, state=optuna.trial.TrialState.FAIL)
        else:
            self._study.tell(proposal.ticket, value)


SEARCHES = {
    "optuna-random": partial(OptunaSearch, optuna.samplers.RandomSampler),
    # multivariate for one objective, and not for several
    "optuna-tpe": partial(OptunaSearch, optuna.samplers.TPESampler),
    # as Optuna advises for many workers: what is running counts as bad
    "optuna-tpe-liar": partial(
        OptunaSearch, partial(optuna.samplers.TPESampler, constant_liar=True)
    ),
    "optuna-tpe-independent": partial(
        OptunaSearch, partial(optuna.samplers.TPESampler, multivariate=False)
    ),
    "optuna-nsga2": partial(OptunaSearch, optuna.samplers.NSGAIISampler),
    # its population is 50 otherwise, a quarter of 200 evaluations
    "optuna-nsga2-20": partial(
        OptunaSearch, partial(optuna.samplers.NSGAIISampler, population_size=20)
    ),
}
