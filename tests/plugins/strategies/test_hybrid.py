"""The hybrid controller: both heads' gradients, the credit of each decision, what it predicts."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest

from cellwright.plugins import Constant, HybridReinforce, MovingAverage, make_strategy
from cellwright.plugins.strategies.checks import check_strategy
from cellwright.plugins.strategies.controller.controller import Controller
from cellwright.plugins.strategies.controller.two_heads import TwoHeadedController
from cellwright.plugins.strategies.hybrid import discounted
from cellwright.search_spaces import ConvNetSpace, Decision, MLPSpace, SearchSpace

SIZES = (3, 2, 4)
SPACE = MLPSpace(nodes=(4, 8, 16), activations=("relu", "tanh"), length=4)


def controller(**others):
    return TwoHeadedController(SIZES, np.random.default_rng(0), cell="lstm", units=5, **others)


@pytest.fixture
def batch():
    rng = np.random.default_rng(1)
    actions = rng.integers(0, SIZES, size=(6, 3))
    return {
        "actions": actions,
        "weights": rng.normal(size=(6, 3)),
        "active": rng.random((6, 3)) < 0.7,
        "targets": rng.uniform(0.1, 0.9, 6),
        "shares": rng.uniform(0, 0.5, 6),
    }


def test_gradient_of_both_losses_is_that_of_tensorflow(batch):
    tf = pytest.importorskip("tensorflow")
    made = controller(initial=0.5)
    flat = tf.Variable(made.weights)
    offsets = np.cumsum([1, *SIZES])
    count, units = len(batch["actions"]), 5
    with tf.GradientTape() as tape:
        w, start = {}, 0
        for name, view in made._views.items():
            w[name] = tf.reshape(flat[start : start + view.size], view.shape)
            start += view.size
        memory = output = tf.zeros((count, units), tf.float64)
        read, policy = tf.gather(w["embedding"], np.zeros(count, int)), 0.0
        for step in range(len(SIZES) + 1):  # one more than there are decisions
            total = read @ w["input"] + output @ w["recurrent"] + w["bias"]
            i, f, o, c = tf.split(total, 4, axis=1)
            memory = tf.sigmoid(f) * memory + tf.sigmoid(i) * tf.tanh(c)
            output = tf.sigmoid(o) * tf.tanh(memory)
            if step < len(SIZES):
                taken = batch["actions"][:, step]
                logits = output @ tf.transpose(w["output"][step]) + w["output_bias"][step]
                log_p = tf.nn.log_softmax(logits[:, : SIZES[step]])
                entropy = -tf.reduce_sum(tf.exp(log_p) * log_p, axis=1)
                gain = batch["weights"][:, step] * tf.gather(log_p, taken, batch_dims=1)
                mask = batch["active"][:, step].astype(float)
                policy -= tf.reduce_mean(mask * (gain + 0.3 * entropy))
                read = tf.gather(w["embedding"], offsets[step] + taken)
        predicted = tf.sigmoid(tf.linalg.matvec(output, w["value"]) + w["value_bias"])
        value = tf.reduce_sum(batch["shares"] * (predicted - batch["targets"]) ** 2)
        loss = policy + value
    found = made.accumulate_both(
        batch["actions"], batch["weights"], 0.3, batch["active"], batch["targets"], batch["shares"]
    )
    assert found == pytest.approx((float(policy), float(value)))
    np.testing.assert_allclose(made.predict(batch["actions"]), predicted.numpy())
    np.testing.assert_allclose(
        made.gradient, tape.gradient(loss, flat).numpy(), rtol=1e-9, atol=1e-12
    )
    assert np.abs(made.gradient).min() == 0  # rows of choices that do not exist
    assert np.abs(made._gradients["value"]).min() > 0


def test_the_second_head_reads_every_decision():
    made = controller(initial=0.5)
    every = np.array(list(itertools.product(*map(range, SIZES))))
    assert len(np.unique(np.round(made.predict(every), 12))) == len(every)


def test_the_policy_is_that_of_the_first_head_alone():
    made = controller(initial=0.5)
    every = np.array(list(itertools.product(*map(range, SIZES))))
    assert np.exp(made.log_probability(every)).sum() == pytest.approx(1)
    draws = np.random.default_rng(0).random((4000, 3))
    drawn = made.sample(draws)
    assert drawn.shape == (4000, 3)
    for row, probability in zip(every[::5], np.exp(made.log_probability(every))[::5], strict=True):
        share = (drawn == row).all(axis=1).mean()
        assert share == pytest.approx(probability, abs=4 * np.sqrt(probability / 4000))
    given = np.full((4000, 3), -1)
    given[:, 1] = 1
    assert (made.sample(draws, given)[:, 1] == 1).all()


def test_credit_is_discounted_along_each_sequence_alone():
    active = np.array([[True, True, True], [True, True, False]])
    credit = discounted(np.array([1.0, -1.0]), active, 0.9)
    np.testing.assert_allclose(credit[0], [0.81, 0.9, 1.0])
    np.testing.assert_allclose(credit[1, :2], [-0.9, -1.0])
    longer = discounted(np.array([1.0, -1.0]), np.array([[True] * 3, [True] * 3]), 0.9)
    np.testing.assert_array_equal(longer[0], credit[0])  # whatever the other sequence is


def listed(rewards):
    """The credit of the architectures of a batch as the series' listing computes it, before and
    after it is normalised: their rewards discounted as if each followed from the one before."""
    discounted = np.array([
        sum(0.9**later * reward for later, reward in enumerate(rewards[first:]))
        for first in range(len(rewards))
    ])  # fmt: skip
    return discounted, (discounted - discounted.mean()) / discounted.std()


def test_the_example_of_the_guide_is_what_both_codes_give():
    guide = Path(__file__).parents[3].joinpath("docs", "mlp.md").read_text(encoding="utf-8")
    section = guide.partition("### The discount")[2].partition("\n## ")[0]
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in section.splitlines()
        if line.startswith("| `")
    ]
    assert len(rows) == 3
    space = MLPSpace()
    words = [row[0].replace("`", "").split(", ") for row in rows]
    params = [dict(zip(space.names, choices, strict=True)) for choices in words]
    rewards = np.array([float(row[1]) for row in rows]) - 0.5
    before, after = listed(rewards)
    active = np.array([space.active(one) for one in params])
    ours = discounted(rewards, active, HybridReinforce(space, units=1).alpha)
    for row, *numbers in zip(rows, before, after, *ours.T, strict=True):
        assert row[2:] == [f"{numbers[0]:.4f}", *(f"{number + 0:.2f}" for number in numbers[1:])]
    assert after.argmax() == rewards.argmin(), "the listing praises the worst most"
    assert ours[:, -1].argmax() == rewards.argmax()
    assert f"the worst would have {listed(rewards[::-1])[1][-1]:.2f}" in section
    np.testing.assert_allclose(discounted(rewards[::-1], active, 0.9), ours[::-1])


def test_credit_has_mean_0_and_deviation_1_where_it_can():
    rewards = np.array([0.1, 0.4, 0.2])
    last = discounted(rewards, np.ones((3, 1), bool), 0.9)[:, 0]
    assert (last.mean(), last.std()) == pytest.approx((0, 1))
    alike = discounted(np.full(3, 0.2), np.ones((3, 2), bool), 0.9)
    np.testing.assert_array_equal(alike, 0)  # and not NaN
    alone = discounted(np.array([0.2]), np.ones((1, 2), bool), 0.5)
    np.testing.assert_allclose(alone, [[0.1, 0.2]])


def test_all_active_decisions_are_learned_and_no_other():
    strategy = HybridReinforce(
        SPACE, seed=0, batch=2, epochs=1, units=6, entropy_weight=0.0, predictor_weight=1e-12
    )
    short, long = SPACE.from_tokens((3, 8)), SPACE.from_tokens((2, 7, 5, 8))
    before = strategy.controller.weights.copy()
    strategy.tell(0, short, 0.9)
    np.testing.assert_array_equal(strategy.controller.weights, before)
    strategy.tell(1, long, 0.1)
    bias = strategy.controller["output_bias"]
    assert bias[0, 2] > 0 > bias[0, 1]  # the first layer of the better and of the worse network
    assert bias[1, 7] > 0 > bias[1, 6]
    assert bias[2, 4] < 0
    assert bias[2, 0] > 0  # for all others gain what one loses
    assert bias[2, 0] == pytest.approx(bias[2, 1])  # what the short one has there is not learned


def score(params, rng=None):
    """More nodes and tanh help; noise on top."""
    layers = SPACE.genotype(params).layers
    dense = [layer for layer in layers if hasattr(layer, "nodes")]
    worth = sum(layer.nodes / 160 + 0.1 * (layer.activation == "tanh") for layer in dense)
    return 0.4 + worth / len(layers) + (0 if rng is None else float(rng.normal(0, 0.02)))


def test_what_it_predicts_ranks_networks_and_is_told_with_a_spread():
    strategy = HybridReinforce(SPACE, seed=1)
    rng = np.random.default_rng(0)
    predicted, measured = [], []
    for number in range(80):
        params = strategy.ask(number)
        expected = strategy.predict(params)
        assert (expected is None) == (number < 10)
        reward = score(params, rng)
        if number >= 40:
            predicted.append(expected.mean)
            measured.append(reward)
        strategy.tell(number, params, reward)
    ranks = [np.argsort(np.argsort(values)) for values in (predicted, measured)]
    assert np.corrcoef(*ranks)[0, 1] > 0.5
    spread = strategy.predict(strategy.ask(80)).std
    errors = np.subtract(predicted, measured)
    assert spread == pytest.approx(np.sqrt(np.mean(errors**2)), rel=0.5)
    assert set(strategy.predict(strategy.ask(80)).notes(1.0)) == {"predicted", "predicted_std"}


def test_networks_of_the_same_canonical_form_are_predicted_alike():
    strategy = HybridReinforce(SPACE, seed=0, batch=2, units=6)
    rng = np.random.default_rng(0)
    for number in range(4):
        params = strategy.ask(number)
        strategy.tell(number, params, score(params, rng))
    params = {"layer/1": "4 relu", "layer/2": "output", "layer/3": "8 tanh"}
    assert strategy.predict(params) == strategy.predict(SPACE.canonical(params))


@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_rewards_of_any_unit_are_predicted(scale):
    strategy = HybridReinforce(SPACE, seed=0, units=10)
    for number in range(40):
        params = strategy.ask(number)
        strategy.tell(number, params, scale * (score(params) - 10))
    rewards = [told.reward for told in strategy.history]
    assert min(rewards) <= strategy.predict(strategy.ask(40)).mean <= max(rewards) + scale


def made_by_name(**arguments):
    return make_strategy("hybrid", SPACE, seed=3, **arguments)


def on_the_command_line(**arguments):
    """As the drivers of all hosts make the strategy of a search's settings."""
    from cellwright.command_line.options import settings_of

    texts = [f"{name}={json.dumps(value)}" for name, value in arguments.items()]
    settings = settings_of(strategy="hybrid", space="mlp", strategy_arg=texts)
    return make_strategy(settings.strategy, SPACE, seed=3, **settings.strategy_arg)


