"""Population based training (Jaderberg et al. 2017): hyperparameters that change as children train.

A member of the population is one line of training. After each of its steps it goes on with its own
weights, or, if it is among the worst, with a copy of the weights of one of the best (exploit),
whose hyperparameters are then changed a little (explore). The architecture comes with the weights,
so that members may begin with different ones.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any, cast

import numpy as np

from cellwright.plugins.strategies.schedule import Attempt, Rung, state_of
from cellwright.search_spaces import Decision, Float, Int, JointSpace, SearchSpace
from cellwright.search_spaces.arguments import check_integer, check_number
from cellwright.search_spaces.decision import Value

# Of how a child is trained, what the state of its training has a shape of.
_WITH_THE_WEIGHTS = {"precision"}


@dataclass(frozen=True)
class PopulationBased:
    """The schedule: ``population`` members that train step by step, and then the next population.

    The paper's truncation selection: after a step, a member in the worst ``fraction`` of those that
    have ended the same step takes over the weights of one drawn from the best ``fraction``, if that
    one has scored better. A member that failed always does. Nobody waits for the others: where no
    member can go on yet, the next population begins.

    A trial is one step of one member. Weights are copied from files that each trial leaves, so an
    evaluation needs a folder for them (`Evaluation.checkpoints`).

    Args:
        population: Number of members, at least 2.
        max_epochs: That a member is trained for, more than ``step``.
        step: Epochs of a step, at least 1.
        fraction: Above 0 and at most .5.
        factors: A number is multiplied by one of these, but stays in its range; one at a bound
            moves inwards, and a whole number moves by at least 1. A choice is replaced by a
            neighbour in its list.
        resample: Probability with which a hyperparameter is drawn anew instead, from 0 to 1.
        perturb: Names of the hyperparameters that are changed; if there are none, all but the
            options of the child builder and ``precision``. Options may shape the weights
            (``filters``), and are inherited with them. One that does not can be named here
            (``dropout``, of which 0 is then no value, because networks without a dropout layer
            have other state).

    Raises:
        ValueError: On an argument out of range.
    """

    population: int
    max_epochs: int
    step: int = 1
    fraction: float = 0.25
    factors: Sequence[float] = (0.8, 1.2)
    resample: float = 0.25
    perturb: Sequence[str] = ()

    def __post_init__(self) -> None:
        check_integer("population", self.population, 2)
        check_integer("max_epochs", self.max_epochs, 2)
        check_integer("step", self.step)
        for name in ("fraction", "resample"):
            check_number(name, getattr(self, name))
        object.__setattr__(self, "factors", tuple(self.factors))
        object.__setattr__(self, "perturb", tuple(self.perturb))
        if not 1 <= self.step < self.max_epochs:
            raise ValueError(
                "step must be at least 1 and below max_epochs, or no member ever goes on; "
                f"got {self.step} of {self.max_epochs}"
            )
        if not 0 < self.fraction <= 0.5:
            raise ValueError(f"fraction must be above 0 and at most .5, got {self.fraction}")
        if not self.factors or not all(0 < factor != 1 for factor in self.factors):
            raise ValueError(f"factors must be above 0 and not 1, got {self.factors}")
        if not 0 <= self.resample <= 1:
            raise ValueError(f"resample must be from 0 to 1, got {self.resample}")

    @property
    def trials(self) -> int:
        """Number of trials of one population, if none fails."""
        return self.population * -(-self.max_epochs // self.step)

    @property
    def epochs(self) -> int:
        """Number of epochs that one population trains."""
        return self.population * self.max_epochs

    def check(self, space: SearchSpace) -> None:
        """Check that something can be changed while children of ``space`` train.

        Raises:
            ValueError: If there is no hyperparameter to change, or the number of epochs is one.
        """
        if not isinstance(space, JointSpace):
            raise ValueError(
                "population based training changes hyperparameters while children train, and "
                f"{space!r} has none: search a JointSpace, with a learning_rate for example"
            )
        names = [decision.name for decision in space.hyperparameters]
        if "epochs" in names:
            raise ValueError("a schedule sets the epochs of each trial: do not search them too")
        if _WITH_THE_WEIGHTS & set(self.perturb):
            raise ValueError(
                f"perturb must not name {', '.join(sorted(_WITH_THE_WEIGHTS))}: the state of the "
                "optimizer differs by it, so that a child keeps it"
            )
        if unknown := set(self.perturb) - set(names):
            raise ValueError(f"perturb must be among {names}, got {sorted(unknown)}")
        if not self._changed(space):
            raise ValueError(
                "population based training changes hyperparameters while children train, and of "
                f"{names} it may change none: options of the child builder are inherited with the "
                "weights. Search a hyperparameter of the training too, such as learning_rate, or "
                "name in perturb those that any weights fit"
            )

    def _changed(self, space: JointSpace) -> set[str]:
        several = [d.name for d in space.hyperparameters if len(d.choices) > 1]
        if self.perturb:
            return set(self.perturb) & set(several)
        return set(several) - (space.options or set()) - _WITH_THE_WEIGHTS

    def next(
        self,
        trials: Iterable[Attempt],
        space: SearchSpace | None = None,
        rng: np.random.Generator | None = None,
    ) -> Rung:
        """What a trial that begins now is to do.

        The members that are furthest behind go on first.

        Args:
            trials: All so far that are part of the schedule, in any order.
            space: What the strategy searches, which `check` accepts.
            rng: For the choice of the weights to copy, and the changes.
        """
        if space is None or rng is None:
            raise TypeError("population based training needs the space, and a generator to draw by")
        mine = sorted((t for t in trials if t.after is not None), key=lambda trial: trial.number)
        latest = {trial.bracket: trial for trial in mine}
        for first in count(0, self.population):
            members = range(first, first + self.population)
            for member in members:
                if member not in latest:
                    return Rung(member, 0, self.step, after="")
            here = [trial for trial in mine if trial.bracket in members]
            for trial in sorted((latest[m] for m in members), key=lambda t: (t.epochs, t.bracket)):
                peers = [t for t in here if t.ended and t.epochs == trial.epochs]
                if trial.ended and trial.epochs < self.max_epochs:
                    past = _to_go_on_from(trial, peers, self.fraction, rng)
                    if past is not None:
                        return self._rung(trial, past, cast(JointSpace, space), rng)
        raise AssertionError("a population that has not begun has room")

    def _rung(
        self, trial: Attempt, past: Attempt, space: JointSpace, rng: np.random.Generator
    ) -> Rung:
        """The next step of the member of ``trial``, from the weights of ``past``."""
        assert trial.bracket is not None
        assert past.params is not None
        assert past.after is not None
        return Rung(
            trial.bracket,
            -(-trial.epochs // self.step),
            min(trial.epochs + self.step, self.max_epochs),
            past.epochs,
            past.number,
            None if past is trial else self._explore(space, past.params, rng),
            state_of(past.params, past.epochs, past.after),
        )

    def _explore(
        self, space: JointSpace, params: Mapping[str, Any], rng: np.random.Generator
    ) -> dict[str, Value]:
        """The hyperparameters that shall differ from ``params``."""
        changed = self._changed(space)
        found: dict[str, Any] = {n: params[n] for n in space.architecture.names if n in params}
        for decision in space.hyperparameters:
            if not decision.applies(found):
                continue
            if decision.name not in params:  # it had no effect before
                found[decision.name] = _drawn(decision, rng)
            elif decision.name in changed:
                found[decision.name] = self._perturbed(decision, params[decision.name], rng)
            else:
                found[decision.name] = params[decision.name]
        return {n: x for n, x in found.items() if n not in params or x != params[n]}

    def _perturbed(self, decision: Decision, value: Any, rng: np.random.Generator) -> Value:
        if rng.random() < self.resample:
            return _drawn(decision, rng)
        if isinstance(decision, Float | Int):
            for factor in rng.permutation(np.array(self.factors)):
                moved = _within(decision, _scaled(decision, value, float(factor)))
                if moved != value:
                    return moved
            return _drawn(decision, rng)  # such as 0, which no factor changes
        place = decision.index(value)
        near = [x for x in (place - 1, place + 1) if 0 <= x < len(decision.choices)]
        return decision.choices[near[rng.integers(len(near))]]


def _to_go_on_from(
    trial: Attempt, peers: Sequence[Attempt], fraction: float, rng: np.random.Generator
) -> Attempt | None:
    """The trial whose weights the member of ``trial`` goes on with: its own, or a better one's.

    Args:
        trial: The last of its member; it has ended.
        peers: Those of its population that have ended the same step, itself included.

    Returns:
        None if the trial failed and none of the others has scored.
    """
    scored = [peer for peer in peers if peer.reward is not None]
    if not scored:
        return None

    def rank(peer: Attempt) -> tuple[Any, int]:
        return peer.reward, -peer.number

    size = min(math.ceil(fraction * len(peers)), len(peers) // 2)
    best = sorted(scored, key=rank)[-max(size, 1) :]
    failed = len(peers) - len(scored)
    worst = sorted(scored, key=rank)[: max(size - failed, 0)]
    if trial.reward is not None and all(peer is not trial for peer in worst):
        return trial
    past = best[rng.integers(len(best))]
    return past if trial.reward is None or rank(past)[0] > trial.reward else trial


def _scaled(decision: Decision, value: Any, factor: float) -> float:
    moved = value * factor
    if isinstance(decision, Int) and round(moved) == value and value:
        return float(value + (1 if (factor > 1) == (value > 0) else -1))
    return float(moved)


def _within(decision: Float | Int, value: float) -> Value:
    """The nearest value of the range; with six digits, which every record keeps."""
    bounded = min(max(float(f"{value:.6g}"), decision.low), decision.high)
    return round(bounded) if isinstance(decision, Int) else bounded


def _drawn(decision: Decision, rng: np.random.Generator) -> Value:
    """A value from the whole range, or any of the choices."""
    if not isinstance(decision, Float | Int):
        return decision.choices[rng.integers(len(decision.choices))]
    if decision.log:
        place = rng.uniform(math.log(decision.low), math.log(decision.high))
        return _within(decision, math.exp(place))
    return _within(decision, rng.uniform(decision.low, decision.high))
