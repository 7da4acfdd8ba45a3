"""The metrics of a trial: the name, the unit and the direction of each, declared once."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from cellwright.search_spaces import CellwrightError

Direction = Literal["maximize", "minimize"]
# What may follow a metric's name after a colon.
DIRECTIONS: dict[str, Direction] = {
    "max": "maximize",
    "min": "minimize",
    "maximize": "maximize",
    "minimize": "minimize",
}


def plain_number(value: float) -> str:
    """A number without a unit as every command writes it: with four decimals, or with four
    significant digits where it is closer to 0 than 0.001; from 1000 on, as a whole number."""
    size = abs(value)
    if 0 < size < 0.001 or 1e15 <= size < math.inf:
        return f"{value:.4g}"
    return f"{value:.4f}" if size < 1000 else f"{value:,.0f}"


@dataclass(frozen=True)
class Metric:
    """A metric, and how it is written for a reader.

    Args:
        name: Under which trials keep it, such as ``"latency_ms"``.
        unit: ``"ms"``, ``"bytes"``, or what is counted, such as ``"parameters"``; empty for a plain
            number such as an accuracy.
        direction: ``"maximize"`` if more of it is better, ``"minimize"`` if less is.
        title: The label, where the name and the unit do not make a good one.
    """

    name: str
    unit: str
    direction: Direction
    title: str = ""

    @property
    def sign(self) -> float:
        """What to multiply a value by, so that more is better: 1 or -1."""
        return 1.0 if self.direction == "maximize" else -1.0

    @property
    def label(self) -> str:
        """The heading of a column or an axis, such as ``latency (ms)``."""
        if self._counted:
            return self.unit
        return self.title or self._words + (f" ({self.unit})" if self.unit else "")

    def number(self, value: float) -> str:
        """A value in ``unit``, without the unit's name: what stands in a column under `label`."""
        if self.unit and (self._counted or self.unit in ("bytes", "s", "layers", "epochs")):
            return f"{value:,.0f}"
        if self.unit:
            return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"
        return plain_number(value)

    def write(self, value: float) -> str:
        """A value with its unit, such as ``2.31 ms`` or ``validation accuracy 0.9528``."""
        number = self.number(value)
        if not self.unit:
            return f"{self.label} {number}"
        if self._counted:
            return f"{number} {self.unit.removesuffix('s') if value == 1 else self.unit}"
        if self.name == "seconds":
            return f"{number} s"
        if self.name == SHARED:
            return f"{number} layer{'' if value == 1 else 's'} with shared weights"
        known = "" if self.name in METRICS else f"{self._words} "
        if self.unit == "bytes":
            return f"{known}{value / 1000:,.1f} kB"
        return f"{known}{number} {self.unit}" + (" predicted" if self.name == PREDICTED else "")

    @property
    def _words(self) -> str:
        """The name in words, without its unit."""
        parts = self.name.removesuffix(f"_{self.unit}").split("_")
        return " ".join("validation" if part == "val" else part for part in parts)

    @property
    def _counted(self) -> bool:
        return self.unit == self.name.replace("_", "-")


# Scores by their plain names. With one of the prefixes, such as `val_f1`, they are known as well.
_SCORES: dict[str, Direction] = {
    "accuracy": "maximize",
    "balanced_accuracy": "maximize",
    "binary_accuracy": "maximize",
    "categorical_accuracy": "maximize",
    "sparse_categorical_accuracy": "maximize",
    "f1": "maximize",
    "f1_score": "maximize",
    "auc": "maximize",
    "precision": "maximize",
    "recall": "maximize",
    "loss": "minimize",
    "mae": "minimize",
    "mse": "minimize",
    "rmse": "minimize",
    "mean_absolute_error": "minimize",
    "mean_squared_error": "minimize",
}
_PREFIXES = ("best_", "weighted_", "val_", "test_", "train_")
_COST_UNITS = ("ms", "bytes")  # a metric whose name ends in one is a cost


def _score(name: str) -> Metric | None:
    plain = name
    for prefix in _PREFIXES:
        plain = plain.removeprefix(prefix)
    plain = plain.removesuffix("_int8")  # the same of the network in 8-bit integers
    return Metric(name, "", _SCORES[plain]) if plain in _SCORES else None


def _cost(name: str) -> Metric | None:
    unit = next((unit for unit in _COST_UNITS if name.endswith(f"_{unit}")), None)
    return None if unit is None else Metric(name, unit, "minimize")


