"""`TrainedModel`: a network, what prepares its input, what its output means, how it was made."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellwright.plugins.data.data import Data
from cellwright.plugins.data.preparation import Preparation
from cellwright.plugins.files import atomic_path, atomic_write
from cellwright.plugins.model.document import Document
from cellwright.plugins.model.readers import ImageReader, Reader, features, reader_of, shape_of
from cellwright.search_spaces import CorruptedState, InvalidData
from cellwright.search_spaces.arguments import check_kind, check_parts
from cellwright.search_spaces.network_file import digest_of, read_network

NETWORK, DOCUMENT = "model.keras", "model.json"
_FORMAT = 1
_PACKAGES = ("keras", "tensorflow", "jax", "torch", "numpy")


@dataclass(frozen=True)
class TrainedModel:
    """A trained network with all that is needed to use it; docs/models.md has the format.

    Args:
        network: A ``keras.Model`` from features to probabilities of shape (rows, classes), or to
            numbers of shape (rows, 1), which are scaled.
        reader: What turns a table or images into features.
        class_names: Names of the classes in the order of the probabilities; None if a number is
            predicted.
        target_mean, target_scale: A predicted number is ``target_mean + target_scale * output``.
        label: Name of the column that is predicted, if it is known.
        made: How the model was made, as JSON data: the network, recipe, data, versions, metrics.

    Raises:
        InvalidData: If the network reads or gives something else than the others say.
    """

    network: Any
    reader: Reader
    class_names: tuple[str, ...] | None
    target_mean: float = 0.0
    target_scale: float = 1.0
    label: str | None = None
    made: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not hasattr(self.network, "input_shape") or not callable(self.network):
            raise TypeError(f"network must be a keras.Model, got {self.network!r:.200}")
        check_kind("reader", self.reader, Preparation | ImageReader, "a Preparation or ImageReader")
        if self.class_names is not None:
            check_parts("class_names", self.class_names, str)
        outputs = 1 if self.class_names is None else len(self.class_names)
        reads, gives = self.network.input_shape, self.network.output_shape
        if not isinstance(gives, tuple) or tuple(reads[1:]) != shape_of(self.reader):
            raise InvalidData(
                f"the network reads {reads[1:]}, and examples are prepared as "
                f"{shape_of(self.reader)}: these are of different models"
            )
        if gives[-1] != outputs:
            raise InvalidData(
                f"the network has {gives[-1]} outputs, and {outputs} are expected for "
                f"{'a number' if self.class_names is None else 'the classes'}: these are of "
                "different models"
            )

    @classmethod
    def of(
        cls,
        network: Any,
        data: Data,
        *,
        image_fit: str = "pad",
        made: Mapping[str, Any] | None = None,
    ) -> TrainedModel:
        """A network that was trained on ``data``; images of files are resized by ``image_fit``."""
        return cls(
            network,
            reader_of(data, image_fit),
            data.class_names,
            data.target_mean,
            data.target_scale,
            data.label,
            dict(made or {}),
        )

    def outputs(self, x: NDArray[np.float32], batch_size: int = 256) -> NDArray[np.float64]:
        """What the network gives for features: probabilities of shape (rows, classes), which sum to
        1, or predicted numbers of shape (rows,)."""
        if not len(x):
            width = () if self.class_names is None else (len(self.class_names),)
            return np.zeros((0, *width))
        given = np.asarray(self.network.predict(x, batch_size=batch_size, verbose=0), np.float64)
        if self.class_names is None:
            numbers: NDArray[np.float64] = self.target_mean + self.target_scale * given[:, 0]
            return numbers
        probabilities: NDArray[np.float64] = given / given.sum(axis=1, keepdims=True)
        return probabilities

    def predict_proba(self, x: Any) -> NDArray[np.float64]:
        """Probabilities of shape (rows, classes) for an array or a data frame.

        Raises:
            InvalidData: If a number is predicted, or ``x`` is no table or images like those of the
                training.
        """
        if self.class_names is None:
            raise InvalidData("this model predicts a number, which has no probability")
        return self.outputs(features(self.reader, x))

    def predict(self, x: Any) -> NDArray[Any]:
        """The name of the most likely class of each row, or a number for each row, of an array or a
        data frame. `predict`, the function, reads files.

        Raises:
            InvalidData: If ``x`` is no table or images like those of the training.
        """
        found = self.outputs(features(self.reader, x))
        if self.class_names is None:
            return found
        names: NDArray[Any] = np.array(self.class_names, dtype=object)
        likeliest: NDArray[Any] = names[found.argmax(axis=1)]
        return likeliest

    def save(self, folder: str | Path) -> None:
        """Write ``model.keras`` and ``model.json`` to ``folder``, which is made if need be.

        Raises:
            TypeError: If ``made`` is no JSON data; nothing is written then.
        """
        path = Path(folder)
        document = {
            "format": _FORMAT,
            "input": reader_to_json(self.reader),
            "classes": self.class_names,
            "target": {
                "name": self.label,
                "mean": self.target_mean,
                "scale": self.target_scale,
            },
            "made": {**self.made, "versions": versions()},
        }
        json.dumps(document)
        path.mkdir(parents=True, exist_ok=True)
        with atomic_path(path / NETWORK) as beside:
            self.network.save(beside)
            document["network"] = digest_of(beside)
        with atomic_write(path / DOCUMENT) as file:
            file.write(json.dumps(document, indent=1, ensure_ascii=False) + "\n")

    @classmethod
    def load(cls, folder: str | Path) -> TrainedModel:
        """Read what `save` wrote. Nothing is imported or run that the folder names.

        Raises:
            CorruptedState: If there is no model, or it is damaged: naming file, place and remedy.
        """
        path = Path(folder)
        file, remedy = path / DOCUMENT, f"Train it again, or take {path} from a backup"
        if not file.is_file():
            raise CorruptedState(_no_model(path))
        document = Document.read(file, remedy)
        if document.data.get("format") != _FORMAT:
            raise CorruptedState(
                f"{file} is of format {document.data.get('format')!r}, and this version reads "
                f"{_FORMAT}: load it with the version that wrote it ({_writer(document)})"
            )
        names, target = document.texts("classes", optional=True), document.inside("target")
        if names is not None and len(names) < 2:
            raise document.wrong("classes", "two or more are expected")
        reader = reader_from_json(document.inside("input"))
        if not (path / NETWORK).is_file():
            raise CorruptedState(f"{path / NETWORK} is missing. {remedy}")
        if document.get("network", str) != digest_of(path / NETWORK):
            raise CorruptedState(
                f"{path / NETWORK} is not the network that {DOCUMENT} beside it describes: it was "
                f"replaced, or a save was cut off. {remedy}"
            )
        try:
            return cls(
                read_network(path / NETWORK),
                reader,
                names,
                target.get("mean", float),
                target.get("scale", float),
                target.get("name", str, optional=True),
                document.get("made", dict),
            )
        except InvalidData as error:
            raise CorruptedState(f"{path}: {error}. {remedy}") from error


def versions() -> dict[str, str]:
    """The versions of Python, of Cellwright, and of the libraries that the network rests on."""
    found = {"python": ".".join(map(str, sys.version_info[:3]))}
    for name in ("cellwright", *_PACKAGES):
        if name in sys.modules or name == "cellwright":
            try:
                found[name] = version(name)
            except PackageNotFoundError:
                continue
    return found


def reader_to_json(reader: Reader) -> dict[str, Any]:
    """The kind of reader and its values, as JSON data."""
    if isinstance(reader, ImageReader):
        return {"images": asdict(reader)}
    return {"table": reader.to_json()}


def reader_from_json(document: Document) -> Reader:
    """The inverse of `reader_to_json`.

    Raises:
        CorruptedState: If the document holds no reader: naming the place.
    """
    if "images" not in document.data:
        table = document.get("table", dict)
        try:
            return Preparation.from_json(table)
        except CorruptedState as error:
            raise document.wrong("table", str(error)) from error
    images = document.inside("images")
    shape = images.get("shape", list)
    if len(shape) != 3 or not all(type(side) is int and side > 0 for side in shape):
        raise images.wrong("shape", f"[height, width, channels] is expected, not {shape!r:.80}")
    low, high = images.get("low", float), images.get("high", float)
    if not low < high:
        raise images.wrong("high", f"it must be above low, {low:g}, and is {high:g}")
    fit = images.data.get("fit", "pad")  # estimators of earlier versions had none
    if fit not in ("pad", "crop"):
        raise images.wrong("fit", f"pad or crop is expected, not {fit!r:.80}")
    return ImageReader(tuple(shape), low, high, fit)


def _writer(document: Document) -> str:
    made = document.data.get("made")
    told = made.get("versions") if isinstance(made, dict) else None
    return f"cellwright {told.get('cellwright')}" if isinstance(told, dict) else "unknown"


def _no_model(path: Path) -> str:
    if (path / "estimator.json").is_file():
        return (
            f"{path} holds an estimator of an earlier version: load and save it once, as "
            f"CellwrightClassifier.load({str(path)!r}).save({str(path)!r}) does"
        )
    if (path / "settings.json").is_file() or (path / "training").is_dir():
        return (
            f"{path} holds no trained model, only what led to one: `cellwright train RUN` makes "
            "RUN/model of a search, and the same command again ends a training that was stopped"
        )
    if not path.exists():
        return f"{path} does not exist: give the folder of a model, as `cellwright train` writes it"
    return (
        f"{path} holds no {DOCUMENT}: give the folder of a model, as `cellwright train` or the "
        "save of an estimator writes it"
    )
