"""A function of arrays as the backend runs it best: traced once for each shape, with gradients."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from functools import partial
from typing import Any

import keras
import numpy as np

from cellwright.plugins.training.fused import fuse_normalisation
from cellwright.search_spaces.shared_network import SharedNetwork

Function = Callable[..., Any]
_MANY_PLACES = 16 * 16  # from here on the usual executor is quicker: see docs/supernet.md


def traced(function: Function, places: int = 1) -> Function:
    """``function`` of nested tensors, traced once for each shape; under PyTorch, which traces
    nothing, itself.

    TensorFlow's executors of several threads put all branches of a switch into the graph. Its
    executor of one thread calls the branch that is wanted, and no others: three times as quick to
    trace. Operations still use all threads that they are allowed. It is not used in two cases.
    A branch that it calls takes a thread of those between operations while the caller waits on
    another: with a single one it would wait for ever. And TensorFlow does not replace what is
    inside of a branch that is called by the quicker operations of oneDNN, so that on large images
    each step takes longer by more than the trace gains.

    Args:
        function: It may have switches.
        places: Pixels of an image, or 1 where it is of other data.
    """
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        graph = tf.function(function, autograph=False)
        if places >= _MANY_PLACES or _threads_between_operations() < 2:
            return graph  # type: ignore[no-any-return]

        def run(*given: Any) -> Any:
            with tf.experimental.function_executor_type("SINGLE_THREADED_EXECUTOR"):
                return graph(*given)

        return run
    if backend == "jax":
        import jax

        return jax.jit(function)  # type: ignore[no-any-return]
    return function


def quickened(network: SharedNetwork, places: int = 1) -> SharedNetwork:
    """``network``, whose slots are `traced`, with one kernel for each normalisation."""
    network.traced = partial(traced, places=places)
    for part in network.parts():
        fuse_normalisation(part.model)
    return network


def _threads_between_operations() -> int:
    """How many threads TensorFlow runs operations in: as many as are set, or as there are cores."""
    import tensorflow as tf

    if configured := tf.config.threading.get_inter_op_parallelism_threads():
        return int(configured)
    with contextlib.suppress(ValueError):
        if (given := int(os.environ.get("TF_NUM_INTEROP_THREADS", ""))) > 0:
            return given
    # Python 3.13 has os.process_cpu_count for this.
    usable = getattr(os, "sched_getaffinity", None)
    return (os.cpu_count() or 1) if usable is None else len(usable(0))


def compiled(function: Function, places: int = 1) -> Function:
    """`traced`, but it takes and gives NumPy's arrays; under PyTorch without a tape."""
    inner = traced(function, places)
    if keras.backend.backend() != "torch":
        return lambda *given: _as_arrays(inner(*given))
    import torch

    def run(*given: Any) -> Any:
        with torch.no_grad():
            return _as_arrays(inner(*_as_tensors(given)))

    return run


def with_gradients(loss: Function, places: int = 1) -> Function:
    """A function of the same arguments as ``loss``, a number, the first of which are weights, a
    list of arrays: gives the number, and its gradients with respect to each of these."""
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        def taped(given: Any, *others: Any) -> Any:
            weights = _as_tensors(given)  # arrays still, where functions are run eagerly
            with tf.GradientTape() as tape:
                tape.watch(weights)
                found = loss(weights, *others)
            return found, tape.gradient(found, weights, unconnected_gradients="zero")

        return compiled(taped, places)
    if backend == "jax":
        import jax

        return compiled(jax.value_and_grad(loss))
    import torch

    def run(weights: Any, *others: Any) -> Any:
        leaves = [one.requires_grad_() for one in _as_tensors(weights)]
        found = loss(leaves, *_as_tensors(others))
        gradients = torch.autograd.grad(found, leaves, allow_unused=True, materialize_grads=True)
        return _as_arrays((found.detach(), list(gradients)))

    return run


def _as_tensors(given: Any) -> Any:
    return keras.tree.map_structure(keras.ops.convert_to_tensor, given)


def _as_arrays(found: Any) -> Any:
    return keras.tree.map_structure(lambda one: np.asarray(keras.ops.convert_to_numpy(one)), found)
