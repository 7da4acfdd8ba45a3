"""The strategies of nni.nas at their defaults; they need PyTorch, and the policy needs tianshou.

A strategy runs in a thread of its own and submits models to an execution engine, here one that
hands each over as a proposal and waits for its value.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Iterable
from typing import Any

import nni
import torch

from benchmarks.contenders import Exhausted, Plan, Proposal, Search
from cellwright.search_spaces import SearchSpace

# ruff: noqa: E402
nni.set_default_framework("none")  # strategies alone: models of PyTorch want PyTorch Lightning

from nni.mutable import Categorical, MutableDict
from nni.nas.execution import ExecutionEngine
from nni.nas.execution.event import FinalMetricEvent, TrainingEndEvent
from nni.nas.space import ModelStatus, SimplifiedModelSpace
from nni.nas.strategy import PolicyBasedRL, RegularizedEvolution


@nni.trace  # as nni.nas asks of the models of a space
class NoModel:
    """What the decisions are about does not matter to a strategy."""


class ProposingEngine(ExecutionEngine):  # type: ignore[misc]  # nni is untyped
    """Gives a strategy as many workers as there are proposals asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: queue.SimpleQueue[None] = queue.SimpleQueue()
        self.submitted: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.models: list[Any] = []

    def idle_worker_available(self) -> bool:
        return True

    def budget_available(self) -> bool:
        return True

    def submit_models(self, *models: Any) -> None:
        for model in models:
            model.status = ModelStatus.Training
            self.models.append(model)
            self.submitted.put(model)
            self.asked.get()  # results told until then are seen before the next model is made

    def list_models(self, status: Any = None) -> Iterable[Any]:
        return [model for model in self.models if status in (None, model.status)]

    def finish(self, model: Any, value: float | None) -> None:
        if value is not None:
            self.dispatch_model_event(FinalMetricEvent(model, value))
        status = ModelStatus.Failed if value is None else ModelStatus.Trained
        self.dispatch_model_event(TrainingEndEvent(model, status))


class NasSearch:
    """A strategy that runs while it is asked, and is never in the middle of anything when told."""

    def __init__(self, strategy: Any, space: SearchSpace) -> None:
        logging.getLogger("nni").setLevel(logging.ERROR)
        decisions = {d.name: Categorical(list(d.choices), label=d.name) for d in space.decisions}
        models = SimplifiedModelSpace(NoModel(), MutableDict(decisions), None)
        self._engine = ProposingEngine()
        self._strategy = strategy
        self._thread = threading.Thread(target=self._run, args=(models,), daemon=True)
        self._thread.start()

    def _run(self, models: Any) -> None:
        try:
            self._engine.asked.get()
            self._strategy(models, self._engine)
            self._engine.submitted.put(Exhausted())
        except Exception as error:  # raised where it is waited for
            self._engine.submitted.put(error)

    def ask(self) -> Proposal:
        self._engine.asked.put(None)
        model = self._engine.submitted.get()
        if isinstance(model, Exception):
            raise model
        return Proposal(dict(model.sample), model)

    def tell(self, proposal: Proposal, value: float | None) -> None:
        self._engine.finish(proposal.ticket, value)


def _evolution(space: SearchSpace, plan: Plan) -> Search:
    return NasSearch(RegularizedEvolution(seed=plan.seed), space)


def _policy(space: SearchSpace, plan: Plan) -> Search:
    torch.manual_seed(plan.seed)
    return NasSearch(PolicyBasedRL(), space)


SEARCHES = {"nni.nas-evolution": _evolution, "nni.nas-policy": _policy}
