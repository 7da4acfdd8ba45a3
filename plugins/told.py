"""One result, as a strategy is told it."""

from __future__ import annotations

from typing import NamedTuple

from cellwright.search_spaces import Params

Rewards = float | tuple[float, ...]  # of one child: a number, or one for each of the objectives


class Told(NamedTuple):
    """One result in a strategy's history.

    Attributes:
        number: The trial's.
        params: Its architecture.
        reward: None for a child that failed.
        excess: Of a child that failed because it is beyond a limit: by what share of the limit, 1
            for twice as much as is allowed. 0 for any other.
    """

    number: int
    params: Params
    reward: Rewards | None
    excess: float = 0.0
