"""Data and networks: tables, arrays, checkpoints, models and estimators."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.fuzz_damage import Door
from cellwright.automl import CellwrightClassifier
from cellwright.plugins import Dataset, TrainedModel, WeightBank, load_dataset
from cellwright.plugins.data.preparation import Preparation
from cellwright.plugins.data.table import read_table
from cellwright.plugins.model.arrays import read_arrays
from cellwright.plugins.model.document import Document
from cellwright.plugins.model.trained import reader_from_json
from cellwright.plugins.training.checkpoints import Checkpoint
from cellwright.search_spaces.network_file import read_network
from cellwright.searches.trial import Trial


def doors(folder: Path) -> list[Door]:
    """The doors of these files; ``folder`` is used to make them."""
    return [
        *_tables(folder),
        *_frames(folder),
        *_arrays(folder),
        _network(folder),
        *_models(folder),
    ]


def _tables(folder: Path) -> list[Door]:
    rng = np.random.default_rng(0)
    table = read_table(
        np.array([["a", "1"], ["b", "2"], ["a", "3.5"], ["b", ""]]), ("kind", "size")
    )
    whole = {"table": Preparation.fit(table).to_json()}

    def read(folder: Path) -> str:
        reader = reader_from_json(Document.read(folder / "reader.json", "Train it again"))
        if isinstance(reader, Preparation):
            made = reader.transform(reader.read(np.array([["a", "1"]])[:, : len(reader.names)]))
            return "" if np.isfinite(made).all() else "features that are no numbers"
        return ""

    def read_csv(folder: Path) -> str:
        data: Any = load_dataset(str(folder / "table.csv"))
        return "" if np.isfinite(data.x_train).all() else "infinite features"

    rows = "\n".join(f"{rng.normal():.3f},{'ab'[n % 2]},{n % 2}" for n in range(40))
    images = {"images": {"shape": [8, 8, 1], "low": 0.0, "high": 1.0, "fit": "pad"}}
    return [
        Door("preparation of a table", "reader.json", json.dumps(whole).encode(), read),
        Door("reader of images", "reader.json", json.dumps(images).encode(), read),
        Door("table.csv", "table.csv", f"size,kind,label\n{rows}\n".encode(), read_csv, 0.5),
    ]


def _arrays(folder: Path) -> list[Door]:
    rng = np.random.default_rng(0)
    x, y = rng.random((20, 4, 4, 1)).astype(np.float32), np.arange(20) % 2
    Dataset(x[:10], y[:10], x[10:], y[10:], ("a", "b")).save(folder / "whole.dataset.npz")
    np.savez(folder / "images.npz", x=x, y=y)
    np.savez(folder / "check.npz", history=np.array('{"loss": [0.5]}'), **{"0": x[0]})
    np.savez(folder / "bank.npz", **{"0": x[0]})
    np.save(folder / "one.npy", x)

    def read_data(name: str) -> Callable[[Path], str]:
        def read(folder: Path) -> str:
            data: Any = load_dataset(str(folder / name))
            for part in (data.x_train, data.x_val):
                if not np.isfinite(part).all():
                    return "images that are no numbers"
            return "" if data.y_train.max() < len(data.class_names) else "labels without classes"

        return read

    def check(folder: Path) -> str:
        for values in Checkpoint(folder / "check.npz").history().values():
            if not all(isinstance(value, float) for value in values):
                return f"a history of {values!r}"
        return ""

    bank_file = WeightBank("bank")._path("key").name

    def bank(folder: Path) -> str:
        WeightBank(folder).read("key")
        return ""

    def arrays(folder: Path) -> str:
        read_arrays(folder / "one.npy")
        return ""

    def whole(name: str) -> bytes:
        return (folder / name).read_bytes()

    saved, images = "a.dataset.npz", "images.npz"
    return [
        Door("saved dataset", saved, whole("whole.dataset.npz"), read_data(saved), 2),
        Door("images.npz", images, whole(images), read_data(images)),
        Door("arrays to predict", "one.npy", whole("one.npy"), arrays),
        Door("checkpoint", "check.npz", whole("check.npz"), check),
        Door("weight bank", bank_file, whole("bank.npz"), bank),
    ]


def _network(folder: Path) -> Door:
    import keras

    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)])
    model.save(folder / "whole.keras")

    def read(folder: Path) -> str:
        read_network(folder / "model.keras")
        return ""

    whole = (folder / "whole.keras").read_bytes()
    return Door("network (.keras)", "model.keras", whole, read, 0.2)


def _frames(folder: Path) -> list[Door]:
    import pandas

    rng = np.random.default_rng(0)
    table = pandas.DataFrame(
        {"size": rng.normal(size=40), "kind": list("ab" * 20), "label": np.arange(40) % 2}
    )
    table.to_parquet(folder / "table.parquet")
    table.to_feather(folder / "table.feather")

    def read(name: str, **how: Any) -> Callable[[Path], str]:
        def load(folder: Path) -> str:
            data: Any = load_dataset(str(folder / name), label="label", **how)
            if how:
                return ""
            return "" if np.isfinite(data.x_train).all() else "infinite features"

        return load

    def door(name: str, what: str, **how: Any) -> Door:
        return Door(what, name, (folder / name).read_bytes(), read(name, **how), 0.5)

    return [
        door("table.parquet", "table.parquet"),
        door("table.parquet", "table.parquet, streamed", stream=True),
        door("table.feather", "table.feather"),
    ]


def _models(folder: Path) -> list[Door]:
    import keras

    cells = np.array([["1.5", "a"], ["2", "b"], ["0.5", "a"], ["3", "b"]])
    reader = Preparation.fit(read_table(cells, ("size", "kind")))
    features = reader.transform(reader.read(cells))
    network = keras.Sequential(
        [keras.Input((features.shape[1],)), keras.layers.Dense(2, activation="softmax")]
    )
    TrainedModel(network, reader, ("no", "yes"), made={"by": "hand"}).save(folder / "model")
    estimator = CellwrightClassifier(space="mlp", max_trials=1, random_state=0)
    for name, value in {
        "best_params_": {"layer/1": "8 relu", "layer/2": "none"},
        "trials_": [Trial(0, {"layer/1": "8 relu"}, "complete", {"reward": 0.5}, "")],
        "refitted_": True, "n_features_in_": 2, "notes_": [], "classes_": np.array(["no", "yes"]),
        "model_": network, "_reader": reader, "_scale": (0.0, 1.0),
    }.items():  # fmt: skip
        setattr(estimator, name, value)
    estimator.save(folder / "estimator")

    def predict(folder: Path) -> str:
        model = TrainedModel.load(folder)
        found = model.network(features, training=False)
        names = model.class_names
        return "" if names is None or len(names) == found.shape[1] else f"{names} for {found}"

    def load(folder: Path) -> str:
        found: Any = CellwrightClassifier.load(folder)
        if found.n_features_in_ == 2:
            labels = found.predict(np.array([[1.5, "a"], [2, "b"]], dtype=object))
            if not set(labels) <= set(found.classes_):
                return f"labels {labels}"
        if not isinstance(found.n_features_in_, int) or not isinstance(found.best_params_, dict):
            return f"{found.n_features_in_!r} features, {found.best_params_!r}"
        for trial in found.trials_:
            if not isinstance(trial.number, int) or not isinstance(trial.metrics, dict):
                return f"{trial}"
        return "" if isinstance(found.refitted_, bool) else f"refitted {found.refitted_!r}"

    def whole(name: str) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in (folder / name).iterdir()}

    model, saved = whole("model"), whole("estimator")
    return [
        Door("model.json", "model.json", model["model.json"], predict, 1.0, model),
        Door("network of a model", "model.keras", model["model.keras"], predict, 0.2, model),
        Door("estimator.json", "estimator.json", saved["estimator.json"], load, 1.0, saved),
        Door("model.json of an estimator", "model.json", saved["model.json"], load, 0.5, saved),
    ]
