"""Latency of the network as Keras runs it on this machine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

from cellwright.plugins.meters.measurement import Measurement
from cellwright.plugins.meters.timing import Timing, random_image
from cellwright.plugins.metrics import Direction
from cellwright.search_spaces.arguments import check_kind


@dataclass(frozen=True)
class KerasLatency:
    """Milliseconds of one image through the network in the framework that it is trained in.

    The network is compiled and called directly, so that Keras's own Python code is not timed with
    it. On TensorFlow it becomes one graph (XLA is left off: it takes a quarter of a minute to
    compile a child of the book's space here, and what it gives is slower), on JAX one XLA program.
    On torch, which Keras does not compile, it is run layer by layer. Reading the result is timed as
    well, so that work which a backend puts off counts.

    The number of threads is the framework's own: once it has started it cannot be changed for one
    network alone. ``how`` says it.

    Args:
        timing: How often the network is run.
        metric: Name of what is measured.

    Raises:
        TypeError: If ``timing`` is no `Timing`.
    """

    timing: Timing = field(default_factory=Timing)
    metric: str = "latency_ms"
    unit: ClassVar[str] = "ms"
    direction: ClassVar[Direction] = "minimize"

    def __post_init__(self) -> None:
        check_kind("timing", self.timing, Timing, "a Timing")

    def __call__(self, model: Any) -> Measurement:
        """Time and spread of one random image; see `Timing`.

        Raises:
            ValueError: If the model's input has no fixed size.
        """
        import keras

        run, how = _BACKENDS[keras.backend.backend()](model, random_image(model))
        how = (
            f"Keras {keras.__version__} on {how}, {_precision(model)}, batch of one, "
            f"after {self.timing.warm_up} runs to warm up"
        )
        return Measurement(*self.timing.milliseconds(run), self.unit, how)


def _precision(model: Any) -> str:
    """What most layers that have weights compute in. It is asked of these, as the classifier of a
    child in half precision is in float32, and Keras may be set to something else by now."""
    names = [x.dtype_policy.name for x in model._flatten_layers(include_self=False) if x.weights]
    return max(names, key=names.count) if names else str(model.dtype_policy.name)


def _in_tensorflow(model: Any, image: Any) -> tuple[Callable[[], Any], str]:
    import tensorflow as tf

    spec = tf.TensorSpec(image.shape, tf.float32)
    graph = tf.function(lambda x: model(x, training=False)).get_concrete_function(spec)
    x = tf.constant(image)
    threads = tf.config.threading.get_intra_op_parallelism_threads() or "one a core"
    how = f"TensorFlow {tf.__version__}, as a graph, threads: {threads}"
    return lambda: tf.nest.map_structure(lambda y: y.numpy(), graph(x)), how


def _in_jax(model: Any, image: Any) -> tuple[Callable[[], Any], str]:
    import jax

    weights = [
        [variable.value for variable in variables]
        for variables in (model.trainable_variables, model.non_trainable_variables)
    ]
    program = jax.jit(lambda x: model.stateless_call(*weights, x, training=False)[0])
    x = jax.numpy.asarray(image)
    how = f"JAX {jax.__version__}, as one XLA program, threads: XLA's own"
    return lambda: jax.block_until_ready(program(x)), how


def _in_torch(model: Any, image: Any) -> tuple[Callable[[], Any], str]:
    import keras
    import torch

    x = keras.ops.convert_to_tensor(image)

    def run() -> Any:
        with torch.no_grad():
            return keras.tree.map_structure(lambda y: y.cpu(), model(x, training=False))

    return run, f"torch {torch.__version__}, layer by layer, threads: {torch.get_num_threads()}"


_BACKENDS = {"tensorflow": _in_tensorflow, "jax": _in_jax, "torch": _in_torch}