PREDICTED = "predicted_latency_ms"
SHARED_ACCURACY, SHARED_MSE = "shared_accuracy", "shared_mse"  # with the weights of a supernet
SHARED = "shared_layers"  # that began with the weights of earlier children (`WeightBank`)
# Of a child that was trained again with other seeds: the mean and the standard deviation of the
# rewards of all its trainings, the first one included, and how many there were.
CONFIRMED, SPREAD, TRAININGS = "confirmed_reward", "confirmed_spread", "trainings"
DATA_WAIT, LEFT_OUT = "data_wait", "left_out"  # of a stream
MUCH_WAITING = 0.05  # the share of the time from which a user is told that children wait for data
_TRAINED = (
    "val_accuracy",
    "best_val_accuracy",
    "weighted_val_accuracy",
    "val_loss",
    "val_mae",
    "accuracy_int8",
    "mae_int8",
    "accuracy",
    "loss",
)
# What our searches measure, in the order of tables; what else a trial has follows by name.
METRICS = {
    metric.name: metric
    for metric in (
        Metric("reward", "", "maximize"),
        *filter(None, map(_score, _TRAINED)),
        Metric("epochs", "epochs", "minimize"),
        *filter(None, map(_cost, ("latency_ms", PREDICTED))),
        Metric("multiply_adds", "multiply-adds", "minimize"),
        *filter(None, map(_cost, ("size_bytes", "peak_memory_bytes"))),
        Metric("parameters", "parameters", "minimize"),
        Metric(SHARED, "layers", "minimize", "layers with shared weights"),
        Metric("seconds", "s", "minimize", "seconds of the trial"),
    )
}
# What a strategy or a schedule adds to a trial; tables show these last.
_OTHERS = {
    CONFIRMED: Metric(CONFIRMED, "", "maximize", "mean reward"),
    SPREAD: Metric(SPREAD, "", "minimize", "spread of rewards"),
    TRAININGS: Metric(TRAININGS, "trainings", "minimize"),
    DATA_WAIT: Metric(DATA_WAIT, "", "minimize", "share of the time that steps waited for data"),
    LEFT_OUT: Metric(LEFT_OUT, "", "minimize", "examples left out"),
    SHARED_ACCURACY: Metric(SHARED_ACCURACY, "", "maximize", "accuracy with shared weights"),
    SHARED_MSE: Metric(SHARED_MSE, "", "minimize", "squared error with shared weights"),
    "predicted": Metric("predicted", "", "maximize", "predicted reward"),
    "trained_epochs": Metric("trained_epochs", "epochs", "minimize", "trained epochs"),
}
# Those that any trained child of images has.
TRAINED = ("reward", "val_accuracy", "best_val_accuracy", "weighted_val_accuracy", "val_loss",
           "accuracy", "loss")  # fmt: skip
_NAMES = tuple(METRICS)
# Those that tables show beside the reward: how good a network is, and what it costs.
_COSTS = _NAMES[_NAMES.index("latency_ms") :]
_SHOWN = ("val_accuracy", "accuracy_int8", "mae_int8", "epochs", *_COSTS)


def known_metric(name: str) -> Metric | None:
    """What a name alone says: a metric of the table, a score, or a cost by its unit; else None."""
    return METRICS.get(name) or _OTHERS.get(name) or _score(name) or _cost(name)


def split_direction(text: str) -> tuple[str, Direction | None]:
    """``NAME:max`` as the name and the direction; None if the text says no direction."""
    name, _, word = text.strip().rpartition(":")
    if word in DIRECTIONS and name:
        return name.strip(), DIRECTIONS[word]
    return text.strip(), None


def find_metric(text: str, declared: Iterable[Metric] = (), option: str = "--metric") -> Metric:
    """The one rule by which a metric is found, and so which way it is better.

    A direction after a colon counts first, then what is declared, such as by a meter, then the
    name (`known_metric`). What nobody has declared is refused.

    Args:
        text: Its name, or the name and ``:max``, ``:min``, ``:maximize`` or ``:minimize``.
        declared: By the meter of a search, by its objectives, or by a host's record.
        option: The option of the command line that the message names.

    Raises:
        CellwrightError: If nothing says whether more or less of it is better.
    """
    name, direction = split_direction(text)
    found = next((metric for metric in declared if metric.name == name), known_metric(name))
    if direction is not None:
        return Metric(name, "", direction) if found is None else replace(found, direction=direction)
    if found is None:
        raise CellwrightError(
            f"nothing says whether more or less of {name!r} is better: write {option} {name}:max "
            f"or {option} {name}:min, or give the meter that measures it a `direction`, "
            "'maximize' or 'minimize'. Known by their names are accuracy, f1, auc, precision, "
            "recall, losses, and costs that end in _ms or _bytes"
        )
    return found


def mistaken(names: Iterable[str], direction: str) -> str:
    """What is wrong with a goal, in words; empty if nothing is, or its metric is not known.

    A score that is to fall, or a loss that is to rise, is hardly ever meant: a host may minimise
    unless it is told otherwise. Costs are left out, since one may search for large networks.

    Args:
        names: Of the metric that is the goal, or of all that have its value.
        direction: Of the goal, one of `DIRECTIONS`.
    """
    direction = DIRECTIONS[direction]
    known = [metric for metric in map(known_metric, names) if metric and not metric.unit]
    if not known or any(metric.direction == direction for metric in known):
        return ""
    done, better = ("minimised", "more") if direction == "minimize" else ("maximised", "less")
    return f"{known[0].name!r} is {done}, and {better} of it is better"


def beside_reward(names: Iterable[str], declared: Iterable[Metric] = ()) -> list[Metric]:
    """Those of ``names`` that are shown beside the reward: what a network is worth and costs.

    Args:
        names: Names of the metrics that trials have.
        declared: By the search, as in `find_metric`; these are shown too.
    """
    there = set(names) - {"reward"}
    shown = {name: _OTHERS[name] for name in (CONFIRMED, SPREAD)}
    shown |= {name: METRICS[name] for name in _SHOWN}
    costs = {name: cost for name in sorted(there) if (cost := _cost(name)) and name not in METRICS}
    shown |= costs | {metric.name: metric for metric in declared}
    return [metric for name, metric in shown.items() if name in there]
