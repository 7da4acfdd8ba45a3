"""What one graph for many children would save: a step in it beside a step in a child's own graph.

    python -m benchmarks.graph_cost

One graph of TensorFlow's whose choices are inputs (`SharedNetwork`) is traced once for all children
of a space. Here it is trained as a plain child is, and so is the child's own graph: random children
of the book's space on the digits, one step of gradients on one batch each. Processor time.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Annotated, Any

import numpy as np
import typer

from cellwright import NASNetSpace, load_dataset

STEPS = 12


def main(
    children: Annotated[int, typer.Option(min=1)] = 4,
    filters: Annotated[int, typer.Option(min=1)] = 16,
    batch_size: Annotated[int, typer.Option(min=1)] = 128,
) -> None:
    """Print both, by child."""
    import tensorflow as tf

    from cellwright.plugins.supernet.compiled import quickened, traced
    from cellwright.plugins.training.fused import fuse_normalisation

    space, data = NASNetSpace(), load_dataset("digits")
    x, y = (tf.constant(part[:batch_size]) for part in (data.train.x, data.train.y))
    network = quickened(space.shared_network(data.input_shape, data.classes, filters=filters))
    tables = network.initial(0)

    @traced
    def shared(rows: Any, choices: Any) -> Any:
        return _gradients(lambda: network(choices, x, rows), rows, y)

    typer.echo("| child | own graph: first step, s | later steps, ms | one graph: first | later |")
    typer.echo("|---" * 5 + "|")
    found = []
    for child in range(children):
        params = space.sample(np.random.default_rng(child))
        choices = network.resolve(np.array(space.encode(params), np.int32))
        rows = [tf.constant(row) for row in network.rows(tables, choices)]
        model = space.build(params, data.input_shape, data.classes, filters=filters, seed=0)
        fuse_normalisation(model)
        weights = [variable.value for variable in model.trainable_variables]

        def step(model: Any = model, weights: Any = weights) -> Any:
            return _gradients(lambda: (model(x, training=True), ()), weights, y)

        own = _cost(tf.function(step, autograph=False))
        one = _cost(partial(shared, rows, tf.constant(choices)))
        found.append((*own, *one))
        typer.echo(f"| {child} | {own[0]:.2f} | {own[1]:.1f} | {one[0]:.2f} | {one[1]:.1f} |")
    later = [statistics.median(column) for column in zip(*found, strict=True)]
    typer.echo(f"\nMedians: {later[1]:.1f} ms in its own graph, {later[3]:.1f} ms in one for all.")


def _gradients(forward: Callable[[], tuple[Any, Any]], weights: Any, y: Any) -> Any:
    import keras
    import tensorflow as tf

    with tf.GradientTape() as tape:
        tape.watch(weights)
        outputs, seen = forward()
        loss = keras.ops.mean(keras.losses.sparse_categorical_crossentropy(y, outputs))
    return loss, seen, tape.gradient(loss, weights, unconnected_gradients="zero")


def _cost(step: Callable[[], Any]) -> tuple[float, float]:
    """Seconds of the first call, and milliseconds of a later one."""
    begun = time.process_time()
    step()
    first = time.process_time() - begun
    step()
    begun = time.process_time()
    for _ in range(STEPS):
        step()
    return first, (time.process_time() - begun) / STEPS * 1000


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    typer.run(main)
