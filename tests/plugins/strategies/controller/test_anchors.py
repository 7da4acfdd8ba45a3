"""Anchor points, stacked layers, and decisions that are settled or without effect."""

import numpy as np
import pytest

from cellwright.plugins import PPO, RandomSearch, Reinforce
from cellwright.plugins.strategies.checks import check_strategy
from cellwright.plugins.strategies.controller.controller import Controller
from cellwright.search_spaces import ConvNetSpace

# A depth, and three layers of one decision and an anchor point each.
SIZES, ANCHORS = (3, 2, 2, 2, 3, 2, 2), (2, 3, 5)
SPACE = ConvNetSpace(layers=(2, 4, 6))
GROWING = ConvNetSpace(layers=(2, 4, 6), every=20)


def controller(seed=1, scale=0.6, **arguments):
    arguments = {"cell": "lstm", "units": 5, "layers": 2, "anchors": ANCHORS, **arguments}
    made = Controller(SIZES, np.random.default_rng(0), **arguments)
    made.weights[:] = np.random.default_rng(seed).normal(0, scale, made.weights.size)
    made.changed()
    return made


def every_action():
    return np.array(list(np.ndindex(*SIZES)))


def test_anchors_are_sigmoids_of_the_outputs_at_the_anchor_points():
    """P(j -> i) = sigmoid(v . tanh(W_previous h_j + W_current h_i)), equation of section 3.3."""
    made = controller()
    actions = every_action()[::7]
    run = made._forward(actions)
    h = run.outputs[-1][[2, 4, 6]]  # after depth, layer 1, its anchor point, layer 2, ...
    decisions = {3: (0, 1), 5: (0, 2), 6: (1, 2)}
    for decision, (j, i) in decisions.items():
        inner = np.tanh(h[j] @ made["previous"] + h[i] @ made["current"])
        probability = 1 / (1 + np.exp(-(inner @ made["vector"])))
        np.testing.assert_allclose(np.exp(run.log_p[decision, :, 1]), probability)
        np.testing.assert_allclose(np.exp(run.log_p[decision, :, 0]), 1 - probability)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("anchors", [ANCHORS, ()])
def test_gradient_is_that_of_tensorflow(anchors, masked):
    tf = pytest.importorskip("tensorflow")
    made = controller(anchors=anchors)
    rng = np.random.default_rng(2)
    actions = every_action()[[5, 100, 200, 287]]
    batch, units = len(actions), 5
    weights, entropy_weight = rng.normal(0, 1, batch), 0.3
    active = rng.random(actions.shape) < 0.6 if masked else None
    offsets = made.steps.offsets

    flat = tf.Variable(made.weights)
    with tf.GradientTape() as tape:
        w, start = {}, 0
        for name, view in made._views.items():
            w[name] = tf.reshape(flat[start : start + view.size], view.shape)
            start += view.size
        memory = [tf.zeros((batch, units), tf.float64)] * 2
        output = [tf.zeros((batch, units), tf.float64)] * 2
        points, plain, loss = [], 0, tf.constant(0.0, tf.float64)
        read = tf.gather(w["embedding"], np.zeros(batch, int))
        # Decision by decision or, where they are one anchor point, together.
        groups = [[0], [1], [], [2], [3], [4], [5, 6]] if anchors else [[t] for t in range(7)]
        for step, group in enumerate(groups):
            below = read
            for layer, suffix in enumerate(("", "_2")):
                total = below @ w[f"input{suffix}"] + output[layer] @ w[f"recurrent{suffix}"]
                i, f, o, c = tf.split(total + w[f"bias{suffix}"], 4, axis=1)
                new = tf.sigmoid(f) * memory[layer] + tf.sigmoid(i) * tf.tanh(c)
                memory = [*memory[:layer], new, *memory[layer + 1 :]]
                below = tf.sigmoid(o) * tf.tanh(new)
                output = [*output[:layer], below, *output[layer + 1 :]]
            if anchors and step in (2, 4, 6):
                points.append(below)
                logits = []
                for earlier in points[:-1]:
                    inner = tf.tanh(earlier @ w["previous"] + below @ w["current"])
                    x = tf.linalg.matvec(inner, w["vector"])
                    logits.append(tf.stack([tf.zeros_like(x), x], axis=1))
            else:
                head = tf.transpose(w["output"][plain, : SIZES[group[0]]])
                logits = [below @ head + w["output_bias"][plain, : SIZES[group[0]]]]
                plain += 1
            for t, logit in zip(group, logits, strict=True):
                log_p = tf.nn.log_softmax(logit)
                taken = tf.gather(log_p, actions[:, t], batch_dims=1)
                entropy = -tf.reduce_sum(tf.exp(log_p) * log_p, axis=1)
                counts = 1.0 if active is None else active[:, t].astype(float)
                loss -= tf.reduce_mean(counts * (weights * taken + entropy_weight * entropy))
            rows = [offsets[t] + actions[:, t] for t in group] or [np.zeros(batch, int)]
            read = tf.add_n([tf.gather(w["embedding"], row) for row in rows])
    expected = tape.gradient(loss, flat)

    found = made.accumulate(actions, weights, entropy_weight, active)
    assert found == pytest.approx(float(loss))
    np.testing.assert_allclose(made.gradient, expected.numpy(), atol=1e-12)


