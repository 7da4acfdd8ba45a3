"""All parameters that an NNI tuner gives a new trial."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import numpy as np

from cellwright.adapters.nni_narrowed import is_point
from cellwright.adapters.nni_record import AFTER, BUDGET, KNOWN, MEMBER, PAST, Record
from cellwright.adapters.nni_space import draw
from cellwright.plugins.strategies.outcome import Told
from cellwright.plugins.strategies.schedule import Rung, Schedule, draws_of
from cellwright.plugins.strategies.strategy import Strategy
from cellwright.search_spaces import Params, SearchSpace

_log = logging.getLogger(__name__)


def propose(
    number: int,
    record: Record,
    strategy: Strategy,
    schedule: Schedule | None,
    others: Mapping[str, Any],
    sign: float,
) -> dict[str, Any]:
    """Parameters for trial ``number``: of a new child, or of one that goes on.

    An exception in the strategy is logged, and the architecture is then drawn at random.

    Args:
        number: The trial's.
        record: What all earlier trials came to.
        strategy: Decides on the space of ``record``, or what is left of it.
        schedule: Decides who goes on, and for how long; None without one.
        others: The search space's other entries (`nni_space.other_entries`), drawn at random.
        sign: 1 if the first objective is maximised, -1 if it is minimised.

    Returns:
        Decisions and other hyperparameters by name; `BUDGET` and `PAST` under a schedule, `MEMBER`
        and `AFTER` in a population, and `KNOWN` if an earlier trial answers this one.
    """
    rung = None
    if schedule is not None:
        draws = draws_of(strategy.seed, number)
        rung = schedule.next(record.attempts(), strategy.space, draws)
    if rung is not None and rung.past is not None:
        past = {**record.given_to(rung.past), **(rung.changes or {})}
        return _with_known(record, {**past, **_in_our_words(rung)})
    params = _ask(number, record, strategy, sign)
    given = {**params, **draw(others, np.random.default_rng((strategy.seed, number, 1)))}
    if rung is not None:
        given |= _in_our_words(rung)
    # To search the record takes a canonical form for each trial of it. In a part of the space, a
    # strategy may not know a network again by another of its names.
    narrowed = strategy.space is not record.space
    return _with_known(record, given) if narrowed or strategy.knows(params) else given


def _in_our_words(rung: Rung) -> dict[str, Any]:
    member = None if rung.after is None else rung.bracket
    words = {BUDGET: rung.epochs, PAST: rung.past, MEMBER: member, AFTER: rung.after}
    return {name: value for name, value in words.items() if value is not None}


def _with_known(record: Record, given: dict[str, Any]) -> dict[str, Any]:
    known = record.known(given)
    return given if known is None else {**given, KNOWN: known}


def _told(record: Record, space: SearchSpace) -> list[Told]:
    """What a strategy on ``space`` learns from: the results in it, with its own levels of ranges.

    The others are of networks that are not searched any more.
    """
    if space is record.space:
        return list(record.told.values())
    found = []
    for told in record.told.values():
        exact = record.params_of(told.number)
        if is_point(space, exact):
            found.append(told._replace(params=space.decode(space.encode(exact))))
    return found


def _ask(number: int, record: Record, strategy: Strategy, sign: float) -> Params:
    space = strategy.space
    try:
        strategy.follow(_told(record, space))
        running = [
            {name: given[name] for name in space.names}
            for given in record.running.values()
            if space is record.space or is_point(space, given)
        ]
        params = space.decode(space.encode(strategy.ask(number, running)))
        expected = strategy.predict(params)
        if expected is not None:
            _log.info("trial %d: %s", number, expected.notes(sign))
        return params
    except Exception:
        _log.exception("the strategy failed; the architecture of trial %d is random", number)
        return space.sample(np.random.default_rng((strategy.seed, number)))
