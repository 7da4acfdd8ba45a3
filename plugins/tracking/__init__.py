"""Who is told of each trial: any callable, and two ready ones, for MLflow and for TensorBoard."""

from cellwright.plugins.tracking.mlflow_tracker import MLflowTracker
from cellwright.plugins.tracking.tensorboard_tracker import TensorBoardTracker
from cellwright.plugins.tracking.tracked import OnTrial, TrackedTrial, Trackers

__all__ = ["MLflowTracker", "OnTrial", "TensorBoardTracker", "TrackedTrial", "Trackers"]
