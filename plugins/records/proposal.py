"""All parameters of a new trial, for a host whose record is a `TrialRecord`."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from cellwright.plugins.records.record import AFTER, BUDGET, KNOWN, MEMBER, PAST, TrialRecord
from cellwright.plugins.strategies.outcome import Told
from cellwright.plugins.strategies.schedule import Rung, Schedule, draws_of
from cellwright.plugins.strategies.strategy import Prediction, Strategy
from cellwright.search_spaces import Params

_log = logging.getLogger(__name__)


class Proposal(NamedTuple):
    """What a trial is to do.

    Attributes:
        given: Decisions and other hyperparameters by name; `BUDGET` and `PAST` under a schedule,
            `MEMBER` and `AFTER` in a population, and `KNOWN` if an earlier trial answers this one.
        expected: What the strategy expects of a new child, if it predicts.
        rung: What a schedule says of the trial.
    """

    given: dict[str, Any]
    expected: Prediction | None = None
    rung: Rung | None = None


def propose(
    number: int,
    record: TrialRecord,
    strategy: Strategy,
    schedule: Schedule | None,
    told: Sequence[Told],
    running: Sequence[Mapping[str, Any]],
    others: Mapping[str, Any],
) -> Proposal:
    """What trial ``number`` is to do: begin a new child, or go on with one.

    An exception in the strategy is logged, and the architecture is then drawn at random: a host
    whose search ends by it would lose the trials that run.

    Args:
        number: The trial's.
        record: What all earlier trials came to.
        strategy: Decides on the space of ``record``, or what is left of it.
        schedule: Decides who goes on, and for how long; None without one.
        told: What the strategy is to learn from.
        running: The decisions of the trials that run.
        others: Hyperparameters beside the strategy's, for a new child.
    """
    rung = None
    if schedule is not None:
        draws = draws_of(strategy.seed, number)
        rung = schedule.next(record.attempts(), strategy.space, draws)
    if rung is not None and rung.past is not None:
        past = {**record.given_to(rung.past), **(rung.changes or {})}
        return Proposal(_with_known(record, {**past, **_in_our_words(rung)}), None, rung)
    params, expected = _ask(number, strategy, told, running)
    given = {**params, **others}
    if rung is not None:
        given |= _in_our_words(rung)
    # To search the record takes a canonical form for each trial of it. In a part of the space, a
    # strategy may not know a network again by another of its names.
    narrowed = strategy.space is not record.space
    if narrowed or strategy.knows(params):
        given = _with_known(record, given)
    return Proposal(given, expected, rung)


def _in_our_words(rung: Rung) -> dict[str, Any]:
    member = None if rung.after is None else rung.bracket
    words = {BUDGET: rung.epochs, PAST: rung.past, MEMBER: member, AFTER: rung.after}
    return {name: value for name, value in words.items() if value is not None}


def _with_known(record: TrialRecord, given: dict[str, Any]) -> dict[str, Any]:
    known = record.known(given)
    return given if known is None else {**given, KNOWN: known}


def _ask(
    number: int,
    strategy: Strategy,
    told: Sequence[Told],
    running: Sequence[Mapping[str, Any]],
) -> tuple[Params, Prediction | None]:
    space = strategy.space
    try:
        strategy.follow(told)
        params = space.decode(space.encode(strategy.ask(number, running)))
        return params, strategy.predict(params)
    except Exception:
        _log.exception("the strategy failed; the architecture of trial %d is random", number)
        return space.sample(np.random.default_rng((strategy.seed, number))), None
