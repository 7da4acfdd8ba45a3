"""The part of a child network that is exported: its main output, as it is after training."""

from __future__ import annotations

from typing import Any

import keras

from cellwright.search_spaces.errors import ExportFailed
from cellwright.search_spaces.nasnet.drop_path import DropPath, Progress

MAIN = "classes"  # the main output of networks that have an auxiliary head


def inference_model(model: keras.Model) -> keras.Model:
    """The network without what only training needs: optimizer, auxiliary head, drop-path.

    It gives the same outputs, in float32, and its layers are Keras's own unless you registered
    operations that are not. The layers are shared with ``model`` where they can stay as they are.

    Args:
        model: Functional or sequential, with one input; of several outputs the one that is named
            ``"classes"`` is taken.

    Raises:
        ExportFailed: If the network is of another kind.
    """
    main = keras.Model(_input(model), _output(model), name=model.name)
    if not any(
        isinstance(layer, DropPath) or layer.compute_dtype != "float32" for layer in main.layers
    ):
        return main
    plain = keras.models.clone_model(
        main, clone_function=_in_float32, call_function=_without_drop_path
    )
    for layer in plain.layers:
        layer.set_weights(main.get_layer(layer.name).get_weights())
    return plain


def _in_float32(layer: keras.Layer) -> keras.Layer:
    return type(layer).from_config({**layer.get_config(), "dtype": "float32"})


def _without_drop_path(layer: keras.Layer, *inputs: Any, **options: Any) -> Any:
    if isinstance(layer, DropPath):
        feature_map, _ = inputs[0]
        return feature_map
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
