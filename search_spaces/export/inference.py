"""The part of a child network that is exported: its main output, as it is after training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from cellwright.search_spaces.arguments import check_model
from cellwright.search_spaces.drop_path import DropPath, Progress
from cellwright.search_spaces.errors import ExportFailed
from cellwright.search_spaces.given_weights import give_weights
from cellwright.search_spaces.keras_settings import as_shipped

MAIN = "classes"  # the main output of networks that have an auxiliary head


@as_shipped()
def inference_model(model: keras.Model) -> keras.Model:
    """The network without what only training needs: optimizer, auxiliary head, drop-path.

    It gives the same outputs, and its layers are Keras's own unless you registered operations that
    are not. They are shared with ``model`` where they can stay as they are. All compute in float32,
    whatever dtype policy they were made under: beside it, a child in half precision has rounding
    errors of its own.

    Args:
        model: Functional or sequential, with one input; of several outputs the one that is named
            ``"classes"`` is taken.

    Raises:
        ExportFailed: If the network is of another kind.
    """
    check_model(model)
    main = keras.Model(_input(model), _output(model), name=model.name)
    layers = main._flatten_layers(include_self=False)  # those that wrappers and models hold too
    image = main.inputs[0]
    if _is_float32(image.dtype) and not any(
        isinstance(layer, DropPath)
        or not (_is_float32(layer.compute_dtype) and _is_float32(layer.variable_dtype))
        for layer in layers
    ):
        return main
    name = next(layer.name for layer in layers if isinstance(layer, keras.layers.InputLayer))
    inputs = keras.Input(batch_shape=image.shape, dtype=_as_float32(image.dtype), name=name)
    return _cloned(main, _in_float32, inputs, _without_drop_path)


def with_constant_pixels(model: keras.Model) -> keras.Model:
    """The same network, whose layers that normalise pixels hold constants and no weights.

    ``Normalization`` computes with tensors that its weights were copied to, which converters of
    graphs take for inputs.
    """
    return (
        _cloned(model, _with_constants)
        if any(isinstance(layer, keras.layers.Normalization) for layer in model.layers)
        else model
    )


def _cloned(model: keras.Model, clone: Any, inputs: Any = None, call: Any = None) -> keras.Model:
    """A copy with the weights; see ``keras.models.clone_model``."""
    copy = keras.models.clone_model(model, inputs, clone, call)
    for layer in copy.layers:
        if layer.weights:
            give_weights(layer, model.get_layer(layer.name).get_weights())
    return copy


def _with_constants(layer: keras.Layer) -> keras.Layer:
    if not isinstance(layer, keras.layers.Normalization):
        return type(layer).from_config(layer.get_config())
    mean, variance = (keras.ops.convert_to_numpy(x).ravel() for x in (layer.mean, layer.variance))
    scale = 1 / np.maximum(np.sqrt(variance), keras.config.epsilon())
    return keras.layers.Rescaling(scale.tolist(), (-mean * scale).tolist(), name=layer.name)


def _in_float32(layer: keras.Layer) -> keras.Layer:
    return type(layer).from_config(_rewritten(layer.get_config()))


def _rewritten(config: Any) -> Any:
    """A layer's configuration, those of layers inside it included, with float32 for each dtype."""
    if isinstance(config, list | tuple):
        return type(config)(_rewritten(part) for part in config)
    if not isinstance(config, Mapping):
        return config
    return {
        name: _as_float32(part) if name == "dtype" else _rewritten(part)
        for name, part in config.items()
    }


def _as_float32(dtype: Any) -> Any:
    """float32 for the name of a float type, and for a policy that Keras has written down."""
    if isinstance(dtype, Mapping):
        return "float32" if dtype.get("class_name") == "DTypePolicy" else dtype
    return dtype if _is_float32(dtype) else "float32"


def _is_float32(dtype: Any) -> bool:
    """Whether nothing is to be changed: whole numbers stay what they are."""
    return dtype == "float32" or "float" not in str(dtype)


def _without_drop_path(layer: keras.Layer, *inputs: Any, **options: Any) -> Any:
    if isinstance(layer, DropPath):
        return inputs[0][0] if isinstance(inputs[0], list | tuple) else inputs[0]
    # Nothing but drop-path reads the progress of its schedule, so it is left out as well.
    return inputs[0] if isinstance(layer, Progress) else layer(*inputs, **options)


def _input(model: keras.Model) -> Any:
    inputs = getattr(model, "inputs", None)
    if not inputs:
        raise ExportFailed(
            f"{model.name} is neither a functional nor a sequential Keras model; return one from "
            "the space's build"
        )
    if len(inputs) > 1:
        raise ExportFailed(f"a network of one input is needed, {model.name} has {len(inputs)}")
    return inputs[0]


def _output(model: keras.Model) -> Any:
    if len(model.outputs) == 1:
        return model.outputs[0]
    named = model.output if isinstance(model.output, dict) else {}
    if MAIN not in named:
        raise ExportFailed(
            f"{model.name} has {len(model.outputs)} outputs and none is named {MAIN!r}; name the "
            "main one so: keras.Model(image, {'classes': ..., ...})"
        )
    return named[MAIN]
