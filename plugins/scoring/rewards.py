"""Rewards: they turn a child network's metrics into the one number that a strategy sees."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping

from cellwright.search_spaces import ChildFailed
from cellwright.search_spaces.arguments import check_number, check_text


class Reward(ABC):
    """A function of metrics, the larger the better."""

    @abstractmethod
    def __call__(self, metrics: Mapping[str, float]) -> float:
        """Weigh the metrics of one child.

        Raises:
            ChildFailed: If a metric that is needed is missing, NaN or infinite.
        """


class AccuracyReward(Reward):
    """One metric as it is, or its power.

    ``AccuracyReward("best_val_accuracy", power=3)`` is the reward of Zoph and Le 2016, section 4.1:
    the best validation accuracy of the last 5 epochs, cubed.

    Args:
        metric: Its name; validation accuracy, in [0, 1], by default.
        power: Above 0; more than 1 sets good children further apart than bad ones.

    Raises:
        ValueError: If ``power`` is not above 0 and finite.
    """

    def __init__(self, metric: str = "val_accuracy", power: float = 1) -> None:
        check_text("metric", metric)
        check_number("power", power, above=0)
        self.metric, self.power = metric, power

    @classmethod
    def weighted(cls, power: float = 1) -> AccuracyReward:
        """The reward of the MLPNAS series: the mean validation accuracy of all epochs, weighted by
        their numbers from 1, or its power."""
        return cls("weighted_val_accuracy", power)

    def __call__(self, metrics: Mapping[str, float]) -> float:
        return float(_finite(metrics, self.metric) ** self.power)


class LossReward(Reward):
    """The negative of a loss: what a search for numbers to predict maximises.

    For labels with variance 1 the mean squared error is about 1 - R^2.

    Args:
        metric: Its name; validation loss by default.
    """

    def __init__(self, metric: str = "val_loss") -> None:
        check_text("metric", metric)
        self.metric = metric

    def __call__(self, metrics: Mapping[str, float]) -> float:
        return -_finite(metrics, self.metric)


def usual_reward(classes: int | None) -> Reward:
    """Validation accuracy; where a number is predicted (None), the negative validation loss."""
    return LossReward() if classes is None else AccuracyReward()


def progress(metrics: Mapping[str, float]) -> float:
    """The number by which a host compares running children by epoch, the larger the better.

    It is the reward so far (`Evaluation.run`), and comparable with the final one. Where the reward
    weighs what only a whole training gives, it is validation accuracy, or the negative of the
    validation loss where a number is predicted.
    """
    if "reward" in metrics:
        return metrics["reward"]
    accuracy = metrics.get("val_accuracy")
    return -metrics["val_loss"] if accuracy is None else accuracy


class MnasNetReward(Reward):
    """Accuracy weighed against latency: ACC x (LAT / T)^w (Tan et al. 2019, equations 2 and 3).

    w is ``alpha`` up to the target and ``beta`` above it. The defaults are the paper's soft
    constraint: accuracy can make up for any latency, so that the best child may be beyond the
    target. `hard` is its hard constraint. `target_from` sets a target by a network that you know.

    Args:
        target: T, in the unit of the latency metric (milliseconds by default), above 0.
        alpha: Exponent where latency is at most ``target``.
        beta: Exponent above it.
        metric: Name of the accuracy.
        latency: Name of the latency, or of anything else that a meter measures.

    Raises:
        ValueError: If ``target`` is not above 0, or an exponent is not finite.
    """

    def __init__(
        self,
        target: float,
        alpha: float = -0.07,
        beta: float = -0.07,
        *,
        metric: str = "val_accuracy",
        latency: str = "latency_ms",
    ) -> None:
        check_number("target", target, above=0)
        for name, exponent in (("alpha", alpha), ("beta", beta)):
            check_number(name, exponent)
        for name, text in (("metric", metric), ("latency", latency)):
            check_text(name, text)
        self.target, self.alpha, self.beta = target, alpha, beta
        self.metric, self.latency = metric, latency

    @classmethod
    def hard(
        cls, target: float, *, metric: str = "val_accuracy", latency: str = "latency_ms"
    ) -> MnasNetReward:
        """Accuracy alone up to the target, and accuracy x T / LAT above it (alpha 0, beta -1)."""
        return cls(target, 0.0, -1.0, metric=metric, latency=latency)

    def __repr__(self) -> str:
        return (
            f"MnasNetReward({self.target!r}, {self.alpha!r}, {self.beta!r}, "
            f"metric={self.metric!r}, latency={self.latency!r})"
        )

    def __call__(self, metrics: Mapping[str, float]) -> float:
        accuracy = _finite(metrics, self.metric)
        latency = _finite(metrics, self.latency)
        if latency <= 0:
            raise ChildFailed(f"{self.latency} must be above 0, got {latency}")
        exponent = self.alpha if latency <= self.target else self.beta
        return float(accuracy * (latency / self.target) ** exponent)


def _finite(metrics: Mapping[str, float], name: str) -> float:
    if name not in metrics:
        raise ChildFailed(f"metric {name!r} is missing; measured were {sorted(metrics)}")
    value = float(metrics[name])
    if not math.isfinite(value):
        raise ChildFailed(f"metric {name!r} is {value}, and a reward must be a finite number")
    return value