def in_optuna(**arguments):
    pytest.importorskip("optuna")
    from cellwright.adapters.optuna_sampler import StrategySampler

    return StrategySampler(made_by_name(**arguments)).strategy


def in_nni(**arguments):
    """As NNI makes the tuner of a configuration's classArgs."""
    pytest.importorskip("nni")
    yaml = pytest.importorskip("yaml")
    from cellwright.adapters.nni_tuner import StrategyTuner

    text = yaml.safe_dump({"strategy": "hybrid", "seed": 3, **arguments})
    return StrategyTuner(space=SPACE, **yaml.safe_load(text)).strategy


def in_keras_tuner(**arguments):
    kt = pytest.importorskip("keras_tuner")
    from cellwright.adapters.keras_oracle import StrategyOracle

    goal = kt.Objective("reward", "max")
    return StrategyOracle(goal, 9, strategy="hybrid", space=SPACE, seed=3, **arguments).strategy


ENTRANCES = [made_by_name, on_the_command_line, in_optuna, in_nni, in_keras_tuner]


@pytest.mark.parametrize("entrance", ENTRANCES)
def test_it_goes_without_its_predictor_in_every_entrance(entrance):
    strategy = entrance(predictor=False, batch=4, epochs=2, units=8)
    alone = HybridReinforce(SPACE, seed=3, predictor=False, batch=4, epochs=2, units=8)
    both = HybridReinforce(SPACE, seed=3, batch=4, epochs=2, units=8)
    differ = 0
    for number in range(12):
        params = strategy.ask(number)
        assert strategy.predict(params) is None
        assert params == alone.ask(number)
        differ += params != both.ask(number)
        for one in (strategy, alone, both):
            one.tell(number, params, score(params))
    assert differ
    assert both.predict(params) is not None


