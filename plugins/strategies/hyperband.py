"""Hyperband (Li et al. 2018): many children for few epochs, and more epochs for the best.

Which trial comes next is a function of the trials so far, as with a strategy. A strategy chooses
the new children; when a child goes on, and for how many epochs, is decided here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from cellwright.plugins.strategies.schedule import Attempt, Rung
from cellwright.search_spaces import SearchSpace
from cellwright.search_spaces.arguments import check_integer

__all__ = ["Attempt", "Hyperband", "Rung", "hyperband_brackets"]


def hyperband_brackets(max_epochs: int, factor: int = 3) -> list[list[tuple[int, int]]]:
    """(trials, epochs) of each round of each bracket, the bracket with the most rounds first.

    After algorithm 1 of Li et al. 2018, with every number rounded up: with R = ``max_epochs`` and
    n = ceil(1 + log R), the logarithm to the base ``factor``, round i of bracket s, which has
    s + 1 rounds, holds ceil(n / (s + 1) factor^(s - i)) trials of ceil(R / factor^(s - i)) epochs.

    Raises:
        ValueError: If ``max_epochs`` is below 1 or ``factor`` below 2.
    """
    if max_epochs < 1 or factor < 2:
        raise ValueError(
            f"max_epochs must be at least 1 and factor at least 2, got {max_epochs} and {factor}"
        )
    most = _largest_power(max_epochs, factor)
    end = most + 1 + (factor**most < max_epochs)  # ceil(1 + log R), without rounding errors
    return [
        [
            (-(-end * factor**left // (s + 1)), -(-max_epochs // factor**left))
            for left in range(s, -1, -1)
        ]
        for s in range(most, -1, -1)
    ]


@dataclass(frozen=True)
class Hyperband:
    """The schedule: brackets of successive halving, over and over.

    Args:
        max_epochs: The most epochs that a child is trained for, at least 1.
        factor: One child in ``factor`` goes on to ``factor`` times as many epochs, at least 2.
        brackets: How many brackets to run, beginning with that of the most rounds, at least 1; all
            if None. 1 is successive halving.

    Raises:
        ValueError: If an argument is out of range.
    """

    max_epochs: int
    factor: int = 3
    brackets: int | None = None

    def __post_init__(self) -> None:
        check_integer("max_epochs", self.max_epochs)
        check_integer("factor", self.factor, 2)
        if self.brackets is not None:
            check_integer("brackets", self.brackets)
        most = len(hyperband_brackets(self.max_epochs, self.factor))
        if self.brackets is not None and not 1 <= self.brackets <= most:
            raise ValueError(f"brackets must be from 1 to {most}, got {self.brackets}")

    @property
    def plan(self) -> list[list[tuple[int, int]]]:
        """(trials, epochs) of each round of each bracket, in the order in which they are begun."""
        return hyperband_brackets(self.max_epochs, self.factor)[: self.brackets]

    @property
    def trials(self) -> int:
        """How many trials one pass over all brackets takes."""
        return sum(trials for bracket in self.plan for trials, _ in bracket)

    @property
    def epochs(self) -> int:
        """How many epochs one pass over all brackets trains, if each child keeps its weights."""
        return sum(
            trials * (epochs - before)
            for bracket in self.plan
            for (trials, epochs), before in zip(
                bracket, [0, *(e for _, e in bracket)], strict=False
            )
        )

    def check(self, space: SearchSpace) -> None:
        """Every space will do."""

    def next(
        self,
        trials: Iterable[Attempt],
        space: SearchSpace | None = None,
        rng: np.random.Generator | None = None,
    ) -> Rung:
        """What a trial that begins now is to do. It never waits: if no child can go on yet, the
        next bracket begins.

        A child goes on as soon as it is certain to be among the best of its round, whatever the
        running ones will score. A child that failed never goes on.

        Args:
            trials: All trials of the schedule so far, in any order.
            space, rng: Not needed: nothing is changed or drawn.
        """
        plan = self.plan
        begun = self._begun(trials, plan)
        for number, rounds in enumerate(begun):
            bracket = plan[number % len(plan)]
            if len(rounds[0]) < bracket[0][0]:
                return Rung(number, 0, bracket[0][1])
            for turn in range(1, len(bracket)):
                best = _to_promote(rounds, bracket, turn)
                if best is not None:
                    return Rung(number, turn, bracket[turn][1], bracket[turn - 1][1], best.number)
        return Rung(len(begun), 0, plan[len(begun) % len(plan)][0][1])

    def _begun(
        self, trials: Iterable[Attempt], plan: list[list[tuple[int, int]]]
    ) -> list[list[list[Attempt]]]:
        """The trials of each round of each bracket; new children fill the brackets in order."""
        begun: list[list[list[Attempt]]] = []
        places: dict[int, tuple[int, int]] = {}
        for trial in sorted(trials, key=lambda trial: trial.number):
            if trial.past in places:
                number, turn = places[trial.past]
                turn += 1
            else:
                if not begun or len(begun[-1][0]) >= plan[(len(begun) - 1) % len(plan)][0][0]:
                    begun.append([[] for _ in plan[len(begun) % len(plan)]])
                number, turn = len(begun) - 1, 0
            begun[number][turn].append(trial)
            places[trial.number] = number, turn
        return begun


def _to_promote(
    rounds: list[list[Attempt]], bracket: list[tuple[int, int]], turn: int
) -> Attempt | None:
    """The trial of the round before ``turn`` that may go on now; None if there is none."""
    gone_on = {trial.past for trial in rounds[turn]}
    ended = [trial for trial in rounds[turn - 1] if trial.ended and trial.number not in gone_on]
    scored = [trial for trial in ended if trial.reward is not None]
    to_drop = bracket[turn - 1][0] - bracket[turn][0]
    if not scored or len(ended) <= to_drop:
        return None

    def rank(trial: Attempt) -> tuple[Any, int]:
        return trial.reward, -trial.number

    return max(scored, key=rank)


def _largest_power(number: int, base: int) -> int:
    power = 0
    while base ** (power + 1) <= number:
        power += 1
    return power
