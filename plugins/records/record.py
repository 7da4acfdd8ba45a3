"""The trials of a search: what each was given, which are running, and what the others came to."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, NamedTuple, Self

from cellwright.plugins.checked import as_kind
from cellwright.plugins.records.history import (
    history_in,
    load_history,
    save_history,
    text_of,
)
from cellwright.plugins.strategies.known import SCORED_BY, Measured, find_known
from cellwright.plugins.strategies.outcome import Rewards, Told, excess_of
from cellwright.plugins.strategies.schedule import Attempt
from cellwright.search_spaces import CorruptedState, Params, SearchSpace, SpaceMismatch
from cellwright.search_spaces.identity import compare, old_fingerprint, renewed

# Beside a trial's parameters:
KNOWN = "known_result"  # the metrics of a trial that answers it
BUDGET = "TRIAL_BUDGET"  # its epochs in all, under a schedule
PAST = "goes_on_from"  # under a schedule, the number of the trial that it goes on from
MEMBER = "member"  # in a population, the member whose step it is (`Rung.bracket`)
AFTER = "after_weights"  # in a population, the name of the weights that it goes on from
OURS = frozenset({KNOWN, BUDGET, PAST, MEMBER, AFTER})

# Among a trial's facts:
ANSWERS_NONE = "imported"  # with what hyperparameters, or how long, it was trained is not known
GUESSED = "guessed"  # that it failed is a guess, which any report corrects
_BETWEEN = "between"  # numbers of ranges that are none of their levels
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Kept:
    """What the file of a record holds of trials, beside their results."""

    running: list[tuple[int, dict[str, Any]]]
    trials: list[tuple[int, dict[str, Any]]]
    asked: int


_KEPT = tuple(each.name for each in fields(_Kept))


class Result(NamedTuple):
    """What a trial reported; ``reward`` is None for a failure, and then ``facts`` says why."""

    params: Params
    reward: Rewards | None
    facts: dict[str, Any]

    @property
    def excess(self) -> float:
        """By what share of a limit a child that failed is beyond it; 0 for any other."""
        return excess_of(self.facts.get("metrics", {})) if self.reward is None else 0.0

    @property
    def exact(self) -> Params:
        """``params`` with numbers of ranges as they were, and not the nearest of their levels."""
        return {**self.params, **self.facts.get(_BETWEEN, {})}


def result_of(
    space: SearchSpace, given: Mapping[str, Any], reward: Rewards | None, facts: Mapping[str, Any]
) -> Result:
    """The result of a trial.

    Args:
        space: What is searched.
        given: All parameters of the trial; names that are no decisions are left out.
        reward: To be maximised; None for a failure.
        facts: What else is to be kept of it: ``metrics``, ``error`` and any others, as plain data.

    Raises:
        InvalidArchitecture: If ``given`` holds no point of ``space``.
    """
    held = {name: given[name] for name in space.names if name in given}
    params, exact = space.decode(space.encode(held)), space.read(held)
    between = {name: x for name, x in exact.items() if x != params[name]}
    return Result(params, reward, {**facts, **({_BETWEEN: between} if between else {})})


@dataclass
class TrialRecord:
    """The trials of one search, numbered 0, 1, 2, ... in the order in which they are asked for.

    A host may call its trials by ids that begin anew, so they cannot serve as numbers.
    """

    space: SearchSpace
    told: dict[int, Told] = field(default_factory=dict)  # in the order of the results
    running: dict[int, dict[str, Any]] = field(default_factory=dict)  # parameters as handed out
    facts: dict[int, dict[str, Any]] = field(default_factory=dict)
    asked: int = 0
    doubt: str = ""  # what makes it uncertain that the trials are of this very space
    noted: Mapping[str, Any] | str | None = None  # what it said of its space where it was read

    def start(self, parameters: Mapping[str, Any]) -> int:
        """Book a new trial with all its parameters, and give its number."""
        number, self.asked = self.asked, self.asked + 1
        self.running[number] = dict(parameters)
        return number

    def tell(self, number: int, result: Result, **facts: Any) -> None:
        """Book a result; the first successful one stays."""
        earlier = self.told.get(number)
        replaces = result.reward is not None or GUESSED in self.facts.get(number, {})
        if earlier is not None and (earlier.reward is not None or not replaces):
            _log.warning("trial %d has been told; a second result is left out", number)
            return
        others = self._others(number)
        if number in self.running:
            given = self.running.pop(number)
            others = self.others_of(given)
        self.told.pop(number, None)
        self.told[number] = Told(number, result.params, result.reward, result.excess)
        self.facts[number] = {"others": others, **result.facts, **facts}

    def others_of(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The hyperparameters beside the space's, and what a schedule says."""
        return {n: x for n, x in given.items() if n not in self.space.names and n != KNOWN}

    def params_of(self, number: int) -> Params:
        """The decisions of a trial that has been told, numbers of ranges as they were."""
        return {**self.told[number].params, **self.facts[number].get(_BETWEEN, {})}

    def known(self, given: Mapping[str, Any]) -> dict[str, Any] | None:
        """The metrics of the first trial that answers one with the parameters ``given``.

        If its facts say by what it was scored (`SCORED_BY`), that is among them: only the new trial
        itself can say whether it would be scored by the same.
        """
        earlier = (
            Measured(
                number,
                without_ours(known),
                known.get(BUDGET),
                self.facts[number].get("metrics", {}),
                after=known.get(AFTER),
            )
            for number, told in self.told.items()
            if told.reward is not None and ANSWERS_NONE not in self.facts[number]
            for known in [self.given_to(number)]
        )
        found = find_known(
            self.space,
            without_ours(given),
            given.get(BUDGET),
            earlier,
            needed=["reward"],
            after=given.get(AFTER),
        )
        if found is None:
            return None
        facts = self.facts[found.number]
        return {**found.repeated(), **{n: x for n, x in facts.items() if n == SCORED_BY}}

    def given_to(self, number: int) -> dict[str, Any]:
        """All parameters of a trial that has been told."""
        return {**self._others(number), **self.params_of(number)}

    def _others(self, number: int) -> dict[str, Any]:
        found: dict[str, Any] = self.facts.get(number, {}).get("others", {})
        return found

    def attempts(self) -> list[Attempt]:
        """The trials that are part of a schedule."""
        running = [(n, self.others_of(given), False) for n, given in self.running.items()]
        ended = [(n, self._others(n), True) for n in self.told]
        return [
            self._attempt(n, others, over)
            for n, others, over in [*running, *ended]
            if BUDGET in others
        ]

    def _attempt(self, number: int, others: Mapping[str, Any], ended: bool) -> Attempt:
        reward = self.told[number].reward if ended else None
        attempt = Attempt(number, others.get(PAST), ended, reward)
        if AFTER not in others:
            return attempt
        return attempt._replace(
            bracket=others[MEMBER],
            epochs=others[BUDGET],
            after=others[AFTER],
            params=None if reward is None else self._trained_with(number),
        )

    def _trained_with(self, number: int) -> dict[str, Any]:
        given = without_ours(self.given_to(number))
        names = set(self.space.names)
        return {**self.space.read(given), **{n: x for n, x in given.items() if n not in names}}

    def save(self, file: Path, **facts: Any) -> None:
        """Write everything, and any other ``facts`` (see `save_history`), in place of ``file``."""
        save_history(file, self.told.values(), **self._facts(), **facts)

    def as_text(self, **facts: Any) -> str:
        """What `save` writes, as JSON."""
        return text_of(self.told.values(), **self._facts(), **facts)

    def _facts(self) -> dict[str, Any]:
        noted = self.noted
        return {
            "space": old_fingerprint(self.space),
            "identity": self.space.identity() if noted is None else renewed(self.space, noted),
            "asked": self.asked,
            "running": [[number, parameters] for number, parameters in self.running.items()],
            "trials": [[number, facts] for number, facts in self.facts.items()],
        }

    @classmethod
    def load(cls, file: Path, space: SearchSpace) -> tuple[Self, dict[str, Any]]:
        """What `save` wrote, and its other facts.

        Raises:
            FileNotFoundError, CorruptedState: See `load_history`.
            SpaceMismatch: If it was written for another space.
        """
        return cls._of(*load_history(file), space, file)

    @classmethod
    def from_text(cls, text: str, space: SearchSpace) -> tuple[Self, dict[str, Any]]:
        """What `as_text` gave; see `load`."""
        place = "a record in memory"
        return cls._of(*history_in(json.loads(text), place), space, place)

    @classmethod
    def _of(
        cls, history: list[Told], facts: dict[str, Any], space: SearchSpace, file: str | Path
    ) -> tuple[Self, dict[str, Any]]:
        noted = facts.pop("identity", None) or str(facts.get("space"))
        try:
            found = compare(space, noted)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise CorruptedState(f"{file}, identity: no space is described: {error!r}") from error
        if found.different:
            raise SpaceMismatch(
                f"{file} holds the trials of another search space than {space!r}: "
                f"{found.different}. Resume with the space that the experiment was created with, "
                "or create a new experiment"
            )
        try:
            told = {
                each.number: each._replace(params=space.decode(space.encode(each.params)))
                for each in history
            }
            kept = as_kind({n: facts.pop(n) for n in _KEPT}, _Kept, file, "Move it away")
            running, trials, asked = dict(kept.running), dict(kept.trials), kept.asked
            record = cls(space, told, running, trials, asked, found.doubtful, noted)
            for number in told:
                record.facts.setdefault(number, {})
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise CorruptedState(f"{file} is not a whole record of trials: {error}") from error
        return record, facts


def without_ours(given: Mapping[str, Any]) -> dict[str, Any]:
    """A trial's parameters without what is added to them here."""
    return {name: x for name, x in given.items() if name not in OURS}