def test_without_its_predictor_it_takes_the_same_steps_as_the_policy_alone():
    """One step of Adam along the discounted credit of each decision, and nothing else."""
    strategy = HybridReinforce(SPACE, seed=0, predictor=False, batch=2, epochs=1, units=6, clip=1e9)
    assert type(strategy.controller) is Controller
    told = [(SPACE.from_tokens((3, 8)), 0.9), (SPACE.from_tokens((2, 7, 5, 8)), 0.1)]
    actions = np.array([SPACE.key(params) for params, _ in told])
    active = np.array([SPACE.active(params) for params, _ in told])
    expected = HybridReinforce(SPACE, seed=0, predictor=False, units=6).controller
    credit = discounted(np.array([0.4, -0.4]), active, 0.9)
    log_uniform = -np.log([len(decision.choices) for decision in SPACE.decisions])

    def weigh(log_p):  # neither was drawn by the policy
        return np.exp(log_p - log_uniform) * credit

    expected.accumulate(actions, weigh, 1e-2, active)
    before = strategy.controller.weights.copy()
    for number, (params, reward) in enumerate(told):
        strategy.tell(number, params, reward)
    np.testing.assert_allclose(strategy.controller.gradient, expected.gradient, atol=1e-15)
    moved = strategy.controller.weights - before
    big = np.abs(expected.gradient) > 1e-4  # Adam's first step: against the sign of the gradient
    np.testing.assert_allclose(moved[big], -0.005 * np.sign(expected.gradient[big]), rtol=0.02)


