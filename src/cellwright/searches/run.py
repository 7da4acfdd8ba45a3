"""One whole search read back, the same for every host."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from cellwright.plugins.metrics import METRICS, Metric, known_metric
from cellwright.plugins.registry import make_space, names
from cellwright.search_spaces import CellwrightError, InvalidArchitecture, Params, SearchSpace
from cellwright.searches.trial import Trial


@dataclass(frozen=True)
class Run:
    """The trials of a search, and what they were searched for.

    Args:
        name: Of the search.
        space: What was searched; None if the trials hold no architecture, but only other
            hyperparameters.
        trials: All that have ended, in the order of their numbers.
        declared: What the search, or the host's record, says about the trials' metrics.
        objectives: The metrics that were searched for.
        judge: The metric by which trials are ranked. None where there are several objectives and
            nothing that weighs them.
        folder: Where a report goes if nobody says otherwise.
    """

    name: str
    space: SearchSpace | None
    trials: Sequence[Trial]
    declared: Sequence[Metric] = ()
    objectives: Sequence[Metric] = (METRICS["reward"],)
    judge: Metric | None = METRICS["reward"]
    folder: Path = Path("runs/report")


def split_params(
    name: str, space: str | None, trials: Sequence[Trial], *, ours: bool = False
) -> tuple[SearchSpace | None, list[Trial]]:
    """Take the trials' architectures apart from their other hyperparameters.

    A trial without an architecture, with a part of one, or with values that the space does not
    allow keeps all as ``others``.

    Args:
        name: Of the run, for messages.
        space: Name of the space that was searched, or None if nobody says which it was.
        trials: With all hyperparameters in ``params``.
        ours: Whether the record says that a space of ours was searched.

    Returns:
        The space, or None if no trial holds a decision of any known one; and the trials.

    Raises:
        CellwrightError: If complete trials are of another space.
    """
    made = make_space(space)
    split, whole = [], 0
    complete = [trial for trial in trials if trial.state == "complete"]
    for trial in trials:
        held = {key: value for key, value in trial.params.items() if key in made.names}
        params: Params = {}
        with suppress(InvalidArchitecture):
            params = made.read(held)
        whole += bool(params) and trial.state == "complete"
        others = {key: value for key, value in trial.params.items() if key not in params}
        split.append(replace(trial, params=params, others=others))
    if whole or not complete:
        return made, split
    partly = any(key in made.names for trial in complete for key in trial.params)
    fit = next(filter(None, map(_fitting, complete)), "")
    if space is not None or ours or partly or fit:
        raise CellwrightError(
            f"{name} is of another search space: no complete trial holds the decisions of {made!r}."
            " Give --space with the name of the one that was searched"
            + (f"; the decisions are those of {fit}" if fit else "")
        )
    return None, split


def _fitting(trial: Trial) -> str:
    """The installed spaces that a trial is of."""
    fit = []
    for name in names("spaces"):
        try:
            make_space(name).read(trial.params)
        except ValueError:
            continue
        fit.append(name)
    return " or ".join(fit)


def name_of_values(values: Sequence[float], trials: Sequence[Trial], otherwise: str) -> str:
    """The metric under which the trials hold a host's values, or ``otherwise`` if there is none.

    Args:
        values: One of each trial.
        trials: Complete ones.
        otherwise: The name of values that no metric holds, or that a metric may hold by chance.
    """
    if not trials:
        return otherwise
    shared = set.intersection(*(set(trial.metrics) for trial in trials))
    same = sorted(
        name
        for name in shared
        if all(trial.metrics[name] == value for trial, value in zip(trials, values, strict=True))
    )
    known = [name for name in same if known_metric(name)]
    several = same if len(set(values)) > 1 else []
    first = ["reward"] if "reward" in same else []
    return next(iter([*first, *known, *several]), otherwise)
