"""What is compared: every strategy of ours by its registered name, and every peer's search.

One small interface: a contender is started on a space and gives a `Search`, which is asked for
proposals and told their values. Values are always maximised; None is a failed child.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import cellwright
from benchmarks.peers import PEERS
from benchmarks.problems import Problem
from cellwright.plugins.registry import make_strategy
from cellwright.plugins.registry import names as registered
from cellwright.search_spaces import Decision, Params, SearchSpace

COMPUTED = "+computed"  # after the name of a strategy of ours


class Plan(NamedTuple):
    """What a search knows beforehand."""

    seed: int
    evaluations: int
    workers: int = 1
    objectives: int = 1


class Proposal(NamedTuple):
    """An architecture to evaluate; ``ticket`` is for the search's own use."""

    params: Params
    ticket: Any = None


class Exhausted(Exception):
    """Raised by `Search.ask` if a peer proposes nothing more, even if budget is left."""


class Search(Protocol):
    """A search under way. Several proposals may be open at once, and are answered in any order."""

    def ask(self) -> Proposal: ...

    def tell(self, proposal: Proposal, value: Any) -> None:
        """The value is a float, or a tuple where the plan has several objectives."""


@dataclass(frozen=True)
class Contender:
    """A way to search, with its settings.

    ``name`` is what the raw results and the table call it, ``version`` that of its package.
    """

    name: str
    version: str
    start: Callable[[Problem, Plan], Search]


class NotInstalled(Exception):
    """A peer cannot be imported here; the message says why."""


def contender(name: str) -> Contender:
    """Find a contender by its name.

    Our strategies have their registered names, with arguments if need be:
    ``"evolution:population=30,sample=10"`` (values as in JSON, or plain text). ``"+computed"``
    after the name tells the strategy which objectives need no training, and how they are computed.
    The names of peers are in `PEERS`.

    Raises:
        NotInstalled: If it is a peer that is not installed.
        ValueError: If nothing goes by that name, or an argument has no value.
    """
    if name in PEERS:
        return _peer(name)
    full, _, words = name.partition(":")
    strategy, plus, _ = full.partition(COMPUTED)
    if strategy not in registered("strategies"):
        raise ValueError(f"unknown contender {name!r}; there are {every_name()}")
    arguments = dict(_argument(word) for word in words.split(",") if word)

    def start(problem: Problem, plan: Plan) -> Search:
        computed = getattr(problem, "computed", None)
        if plus and computed is None:
            raise ValueError(f"{name}: no objective of this problem can be computed")
        known = {"computed": computed} if plus else {}
        return OurSearch(problem.space, strategy, plan, {**arguments, **known})

    return Contender(name, f"cellwright {cellwright.__version__}", start)


def every_name() -> list[str]:
    """All registered strategies for one objective, then all peers, installed or not."""
    return [*filter(_has_one_objective, registered("strategies")), *PEERS]


def _has_one_objective(name: str) -> bool:
    space = SearchSpace([Decision("any", (0, 1))])
    try:
        return make_strategy(name, space, objectives=1).objectives == 1
    except ValueError:
        return False


def is_ours(name: str) -> bool:
    return name not in PEERS


def _argument(word: str) -> tuple[str, Any]:
    key, equals, value = word.partition("=")
    if not equals:
        raise ValueError(f"expected argument=value, got {word!r}")
    try:
        return key, json.loads(value)
    except json.JSONDecodeError:
        return key, value


def _peer(name: str) -> Contender:
    package, module = PEERS[name]
    try:
        version = importlib.metadata.version(package)
        start = importlib.import_module(f"benchmarks.peers.{module}").SEARCHES[name]
    except ImportError as error:  # PackageNotFoundError is one
        raise NotInstalled(f"{name}: {error}") from error
    return Contender(name, f"{package} {version}", lambda problem, plan: start(problem.space, plan))


class OurSearch:
    """A strategy of ours, asked as every host asks it: no network is proposed twice."""

    def __init__(
        self, space: SearchSpace, name: str, plan: Plan, arguments: dict[str, Any]
    ) -> None:
        self._strategy = make_strategy(
            name, space, seed=plan.seed, objectives=plan.objectives, **arguments
        )
        self._running: dict[int, Params] = {}
        self._asked = 0

    def ask(self) -> Proposal:
        number = self._asked
        params = self._strategy.ask(number, self._running.values())
        self._running[number] = params
        self._asked += 1
        return Proposal(params, number)

    def tell(self, proposal: Proposal, value: Any) -> None:
        del self._running[proposal.ticket]
        self._strategy.tell(proposal.ticket, proposal.params, value)