@pytest.mark.parametrize("changes", [{"candidates": 1}, {"candidates": 4}, {"predictor": False}])
def test_it_learns_what_scores_well(changes):
    space = MLPSpace(length=6)  # so large that few good networks are used up
    strategy = HybridReinforce(space, seed=0, units=32, **changes)
    rewards = []
    for number in range(120):
        params = strategy.ask(number)
        layers = space.genotype(params).layers
        rewards.append(np.mean([str(layer).endswith("tanh") for layer in layers]))
        strategy.tell(number, params, rewards[-1])
    assert np.mean(rewards[-30:]) > np.mean(rewards[:20]) + 0.3


def test_a_space_that_is_used_up_is_still_answered():
    tiny = MLPSpace(nodes=(2,), activations=("relu",), length=3)  # three networks
    strategy = HybridReinforce(tiny, seed=0, batch=2, units=4)
    for number in range(12):
        params = strategy.ask(number)
        tiny.validate(params)
        strategy.tell(number, params, 0.5)  # all alike: the deviation is zero
    assert len({tiny.key(told.params) for told in strategy.history}) == 3
    assert np.isfinite(strategy.controller.weights).all()


@pytest.mark.parametrize(
    "changes", [{}, {"candidates": 1, "baseline": MovingAverage()}, {"predictor": False}]
)
def test_contract(changes):
    check_strategy(
        lambda space, seed: HybridReinforce(space, seed=seed, batch=4, epochs=2, units=8, **changes)
    )


def test_contract_on_sequences_and_on_connections():
    for space in (MLPSpace(), ConvNetSpace(layers=(2, 4))):
        check_strategy(
            lambda space, seed: HybridReinforce(space, seed=seed, batch=6, epochs=2, units=8), space
        )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"alpha": 0}, "alpha"),
        ({"alpha": 1.1}, "alpha"),
        ({"candidates": 0}, "candidates"),
        ({"memory": 0}, "memory"),
        ({"epochs": 0}, "epochs"),
        ({"clip": 0}, "clip"),
        ({"predictor_weight": 0}, "predictor_weight"),
        ({"predictor": "no"}, "predictor must be true or false, got 'no'"),
        ({"predictor": False, "candidates": 2, "memory": 9}, "nothing uses candidates, memory: "),
        ({"batch": 0}, "batch"),
        ({"cell": "gru"}, "cell"),
    ],
)
def test_impossible_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        HybridReinforce(SearchSpace([Decision("a", (1, 2))]), **arguments)


def test_a_constant_baseline():
    baseline = Constant(0.5)
    assert [baseline.advantage(reward) for reward in (0.75, 0.5, 0.75)] == [0.25, 0, 0.25]
    with pytest.raises(ValueError, match="finite"):
        Constant(float("nan"))
