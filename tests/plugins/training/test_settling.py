"""Batch normalisation's averages, and how long they take."""

import keras
import numpy as np
import pytest

from cellwright.plugins.training.settling import about_averages


def network(*momenta: float, inside: bool = False) -> keras.Model:
    layers = [keras.layers.BatchNormalization(momentum=momentum) for momentum in momenta]
    body = [keras.Sequential([keras.Input((3,)), *layers])] if inside else layers
    return keras.Sequential([keras.Input((3,)), *body, keras.layers.Dense(1)])


@pytest.mark.parametrize(("momentum", "needed"), [(0.9, 29), (0.99, 299), (0.5, 5)])
@pytest.mark.parametrize("inside", [False, True])
def test_as_many_steps_are_asked_for_as_leave_a_twentieth(momentum, needed, inside):
    model = network(0.3, momentum, inside=inside)
    assert about_averages(model, needed) is None
    told = about_averages(model, needed - 1)
    assert told is not None
    assert f"after {needed - 1} training steps, " in told
    assert f" {needed} steps are enough" in told


def test_what_is_left_of_the_start_is_what_keras_leaves():
    model = network(0.9)
    x = np.full((8, 3), 5.0, np.float32)
    for _ in range(10):
        model(x, training=True)
    left = 1 - np.asarray(model.layers[0].moving_mean) / 5.0
    assert left == pytest.approx([0.9**10] * 3, rel=1e-4)
    told = about_averages(model, 10)
    assert told is not None
    assert f"{0.9**10:.0%} of" in told


def test_a_network_without_batch_normalisation_needs_no_note():
    assert about_averages(network(), 1) is None
