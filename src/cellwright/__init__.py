"""Neural architecture search inside the AutoML tool that you already run.

The public names are handed on lazily: ``from cellwright import NASNetSpace`` imports the search
spaces and nothing else, ``from cellwright import NASNetRLSampler`` imports Optuna too.
"""

import importlib
from pathlib import Path
from typing import Any

__version__ = "0.2.0"

_HOMES = {
    "cellwright.search_spaces": (
        "AroundSpace",
        "ConvNetGenotype",
        "ConvNetSpace",
        "Decision",
        "EdgeCellGenotype",
        "EdgeCellSpace",
        "Float",
        "Genotype",
        "Int",
        "JointSpace",
        "MLPGenotype",
        "MLPSpace",
        "MnasNetGenotype",
        "MnasNetSpace",
        "NASNetSpace",
        "PieceCosts",
        "SearchSpace",
        "Skeleton",
        "costs",
        "depth",
        "load_applications_weights",
        "load_genotype",
        "register_operation",
    ),
    "cellwright.search_spaces.export": (
        "export_keras",
        "export_litert",
        "export_onnx",
        "export_openvino",
        "export_python",
    ),
    "cellwright.plugins": (
        "PPO",
        "AccuracyReward",
        "Auto",
        "Evaluation",
        "Hyperband",
        "HybridReinforce",
        "Int8Accuracy",
        "Int8Error",
        "KerasLatency",
        "LatencyPredictor",
        "LiteRTLatency",
        "Limit",
        "LocalSearch",
        "LossReward",
        "MnasNetReward",
        "ONNXLatency",
        "ParetoEvolution",
        "ParetoPredictor",
        "PopulationBased",
        "PredictorGuided",
        "RandomSearch",
        "Recipe",
        "RegularizedEvolution",
        "Reinforce",
        "Strategy",
        "SharedScore",
        "SharedScores",
        "Supernet",
        "TrainedModel",
        "WeightBank",
        "best_shared",
        "load_dataset",
        "search_shared",
        "stream",
    ),
    "cellwright.automl": ("CellwrightClassifier", "CellwrightRegressor"),
    "cellwright.adapters.optuna_sampler": (
        "NASNetEvolutionSampler",
        "NASNetRLSampler",
        "StrategySampler",
        "rung_of",
        "suggest",
    ),
    "cellwright.adapters.nni_tuner": ("NASNetEvolutionTuner", "NASNetRLTuner", "StrategyTuner"),
    "cellwright.adapters.keras_oracle": (
        "NASNetEvolutionOracle",
        "NASNetHyperModel",
        "NASNetRLOracle",
        "StrategyOracle",
        "architecture",
    ),
    "cellwright.adapters.ray_searcher": ("CellwrightSearch",),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}
__all__ = sorted(_HOME)

if not (Path(__file__).parent / "search_spaces").is_dir():
    raise ImportError(
        "cellwright/search_spaces is not a folder: this checkout lost its symbolic links. "
        "On Windows, turn on developer mode and run `git config core.symlinks true` before you "
        "clone again, or install the wheel, which has none."
    )


def __getattr__(name: str) -> Any:
    if name in _HOME:
        try:
            return getattr(importlib.import_module(_HOME[name]), name)
        except ModuleNotFoundError as error:
            from cellwright.searches.extras import explained

            raise explained(error, f"cellwright.{name}") from error
    raise AttributeError(f"module 'cellwright' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
