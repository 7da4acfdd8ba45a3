"""Compares children with the supernet whose weights they have, on the backend of this process:
prints, by space, the largest difference of their outputs."""

from __future__ import annotations

import json
import sys
from typing import Any

import keras
import numpy as np

from cellwright.plugins.supernet.compiled import compiled, traced
from cellwright.search_spaces import MLPSpace, MnasNetSpace, NASNetSpace
from cellwright.search_spaces.given_weights import fitting
from cellwright.search_spaces.nasnet.skeleton import Skeleton

SHAPE, CLASSES = (8, 8, 1), 10
SHAPES = {
    "blocks on odd sides": (10, 10, 1),  # the stem makes 5 x 5 of them, block 2 then 3 x 3
    "imagenet": (16, 16, 1),  # the least that its skeleton takes
}
BLOCKS = MnasNetSpace(layers=(1, 2), filters=(8, 12), strides=(1, 2), stem=8, head=16)
SPACES = {
    "small": NASNetSpace(blocks=2, skeleton=Skeleton.book(filters=4, reductions=1)),
    "book": NASNetSpace(skeleton=Skeleton.book(filters=4)),
    "darts": NASNetSpace.darts(skeleton=Skeleton.darts(1, 4)),
    "published operations": NASNetSpace(
        blocks=2, operation_set="nasnet", skeleton=Skeleton.book(filters=4)
    ),
    "blocks that read blocks": NASNetSpace(
        blocks=4,
        operation_set="amoebanet",
        hierarchical=True,
        skeleton=Skeleton.book(filters=4, reductions=1),
    ),
    "wide": NASNetSpace.wide(blocks=2, skeleton=Skeleton.book(filters=4, reductions=1)),
    "published": NASNetSpace.published(skeleton=Skeleton.cifar(2, 4, reductions=1)),
    "narrow stem": NASNetSpace.published(
        blocks=2, skeleton=Skeleton.cifar(1, 4, reductions=1, stem_filters=2)
    ),
    "amoebanet": NASNetSpace.amoebanet(skeleton=Skeleton.cifar(2, 4, reductions=1)),
    "repaired": NASNetSpace.published(repair=True, blocks=3, skeleton=Skeleton.cifar(1, 4)),
    "imagenet": NASNetSpace.amoebanet(
        blocks=3, operation_set="enas", skeleton=Skeleton.imagenet_large(1, 8, reductions=1)
    ),
    "pnasnet": NASNetSpace.published(
        blocks=2, operation_set="enas", combinations=("concat",), skeleton=Skeleton.pnasnet(2, 4)
    ),
    "sequences": MLPSpace(nodes=(8, 12, 16), activations=("relu", "tanh"), length=4),
    "blocks": BLOCKS,
    "blocks on odd sides": BLOCKS,  # where "same" padding is even with a stride of 2
}


def children(name: str, number: int) -> list[dict[str, Any]]:
    """Random points of one of the `SPACES`."""
    return [SPACES[name].sample(np.random.default_rng(seed)) for seed in range(number)]


def differences(name: str, number: int) -> list[float]:
    """Of each random child: the largest difference between its outputs, once it has the shared
    weights, and the supernet's."""
    space, shape = SPACES[name], SHAPES.get(name, SHAPE)
    network = space.shared_network(shape, CLASSES)
    network.traced = traced
    measured = compiled(lambda rows, choices, x: network(choices, x, rows))
    predicted = compiled(lambda rows, moments, choices, x: network(choices, x, rows, moments)[0])
    tables = network.initial(0)
    x = np.random.default_rng(0).random((16, *shape), dtype=np.float32)
    found = []
    for params in children(name, number):
        choices = network.resolve(np.array(space.encode(params), np.int32))
        rows = network.rows(tables, choices)
        _, moments = measured(rows, choices, x)
        wanted = predicted(rows, moments, choices, x)
        assert wanted.std() > 0.01, "the outputs are all alike, and compare nothing"
        child = space.build(params, shape, CLASSES, seed=1)
        weights = network.by_layer(choices.tolist(), rows, moments)
        for layer in child.layers:
            if layer.weights:
                layer.set_weights(fitting(weights[layer.name], layer))
        given = keras.ops.convert_to_numpy(child(x, training=False))
        found.append(float(np.abs(given - wanted).max()))
    return found


if __name__ == "__main__":
    print(json.dumps(differences(sys.argv[1], int(sys.argv[2]))))
