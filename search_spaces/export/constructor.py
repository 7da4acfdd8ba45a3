"""A Keras layer as the Python text that constructs it, with only the arguments that matter."""

from __future__ import annotations

import functools
import inspect
import json
import math
from collections.abc import Mapping
from typing import Any

import keras

from cellwright.search_spaces.errors import ExportFailed

# Left out: what Keras takes for granted, and what says only how the weights once started.
_UNSAID = {"name", "trainable", "seed"}
# Arguments of which (3, 3) may be written as 3.
_SQUARE = {"kernel_size", "strides", "pool_size", "dilation_rate", "size"}
_ROOTS = ("keras.initializers", "keras.regularizers", "keras.constraints", "keras")


def constructor(layer: Mapping[str, Any]) -> str:
    """Such as ``layers.Conv2D(16, 3, padding="same", name="stem")``.

    Args:
        layer: As in ``model.get_config()["layers"]``.

    Raises:
        ExportFailed: If it is no layer of Keras's own, or holds something that has no short text.
    """
    name, kind = layer["name"], layer["class_name"]
    if layer["module"] != "keras.layers" or kind == "Lambda" or not hasattr(keras.layers, kind):
        of = f"{layer['module']}.{kind}"
        raise ExportFailed(
            f"layer {name!r} is a {of}, and a Python file that needs Keras alone can hold public "
            "layers of keras.layers, Lambda left out. Build the operation from those, or export "
            "to another format"
        )
    try:
        given = _arguments(getattr(keras.layers, kind), layer["config"])
    except ExportFailed as error:
        raise ExportFailed(f"layer {name!r} ({kind}) {error}") from error
    return f"layers.{kind}({', '.join([*given, f'name={text(name)}'])})"


def input_layer(layer: Mapping[str, Any]) -> str:
    """Such as ``keras.Input((32, 32, 3), name="image")``."""
    config = layer["config"]
    dtype = "" if config["dtype"] == "float32" else f", dtype={text(config['dtype'])}"
    shape = text(tuple(config["batch_shape"][1:]))
    return f"keras.Input({shape}{dtype}, name={text(layer['name'])})"


def _arguments(kind: Any, config: Mapping[str, Any]) -> list[str]:
    """Arguments without a default by position, and by name those that make a difference.

    A default may follow from another argument, as a pool's strides do from its size: what is left
    out is what Keras itself arrives at.
    """
    required = _required(kind)
    wanted = {k: v for k, v in _plain(config).items() if k in required or k not in _UNSAID}
    texts = {name: _short(name, wanted[name]) for name in required}
    while True:
        reached = _plain(_made(kind, {name: config[name] for name in texts}).get_config())
        differs = (k for k, v in wanted.items() if k not in texts and v != reached.get(k))
        missing = next(differs, None)  # one at a time, for the next may follow from it
        if missing is None:
            break
        texts[missing] = f"{missing}={_short(missing, wanted[missing])}"
    return list(texts.values())


def _made(kind: Any, config: Mapping[str, Any]) -> Any:
    try:
        return kind(**{k: keras.saving.deserialize_keras_object(v) for k, v in config.items()})
    except Exception as error:
        raise ExportFailed(f"cannot be made of {dict(config)!r}: {error}") from error


@functools.cache
def _required(kind: type) -> list[str]:
    parameters = inspect.signature(kind).parameters.values()
    usual = (inspect.Parameter.POSITIONAL_OR_KEYWORD,)
    return [p.name for p in parameters if p.default is p.empty and p.kind in usual]


def _plain(value: Any) -> Any:
    """``value`` with tuples for lists, and without the seeds of initializers."""
    if isinstance(value, Mapping):
        return {name: _plain(part) for name, part in value.items() if name != "seed"}
    return tuple(_plain(part) for part in value) if isinstance(value, list | tuple) else value


def _short(name: str, value: Any) -> str:
    square = isinstance(value, tuple) and name in _SQUARE and len(set(value)) == 1
    return text(value[0] if square else value)


def text(value: Any) -> str:
    """Python for a plain value or a serialised object of Keras's own."""
    if value is None or (isinstance(value, bool | int | float) and math.isfinite(value)):
        return repr(value)
    if isinstance(value, str):
        return json.dumps(value)
    if isinstance(value, list | tuple):
        return f"({', '.join(text(part) for part in value)}{',' if len(value) == 1 else ''})"
    if isinstance(value, Mapping) and value.get("module") == "keras.layers":
        return constructor({**value, "name": value["config"]["name"]})
    if isinstance(value, Mapping) and value.get("module") in _ROOTS:
        root: Any = keras
        for part in value["module"].split(".")[1:]:
            root = getattr(root, part)
        kind = getattr(root, value["class_name"], None)
        if kind is not None:
            arguments = ", ".join(_arguments(kind, value["config"]))
            return f"{value['module']}.{value['class_name']}({arguments})"
    raise ExportFailed(f"holds {value!r}, which has no short Python text; export to another format")
