"""How to search and how to score: strategies, rewards, meters, and how a child is trained."""

from typing import TYPE_CHECKING, Any

from cellwright.plugins.auto import Auto
from cellwright.plugins.baseline import Baseline, Constant, MovingAverage, RollingWindow
from cellwright.plugins.datasets import Dataset, load_dataset
from cellwright.plugins.evaluation import Evaluation
from cellwright.plugins.evolution import RegularizedEvolution
from cellwright.plugins.hybrid import HybridReinforce
from cellwright.plugins.hyperband import Hyperband
from cellwright.plugins.latency_predictor import LatencyPredictor
from cellwright.plugins.limit import Limit
from cellwright.plugins.local_search import LocalSearch
from cellwright.plugins.meters import (
    CommandMeter,
    KerasLatency,
    LiteRTLatency,
    LiteRTSize,
    Measurement,
    Meter,
    ModelSize,
    MultiplyAdds,
    Parameters,
    PeakMemory,
    Timing,
)
from cellwright.plugins.pareto import hypervolume, non_dominated
from cellwright.plugins.pareto_evolution import ParetoEvolution
from cellwright.plugins.pareto_reinforce import ParetoReinforce
from cellwright.plugins.ppo import PPO
from cellwright.plugins.predictor import PredictorGuided
from cellwright.plugins.random_search import RandomSearch
from cellwright.plugins.registry import make_meter, make_space, make_strategy
from cellwright.plugins.reinforce import Reinforce
from cellwright.plugins.rewards import AccuracyReward, LossReward, MnasNetReward, Reward
from cellwright.plugins.strategy import Prediction, Strategy, Told
from cellwright.plugins.weight_bank import WeightBank
from cellwright.plugins.zero_cost import warm_start

if TYPE_CHECKING:
    from cellwright.plugins.recipe import Recipe

__all__ = [
    "PPO",
    "AccuracyReward",
    "Auto",
    "Baseline",
    "CommandMeter",
    "Constant",
    "Dataset",
    "Evaluation",
    "HybridReinforce",
    "Hyperband",
    "KerasLatency",
    "LatencyPredictor",
    "Limit",
    "LiteRTLatency",
    "LiteRTSize",
    "LocalSearch",
    "LossReward",
    "Measurement",
    "Meter",
    "MnasNetReward",
    "ModelSize",
    "MovingAverage",
    "MultiplyAdds",
    "Parameters",
    "ParetoEvolution",
    "ParetoReinforce",
    "PeakMemory",
    "Prediction",
    "PredictorGuided",
    "RandomSearch",
    "Recipe",
    "RegularizedEvolution",
    "Reinforce",
    "Reward",
    "RollingWindow",
    "Strategy",
    "Timing",
    "Told",
    "WeightBank",
    "hypervolume",
    "load_dataset",
    "make_meter",
    "make_space",
    "make_strategy",
    "non_dominated",
    "warm_start",
]


def __getattr__(name: str) -> Any:
    if name == "Recipe":  # the only part that imports Keras
        from cellwright.plugins.recipe import Recipe

        return Recipe
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
