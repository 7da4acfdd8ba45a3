"""AutoML in one call: scikit-learn estimators that search an architecture and train it."""

from cellwright.automl.estimators import CellwrightClassifier, CellwrightRegressor

__all__ = ["CellwrightClassifier", "CellwrightRegressor"]
