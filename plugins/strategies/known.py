"""Whether a trial has been measured before: one rule for every host.

A strategy proposes no network twice, but a user may enqueue one again, and a space may be used up.
The trial need not be trained then, if an earlier result can answer it. It can, if

- the network is the same, whatever names describe it (`SearchSpace.key`);
- every hyperparameter that has an effect is equal, number for number. A `Float` or `Int` counts by
  its value, and not by the nearest of its levels, which is what a strategy is told;
- the epochs are equal. Under a schedule they are those of the rung, earlier rungs included. Without
  a schedule they are None, and such trials only answer each other. So a child that goes on is never
  answered by its own shorter training. Nor does a longer training answer a shorter one: it would
  bring a child to the front of its round with epochs that the others have not had;
- in a population (`PopulationBased`), the child went on from the same weights. These are named by
  all that led to them, so that only a trial with the same training behind it answers such a one;
- the training was not cut short by a deadline;
- the training did not take part in one-shot weights (`WeightBank`), with which a child's score
  depends on the children before it;
- the data, the recipe and the reward are equal, where the host keeps with a trial by what it was
  scored (`Evaluation.fingerprint`). Our adapters keep it; a trial without it is not compared.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from cellwright.plugins.strategies.strategy import NOTES
from cellwright.search_spaces import Float, Int, InvalidArchitecture, Params, SearchSpace

REPEAT_OF = "repeat_of"  # among the metrics of a trial that was answered: number of the earlier one
SCORED_BY = "scored_by"  # under which a host keeps a trial's `Evaluation.fingerprint`


class Measured(NamedTuple):
    """A trial that succeeded, and can answer another.

    Attributes:
        number: The trial's number.
        params: All that its host holds: decisions of the space and other hyperparameters, by name.
        epochs: Those of its rung, earlier rungs included; None without a schedule.
        metrics: What was measured.
        scored_by: `Evaluation.fingerprint`; None if nobody kept it.
        after: That of its rung, the name of the weights that it went on from in a population; None
            elsewhere.
    """

    number: int
    params: Mapping[str, Any]
    epochs: int | None
    metrics: Mapping[str, float]
    scored_by: str | None = None
    after: str | None = None

    def repeated(self) -> dict[str, float]:
        """The metrics of the trial that this one answers; what a strategy predicted is left out."""
        metrics = {name: value for name, value in self.metrics.items() if name not in NOTES}
        return {**metrics, REPEAT_OF: float(self.number)}


def find_known(
    space: SearchSpace,
    params: Mapping[str, Any],
    epochs: int | None,
    trials: Iterable[Measured],
    needed: Iterable[str] = (),
    scored_by: str | None = None,
    after: str | None = None,
) -> Measured | None:
    """The first trial that answers a new one; None if there is none.

    Args:
        space: Tells which names are decisions, and which networks are the same.
        params: The new trial's, as in `Measured`.
        epochs: The new trial's, as in `Measured`.
        trials: In the order in which to look at them.
        needed: Metrics without which a trial answers nothing.
        scored_by: The new trial's, as in `Measured`; None if it is not to be compared.
        after: The new trial's, as in `Measured`.

    Raises:
        InvalidArchitecture: If a value of the new trial is not allowed in ``space``.
    """
    wanted = _hyperparameters(space, params)
    if wanted is None:
        return None
    network, needed = space.key(_decisions(space, params)), set(needed)
    for trial in trials:
        if (
            (trial.epochs, trial.after) == (epochs, after)
            and needed <= trial.metrics.keys()
            and not trial.metrics.get("cut")
            and "shared_layers" not in trial.metrics
            and (None in (scored_by, trial.scored_by) or scored_by == trial.scored_by)
            and _is_same(space, trial.params, wanted, network)
        ):
            return trial
    return None


def _is_same(
    space: SearchSpace,
    params: Mapping[str, Any],
    wanted: Mapping[str, Any],
    network: tuple[int, ...],
) -> bool:
    """Whether an earlier trial has these hyperparameters and this network; one with a value that
    ``space`` does not allow has not."""
    try:
        return (
            _hyperparameters(space, params) == wanted
            and space.key(_decisions(space, params)) == network
        )
    except InvalidArchitecture:
        return False


def _decisions(space: SearchSpace, params: Mapping[str, Any]) -> Params:
    return {name: params[name] for name in space.names if name in params}


def _hyperparameters(space: SearchSpace, params: Mapping[str, Any]) -> dict[str, Any] | None:
    """What must be equal number for number; None if ``params`` lacks a part of the network."""
    decisions = _decisions(space, params)
    if space.missing(decisions):
        return None
    read = space.read(decisions)
    numbers = {
        d.name: read[d.name]
        for d in space.decisions
        if isinstance(d, Float | Int) and d.name in read
    }
    return {**{name: value for name, value in params.items() if name not in decisions}, **numbers}
