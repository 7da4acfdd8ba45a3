"""From parameters to a reward: evaluation, rewards, limits, zero-cost scores."""

from cellwright.plugins.scoring.evaluation import Evaluation
from cellwright.plugins.scoring.limit import Limit
from cellwright.plugins.scoring.rewards import AccuracyReward, LossReward, MnasNetReward, Reward
from cellwright.plugins.scoring.zero_cost import warm_start

__all__ = [
    "AccuracyReward",
    "Evaluation",
    "Limit",
    "LossReward",
    "MnasNetReward",
    "Reward",
    "warm_start",
]
