"""A fitted estimator on disk: a `TrainedModel`, and beside it what the estimator alone has."""

from __future__ import annotations

import json
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from cellwright.automl.plain import from_plain, to_plain
from cellwright.plugins.checked import as_kind
from cellwright.plugins.files import atomic_write
from cellwright.plugins.model.document import Document
from cellwright.plugins.model.trained import DOCUMENT, NETWORK, TrainedModel, reader_from_json
from cellwright.search_spaces import CorruptedState, Value
from cellwright.search_spaces.network_file import digest_of, read_network
from cellwright.searches.trial import Trial

# Format 1 wrote what is not plain as text, and could not read it again; 2 kept in this file what is
# in model.json now.
_FORMAT = 3
FILE = "estimator.json"


@dataclass(frozen=True)
class _Fitted:
    """What ``estimator.json`` tells of a fit, beside its format, parameters and classes."""

    best_params: dict[str, Value]
    trials: list[Trial]
    refitted: bool
    n_features_in: int
    feature_names_in: list[str] | None
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        names = self.feature_names_in
        number = self.n_features_in if names is None else len(names)
        if self.n_features_in < 1 or self.n_features_in != number:
            raise ValueError(f"n_features_in is {self.n_features_in}, beside the names {names}")


def save(estimator: Any, folder: Any) -> None:
    """Write a `TrainedModel` and ``estimator.json`` into ``folder``, created if need be.

    Raises:
        TypeError: If a parameter or the classes would not come back as they are; before anything is
            written.
    """
    document = {
        "format": _FORMAT,
        "class": type(estimator).__name__,
        "params": {
            name: _saved(name, value) for name, value in estimator.get_params(deep=False).items()
        },
        "best_params": estimator.best_params_,
        "trials": [asdict(trial) for trial in estimator.trials_],
        "refitted": estimator.refitted_,
        "n_features_in": estimator.n_features_in_,
        "feature_names_in": _listed(getattr(estimator, "feature_names_in_", None)),
        "classes": _saved("classes_", getattr(estimator, "classes_", None)),
        "notes": estimator.notes_,
    }
    json.dumps(document)
    classes = getattr(estimator, "classes_", None)
    model = TrainedModel(
        estimator.model_,
        estimator._reader,
        None if classes is None else tuple(str(value) for value in classes),
        target_mean=estimator._scale[0],
        target_scale=estimator._scale[1],
        made=_made(estimator),
    )
    path = Path(folder)
    model.save(path)
    document["network"] = digest_of(path / NETWORK)
    with atomic_write(path / FILE) as file:
        file.write(json.dumps(document, indent=1) + "\n")


def load(cls: type, folder: Any) -> Any:
    """Load an estimator of class ``cls`` that `save` wrote.

    Raises:
        CorruptedState: If there is none, it is damaged, or it is of another class.
    """
    path = Path(folder)
    if (path / DOCUMENT).is_file() and not (path / FILE).exists():
        raise CorruptedState(
            f"{path} holds a model of `cellwright train`, which is no {cls.__name__}: it has no "
            f"search to tell of. TrainedModel.load({str(path)!r}), of cellwright, predicts with it"
        )
    remedy = "Give the folder that `save` was given"
    if not (path / FILE).is_file():
        raise CorruptedState(f"{path} holds no {cls.__name__}: there is no {FILE}. {remedy}")
    try:
        document = Document.read(path / FILE, remedy)
        found = document.data
        if found["format"] not in (1, 2, _FORMAT) or found["class"] != cls.__name__:
            raise ValueError(f"it holds a {found['class']} of format {found['format']}")
        params, classes = found["params"], found["classes"]
        if found["format"] == 1:
            if isinstance(params["image_shape"], list):
                params["image_shape"] = tuple(params["image_shape"])
            if classes is not None:
                classes = np.array(classes, dtype=found["classes_dtype"])
        else:
            params, classes = {n: from_plain(v) for n, v in params.items()}, from_plain(classes)
        told = as_kind(found, _Fitted, path / FILE, remedy)
        estimator = cls(**params)
        estimator.best_params_ = told.best_params
        estimator.trials_ = told.trials
        estimator.n_iter_ = len(estimator.trials_)
        estimator.refitted_ = told.refitted
        estimator.n_features_in_ = told.n_features_in
        if told.feature_names_in is not None:
            estimator.feature_names_in_ = np.array(told.feature_names_in, dtype=object)
        if classes is not None:
            estimator.classes_ = classes
        estimator.notes_ = told.notes
        _load_model(estimator, path, document)
    except Exception as error:  # a wrong place in a list, a number too large, and many more
        raise CorruptedState(
            f"{path} holds no {cls.__name__} that can be read: {error!r}. {remedy}"
        ) from error
    return estimator


def _load_model(estimator: Any, path: Path, document: Document) -> None:
    """The network, what prepares its input, and the scale of its output."""
    if document.data["format"] < _FORMAT:
        estimator._reader = reader_from_json(document.inside("reader"))
        mean, scale = map(float, document.get("scale", list))
        estimator._scale = mean, scale
        estimator.model_ = read_network(path / NETWORK)
        return
    model = TrainedModel.load(path)
    if document.get("network", str) != digest_of(path / NETWORK):
        raise document.wrong("network", f"{NETWORK} beside it is another one")
    estimator._reader, estimator.model_ = model.reader, model.network
    estimator._scale = model.target_mean, model.target_scale
    outputs = None if model.class_names is None else len(model.class_names)
    classes = getattr(estimator, "classes_", None)
    if outputs != (None if classes is None else len(classes)):
        raise document.wrong("classes", f"they are not the {outputs or 'numbers'} of {DOCUMENT}")


def _made(estimator: Any) -> dict[str, Any]:
    """How the estimator's network was made, as JSON data."""
    space = estimator.space if isinstance(estimator.space, str) else repr(estimator.space)
    return {
        "by": type(estimator).__name__,
        "space": space,
        "params": estimator.best_params_,
        "on_all_data": estimator.refitted_,
    }


def with_model_as_bytes(state: dict[str, Any]) -> dict[str, Any]:
    """Replace the network by the bytes of a ``.keras`` file, for pickle."""
    if "model_" not in state:
        return state
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / NETWORK
        state["model_"].save(file)
        return {**state, "model_": file.read_bytes()}


def with_model(state: dict[str, Any]) -> dict[str, Any]:
    """The inverse of `with_model_as_bytes`."""
    if not isinstance(state.get("model_"), bytes):
        return state
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / NETWORK
        file.write_bytes(state["model_"])
        return {**state, "model_": read_network(file)}


def _saved(name: str, value: Any) -> Any:
    try:
        return to_plain(value)
    except TypeError as error:
        raise TypeError(f"{name}: {error}; nothing was written") from error


def _listed(values: Any) -> list[Any] | None:
    return None if values is None else values.tolist()
