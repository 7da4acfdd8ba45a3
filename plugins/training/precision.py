"""In which floats a network computes, whatever it is wrapped in and wherever it was read from."""

from __future__ import annotations

import keras

_COMPUTED = {"float32": "float32", "mixed_bfloat16": "bfloat16", "mixed_float16": "float16"}


def needs_scaling(model: keras.Model) -> bool:
    """Whether gradients pass through float16 on their way to weights in float32, so that small ones
    would become 0 if the loss was not scaled.

    It is the layers that tell: a model that was read from a file, or that wraps another one, has
    Keras's own policy, whatever its layers have.
    """
    return any(
        (layer.compute_dtype, layer.variable_dtype) == ("float16", "float32")
        for layer in model._flatten_layers()
    )


def check_precision(model: keras.Model, precision: str | None) -> None:
    """Check that a network computes in the precision of its recipe.

    Args:
        model: Keeps the precision that its layers were made in.
        precision: `Recipe.precision`; None is any.

    Raises:
        ValueError: If it computes in another.
    """
    if precision is None:
        return
    everything = list(model._flatten_layers())
    layers = {layer.compute_dtype for layer in everything if not isinstance(layer, keras.Model)}
    half = layers & {"bfloat16", "float16"}
    wanted = _COMPUTED[precision]
    # Of a network that has an output layer alone, which is float32, the model itself tells.
    told = half | {model.compute_dtype for model in everything}
    if not half - {wanted} and (wanted == "float32" or wanted in told):
        return
    raise ValueError(
        f"the recipe's precision is {precision!r}, and the network was built to compute in "
        f"{' and '.join(sorted(half)) or 'float32'}, which training does not change. Leave "
        f"precision out (None) to train it as it is, or build it under "
        f"keras.config.set_dtype_policy({precision!r}), as Evaluation(..., recipe=recipe) does"
    )
