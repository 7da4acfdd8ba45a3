"""The recurrent cells and the controller, against published numbers and TensorFlow."""

import numpy as np
import pytest

from cellwright.plugins.strategies.controller.cells import LSTM, NASCell
from cellwright.plugins.strategies.controller.controller import Controller
from cellwright.plugins.strategies.reinforce import mixture_weight

SIZES = (2, 3, 6, 2, 4)


def test_nas_cell_gives_the_published_numbers():
    """The test of TensorFlow Addons' NASCell: 6 units, weights .5, states .1, inputs 1 / 2 / 3."""
    inputs = np.repeat([[1.0], [2.0], [3.0]], 4, axis=1)
    output = memory = np.full((3, 6), 0.1)
    x = (inputs @ np.full((4, 48), 0.5)).reshape(3, 8, 6).swapaxes(0, 1)
    h = (output @ np.full((6, 48), 0.5)).reshape(3, 8, 6).swapaxes(0, 1)
    memory, output, _ = NASCell().forward(x, h, memory)
    np.testing.assert_allclose(output[:, 0], [0.576751, 0.618936, 0.627393], atol=1e-6)
    np.testing.assert_allclose(memory[:, 0], [0.7157977, 0.7804162, 0.7945764], atol=1e-6)
    assert np.ptp(output, axis=1).max() == 0


def _nas_in_tensorflow(tf, x, h, c):
    """The equations of the NASCell, gate by gate in the paper's numbering."""
    place = {gate: i for i, gate in enumerate(NASCell.ORDER)}
    x = [x[:, place[g]] for g in range(8)]
    h = [h[:, place[g]] for g in range(8)]
    g0, g1 = tf.sigmoid(x[0] + h[0]), tf.nn.relu(x[1] + h[1])
    g2, g3 = tf.sigmoid(x[2] + h[2]), tf.nn.relu(x[3] * h[3])
    g4, g5 = tf.tanh(x[4] + h[4]), tf.sigmoid(x[5] + h[5])
    g6, g7 = tf.tanh(x[6] + h[6]), tf.sigmoid(x[7] + h[7])
    u0, u1, u2, u3 = tf.tanh(g0 * g1), tf.tanh(g2 + g3), tf.tanh(g4 * g5), tf.sigmoid(g6 + g7)
    c = tf.tanh(u0 + c) * u1
    return c, tf.tanh(c * tf.tanh(u2 + u3))


def _lstm_in_tensorflow(tf, x, h, c):
    i, f, o, candidate = (x[:, g] + h[:, g] for g in range(4))
    c = tf.sigmoid(f) * c + tf.sigmoid(i) * tf.tanh(candidate)
    return c, tf.sigmoid(o) * tf.tanh(c)


STEPS = {"nas": _nas_in_tensorflow, "lstm": _lstm_in_tensorflow}


@pytest.mark.parametrize("by_decision", [False, True])
@pytest.mark.parametrize("cell", ["nas", "lstm"])
def test_gradient_is_that_of_tensorflow(cell, by_decision):
    tf = pytest.importorskip("tensorflow")
    rng = np.random.default_rng(1)
    controller = Controller(SIZES, rng, cell=cell, units=5)
    controller.weights[:] = rng.normal(0, 0.6, controller.weights.size)
    controller.changed()
    actions = np.array([[0, 1, 5, 1, 3], [1, 2, 0, 0, 2], [1, 2, 0, 1, 2]])
    weights, entropy_weight = np.array([0.3, -1.2, 0.7]), 0.3
    if by_decision:
        weights = weights[:, None] + np.arange(len(SIZES))

    flat = tf.Variable(controller.weights)
    gates = controller.cell.gates
    with tf.GradientTape() as tape:
        views, start = {}, 0
        for name in ("embedding", "input", "recurrent", "bias", "output", "output_bias"):
            shape = controller[name].shape
            views[name] = tf.reshape(flat[start : start + controller[name].size], shape)
            start += controller[name].size
        memory = output = tf.zeros((3, 5), tf.float64)
        rows = np.zeros(3, dtype=int)
        loss = tf.constant(0.0, tf.float64)
        offset = 1
        for t, size in enumerate(SIZES):
            x = tf.reshape(tf.gather(views["embedding"], rows) @ views["input"], (3, gates, 5))
            h = tf.reshape(output @ views["recurrent"] + views["bias"], (3, gates, 5))
            memory, output = STEPS[cell](tf, x, h, memory)
            logits = output @ tf.transpose(views["output"][t, :size])
            log_p = tf.nn.log_softmax(logits + views["output_bias"][t, :size])
            taken = tf.gather(log_p, actions[:, t], batch_dims=1)
            entropy = -tf.reduce_sum(tf.exp(log_p) * log_p, axis=1)
            weight = weights[:, t] if by_decision else weights
            loss -= tf.reduce_mean(weight * taken + entropy_weight * entropy)
            rows = offset + actions[:, t]
            offset += size
    expected = tape.gradient(loss, flat)

    assert controller.accumulate(actions, weights, entropy_weight) == pytest.approx(float(loss))
    np.testing.assert_allclose(controller.gradient, expected.numpy(), atol=1e-12)


@pytest.mark.parametrize("cell", ["nas", "lstm"])
def test_samples_follow_the_probabilities(cell):
    rng = np.random.default_rng(0)
    controller = Controller((2, 3), rng, cell=cell, units=4)
    controller.weights[:] = rng.normal(0, 1.5, controller.weights.size)
    controller.changed()
    samples = controller.sample(rng.random((20_000, 2)))
    every = np.array([(a, b) for a in range(2) for b in range(3)])
    probability = np.exp(controller.log_probability(every))
    assert probability.sum() == pytest.approx(1)
    seen = [(samples == one).all(axis=1).mean() for one in every]
    np.testing.assert_allclose(seen, probability, atol=0.015)


def test_sampled_action_reaches_the_policy():
    """Two prefixes that differ in one action give the next decision different probabilities."""
    rng = np.random.default_rng(0)
    controller = Controller((2, 2), rng, units=8)
    controller.weights[:] = rng.normal(0, 1, controller.weights.size)
    controller.changed()
    log_p = controller.log_probability(np.array([[0, 0], [0, 1], [1, 0], [1, 1]]))
    after_0, after_1 = np.exp(log_p[0] - log_p[1]), np.exp(log_p[2] - log_p[3])
    assert abs(np.log(after_0 / after_1)) > 1e-3


def test_mixture_weight_is_the_share_of_the_policy():
    log_pi, log_uniform, share = np.log([0.5, 1e-6]), np.log(0.01), 0.2
    pi = np.exp(log_pi)
    expected = 0.8 * pi / (0.8 * pi + 0.2 * 0.01)
    np.testing.assert_allclose(mixture_weight(log_pi, log_uniform, share), expected)


def test_lstm_begins_by_remembering():
    controller = Controller(SIZES, np.random.default_rng(0), cell="lstm", units=3)
    assert controller["bias"].tolist() == [0] * 3 + [1] * 3 + [0] * 6
    assert LSTM.gates == 4


@pytest.mark.parametrize("arguments", [{"cell": "gru"}, {"units": 0}])
def test_impossible_controllers_are_refused(arguments):
    with pytest.raises(ValueError, match=next(iter(arguments))):
        Controller(SIZES, np.random.default_rng(0), **arguments)
