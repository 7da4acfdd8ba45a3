"""Zero-cost scores: what an untrained child network says about its accuracy.

Abdelfattah, Mehrotra, Dudziak and Lane, "Zero-Cost Proxies for Lightweight NAS", 2021. Keras is
imported when a score is computed.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from cellwright.plugins.scoring.evaluation import Evaluation
from cellwright.plugins.strategies.first_draws import Signal
from cellwright.search_spaces import Params, multiply_adds


def warm_start(score: str, evaluation: Evaluation, *, batch: int = 64) -> Signal:
    """A signal for a strategy's first population, such as ``PredictorGuided(space, signal=...)``.

    Args:
        score: ``"synflow"``, ``"gradient_norm"``, ``"parameters"`` or ``"multiply_adds"``.
        evaluation: Builds the children, and has the images.
        batch: Images for ``"gradient_norm"``, at least 1: the first of the training data.

    Returns:
        Gives an architecture's score; builds each network once.

    Raises:
        ValueError: On another score.
    """
    x, y = evaluation.data.some(batch)[:2]
    scores: dict[str, Callable[[Any], float]] = {
        "synflow": synflow,
        "gradient_norm": lambda model: gradient_norm(model, x, y),
        "parameters": lambda model: float(model.count_params()),
        "multiply_adds": lambda model: float(multiply_adds(model)),
    }
    if score not in scores:
        raise ValueError(f"score must be one of {sorted(scores)}, got {score!r}")
    known: dict[tuple[int, ...], float] = {}

    def signal(params: Params) -> float:
        key = evaluation.space.key(params)
        if key not in known:
            known[key] = scores[score](evaluation.build(params))
        return known[key]

    return signal


def synflow(model: Any) -> float:
    """Logarithm of the synaptic flow, the sum of w dR/dw (Tanaka et al. 2020, equation 2) over the
    kernels of convolutions and dense layers, as in the code of Abdelfattah et al. 2021.

    R is the sum of the logits where every weight is replaced by its absolute value and the image is
    all ones, with batch normalisations as they are at the start, and so close to the identity. It
    needs no data. It is computed with 64-bit numbers, where the backend has them (not in JAX,
    unless told so): deep networks leave the range of 32-bit ones.

    Args:
        model: A child with one image as input, ending in a softmax; not changed.

    Returns:
        From about 0 for a tiny child to some hundreds; -inf for one that nothing flows through.
    """
    import keras

    double = keras.models.clone_model(model, clone_function=_in_64_bits)
    double.set_weights([np.abs(w) for w in model.get_weights()])
    for layer in double.layers:
        if getattr(layer, "activation", None) is keras.activations.softmax:
            layer.activation = keras.activations.linear
    ones = np.ones((1, *model.input_shape[1:]))
    gradients = _gradients(double, ones, keras.ops.sum, training=False)
    flow = sum(
        float((np.abs(keras.ops.convert_to_numpy(kernel)) * gradient).sum())
        for kernel, gradient in gradients
    )
    return math.log(flow) if flow > 0 else -math.inf


def gradient_norm(model: Any, x: Any, y: Any) -> float:
    """Sum of the Euclidean norms of the gradients of the cross-entropy, on one batch.

    There is a norm for each kernel of a convolution or a dense layer; biases and normalisations do
    not count, as in the code of Abdelfattah et al. 2021. A separable convolution is two of theirs.

    Args:
        model: A child that gives probabilities; not changed.
        x: Images, (batch, height, width, channels).
        y: Class numbers, (batch,).

    Returns:
        0 or above.
    """
    import keras

    def loss(probabilities: Any) -> Any:
        return keras.ops.mean(keras.losses.sparse_categorical_crossentropy(y, probabilities))

    before = model.get_weights()  # a training step of batch normalisation moves its statistics
    gradients = _gradients(model, x, loss, training=True)
    model.set_weights(before)
    return sum(float(np.linalg.norm(gradient.astype(np.float64))) for _, gradient in gradients)


def _in_64_bits(layer: Any) -> Any:
    return type(layer).from_config({**layer.get_config(), "dtype": "float64"})


def _gradients(
    model: Any, x: Any, loss: Callable[[Any], Any], *, training: bool
) -> list[tuple[Any, np.ndarray[Any, Any]]]:
    """Each kernel of convolutions and dense layers, with the gradient of ``loss(model(x))``."""
    import keras

    found = _BACKENDS[keras.backend.backend()](model, x, loss, training)
    return [
        (weight, np.zeros(()) if gradient is None else keras.ops.convert_to_numpy(gradient))
        for weight, gradient in zip(model.trainable_weights, found, strict=True)
        if weight.name.endswith("kernel")
    ]


def _in_tensorflow(model: Any, x: Any, loss: Callable[[Any], Any], training: bool) -> Any:
    import tensorflow as tf

    weights = [weight.value for weight in model.trainable_weights]
    with tf.GradientTape() as tape:
        value = loss(model(x, training=training))
    return tape.gradient(value, weights)


def _in_jax(model: Any, x: Any, loss: Callable[[Any], Any], training: bool) -> Any:
    import jax

    others = [weight.value for weight in model.non_trainable_variables]

    def value(weights: Any) -> Any:
        outputs, _ = model.stateless_call(weights, others, x, training=training)
        return loss(outputs)

    return jax.grad(value)([weight.value for weight in model.trainable_weights])


def _in_torch(model: Any, x: Any, loss: Callable[[Any], Any], training: bool) -> Any:
    import torch

    weights = [weight.value for weight in model.trainable_weights]
    return torch.autograd.grad(loss(model(x, training=training)), weights, allow_unused=True)


_BACKENDS = {"tensorflow": _in_tensorflow, "jax": _in_jax, "torch": _in_torch}
