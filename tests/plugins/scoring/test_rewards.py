"""Baselines, rewards and the optimizer, against published numbers."""

import math

import numpy as np
import pytest

from cellwright.plugins import AccuracyReward, MnasNetReward, MovingAverage, RollingWindow
from cellwright.plugins.strategies.adam import Adam
from cellwright.search_spaces import ChildFailed


def test_rolling_window_gives_the_rewards_of_the_book():
    accuracies = (
        0.36010000109672546,
        0.6660749912261963,
        0.7217749953269958,
        0.37724998593330383,
        0.6311749815840857,
        0.6892499923706055,
    )
    rewards = (
        0.13005000054836274,
        0.29068332711855566,
        0.2597874984145164,
        -0.06779000878334046,
        0.1551124890645345,
        0.18273214272090366,
    )
    window = RollingWindow()
    assert [window.advantage(a) for a in accuracies] == pytest.approx(rewards, abs=1e-10)
    window.reset()
    assert window.advantage(accuracies[0]) == pytest.approx(rewards[0])


def test_rolling_window_forgets_what_is_older_than_its_size():
    window = RollingWindow(size=3, start=())
    for reward in (100.0, 1.0, 2.0):
        window.advantage(reward)
    assert window.advantage(3.0) == 1.0


def test_moving_average_compares_with_the_rewards_before():
    baseline = MovingAverage(decay=0.9)
    assert baseline.advantage(5.0) == 0.0
    assert baseline.advantage(6.0) == 1.0
    assert baseline.advantage(5.0) == pytest.approx(-0.1)
    baseline.reset()
    assert baseline.advantage(-1.0) == 0.0


@pytest.mark.parametrize(
    "make", [lambda: MovingAverage(1.0), lambda: MovingAverage(-0.1), lambda: RollingWindow(1)]
)
def test_impossible_baselines_are_refused(make):
    with pytest.raises(ValueError, match="must be"):
        make()


@pytest.mark.parametrize(
    ("alpha", "beta", "latency", "reward"),
    [
        (-0.07, -0.07, 40, 0.5248583418),
        (-0.07, -0.07, 80, 0.5),
        (-0.07, -0.07, 160, 0.4763189990),
        (0.0, -1.0, 40, 0.5),
        (0.0, -1.0, 80, 0.5),
        (0.0, -1.0, 160, 0.25),
    ],
)
def test_mnasnet_reward_gives_the_published_numbers(alpha, beta, latency, reward):
    weigh = MnasNetReward(80, alpha, beta)
    assert weigh({"val_accuracy": 0.5, "latency_ms": latency}) == pytest.approx(reward, abs=1e-10)


def test_accuracy_reward_takes_a_power():
    weigh = AccuracyReward("best_val_accuracy", power=3)
    assert weigh({"best_val_accuracy": 0.5, "val_accuracy": 0.4}) == 0.125
    assert AccuracyReward()({"val_accuracy": 0.4}) == 0.4
    with pytest.raises(ValueError, match="power"):
        AccuracyReward(power=0)


def test_rewards_name_the_metric_that_is_wrong():
    with pytest.raises(ChildFailed, match=r"'val_accuracy' is missing; measured were \['loss'\]"):
        AccuracyReward()({"loss": 1.0})
    for value in (math.nan, math.inf):
        with pytest.raises(ChildFailed, match="finite"):
            AccuracyReward()({"val_accuracy": value})
    with pytest.raises(ChildFailed, match="latency_ms"):
        MnasNetReward(80)({"val_accuracy": 0.5, "latency_ms": 0.0})


@pytest.mark.parametrize("target", [0, -1, math.nan, math.inf])
def test_impossible_targets_are_refused(target):
    with pytest.raises(ValueError, match="target"):
        MnasNetReward(target)


def test_adam_takes_the_steps_of_keras():
    keras = pytest.importorskip("keras")
    rng = np.random.default_rng(0)
    start, gradients = rng.normal(size=5), rng.normal(size=(4, 5))
    variable = keras.Variable(start.astype("float32"))
    theirs = keras.optimizers.Adam(0.01, epsilon=1e-8)
    mine, weights = Adam(5, 0.01), start.copy()
    for gradient in gradients:
        theirs.apply([keras.ops.convert_to_tensor(gradient, "float32")], [variable])
        mine.step(weights, gradient)
    np.testing.assert_allclose(weights, keras.ops.convert_to_numpy(variable), atol=1e-5)


def test_adam_refuses_a_learning_rate_of_nothing():
    with pytest.raises(ValueError, match="learning_rate"):
        Adam(5, 0.0)
