"""A reward: accuracy, less something for each layer."""

from collections.abc import Mapping

from cellwright.plugins import Reward


class ShallowReward(Reward):
    """Validation accuracy minus ``each`` for every layer that has weights."""

    def __init__(self, each: float = 0.001) -> None:
        self.each = each

    def __call__(self, metrics: Mapping[str, float]) -> float:
        return metrics["val_accuracy"] - self.each * metrics["layers"]