def test_probabilities_add_up_and_samples_follow_them():
    made = controller(scale=1.0)
    actions = every_action()
    probability = np.exp(made.log_probability(actions))
    assert probability.sum() == pytest.approx(1)
    drawn = made.sample(np.random.default_rng(0).random((20_000, len(SIZES))))
    seen = np.zeros(SIZES)
    np.add.at(seen, tuple(drawn.T), 1 / len(drawn))
    expected = probability.reshape(SIZES)
    for axis in range(len(SIZES)):
        rest = tuple(other for other in range(len(SIZES)) if other != axis)
        np.testing.assert_allclose(seen.sum(axis=rest), expected.sum(axis=rest), atol=0.015)
    pairs = (0, 1, 2, 4)  # leaves the three connections
    np.testing.assert_allclose(seen.sum(axis=pairs), expected.sum(axis=pairs), atol=0.015)


def test_settled_actions_are_taken_and_the_others_drawn_knowing_them():
    made = controller(scale=1.5)
    draws = np.random.default_rng(0).random((5_000, len(SIZES)))
    given = np.full(draws.shape, -1)
    given[:, 0], given[:2500, 3] = 2, 1
    drawn = made.sample(draws, given)
    assert (drawn[:, 0] == 2).all()
    assert (drawn[:2500, 3] == 1).all()
    actions = every_action()
    probability = np.exp(made.log_probability(actions)) * (actions[:, 0] == 2)
    expected = probability @ (actions[:, 1] == 1) / probability.sum()
    assert (drawn[:, 1] == 1).mean() == pytest.approx(expected, abs=0.02)


@pytest.mark.parametrize("anchors", [(2, 3, 3), (5, 6, 7), (0, 4), (3, 2)])
def test_anchors_that_do_not_fit_are_refused(anchors):
    with pytest.raises(ValueError, match="anchors"):
        controller(anchors=anchors)


@pytest.mark.parametrize("arguments", [{"layers": 0}, {"initial": 0.0}])
def test_impossible_controllers_are_refused(arguments):
    with pytest.raises(ValueError, match=next(iter(arguments))):
        controller(**arguments)


def test_layerwise_is_the_controller_of_the_paper():
    strategy = Reinforce.layerwise(SPACE, seed=0)
    made = strategy.controller
    assert made["input_2"].shape == made["recurrent_2"].shape == (35, 4 * 35)
    assert made["previous"].shape == made["current"].shape == (35, 35)
    assert 0.075 < np.abs(made["embedding"]).max() < 0.08
    assert strategy._optimizer.learning_rate == 6e-4


STRATEGIES = {
    "reinforce": Reinforce,
    "layerwise": Reinforce.layerwise,
    "exploring": lambda space, seed: Reinforce(space, seed=seed, exploration=0.3, batch=3),
    "ppo": lambda space, seed: PPO(space, seed=seed, batch=3, epochs=2),
}


@pytest.mark.parametrize("name", STRATEGIES)
def test_contract_on_layers_with_connections(name):
    space = ConvNetSpace(layers=(1, 3), strides=True)
    check_strategy(lambda space, seed: STRATEGIES[name](space, seed=seed), space)


def test_depth_follows_the_schedule():
    strategy = Reinforce(ConvNetSpace(layers=(1, 2, 3), every=5), seed=0, batch=4)
    depths = []
    for number in range(18):
        params = strategy.ask(number)
        depths.append(params["depth"])
        strategy.tell(number, params, float(number % 3))
    assert depths == [1] * 5 + [2] * 5 + [3] * 8


def test_what_has_no_effect_is_not_learned_from():
    """Two histories that differ only beyond the depth leave the same policy for what is before."""
    rng = np.random.default_rng(0)
    strategies = [Reinforce(SPACE, seed=3, entropy_weight=0.0) for _ in range(2)]
    for number in range(8):
        params, other = SPACE.sample(rng), SPACE.sample(rng)
        params["depth"] = 2
        beyond = [
            name for name, on in zip(SPACE.names, SPACE.active(params), strict=True) if not on
        ]
        changed = params | {name: other[name] for name in beyond}
        for strategy, told in zip(strategies, (params, changed), strict=True):
            strategy.tell(number, told, float(number % 4))
    first, second = (strategy.controller for strategy in strategies)
    np.testing.assert_array_equal(first.weights, second.weights)
    assert np.abs(first.gradient).sum() > 0


def score(params):
    """Wide layers in a chain: in [0, 1], known to be best where all layers are so."""
    depth = params["depth"]
    good = sum(params[f"layer_{n}/filters"] == 64 for n in range(1, depth + 1))
    chain = sum(
        params[f"layer_{n}/reads_{m}"] == (m == n - 1)
        for n in range(2, depth + 1)
        for m in range(1, n)
    )
    return (good + chain) / (depth + depth * (depth - 1) / 2)


@pytest.mark.parametrize("space", [SPACE, GROWING], ids=["free depth", "growing"])
def test_learns_filters_and_connections(space):
    def run(strategy):
        scores = []
        for number in range(240):
            params = strategy.ask(number)
            scores.append(score(params))
            strategy.tell(number, params, scores[-1])
        return scores

    found = run(Reinforce(space, seed=0, cell="lstm", layers=2))
    drawn = run(RandomSearch(space, seed=0))
    assert np.mean(found[-40:]) > np.mean(drawn) + 0.2
