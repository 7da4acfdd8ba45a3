"""What can go wrong, as types; each message names what was given, what is allowed, what to do.

CellwrightError
├── InvalidArchitecture   parameters that are no point of the space
├── SpaceMismatch         a record (study, experiment, project) that holds another space
├── UnbuildableChild      an architecture that cannot be made for this input
├── ChildFailed           a child network that could not be trained or scored
│   └── OverLimit         one beyond a limit, as a rule not trained: it costs too much
├── CorruptedState        a state file that cannot be read
├── ExportFailed          a network that cannot be written in another format
├── WeightsMismatch       weights of another network than the one that is to have them
└── InvalidData           images or labels that cannot be searched on
"""

from __future__ import annotations

from collections.abc import Mapping

INFEASIBLE = "infeasible"
"""A metric that every host is told of a child beyond a limit, which as a rule is not trained: how
far it is beyond the limit, as a share of the limit, above 0."""


class CellwrightError(Exception):
    """Every error that Cellwright raises on purpose, except for plain wrong arguments."""


class InvalidArchitecture(CellwrightError, ValueError):
    """Parameters that are no point of the search space."""


class SpaceMismatch(CellwrightError, ValueError):
    """A host's record holds trials of another search space."""


class UnbuildableChild(CellwrightError, ValueError):
    """The child network cannot be made for this input; raised before any training."""


class ChildFailed(CellwrightError, RuntimeError):
    """A child network raised, ran out of memory, or scored something that is not a number."""


class OverLimit(ChildFailed):
    """A child network is beyond a limit; raised before any training, unless the limit is on
    something that is measured after it.

    Attributes:
        metric: Name of what is limited.
        value: How much the child has of it.
        limit: The most that is allowed, or the least.
        metrics: All that is known of the child, `INFEASIBLE` included, as a host stores it.
    """

    def __init__(
        self,
        metric: str,
        value: float,
        limit: float,
        known: Mapping[str, float],
        *,
        at_least: bool = False,
        trained: bool = False,
    ) -> None:
        side = "below the least that is allowed," if at_least else "beyond the limit of"
        end = "the child does not count" if trained else "the child is not trained"
        super().__init__(f"{metric} is {value:,.4g}, {side} {limit:,.4g}: {end}")
        self.metric, self.value, self.limit = metric, value, limit
        share = value / limit - 1
        self.metrics = {**known, metric: value, INFEASIBLE: -share if at_least else share}


class CorruptedState(CellwrightError, RuntimeError):
    """A state file is damaged; the message says which and what can be done."""


class ExportFailed(CellwrightError, RuntimeError):
    """A network cannot be written in another format, or the file gives other outputs."""


class InvalidData(CellwrightError, ValueError):
    """Images or labels that cannot be searched on."""


class WeightsMismatch(CellwrightError, ValueError):
    """Weights that do not fit the network that is to have them; nothing of it has been changed."""
