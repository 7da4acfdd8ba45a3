"""What one Keras backend makes of some children: outputs, a training, a saved model.

`test_backends` runs this file once a backend, which Keras fixes when it is imported:

    KERAS_BACKEND=jax python backend_children.py FOLDER quick

leaves in FOLDER ``jax.npz``, the outputs of each child of the list, ``jax.json``, what a short
training found, and ``jax/best.keras``, the trained child.
"""

from __future__ import annotations

import json
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np

from cellwright.plugins.data.dataset import Dataset
from cellwright.plugins.meters import KerasLatency, Timing
from cellwright.plugins.scoring.evaluation import Evaluation
from cellwright.plugins.training.best_child import keep_best
from cellwright.plugins.training.recipe import Recipe
from cellwright.search_spaces import (
    OPERATION_SETS,
    AroundSpace,
    Block,
    Cell,
    ConvNetSpace,
    EdgeCellSpace,
    Genotype,
    MLPSpace,
    MnasNetSpace,
    NASNetSpace,
    Skeleton,
    load_genotype,
)

THREE = Skeleton.cifar(1, 4, reductions=1)  # a normal, a reduction and a normal cell
MNASNET = MnasNetSpace(layers=(1, 2), filters=(4, 4), strides=(2, 2), stem=4, head=8)
V3 = load_genotype("mobilenet-v3-small")
AROUND = AroundSpace(replace(V3, blocks=V3.blocks[2:5], stem=8, head=16, features=8))
MLP = MLPSpace(nodes=(4, 8), length=6)
EDGE_CELL = EdgeCellSpace()
CONVNET = ConvNetSpace(layers=(2, 4), strides=True)


def every_operation(operation_set, shape, skeleton=THREE):
    """Cells that apply all operations of the set, in pairs, to their two inputs."""
    names = [*OPERATION_SETS[operation_set]]
    pairs = zip(names[::2], [*names[1::2], names[0]], strict=False)
    blocks = [
        Block(k % 2, 1 - k % 2, *pair, ("add", "concat")[k % 2]) for k, pair in enumerate(pairs)
    ]
    # The last block reads two others, so nothing strides and the channels do not fit.
    blocks.append(Block(2, 3, names[0], names[-1]))
    cell = Cell(tuple(blocks), (0, 1, *range(2, len(blocks) + 2)))
    return Genotype(cell, cell, operation_set=operation_set).build(shape, 3, skeleton, seed=0)


def sampled(space, shape, seed=0, **options):
    params = space.sample(np.random.default_rng(seed))
    return space.build(params, shape, 3, seed=0, **options)


def regression(shape):
    return MLP.build(MLP.sample(np.random.default_rng(2)), shape, None, seed=0)


def published(name, shape, *skeleton, **options):
    return load_genotype(name).build(shape, 3, *skeleton, seed=0, **options)


# Add a child here. Odd sizes: "same" padding with a stride depends on them.
QUICK = {
    "nasnet, every operation": partial(every_operation, "nasnet", (15, 16, 3)),
    "amoebanet, two heads, drop-path, dropout": partial(
        sampled,
        NASNetSpace.amoebanet(blocks=2),
        (11, 15, 3),
        skeleton=THREE.change(auxiliary=True, drop_path_keep=0.6, dropout=0.5),
    ),
    "book, repaired": partial(
        sampled, NASNetSpace(blocks=2, combinations=("concat",)), (9, 11, 1), filters=3
    ),
    "mnasnet": partial(sampled, MNASNET, (15, 15, 3), 1),
    "around": partial(sampled, AROUND, (15, 18, 3), 1),
    "convnet": partial(sampled, CONVNET, (17, 10, 3), filters=4),
    "edge cell": partial(sampled, EDGE_CELL, (15, 16, 3), 1, filters=4, repeats=1, dead_edges=True),
    "mlp": partial(sampled, MLP, (11,), 5),
    "mlp, regression": partial(regression, (11,)),
}
WIDE = {
    **{
        f"{name}, every operation, {height}x{width}": partial(
            every_operation, name, (height, width, 3)
        )
        for name in OPERATION_SETS
        for height, width in ((15, 15), (33, 17), (16, 32))
    },
    **{
        f"book {seed}": partial(sampled, NASNetSpace(), (15, 15, 1), seed, filters=3)
        for seed in range(3)
    },
    "book, wide": partial(sampled, NASNetSpace.wide(), (15, 15, 1), filters=3),
    **{
        f"published {seed}": partial(sampled, NASNetSpace.published(), (33, 17, 3), seed, filters=4)
        for seed in range(3)
    },
    "amoebanet": partial(sampled, NASNetSpace.amoebanet(), (15, 33, 3), filters=4),
    "nasnet-a, two heads": partial(
        published, "nasnet-a", (33, 31, 3), Skeleton.cifar(1, 4, auxiliary=True, dropout=0.5)
    ),
    "nasnet-a, imagenet": partial(published, "nasnet-a", (65, 49, 3), Skeleton.imagenet(1, 4)),
    "nasnet-a, large": partial(published, "nasnet-a", (64, 47, 3), Skeleton.imagenet_large(1, 4)),
    "nasnet-a, imagenet, authors' pools": partial(
        published, "nasnet-a", (64, 49, 3), Skeleton.imagenet(1, 4, pool_padding="same")
    ),
    "amoebanet-a": partial(published, "amoebanet-a", (33, 31, 3), Skeleton.cifar(1, 6)),
    "darts-v1, two heads": partial(
        published, "darts-v1", (33, 31, 3), Skeleton.darts(1, 4, auxiliary=True)
    ),
    "darts-v2, imagenet": partial(
        published, "darts-v2", (65, 49, 3), Skeleton.darts_imagenet(1, 4)
    ),
    "pnasnet-5": partial(published, "pnasnet-5", (33, 31, 3), Skeleton.pnasnet(2, 4)),
    "pnasnet-5, imagenet": partial(
        published, "pnasnet-5", (65, 49, 3), Skeleton.pnasnet_imagenet(1, 4)
    ),
    **{
        name: partial(published, name, (33, 31, 3), Skeleton.cifar(1, 8))
        for name in ("amoebanet-b", "amoebanet-c", "amoebanet-d")
    },
    "mnasnet-a1": partial(published, "mnasnet-a1", (33, 47, 3), width=0.25),
    "mnasnet-b1": partial(published, "mnasnet-b1", (32, 32, 3), width=0.25, stem_stride=1),
    "mobilenet-v2": partial(published, "mobilenet-v2", (33, 47, 3), width=0.25),
    "mobilenet-v3-small": partial(published, "mobilenet-v3-small", (49, 64, 3), width=0.5),
    "efficientnet-b0": partial(published, "efficientnet-b0", (33, 32, 3), width=0.25),
    "efficientnet-v2-b0": partial(published, "efficientnet-v2-b0", (33, 47, 3), width=0.25),
    **{f"mnasnet {seed}": partial(sampled, MNASNET, (31, 17, 3), seed) for seed in range(2, 6)},
    **{
        f"convnet {seed}": partial(sampled, ConvNetSpace(strides=True), (33, 17, 3), seed)
        for seed in range(3)
    },
    **{
        f"edge cell {seed}": partial(
            sampled, EDGE_CELL, (33, 17, 3), seed, filters=4, repeats=2, dead_edges=seed % 2 == 1
        )
        for seed in range(4)
    },
}
LISTS = {"quick": QUICK, "wide": WIDE}


