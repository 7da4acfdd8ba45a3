"""A function of arrays as the backend runs it best: traced once for each shape, with gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

Function = Callable[..., Any]


def traced(function: Function) -> Function:
    """``function`` of nested tensors, traced once for each shape; under PyTorch, which traces
    nothing, itself.

    TensorFlow's executors of several threads put all branches of a switch into the graph. Its
    executor of one thread calls the branch that is wanted, and no others: three times as quick to
    trace, and quicker in every step. Operations still use all threads that they are allowed.
    """
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        graph = tf.function(function, autograph=False)

        def run(*given: Any) -> Any:
            with tf.experimental.function_executor_type("SINGLE_THREADED_EXECUTOR"):
                return graph(*given)

        return run
    if backend == "jax":
        import jax

        return jax.jit(function)  # type: ignore[no-any-return]
    return function


def compiled(function: Function) -> Function:
    """`traced`, but it takes and gives NumPy's arrays; under PyTorch without a tape."""
    inner = traced(function)
    if keras.backend.backend() != "torch":
        return lambda *given: _as_arrays(inner(*given))
    import torch

    def run(*given: Any) -> Any:
        with torch.no_grad():
            return _as_arrays(inner(*_as_tensors(given)))

    return run


def with_gradients(loss: Function) -> Function:
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

        return compiled(taped)
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
