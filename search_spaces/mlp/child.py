"""From a genotype of a sequence to a Keras child network."""

from __future__ import annotations

from collections.abc import Sequence

import keras

from cellwright.search_spaces.classifier import main_output
from cellwright.search_spaces.context import Context
from cellwright.search_spaces.errors import UnbuildableChild
from cellwright.search_spaces.keras_settings import channels_last
from cellwright.search_spaces.mlp.genotype import DropoutLayer, MLPGenotype
from cellwright.search_spaces.task import check_features


@channels_last()
def build_mlp(
    genotype: MLPGenotype,
    input_shape: Sequence[int],
    classes: int | None,
    *,
    dropout: float | None = None,
    seed: int | None = None,
) -> keras.Model:
    """Layers one after the other, then the output layer.

    Args:
        genotype: What to build.
        input_shape: (features,); images and other arrays are flattened.
        classes: At least 2; None for regression.
        dropout: Rate of the dropout layers, in [0, 1); their own if None.
        seed: Fixes the initial weights and what dropout leaves out.

    Returns:
        An uncompiled model, (batch, *input_shape) -> (batch, classes), probabilities; or to
        (batch, 1), a number.

    Raises:
        UnbuildableChild: If an argument is out of range.
    """
    check_features(input_shape, classes)
    if dropout is not None and not 0 <= dropout < 1:
        raise UnbuildableChild(f"dropout must be from 0 to below 1, or None, got {dropout}")
    root = Context("", seed)
    inputs = keras.Input(tuple(input_shape), name="features")  # (batch, features)
    x = inputs
    if len(input_shape) > 1:
        x = keras.layers.Flatten(name="flatten")(x)
    for number, layer in enumerate(genotype.layers, start=1):
        at = root.inside(f"layer_{number}")
        if isinstance(layer, DropoutLayer):
            rate = layer.rate if dropout is None else dropout
            drop = keras.layers.Dropout(
                rate, seed=at.seed_of("dropout"), name=f"{at.prefix}_dropout"
            )
            x = drop(x)
        else:
            dense = keras.layers.Dense(
                layer.nodes,
                activation=layer.activation,
                kernel_initializer=at.initializer("dense"),
                name=f"{at.prefix}_dense",
            )
            x = dense(x)  # (batch, nodes)
    outputs = main_output(x, classes, root)
    return keras.Model(inputs, outputs, name=genotype.name.replace(".", "_") or "child")