@contextmanager
def no_draws() -> Iterator[None]:
    """Build with kernels of zeros: JAX compiles a draw for every shape, and `redraw` follows."""
    scaled = keras.initializers.VarianceScaling
    draw = scaled.__call__
    scaled.__call__ = lambda self, shape, dtype=None: keras.ops.zeros(shape, dtype)
    try:
        yield
    finally:
        scaled.__call__ = draw


def redraw(model):
    """Give every weight values that depend on its name and shape alone: all backends the same."""
    for weight in model.weights:
        rng = np.random.default_rng(zlib.crc32(weight.path.encode()))
        if weight.path.endswith(("gamma", "variance")):
            weight.assign(rng.uniform(0.5, 1.5, weight.shape))
        elif weight.path.endswith("kernel"):
            spread = 1 / np.sqrt(max(1, np.prod(weight.shape[:-1])))
            weight.assign(rng.normal(0, spread, weight.shape))
        elif not weight.path.endswith("step"):
            weight.assign(rng.normal(0, 0.3, weight.shape))


def outputs_of(model):
    """What each head gives, and the features that it reads, which a softmax would blur."""
    redraw(model)
    heads = model.output if isinstance(model.output, dict) else {"classes": model.output}
    last = next(layer for layer in model.layers if layer.name in ("classes", "value"))
    features = last.input
    images = np.random.default_rng(1).uniform(-1, 1, (2, *model.input_shape[1:]))
    found = keras.Model(model.input, {**heads, "features": features}).predict(
        images.astype(np.float32), verbose=0
    )
    return found | {"weights": np.array([weight.path for weight in model.weights])}


def trained(folder):
    """A real training of a small child as every host runs it; the best one is kept.

    Returns the metrics, and whether the same seed gave the same initial weights, and another seed
    others.
    """
    space = NASNetSpace(blocks=1, operations=("sep_3x3", "avg_3x3", "max_3x3"))
    x = np.random.default_rng(0).random((12, 8, 8, 1), dtype=np.float32)
    y = np.arange(12) % 3
    data = Dataset(x, y, x[:6], y[:6], ("0", "1", "2"))
    options = {"filters": 2, "reductions": 0}
    params = space.sample(np.random.default_rng(0))
    evaluations = [
        Evaluation(
            space,
            data,
            Recipe(2, 6),
            meter=KerasLatency(Timing(1, 0.5, 0.0, 0.1)),
            options=options,
            seed=seed,
        )
        for seed in (5, 5, 6)
    ]
    first, second, other = (one.build(params).get_weights() for one in evaluations)
    metrics, model = evaluations[0].run(params)
    keep_best(folder)(params, metrics, model)
    return {
        "metrics": metrics,
        "same seed": all(np.array_equal(a, b) for a, b in zip(first, second, strict=True)),
        "other seed": all(np.array_equal(a, b) for a, b in zip(first, other, strict=True)),
        "probabilities": model.predict(x, verbose=0).tolist(),
    }


def main(folder: Path, children: str) -> None:
    backend = keras.backend.backend()
    outputs: dict[str, Any] = {}
    for child, make in LISTS[children].items():
        with no_draws():
            model = make()
        for name, found in outputs_of(model).items():
            outputs[f"{child}: {name}"] = found
        keras.backend.clear_session()
    np.savez(folder / f"{backend}.npz", **outputs)
    (folder / f"{backend}.json").write_text(json.dumps(trained(folder / backend)))


class NoTensorFlow:
    """Finds no TensorFlow: Keras would load it to save a model, and needs it not.

    ``sys.modules["tensorflow"] = None`` would do more: layers that prepare pixels ask whether it is
    among the loaded modules, and then whether it traces a graph.
    """

    @staticmethod
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0] == "tensorflow":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


if __name__ == "__main__":
    if keras.backend.backend() != "tensorflow":
        assert "tensorflow" not in sys.modules
        sys.meta_path.insert(0, NoTensorFlow)
    main(Path(sys.argv[1]), sys.argv[2])
