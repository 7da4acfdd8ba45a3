"""The multilayer perceptrons of a space as one network whose choices are inputs."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Protocol

import keras
import numpy as np
from numpy.typing import NDArray

from cellwright.search_spaces.classifier import main_output
from cellwright.search_spaces.context import Context, Tensor
from cellwright.search_spaces.mlp.genotype import DenseLayer
from cellwright.search_spaces.shared_network import Options, Pass, SharedNetwork
from cellwright.search_spaces.task import check_features


class Sequences(Protocol):
    """What is asked of a space of sequences; see `MLPSpace`."""

    vocabulary: tuple[str, ...]
    length: int

    def dense(self, word: str) -> DenseLayer | None:
        """The dense layer that a word stands for, if it stands for one."""


def shared_network(
    space: Sequences, input_shape: Sequence[int], classes: int | None, output: str
) -> SharedNetwork:
    """All children of ``space`` as one network; see `SharedNetwork`.

    What a layer returns is filled up with zeros to the width of the widest, so that the next one
    reads as many numbers after any layer: a child's layer has the leading rows of the shared one.
    Dropout is left out: it drops nothing here.

    Args:
        space: Of sequences.
        input_shape: Of an example.
        classes: At least 2; None for a number.
        output: The word after which a sequence ends.

    Raises:
        UnbuildableChild: If an argument is out of range.
    """
    check_features(input_shape, classes)
    layers = [space.dense(word) for word in space.vocabulary]
    width = max(layer.nodes for layer in layers if layer is not None)
    features, end = int(np.prod(input_shape)), space.vocabulary.index(output)

    def forward(way: Pass, choices: Tensor, inputs: Tensor) -> Tensor:
        x = keras.ops.reshape(inputs, (-1, features))
        for slot in range(1, space.length):
            name = f"layer_{slot}"
            possible = layers if slot > 1 else [layer for layer in layers if layer is not None]
            options: Options = [
                (name, [partial(_layer, layer=layer, width=width)]) for layer in possible
            ]
            decision = slot - 1
            x = way.chosen(name, decision, choices[decision], options, ("layer", slot > 1), x)
        return way.fixed("", lambda at, x: main_output(x, classes, at), x)

    def resolve(choices: NDArray[np.int32]) -> NDArray[np.int32]:
        ended = np.cumsum(np.r_[False, choices[:-1] == end]).astype(bool)
        return np.where(ended, np.int32(end), choices)

    return SharedNetwork(forward, space.length - 1, input_shape, Context("", None), resolve=resolve)


def _layer(at: Context, x: Tensor, layer: DenseLayer | None, width: int) -> Tensor:
    """A dense layer, filled up to ``width``; what is none returns what it reads."""
    if layer is None:
        return x
    made = keras.layers.Dense(
        layer.nodes,
        activation=layer.activation,
        kernel_initializer=at.initializer("dense"),
        name=f"{at.prefix}_dense",
    )
    return keras.ops.pad(made(x), [(0, 0), (0, width - layer.nodes)])
