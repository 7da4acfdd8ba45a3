"""A trained network with all that is needed to use it: kept in a folder, scored, and asked for
predictions."""

from cellwright.plugins.model.predictions import Predictions, predict
from cellwright.plugins.model.scores import ClassScore, Scores, evaluate
from cellwright.plugins.model.trained import TrainedModel

__all__ = ["ClassScore", "Predictions", "Scores", "TrainedModel", "evaluate", "predict"]
