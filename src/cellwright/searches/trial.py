"""One trial and one whole search, the same for every host."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from cellwright.plugins.metrics import SHARED, Metric
from cellwright.plugins.scoring.evaluation import Evaluation
from cellwright.search_spaces import CellwrightError, InvalidArchitecture, Params, SearchSpace


@dataclass(frozen=True)
class Trial:
    """One finished trial of any host.

    ``state`` is ``"complete"``, ``"pruned"`` (by Optuna's pruner, with the metrics of its last
    epoch), ``"failed"``, ``"infeasible"`` (beyond a limit, so not trained) or ``"interrupted"``;
    ``error`` says why it is not complete. ``after`` is that of its rung (`Rung`).
    """

    number: int
    params: Params
    state: str
    metrics: dict[str, float] = field(default_factory=dict)
    error: str = ""
    after: str | None = None

    @property
    def reward(self) -> float | None:
        return self.metrics.get("reward") if self.state == "complete" else None

    @property
    def pruned_at(self) -> float | None:
        """The reward after the last epoch of a trial that was pruned."""
        return self.metrics.get("reward") if self.state == "pruned" else None


def counted(trials: Iterable[Trial]) -> int:
    """How many of ``trials`` count; interrupted ones do not, for they are run again."""
    return sum(trial.state != "interrupted" for trial in trials)


def ranked(trials: Iterable[Trial]) -> list[Trial]:
    """The complete trials, the highest reward first; of equal ones, the earlier trial."""
    complete = [trial for trial in trials if trial.reward is not None]
    return sorted(complete, key=lambda trial: (-trial.metrics["reward"], trial.number))


def best_trial(trials: Iterable[Trial]) -> Trial | None:
    """The first trial with the highest reward, or None if none is complete."""
    return next(iter(ranked(trials)), None)


def is_child_of(kept: Mapping[str, Any] | None, trial: Trial, space: SearchSpace) -> bool:
    """Whether the best child that is kept (`read_best`) is the child of ``trial``.

    The reward must be equal too: under a schedule, and where a number in a range is searched, one
    network is trained in several ways. But a child that was trained again from fresh weights, as
    that of a one-shot trial is (`run_again`), has a reward of its own.
    """
    if kept is None or space.key(kept["params"]) != space.key(trial.params):
        return False
    if SHARED in trial.metrics and SHARED not in kept["metrics"]:
        return bool(kept["params"] == trial.params)
    return bool(kept["metrics"]["reward"] == trial.metrics.get("reward"))


def run_again(evaluation: Evaluation, trial: Trial) -> tuple[dict[str, float], Any]:
    """Train a trial's child once more, for as many epochs as before, if a schedule set them.

    A child of a population is not trained, but read from the folder of the population's weights.

    It begins with fresh weights. In a one-shot search it is therefore another child of the same
    architecture: the weights with which the first one began are gone.

    Returns and raises what ``evaluation.run`` does.
    """
    epochs = trial.metrics.get("epochs")
    epochs = None if epochs is None else int(epochs)
    alone = replace(evaluation, weights=None, on_trial=None)
    return alone.run(trial.params, epochs=epochs, after=trial.after)


def about_shared_weights(trials: Sequence[Trial]) -> str | None:
    """What a reader of rewards must know if children began with the weights of earlier ones."""
    complete = [trial for trial in trials if trial.state == "complete"]
    shared = sum(trial.metrics.get(SHARED, 0) > 0 for trial in complete)
    if not shared:
        return None
    return (
        f"one-shot: {shared} of {len(complete)} children began with weights that others had "
        "trained, so that their rewards are not those of a training of their own"
    )


@dataclass(frozen=True)
class Run:
    """The trials of a search, and its space; the larger a reward, the better.

    ``declared`` is what the search, or the host's record, says about the trials' metrics.
    """

    name: str
    space: SearchSpace
    trials: Sequence[Trial]
    declared: Sequence[Metric] = ()


def run_of(
    name: str, space: SearchSpace, trials: Sequence[Trial], declared: Sequence[Metric] = ()
) -> Run:
    """Reduce trials to the decisions of ``space``; other numbers among them become metrics.

    Raises:
        CellwrightError: If a complete trial is of another space.
    """
    mine = []
    for trial in trials:
        held = {key: value for key, value in trial.params.items() if key in space.names}
        others = {
            key: float(value)
            for key, value in trial.params.items()
            if key not in space.names and isinstance(value, int | float)
        }
        try:
            params = space.decode(space.encode(held))
        except InvalidArchitecture as error:
            if trial.state == "complete":
                raise CellwrightError(
                    f"trial {trial.number} of {name} is of another search space: {error}. Give "
                    "--space with the name of the one that was searched"
                ) from None
            continue
        mine.append(replace(trial, params=params, metrics={**others, **trial.metrics}))
    return Run(name, space, mine, declared)
