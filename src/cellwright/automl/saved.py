"""A fitted estimator on disk: the network in Keras's own format, the rest as plain JSON."""

from __future__ import annotations

import json
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from cellwright.automl.inputs import reader_from_json, reader_to_json
from cellwright.automl.plain import from_plain, to_plain
from cellwright.plugins.files import atomic_path, atomic_write
from cellwright.search_spaces import CorruptedState
from cellwright.searches.trial import Trial

_FORMAT = 2  # format 1 wrote what is not plain as text, and could not read it again


def save(estimator: Any, folder: Any) -> None:
    """Write ``model.keras`` and ``estimator.json`` into ``folder``, created if need be.

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
        "reader": reader_to_json(estimator._reader),
        "scale": estimator._scale,
        "n_features_in": estimator.n_features_in_,
        "feature_names_in": _listed(getattr(estimator, "feature_names_in_", None)),
        "classes": _saved("classes_", getattr(estimator, "classes_", None)),
        "notes": estimator.notes_,
    }
    text = json.dumps(document, indent=1) + "\n"
    path = Path(folder)
    path.mkdir(parents=True, exist_ok=True)
    with atomic_path(path / "model.keras") as beside:
        estimator.model_.save(beside)
    with atomic_write(path / "estimator.json") as file:
        file.write(text)


def load(cls: type, folder: Any) -> Any:
    """Load an estimator of class ``cls`` that `save` wrote.

    Raises:
        CorruptedState: If there is none, it is damaged, or it is of another class.
    """
    import keras

    path = Path(folder)
    try:
        document = json.loads((path / "estimator.json").read_text(encoding="utf-8"))
        if document["format"] not in (1, _FORMAT) or document["class"] != cls.__name__:
            raise ValueError(f"it holds a {document['class']} of format {document['format']}")
        params, classes = document["params"], document["classes"]
        if document["format"] == 1:
            if isinstance(params["image_shape"], list):
                params["image_shape"] = tuple(params["image_shape"])
            if classes is not None:
                classes = np.array(classes, dtype=document["classes_dtype"])
        else:
            params, classes = {n: from_plain(v) for n, v in params.items()}, from_plain(classes)
        estimator = cls(**params)
        estimator.best_params_ = document["best_params"]
        estimator.trials_ = [Trial(**trial) for trial in document["trials"]]
        estimator.n_iter_ = len(estimator.trials_)
        estimator.refitted_ = document["refitted"]
        estimator._reader = reader_from_json(document["reader"])
        estimator._scale = tuple(document["scale"])
        estimator.n_features_in_ = document["n_features_in"]
        if document["feature_names_in"] is not None:
            estimator.feature_names_in_ = np.array(document["feature_names_in"], dtype=object)
        if classes is not None:
            estimator.classes_ = classes
        estimator.notes_ = document.get("notes", [])
        estimator.model_ = keras.models.load_model(path / "model.keras")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CorruptedState(
            f"{path} holds no {cls.__name__} that can be read: {error!r}. Give the folder that "
            "`save` was given"
        ) from error
    return estimator


def with_model_as_bytes(state: dict[str, Any]) -> dict[str, Any]:
    """Replace the network by the bytes of a ``.keras`` file, for pickle."""
    if "model_" not in state:
        return state
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "model.keras"
        state["model_"].save(file)
        return {**state, "model_": file.read_bytes()}


def with_model(state: dict[str, Any]) -> dict[str, Any]:
    """The inverse of `with_model_as_bytes`."""
    if not isinstance(state.get("model_"), bytes):
        return state
    import keras

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "model.keras"
        file.write_bytes(state["model_"])
        return {**state, "model_": keras.models.load_model(file)}


def _saved(name: str, value: Any) -> Any:
    try:
        return to_plain(value)
    except TypeError as error:
        raise TypeError(f"{name}: {error}; nothing was written") from error


def _listed(values: Any) -> list[Any] | None:
    return None if values is None else values.tolist()
