"""Scores of untrained networks against closed forms."""

import math

import keras
import numpy as np
import pytest

from cellwright.plugins import PredictorGuided, RegularizedEvolution, load_dataset
from cellwright.plugins.scoring.evaluation import Evaluation
from cellwright.plugins.scoring.zero_cost import gradient_norm, synflow, warm_start
from cellwright.search_spaces import Decision, NASNetSpace, SearchSpace


def dense_network(activation="relu"):
    image = keras.Input((2, 2, 1))
    x = keras.layers.Flatten()(image)
    x = keras.layers.Dense(3, use_bias=False, activation=activation)(x)
    x = keras.layers.BatchNormalization(epsilon=0.0)(x)
    return keras.Model(image, keras.layers.Dense(5, activation="softmax")(x))


def test_synflow_is_the_product_of_absolute_weights():
    """Of a chain without biases, R is 1^T |W2|^T |W1|^T 1. Each weight matrix carries all of it; so
    would the scales of the normalisation, which do not count."""
    model = dense_network()
    first, *_, second, bias = model.get_weights()
    assert not bias.any()
    flow = (np.abs(first).sum(axis=0) @ np.abs(second)).sum()
    assert synflow(model) == pytest.approx(math.log(2 * flow), rel=1e-6)


def test_gradient_norm_is_that_of_softmax_regression():
    image = keras.Input((2, 2, 1))
    flat = keras.layers.Flatten()(image)
    model = keras.Model(image, keras.layers.Dense(5, activation="softmax")(flat))
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(7, 2, 2, 1)).astype("float32"), rng.integers(5, size=7)
    error = (model.predict(x, verbose=0) - np.eye(5)[y]) / 7
    expected = np.linalg.norm(x.reshape(7, 4).T @ error)  # of the kernel; the bias does not count
    assert gradient_norm(model, x, y) == pytest.approx(expected, rel=1e-4)


def test_norms_of_kernels_are_added_up():
    """By finite differences of the loss, weight by weight, in two dense layers."""
    keras.utils.set_random_seed(0)
    model, rng = dense_network("tanh"), np.random.default_rng(0)
    x, y = rng.normal(size=(32, 2, 2, 1)).astype("float32"), rng.integers(5, size=32)

    def loss():
        probabilities = np.asarray(model(x, training=True), np.float64)
        return -np.mean(np.log(probabilities[np.arange(32), y]))

    before, expected = model.get_weights(), 0.0
    for place, weights in enumerate(before):
        if weights.ndim == 2:
            squares = 0.0
            for index in np.ndindex(weights.shape):
                losses = []
                for step in (1e-2, -1e-2):
                    moved = [w.copy() for w in before]
                    moved[place][index] += step
                    model.set_weights(moved)
                    losses.append(loss())
                squares += ((losses[0] - losses[1]) / 2e-2) ** 2
            expected += math.sqrt(squares)
    model.set_weights(before)
    assert gradient_norm(model, x, y) == pytest.approx(expected, rel=2e-3)


def test_scores_leave_a_child_as_it_was():
    space = NASNetSpace(blocks=1)
    data = load_dataset("digits")
    evaluation = Evaluation(space, data, options={"filters": 2, "reductions": 0})
    model = evaluation.build(space.sample(np.random.default_rng(0)))
    before = model.get_weights()
    scores = [synflow(model), gradient_norm(model, data.x_train[:16], data.y_train[:16])]
    assert all(math.isfinite(score) for score in scores)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_parameters_need_no_second_look():
    space = NASNetSpace(blocks=1)
    built = []

    class Counting(Evaluation):
        def build(self, params):
            built.append(params)
            return super().build(params)

    data = load_dataset("digits")
    evaluation = Counting(space, data, options={"filters": 2, "reductions": 0})
    signal = warm_start("parameters", evaluation)
    params = space.sample(np.random.default_rng(1))
    assert signal(params) == signal(params) == evaluation.build(params).count_params()
    assert len(built) == 2
    with pytest.raises(ValueError, match=r"synflow'\], got 'flops'"):
        warm_start("flops", evaluation)


@pytest.mark.parametrize("strategy", [PredictorGuided, RegularizedEvolution])
def test_the_first_population_is_the_better_half_of_what_was_drawn(strategy):
    space = SearchSpace([Decision(f"d{i}", (0, 1, 2, 3)) for i in range(12)])

    def signal(params):
        return sum(params.values())

    def first(**arguments):
        asked = strategy(space, seed=3, **arguments)
        return np.mean([signal(asked.ask(number)) for number in range(200)])

    assert first() == pytest.approx(18, abs=1)
    assert first(signal=signal) > 19  # of two draws of standard deviation 3.9, the larger: 20.2
