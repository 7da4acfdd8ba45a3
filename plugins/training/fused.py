"""The same training steps in fewer operations of TensorFlow's.

Keras writes Adam and batch normalisation as many small operations, which is more than half of a
small child's graph: they are traced, optimised and run one by one. TensorFlow has each as one
kernel. The kernels compute the same formulas, so that children differ in rounding alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import MethodType
from typing import Any

import keras


def fuse(model: keras.Model, optimizer: keras.optimizers.Adam) -> None:
    """Let a child that is trained by ``optimizer`` use TensorFlow's kernels; other backends are
    left alone.

    Layers and optimizer keep their kinds and settings: what is saved, copied or exported of them is
    Keras's own.
    """
    if keras.backend.backend() != "tensorflow":
        return
    import tensorflow as tf

    if tf.distribute.get_strategy().num_replicas_in_sync > 1:
        return
    # Keras sums gradients over replicas even if there is only one. That sum does nothing, but it is
    # a custom gradient, and TensorFlow keeps those for ever, with the graph that they were traced
    # in (tensorflow/tensorflow#97697): 13 MB for the smallest child. So it is left out in any case.
    optimizer._all_reduce_sum_gradients = lambda grads_and_vars: grads_and_vars
    if _has_kernel(optimizer):
        optimizer._backend_update_step = MethodType(_update, optimizer)
    fuse_normalisation(model)


def fuse_normalisation(model: keras.Model) -> None:
    """Let the batch normalisations of ``model`` use TensorFlow's kernel in training; other backends
    are left alone."""
    if keras.backend.backend() != "tensorflow":
        return
    for layer in model._flatten_layers():
        if type(layer) is keras.layers.BatchNormalization and _is_usual(layer):
            layer.call = MethodType(_normalise, layer)


def _has_kernel(optimizer: keras.optimizers.Optimizer) -> bool:
    """Whether it is Adam as the kernel knows it, on float32 weights."""
    plain = type(optimizer) is keras.optimizers.Adam and not optimizer.amsgrad
    weights = optimizer._trainable_variables
    return plain and all(weight.dtype == "float32" for weight in weights)


def _update(
    optimizer: Any, gradients: Sequence[Any], variables: Sequence[Any], learning_rate: Any
) -> None:
    """Adam's step for all variables, instead of Keras's 15 operations for each."""
    import tensorflow as tf

    if any(isinstance(gradient, tf.IndexedSlices) for gradient in gradients):
        type(optimizer)._backend_update_step(optimizer, gradients, variables, learning_rate)
        return
    step = tf.cast(optimizer.iterations.value + 1, tf.float32)
    powers = [tf.pow(beta, step) for beta in (optimizer.beta_1, optimizer.beta_2)]
    rate = tf.cast(learning_rate, tf.float32)
    for gradient, variable in zip(gradients, variables, strict=True):
        index = optimizer._get_variable_index(variable)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.value.handle,
            m=optimizer._momentums[index].value.handle,
            v=optimizer._velocities[index].value.handle,
            beta1_power=powers[0],
            beta2_power=powers[1],
            lr=rate,
            beta1=optimizer.beta_1,
            beta2=optimizer.beta_2,
            epsilon=optimizer.epsilon,
            grad=tf.cast(gradient, tf.float32),
        )


def _is_usual(layer: keras.layers.BatchNormalization) -> bool:
    """Whether it normalises the channels of images in float32, channels last, by a mean and a
    variance that are both scaled and shifted."""
    images = layer.input_spec is not None and layer.input_spec.ndim == 4
    single = layer.compute_dtype == "float32" and layer.variable_dtype == "float32"
    usual = layer.axis in (3, -1) and layer.scale and layer.center
    # Earlier versions of Keras know nothing of the first of these.
    special = any(getattr(layer, name, False) for name in ("renorm", "synchronized"))
    return bool(images and single and usual and not special)


def _normalise(layer: Any, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
    """``BatchNormalization.call``, in training by one kernel."""
    if not training or mask is not None or not layer.trainable:
        return type(layer).call(layer, inputs, training=training, mask=mask)
    import tensorflow as tf

    found = tf.raw_ops.FusedBatchNormV3(
        x=inputs,
        scale=layer.gamma.value,
        offset=layer.beta.value,
        mean=tf.zeros([0]),
        variance=tf.zeros([0]),
        epsilon=layer.epsilon,
        exponential_avg_factor=1.0,
        data_format="NHWC",
        is_training=True,
    )
    # The kernel gives the sample variance, divided by n - 1, and Keras keeps that divided by n.
    places = tf.cast(tf.reduce_prod(tf.shape(inputs)[:-1]), tf.float32)
    variance = found.batch_variance * ((places - 1) / places)
    keep = layer.momentum
    layer.moving_mean.assign(layer.moving_mean * keep + found.batch_mean * (1 - keep))
    layer.moving_variance.assign(layer.moving_variance * keep + variance * (1 - keep))
    return found.y
