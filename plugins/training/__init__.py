"""How a child is trained, and what is kept of it on disk; `train` and `batches` import Keras."""

from cellwright.plugins.training.recipe import Recipe
from cellwright.plugins.training.weight_bank import WeightBank

__all__ = ["Recipe", "WeightBank"]
