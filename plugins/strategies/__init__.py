"""The strategies, which decide what architecture to try next; they need search spaces and NumPy."""

from cellwright.plugins.strategies.auto import Auto
from cellwright.plugins.strategies.baseline import (
    Baseline,
    Constant,
    MovingAverage,
    RollingWindow,
)
from cellwright.plugins.strategies.checks import check_strategy
from cellwright.plugins.strategies.evolution import RegularizedEvolution
from cellwright.plugins.strategies.hybrid import HybridReinforce
from cellwright.plugins.strategies.hyperband import Hyperband
from cellwright.plugins.strategies.local_search import LocalSearch
from cellwright.plugins.strategies.outcome import Told
from cellwright.plugins.strategies.pareto import hypervolume, non_dominated
from cellwright.plugins.strategies.pareto_evolution import ParetoEvolution
from cellwright.plugins.strategies.pareto_predictor import ParetoPredictor
from cellwright.plugins.strategies.population import PopulationBased
from cellwright.plugins.strategies.ppo import PPO
from cellwright.plugins.strategies.predictor import PredictorGuided
from cellwright.plugins.strategies.random_search import RandomSearch
from cellwright.plugins.strategies.reinforce import Reinforce
from cellwright.plugins.strategies.strategy import Prediction, Strategy

__all__ = [
    "PPO",
    "Auto",
    "Baseline",
    "Constant",
    "HybridReinforce",
    "Hyperband",
    "LocalSearch",
    "MovingAverage",
    "ParetoEvolution",
    "ParetoPredictor",
    "PopulationBased",
    "Prediction",
    "PredictorGuided",
    "RandomSearch",
    "RegularizedEvolution",
    "Reinforce",
    "RollingWindow",
    "Strategy",
    "Told",
    "check_strategy",
    "hypervolume",
    "non_dominated",
]
