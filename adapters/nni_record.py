"""What an NNI tuner knows of its trials: which it asked for, and what they reported."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cellwright.plugins.records.record import GUESSED, Result, TrialRecord, result_of
from cellwright.plugins.strategies.known import SCORED_BY
from cellwright.search_spaces import SearchSpace

HISTORY = "cellwright_history.json"

# Among what a trial reports:
ARCHITECTURE = "architecture"  # in a line or two, for a reader of NNI's page
DECISIONS = "decisions"  # the same as JSON text: the page breaks on a value that is an object
INTERRUPTED = "interrupted"  # it was stopped: this is no result, and it is tried again
_log = logging.getLogger(__name__)


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
    error = report.pop("error", None)
    metrics = {name: float(x) for name, x in report.items() if _is_finite(x)}
    facts: dict[str, Any] = {"default": metrics.pop("default", None), "metrics": metrics}
    if SCORED_BY in report:
        facts[SCORED_BY] = str(report[SCORED_BY])
    bad = next((name for name in signs if not _is_finite(report.get(name))), None)
    if error is None and bad is not None:
        error = f"the final {bad!r} must be a finite number, got {report.get(bad)!r}"
    if error is not None:
        return result_of(space, given, None, {**facts, "error": str(error)})
    rewards = tuple(sign * float(report[name]) for name, sign in signs.items())
    return result_of(space, given, rewards if len(rewards) > 1 else rewards[0], facts)


@dataclass
class Record(TrialRecord):
    """The trials of one experiment, with what makes up for what NNI does not say of them.

    NNI's own parameter ids begin anew with each resume, so they cannot serve as numbers.
    """

    _ends: list[int] = field(default_factory=list)  # as NNI named them to this process
    _reports: set[str] = field(default_factory=set)

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
            self.tell(suspect, result_of(self.space, params, None, {"error": error, GUESSED: True}))

    def _guessed(self, number: int) -> bool:
        return bool(self.facts.get(number, {}).get(GUESSED))

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


def _echo(decisions: Any, architecture: Any) -> Mapping[str, Any] | None:
    """The parameters that a trial says it had; None if it does not say."""
    if isinstance(decisions, str):
        try:
            decisions = json.loads(decisions)
        except ValueError as error:
            raise ValueError(f"the {DECISIONS!r} of a result are no JSON: {error}") from error
    found = (given for given in (decisions, architecture) if isinstance(given, Mapping))
    return next(found, None)


def _is_finite(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)
