"""All parameters that an NNI tuner gives a new trial."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import numpy as np

from cellwright.adapters.nni_narrowed import is_point
from cellwright.adapters.nni_record import Record
from cellwright.adapters.nni_space import draw
from cellwright.plugins.records.proposal import propose as propose_from
from cellwright.plugins.strategies.outcome import Told
from cellwright.plugins.strategies.schedule import Schedule
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
    """Parameters for trial ``number`` (see `propose_from`), of what NNI's search space leaves.

    Args:
        number: The trial's.
        record: What all earlier trials came to.
        strategy: Decides on the space of ``record``, or what is left of it.
        schedule: Decides who goes on, and for how long; None without one.
        others: The search space's other entries (`nni_space.other_entries`), drawn at random.
        sign: 1 if the first objective is maximised, -1 if it is minimised.
    """
    space = strategy.space
    drawn = draw(others, np.random.default_rng((strategy.seed, number, 1)))
    proposal = propose_from(
        number, record, strategy, schedule, _told(record, space), _running(record, space), drawn
    )
    if proposal.expected is not None:
        _log.info("trial %d: %s", number, proposal.expected.notes(sign))
    return proposal.given


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


def _running(record: Record, space: SearchSpace) -> list[Params]:
    return [
        {name: given[name] for name in space.names}
        for given in record.running.values()
        if space is record.space or is_point(space, given)
    ]
