"""AutoML in one call: scikit-learn estimators that search an architecture and train it."""

try:
    from cellwright.automl.estimators import CellwrightClassifier, CellwrightRegressor
except ModuleNotFoundError as error:
    from cellwright.searches.extras import explained

    raise explained(error, "cellwright.automl") from error

__all__ = ["CellwrightClassifier", "CellwrightRegressor"]
