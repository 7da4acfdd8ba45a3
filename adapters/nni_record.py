"""What an NNI tuner knows of its trials: which it asked for, and what they reported."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from cellwright.adapters.nni_history import load_history, save_history
from cellwright.plugins.strategies.known import SCORED_BY, Measured, find_known
from cellwright.plugins.strategies.outcome import Rewards, Told, excess_of
from cellwright.plugins.strategies.schedule import Attempt
from cellwright.search_spaces import (
    CorruptedState,
    Params,
    SearchSpace,
    SpaceMismatch,
)
from cellwright.search_spaces.identity import compare, old_fingerprint, renewed

HISTORY = "cellwright_history.json"

# Beside a trial's parameters:
KNOWN = "known_result"  # the metrics of a trial that answers it
BUDGET = "TRIAL_BUDGET"  # its epochs, as NNI's own Hyperband calls them
PAST = "goes_on_from"  # under a schedule, the number of the trial that it goes on from
MEMBER = "member"  # in a population, the member whose step it is (`Rung.bracket`)
AFTER = "after_weights"  # in a population, the name of the weights that it goes on from
OURS = frozenset({KNOWN, BUDGET, PAST, MEMBER, AFTER})

# Among what a trial reports:
ARCHITECTURE = "architecture"  # in a line or two, for a reader of NNI's page
DECISIONS = "decisions"  # the same as JSON text: the page breaks on a value that is an object
INTERRUPTED = "interrupted"  # it was stopped: this is no result, and it is tried again

# Among a trial's facts:
IMPORTED = "imported"  # with what hyperparameters, and how long, it was trained is not known
_BETWEEN = "between"  # numbers of ranges that are none of their levels
_log = logging.getLogger(__name__)


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


def read_result(
    space: SearchSpace, value: Any, parameters: Any, signs: Mapping[str, float]
) -> Result:
    """Read a final result as NNI hands it over.

    With more than one trial at a time, NNI may book a result under another trial's parameters
    (microsoft/nni#5726). So the decisions that a trial echoes in its result count, and
    ``parameters`` only where there is no echo.

    Args:
        space: What the tuner searches.
        value: A number, or a dictionary with the number as ``default`` (NNI's custom), the trial's
            ``decisions`` and any other metrics; with an ``error``, it is a failure. A mapping under
            ``architecture``, as earlier versions report it, is read as ``decisions``.
        parameters: What NNI says the trial was given.
        signs: The objectives by the names under which trials report them: 1 to maximise, -1 to
            minimise. Usually the only one is ``default``.

    Raises:
        InvalidArchitecture: If neither the echo nor ``parameters`` is a point of ``space``.
        ValueError: If the echo is no JSON.
    """
    report = dict(value) if isinstance(value, Mapping) else {"default": value}
    given = _echo(report.pop(DECISIONS, None), report.pop(ARCHITECTURE, None))
    if given is None:
        given = parameters if isinstance(parameters, Mapping) else {}
    given = {name: given[name] for name in space.names if name in given}
    params, exact = space.decode(space.encode(given)), space.read(given)
    error = report.pop("error", None)
    metrics = {name: float(x) for name, x in report.items() if _is_finite(x)}
    facts: dict[str, Any] = {"default": metrics.pop("default", None), "metrics": metrics}
    if SCORED_BY in report:
        facts[SCORED_BY] = str(report[SCORED_BY])
    if between := {name: x for name, x in exact.items() if x != params[name]}:
        facts[_BETWEEN] = between
    bad = next((name for name in signs if not _is_finite(report.get(name))), None)
    if error is None and bad is not None:
        error = f"the final {bad!r} must be a finite number, got {report.get(bad)!r}"
    if error is not None:
        return Result(params, None, {**facts, "error": str(error)})
    rewards = tuple(sign * float(report[name]) for name, sign in signs.items())
    return Result(params, rewards if len(rewards) > 1 else rewards[0], facts)


@dataclass
class Record:
    """The trials of one experiment, numbered 0, 1, 2, ... in the order in which NNI asks for them.

    NNI's own parameter ids begin anew with each resume, so they cannot serve as numbers.
    """

    space: SearchSpace
    told: dict[int, Told] = field(default_factory=dict)  # in the order of the results
    running: dict[int, dict[str, Any]] = field(default_factory=dict)  # parameters as handed out
    facts: dict[int, dict[str, Any]] = field(default_factory=dict)
    asked: int = 0
    doubt: str = ""  # what makes it uncertain that the trials are of this very space
    noted: Mapping[str, Any] | str | None = None  # what it said of its space where it was read
    _ends: list[int] = field(default_factory=list)  # as NNI named them to this process
    _reports: set[str] = field(default_factory=set)

    def start(self, parameters: Mapping[str, Any]) -> int:
        """Book a new trial with all its parameters, and give its number."""
        number, self.asked = self.asked, self.asked + 1
        self.running[number] = dict(parameters)
        return number

    def tell(self, number: int, result: Result, **facts: Any) -> None:
        """Book a result; the first successful one stays."""
        earlier = self.told.get(number)
        replaces = result.reward is not None or self._guessed(number)
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

        By what it was scored is among them as `SCORED_BY`: only the trial itself can say whether it
        would be scored by the same (`nni_trial.run`).
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
            if told.reward is not None and IMPORTED not in self.facts[number]
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

    def report(self, number: int, result: Result, trial: str | None = None) -> None:
        """Book what a trial reported, which may be a failure."""
        self.tell(number, result, trial=trial)
        self._reports.add(trial or str(number))

    def report_interrupted(self, number: int, trial: str | None = None) -> None:
        """Book that a trial was interrupted: it has reported, and is still to be tried."""
        self._reports.add(trial or str(number))

    def end(self, number: int) -> None:
        """Book that a trial ended, and a failure if more trials have ended than reported.

        NNI may name the wrong trial. So it is certain that one failed, and a guess which one; the
        guess is corrected if that trial reports after all.
        """
        if number in self._ends:
            return
        self._ends.append(number)
        guesses = sum(self._guessed(ended) for ended in self._ends)
        silent = len(self._ends) - len(self._reports) - guesses
        for suspect in [ended for ended in self._ends if ended in self.running][: max(0, silent)]:
            params = {name: self.running[suspect][name] for name in self.space.names}
            error = "ended without a final result"
            _log.warning("trial %d %s", suspect, error)
            self.tell(suspect, Result(params, None, {"error": error, "guessed": True}))

    def _guessed(self, number: int) -> bool:
        return bool(self.facts.get(number, {}).get("guessed"))

    def holds(self, result: Result, trial: str | None) -> bool:
        """Whether a result that NNI sends again is already booked."""
        return any(facts.get("trial") == trial for facts in self.facts.values() if trial) or any(
            told.reward == result.reward and self.params_of(number) == result.exact
            for number, told in self.told.items()
        )

    def number_of(self, result: Result) -> int | None:
        """The trial with the decisions of ``result`` that is running, or else that failed."""
        wanted = self.space.read(result.exact)
        for number, parameters in self.running.items():
            if self.space.read(parameters) == wanted:
                return number
        failed = [number for number, told in self.told.items() if told.reward is None]
        return next((n for n in failed if self.params_of(n) == result.exact), None)

    def save(self, folder: str | Path, **facts: Any) -> None:
        """Write everything to `HISTORY` in ``folder``."""
        noted = self.noted
        save_history(
            Path(folder, HISTORY),
            self.told.values(),
            space=old_fingerprint(self.space),
            identity=self.space.identity() if noted is None else renewed(self.space, noted),
            asked=self.asked,
            running=[[number, parameters] for number, parameters in self.running.items()],
            trials=[[number, facts] for number, facts in self.facts.items()],
            **facts,
        )

    @classmethod
    def load(cls, folder: str | Path, space: SearchSpace) -> tuple[Record, dict[str, Any]]:
        """What `save` wrote, and its other facts.

        Raises:
            FileNotFoundError, CorruptedState: See `load_history`.
            SpaceMismatch: If it was written for another space.
        """
        path = Path(folder, HISTORY)
        history, facts = load_history(path)
        noted = facts.pop("identity", None) or str(facts.get("space"))
        found = compare(space, noted)
        if found.different:
            raise SpaceMismatch(
                f"{path} holds the trials of another search space than {space!r}: "
                f"{found.different}. Resume with the space that the experiment was created with, "
                "or create a new experiment"
            )
        try:
            told = {
                each.number: each._replace(params=space.decode(space.encode(each.params)))
                for each in history
            }
            running = {int(number): dict(given) for number, given in facts.pop("running")}
            trials = {int(number): dict(known) for number, known in facts.pop("trials")}
            asked = int(facts.pop("asked"))
            record = cls(space, told, running, trials, asked, found.doubtful, noted)
            for number in told:
                record.facts.setdefault(number, {})
        except (KeyError, TypeError, ValueError) as error:
            raise CorruptedState(f"{path} is not a whole record of trials: {error}") from error
        return record, facts


def _echo(decisions: Any, architecture: Any) -> Mapping[str, Any] | None:
    """The parameters that a trial says it had; None if it does not say."""
    if isinstance(decisions, str):
        try:
            decisions = json.loads(decisions)
        except ValueError as error:
            raise ValueError(f"the {DECISIONS!r} of a result are no JSON: {error}") from error
    found = (given for given in (decisions, architecture) if isinstance(given, Mapping))
    return next(found, None)


def without_ours(given: Mapping[str, Any]) -> dict[str, Any]:
    """A trial's parameters without what the tuner adds to them."""
    return {name: x for name, x in given.items() if name not in OURS}


def _is_finite(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)
