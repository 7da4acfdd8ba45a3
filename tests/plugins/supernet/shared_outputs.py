"""Compares children with the supernet whose weights they have, on the backend of this process:
prints, by space, the largest difference of their outputs."""

from __future__ import annotations

import json
import sys

import keras
import numpy as np

from cellwright.plugins.supernet.compiled import compiled, traced
from cellwright.search_spaces import MLPSpace, MnasNetSpace, NASNetSpace, SearchSpace
from cellwright.search_spaces.given_weights import leading
from cellwright.search_spaces.nasnet.skeleton import Skeleton

SHAPE, CLASSES = (8, 8, 1), 10
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
    "amoebanet": NASNetSpace.amoebanet(skeleton=Skeleton.cifar(2, 4, reductions=2)),
    "repaired": NASNetSpace.published(repair=True, blocks=3, skeleton=Skeleton.cifar(1, 4)),
    "imagenet": NASNetSpace.amoebanet(
        blocks=3, operation_set="enas", skeleton=Skeleton.imagenet_large(1, 8, reductions=1)
    ),
    "pnasnet": NASNetSpace.published(
        blocks=2, operation_set="enas", combinations=("concat",), skeleton=Skeleton.pnasnet(2, 4)
    ),
    "sequences": MLPSpace(nodes=(8, 12, 16), activations=("relu", "tanh"), length=4),
    "blocks": MnasNetSpace(layers=(1, 2), filters=(8, 12), strides=(1, 2), stem=8, head=16),
}


def differences(space: SearchSpace, children: int) -> list[float]:
    """Of each random child: the largest difference between its outputs, once it has the shared
    weights, and the supernet's."""
    side = max(SHAPE[0], getattr(getattr(space, "skeleton", None), "least_size", 0))
    shape = (side, side, 1)
    network = space.shared_network(shape, CLASSES)
    network.traced = traced
    measured = compiled(lambda rows, choices, x: network(choices, x, rows))
    predicted = compiled(lambda rows, moments, choices, x: network(choices, x, rows, moments)[0])
    tables = network.initial(0)
    x = np.random.default_rng(0).random((16, *shape), dtype=np.float32)
    found = []
    for number in range(children):
        params = space.sample(np.random.default_rng(number))
        choices = network.resolve(np.array(space.encode(params), np.int32))
        rows = network.rows(tables, choices)
        _, moments = measured(rows, choices, x)
        wanted = predicted(rows, moments, choices, x)
        assert wanted.std() > 0.01, "the outputs are all alike, and compare nothing"
        child = space.build(params, shape, CLASSES, seed=1)
        weights = network.by_layer(choices.tolist(), rows, moments)
        for layer in child.layers:
            if layer.weights:
                layer.set_weights(leading(weights[layer.name], layer))
        given = keras.ops.convert_to_numpy(child(x, training=False))
        found.append(float(np.abs(given - wanted).max()))
    return found


if __name__ == "__main__":
    name, children = sys.argv[1], int(sys.argv[2])
    print(json.dumps(differences(SPACES[name], children)))
