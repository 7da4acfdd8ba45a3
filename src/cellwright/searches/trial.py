"""One trial of a search, the same for every host."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from cellwright.plugins.metrics import (
    CONFIRMED,
    DATA_WAIT,
    LEFT_OUT,
    METRICS,
    MUCH_WAITING,
    SHARED,
    SHARED_ACCURACY,
    SHARED_MSE,
    SPREAD,
    TRAININGS,
    Metric,
    plain_number,
)
from cellwright.plugins.scoring.evaluation import Evaluation
from cellwright.search_spaces import Params, SearchSpace
from cellwright.searches.analysis import kendall_tau

# By a metric's name, its points (epoch, value), in the order of epochs.
Curves = Mapping[str, Sequence[tuple[float, float]]]

_LEAST_RANKED = 5  # children whose order says something
_FAR_WORSE = 0.5  # of the accuracy in training


@dataclass(frozen=True)
class Trial:
    """One finished trial of any host.

    ``state`` is ``"complete"``, ``"pruned"`` (by Optuna's pruner, with the metrics of its last
    epoch), ``"failed"``, ``"infeasible"`` (beyond a limit, so not trained) or ``"interrupted"``;
    ``error`` says why it is not complete. ``after`` is that of its rung (`Rung`).

    ``params`` are the decisions of the space that was searched, and empty if the trial does not
    hold them all; ``others`` are its other hyperparameters, such as a learning rate of the user's.
    ``curves`` are the values by epoch that the host's record holds, which may be none.
    """

    number: int
    params: Params
    state: str
    metrics: dict[str, float] = field(default_factory=dict)
    error: str = ""
    after: str | None = None
    others: Mapping[str, Any] = field(default_factory=dict)
    curves: Curves = field(default_factory=dict, compare=False)

    @property
    def reward(self) -> float | None:
        return self.metrics.get("reward") if self.state == "complete" else None


def read_curves(points: Mapping[str, Iterable[tuple[Any, Any]]]) -> Curves:
    """Curves from what a record holds: the points that are finite numbers, at least two of each."""
    read = {
        str(name): [
            (float(epoch), float(value))
            for epoch, value in curve
            if _is_finite(epoch) and _is_finite(value)
        ]
        for name, curve in points.items()
    }
    return {name: sorted(curve) for name, curve in read.items() if len(curve) > 1}


def _is_finite(value: Any) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and math.isfinite(value)


def counted(trials: Iterable[Trial]) -> int:
    """How many of ``trials`` count; interrupted ones do not, for they are run again."""
    return sum(trial.state != "interrupted" for trial in trials)


def ranked(trials: Iterable[Trial], by: Metric = METRICS["reward"]) -> list[Trial]:
    """The complete trials that have the metric ``by`` and no NaN for it, the best first; of equal
    ones, the earlier trial.

    By reward, those whose children were trained again with other seeds come before all others, by
    the mean of their trainings: the highest of many noisy rewards is an overestimate, and beside
    such a mean it would win for that alone.
    """
    complete = [
        t for t in trials
        if t.state == "complete" and not math.isnan(t.metrics.get(by.name, math.nan))
    ]  # fmt: skip
    confirmed = CONFIRMED if by.name == "reward" else by.name

    def place(trial: Trial) -> tuple[bool, float, int]:
        value = trial.metrics.get(confirmed, trial.metrics[by.name])
        return confirmed not in trial.metrics, -by.sign * value, trial.number

    return sorted(complete, key=place)


def best_trial(trials: Iterable[Trial]) -> Trial | None:
    """The trial that a search hands over: the first of `ranked`; None if none is complete."""
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


def about_confirmed(trial: Trial) -> str:
    """The mean and the spread of a trial's trainings, if it was confirmed; else nothing."""
    if CONFIRMED not in trial.metrics:
        return ""
    mean, spread = (plain_number(trial.metrics[name]) for name in (CONFIRMED, SPREAD))
    return f"mean of {trial.metrics[TRAININGS]:.0f} trainings {mean} (spread {spread})"


def about_data(trials: Sequence[Trial]) -> list[str]:
    """What a reader must know of children that were trained on a stream, in sentences."""
    told = []
    waits = [trial.metrics[DATA_WAIT] for trial in trials if DATA_WAIT in trial.metrics]
    if waits and (mean := sum(waits) / len(waits)) > MUCH_WAITING:
        told.append(
            f"the children waited for data {mean:.0%} of the time ({max(waits):.0%} the longest): "
            "docs/streams.md says what makes reading faster"
        )
    if most := max((trial.metrics.get(LEFT_OUT, 0.0) for trial in trials), default=0.0):
        told.append(
            f"{most:.0f} example{'' if most == 1 else 's'} could not be read and "
            f"{'was' if most == 1 else 'were'} left out"
        )
    return told


def about_validation(trials: Sequence[Trial]) -> str | None:
    """What a reader must know if even the child that predicts best does so far worse than it was
    trained, so that the rewards say nothing of the architectures."""
    both = [
        (trial.metrics["val_accuracy"], trial.metrics["accuracy"])
        for trial in trials
        if trial.state == "complete" and {"val_accuracy", "accuracy"} <= trial.metrics.keys()
    ]
    if not both:
        return None
    own, trained = max(both)
    if own >= trained * _FAR_WORSE:
        return None
    return (
        f"the children predict far worse than they were trained: the best accuracy on the "
        f"validation part is {own:.2f}, with {trained:.2f} in training. If these were few training "
        "steps, batch normalisation has not settled: give more --epochs or a smaller --batch-size. "
        "If these were many, the children know the training part by heart"
    )


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


def about_supernet(trials: Sequence[Trial]) -> str | None:
    """How well the scores of a supernet rank the children that were trained after them."""
    scores = [
        (trial.metrics[shared], trial.metrics[own])
        for trial in trials
        for shared, own in ((SHARED_ACCURACY, "val_accuracy"), (SHARED_MSE, "val_loss"))
        if trial.state == "complete" and shared in trial.metrics and own in trial.metrics
    ]
    if len(scores) < _LEAST_RANKED:
        return None
    tau = kendall_tau(*zip(*scores, strict=True))
    return (
        f"supernet: Kendall's tau of the scores by shared weights with those of {len(scores)} "
        f"children that were then trained is {tau:.2f} (1: the same order, 0: "
        "none, -1: the opposite one)"
    )
