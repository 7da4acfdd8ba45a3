"""`CellwrightClassifier` and `CellwrightRegressor`: a search as a scikit-learn estimator."""

from __future__ import annotations

import time
import warnings
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils import check_random_state, compute_sample_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import (
    _check_sample_weight,
    assert_all_finite,
    check_consistent_length,
    check_is_fitted,
    column_or_1d,
    validate_data,
)

from cellwright.automl import saved
from cellwright.automl.inputs import make_dataset
from cellwright.automl.search import Plan, find
from cellwright.plugins import Dataset
from cellwright.plugins.data.preparation import Preparation
from cellwright.plugins.data.target import Target, read_numbers
from cellwright.plugins.data.values import absent
from cellwright.plugins.model.readers import features
from cellwright.search_spaces import SearchSpace
from cellwright.search_spaces.task import check_channels_last
from cellwright.searches.hosts import HOSTS
from cellwright.searches.trial import Trial


class _Cellwright(BaseEstimator):  # type: ignore[misc]
    """What both estimators share."""

    def __init__(
        self,
        *,
        space: SearchSpace | str = "auto",
        strategy: str = "auto",
        host: str = "optuna",
        time_budget: float | None = 120.0,
        max_trials: int | None = None,
        epochs: int = 100,
        validation_fraction: float = 0.2,
        confirm: int | None = None,
        refit: bool = True,
        image_shape: tuple[int, ...] | None = None,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.space = space
        self.strategy = strategy
        self.host = host
        self.time_budget = time_budget
        self.max_trials = max_trials
        self.epochs = epochs
        self.validation_fraction = validation_fraction
        self.confirm = confirm
        self.refit = refit
        self.image_shape = image_shape
        self.random_state = random_state
        self.verbose = verbose

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        tags.input_tags.three_d_array = True
        return tags

    def __getstate__(self) -> dict[str, Any]:
        return saved.with_model_as_bytes(super().__getstate__())

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(saved.with_model(state))

    def save(self, folder: Any) -> None:
        """Write ``model.keras``, ``model.json`` and ``estimator.json`` to ``folder``, without any
        pickle.

        The first two are a `TrainedModel`, which ``cellwright predict`` and ``cellwright evaluate``
        take too (docs/models.md).

        Raises:
            TypeError: If a parameter or the classes could not be read again as they are, such as a
                space of your own that is given as an object; nothing is written then.
        """
        check_is_fitted(self)
        saved.save(self, folder)

    @classmethod
    def load(cls, folder: Any) -> Self:
        """Load what `save` wrote.

        Raises:
            CorruptedState: If the folder holds no estimator of this class, or it is damaged. A
                model of ``cellwright train`` is none, for it has no search to tell of.
        """
        made: Self = saved.load(cls, folder)
        return made

    def _checked(self, x: Any, *, reset: bool) -> Any:
        """A DataFrame unchanged, anything else as an array, once its columns are checked."""
        check_channels_last(getattr(x, "shape", ()))
        if hasattr(x, "columns") and hasattr(x, "shape"):
            validate_data(self, x, reset=reset, skip_check_array=True)
            return x
        # In a table, columns that `fit` left out may hold anything, and the others are checked
        # when they are read.
        table = not reset and isinstance(self._reader, Preparation)
        return validate_data(
            self, x, reset=reset, dtype=None, ensure_all_finite=False if table else "allow-nan",
            allow_nd=True, ensure_min_samples=2 if reset else 1,
        )  # fmt: skip

    def _search(self, x: Any, target: Target, weights: Any, start: float) -> Self:
        self._check_arguments()
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        data, reader = make_dataset(
            x, target, weights, self.image_shape, validation=self.validation_fraction, seed=seed
        )
        if data.held_out is None:
            raise ValueError("no class has two rows, one to train on and one to validate on")
        self._tell(data)
        whole = None
        if self.refit:
            whole, whole_reader = make_dataset(
                x, target, weights, self.image_shape, validation=0, seed=seed
            )
        images = len(data.input_shape) > 1
        space = ("convnet" if images else "mlp") if self.space == "auto" else self.space
        plan = Plan(
            space, self.strategy, self.host, self.time_budget, self.max_trials, self.epochs, seed,
            start, self._show, self.confirm,
        )  # fmt: skip
        found = find(data, whole, plan)
        if found.refitted:
            assert whole is not None
            data, reader = whole, whole_reader
        self.best_params_, self.model_, self.trials_ = found.params, found.model, found.trials
        self.refitted_ = found.refitted
        self.notes_ = list(reader.notes) if isinstance(reader, Preparation) else []
        self._reader, self._scale = reader, (data.target_mean, data.target_scale)
        self.n_iter_ = len(found.trials)
        return self

    def _check_arguments(self) -> None:
        if self.host not in HOSTS:
            raise ValueError(f"host must be one of {', '.join(HOSTS)}, got {self.host!r}")
        if self.time_budget is None and self.max_trials is None:
            raise ValueError("give a time_budget, max_trials, or both; else no search would end")
        for name in ("time_budget", "max_trials", "epochs", "confirm"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ValueError(f"{name} must be above 0, got {value}")
        if not 0 < self.validation_fraction < 1:
            raise ValueError(
                f"validation_fraction must be between 0 and 1, got {self.validation_fraction}"
            )

    def _tell(self, data: Dataset) -> None:
        """Print the notes on a table if asked to, and warn of what is left out, before training."""
        if data.preparation and data.preparation.notes and self.verbose:
            print(*data.preparation.notes, sep="\n", flush=True)
        if data.preparation and (reasons := data.preparation.left_out):
            warnings.warn(
                f"{len(reasons)} of {len(data.preparation.names)} columns are left out: "
                f"{'; '.join(reasons)}",
                stacklevel=4,
            )

    def _show(self, trial: Trial) -> None:
        if self.verbose:
            outcome = trial.error if trial.reward is None else f"reward {trial.reward:.4f}"
            print(f"trial {trial.number}: {outcome}", flush=True)

    def _outputs(self, x: Any) -> NDArray[np.float64]:
        check_is_fitted(self)
        read = features(self._reader, self._checked(x, reset=False))
        outputs: NDArray[np.float64] = self.model_.predict(read, batch_size=1024, verbose=0)
        return outputs.astype(np.float64)


class CellwrightClassifier(ClassifierMixin, _Cellwright):  # type: ignore[misc]
    """A classifier that searches for a network that suits the data given to `fit`, and trains it.

    Children are trained on one part of the data and stop when the loss on the other part has not
    fallen for 10 epochs. The child with the highest validation accuracy wins. It is trained again
    on all data, for the number of epochs that led to its lowest loss.

    Args:
        space: What to search: a space, its name, or ``"auto"``, which is `MLPSpace` for a table and
            `ConvNetSpace` for images. NNI needs a name.
        strategy: Name of the strategy.
        host: The host that drives the search: ``"optuna"``, ``"nni"``, ``"keras-tuner"`` or
            ``"ray"``.
        time_budget: Seconds that `fit` may take, including the training on all data; above 0. None
            sets no limit. Children are cut short at 80 % of it.
        max_trials: Number of children at most, above 0; None sets no limit.
        epochs: Epochs that a child is trained for at most, above 0.
        validation_fraction: Share of each class that children are validated on, in (0, 1).
        confirm: How many of the best children are trained twice more, with other seeds, within the
            time budget; the one of the highest mean wins. At least 1; None takes the child of the
            highest score, which is the luckiest of many.
        refit: Whether to train the winner again on all data.
        image_shape: (height, width) or (height, width, channels), if the rows are images.
        class_weight: ``"balanced"``, weights by class, or None, as in scikit-learn.
        random_state: A number makes the search repeatable, unless the time budget ends it.
        verbose: 1 prints a line for each child.

    Attributes:
        classes_: The classes, in the order of the columns of `predict_proba`.
        model_: The winner, a ``keras.Model`` that reads prepared features.
        best_params_: The winner's architecture.
        trials_: All children, each with number, params, metrics, and the error if it failed. Those
            that were confirmed have ``confirmed_reward`` and ``confirmed_spread``, the mean and the
            standard deviation of the rewards of all their trainings, among the metrics.
        n_iter_: Number of children.
        notes_: How the columns of a table are read, and which are left out; a warning says the
            latter as well.
        refitted_: Whether the winner was trained on all data; False also if no time was left.
        n_features_in_, feature_names_in_: As in scikit-learn.

    Example::

        model = CellwrightClassifier(time_budget=120).fit(x, y)
        model.predict(x_new)
    """

    def __init__(
        self,
        *,
        space: SearchSpace | str = "auto",
        strategy: str = "auto",
        host: str = "optuna",
        time_budget: float | None = 120.0,
        max_trials: int | None = None,
        epochs: int = 100,
        validation_fraction: float = 0.2,
        confirm: int | None = None,
        refit: bool = True,
        image_shape: tuple[int, ...] | None = None,
        class_weight: Any = None,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        super().__init__(
            space=space, strategy=strategy, host=host, time_budget=time_budget,
            max_trials=max_trials, epochs=epochs, validation_fraction=validation_fraction,
            confirm=confirm, refit=refit, image_shape=image_shape, random_state=random_state,
            verbose=verbose,
        )  # fmt: skip
        self.class_weight = class_weight

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Search for a network, and train it.

        Args:
            X: A table of shape (rows, columns), as an array or a DataFrame, which may hold numbers,
                text and missing values; or images of shape (number, height, width) or (number,
                height, width, channels).
            y: A class for each row.
            sample_weight: Weight of each row in the loss, at least 0; rows of weight 0 are left
                out.

        Raises:
            ValueError: If the data or the arguments cannot be used; before any training.
            ChildFailed: If no child could be trained.
        """
        start = time.time()
        x, y, weights = _inputs(self, X, y, sample_weight)
        check_classification_targets(y)
        self.classes_, positions = np.unique(y, return_inverse=True)
        if self.class_weight is not None:
            balance = compute_sample_weight(self.class_weight, y)
            weights = balance if weights is None else weights * balance
        x, positions, weights = _weighed(x, positions, weights)
        if len(np.unique(positions)) < 2:
            raise ValueError("y holds only one class; a classifier needs two classes or more")
        names = tuple(str(value) for value in self.classes_)
        return self._search(x, Target(positions.astype(np.int64), names), weights, start)

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Probabilities of shape (rows, classes)."""
        outputs = self._outputs(X)
        probabilities: NDArray[np.float64] = outputs / outputs.sum(axis=1, keepdims=True)
        return probabilities

    def predict(self, X: Any) -> NDArray[Any]:
        """The most likely class of each row."""
        likeliest = self.predict_proba(X).argmax(axis=1)
        classes: NDArray[Any] = self.classes_[likeliest]
        return classes


class CellwrightRegressor(RegressorMixin, _Cellwright):  # type: ignore[misc]
    """A regressor that searches for a network that suits the data given to `fit`, and trains it.

    The numbers to predict are scaled to mean 0 and variance 1 in training, and the child with the
    lowest mean squared error wins. The arguments and attributes (``model_``, ``best_params_``,
    ``trials_``, ``n_iter_``, ``refitted_``, ``n_features_in_``, ``feature_names_in_``) are those of
    `CellwrightClassifier`, without ``class_weight`` and ``classes_``.
    """

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Search and train as `CellwrightClassifier.fit` does; ``y`` is a number for each row."""
        start = time.time()
        x, y, weights = _inputs(self, X, y, sample_weight)
        x, y, weights = _weighed(x, read_numbers(y, "y"), weights)
        return self._search(x, Target(y, None), weights, start)

    def predict(self, X: Any) -> NDArray[np.float64]:
        """The predicted number for each row."""
        outputs = self._outputs(X)[:, 0]
        mean, scale = self._scale
        values: NDArray[np.float64] = mean + scale * outputs
        return values


def _inputs(estimator: Any, x: Any, y: Any, sample_weight: Any) -> tuple[Any, NDArray[Any], Any]:
    if y is None:
        raise ValueError(
            f"This {type(estimator).__name__} estimator requires y to be passed, but the target y "
            "is None."
        )
    x = estimator._checked(x, reset=True)
    y = column_or_1d(y, warn=True)
    assert_all_finite(y, input_name="y")
    if (missing := absent(y)).any():
        raise ValueError(
            f"y holds no value ({y[missing.argmax()]}) in {missing.sum()} of {len(y)} rows, the "
            f"first of which is row {missing.argmax() + 1}; leave out the rows without one"
        )
    check_consistent_length(x, y)
    if len(y) < 2:
        raise ValueError(f"at least 2 samples are needed to fit, got {len(y)}")
    if sample_weight is not None:
        sample_weight = _check_sample_weight(sample_weight, x, ensure_non_negative=True)
        if not sample_weight.any():
            raise ValueError("sample_weight is zero for all rows; at least one must be above 0")
    return x, y, sample_weight


def _weighed(x: Any, y: NDArray[Any], weights: Any) -> tuple[Any, NDArray[Any], Any]:
    """Leave out the rows of weight 0."""
    if weights is None or (weights > 0).all():
        return x, y, weights
    kept = np.flatnonzero(weights > 0)
    return (x.iloc[kept] if hasattr(x, "iloc") else x[kept]), y[kept], weights[kept]
