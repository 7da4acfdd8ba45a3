"""The arguments of strategies, by name as every host gives them: what is taken, what refused."""

import re

import numpy as np
import pytest

from cellwright.plugins import (
    PPO,
    Constant,
    HybridReinforce,
    MovingAverage,
    Reinforce,
    RollingWindow,
    make_strategy,
)
from cellwright.plugins.registry import names
from cellwright.plugins.strategies.controller.cells import NASCell
from cellwright.search_spaces import Decision, NASNetSpace, SearchSpace

BOOK = NASNetSpace()
PLAIN = SearchSpace([Decision("a", (1, 2, 3)), Decision("b", ("x", "y")), Decision("c", (0, 1))])
# Values that are of no kind that an argument takes.
NOT = {"number": ["many", True, None, float("nan"), [1]], "flag": ["no", 1, None],
       "word": ["gru", 1, ["nas"]], "function": ["accuracy", 3]}  # fmt: skip
NUMBERS = ("learning_rate", "entropy_weight", "initial", "exploration", "clip", "alpha",
           "predictor_weight", "crossover", "units", "layers", "batch", "epochs", "candidates",
           "memory", "population", "sample", "most", "objectives", "imitation",
           "entropy_rise")  # fmt: skip
KINDS = {**dict.fromkeys(NUMBERS, "number"), "standardise": "flag", "cell": "word",
         "signal": "function"}  # fmt: skip
TAKEN = {
    "random": {"objectives"},
    "reinforce": {*PPO._defaults, "exploration", "epochs"},
    "reinforce-book": {*PPO._defaults, "exploration", "epochs"},
    "reinforce-layerwise": {*PPO._defaults, "exploration", "epochs"},
    "hybrid": {*HybridReinforce._defaults, "epochs", "clip", "alpha", "candidates", "memory",
               "predictor_weight"},
    "ppo": {*PPO._defaults, "epochs", "clip"},
    "auto": {"signal"},
    "predictor": {"initial", "most", "signal"},
    "local": {"initial"},
    "evolution": {"population", "sample", "initial", "crossover", "signal"},
    "pareto": {"objectives", "population", "sample", "initial", "crossover"},
    "pareto-predictor": {"objectives", "initial", "most", "signal"},
}  # fmt: skip


def test_every_registered_strategy_is_in_the_table_of_its_arguments():
    assert TAKEN.keys() == set(names("strategies"))


@pytest.mark.parametrize(
    ("strategy", "argument"), [(s, a) for s in TAKEN for a in sorted(TAKEN[s])]
)
def test_a_value_of_the_wrong_kind_is_refused_by_name(strategy, argument):
    """Of every strategy as every host makes it: by its name."""
    wrong = NOT[KINDS[argument]] if argument != "baseline" else [3, "best", {"widow": 20}, {}, []]
    for value in wrong:
        if argument == "objectives" and value is None:
            continue  # the strategy's own
        with pytest.raises(ValueError) as refused:
            make_strategy(strategy, PLAIN, **{argument: value})
        assert f"{argument} must be" in str(refused.value)
        assert repr(value) in str(refused.value)


@pytest.mark.parametrize("strategy", TAKEN)
def test_an_unknown_argument_is_refused_with_those_that_there_are(strategy):
    with pytest.raises(ValueError, match=f"strategy '{strategy}' cannot be made so") as refused:
        make_strategy(strategy, PLAIN, colour=1)
    assert "'colour'" in str(refused.value)
    _, _, listed = str(refused.value).partition("the arguments are ")
    assert TAKEN[strategy] <= set(listed.split(", "))
    with pytest.raises(ValueError, match="seed must be an integer from 0, or None, got True"):
        make_strategy(strategy, PLAIN, seed=True)


def test_a_number_that_yaml_takes_for_text_is_refused_with_how_to_write_it():
    with pytest.raises(ValueError, match=r"got '1e-4'; in YAML, write 1\.0e-4"):
        make_strategy("ppo", PLAIN, learning_rate="1e-4")


@pytest.mark.parametrize(
    ("given", "wanted", "arguments"),
    [
        ("rolling-window", RollingWindow, {"size": 20, "start": (0.1,)}),
        ({"window": 5}, RollingWindow, {"size": 5}),
        ("{window: 5}", RollingWindow, {"size": 5}),
        ('{"window":5}', RollingWindow, {"size": 5}),
        ("moving-average", MovingAverage, {"decay": 0.95}),
        ({"decay": 0.5}, MovingAverage, {"decay": 0.5}),
        ("{decay: .5}", MovingAverage, {"decay": 0.5}),
        (None, MovingAverage, {"decay": 0.95}),
        ("constant", Constant, {"value": 0.5}),
        ({"value": 2}, Constant, {"value": 2}),
    ],
)
@pytest.mark.parametrize("strategy", ["reinforce", "ppo", "reinforce-layerwise"])
def test_a_baseline_is_named_or_given_by_its_argument(strategy, given, wanted, arguments):
    baseline = make_strategy(strategy, PLAIN, baseline=given).baseline
    assert type(baseline) is wanted
    assert {name: getattr(baseline, name) for name in arguments} == arguments


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("median", "baseline must be moving-average, rolling-window, constant, or one argument"),
        ({"window": 1}, "baseline {'window': 1} cannot be made: size must be at least 2, got 1"),
        ({"window": "20"}, "size must be an integer, at least 2, got '20'"),
        ({"decay": 1}, "decay must be at least 0 and below 1, got 1"),
        ({"value": True}, "value must be a finite number, got True"),
        ({"window": 20, "decay": 0.9}, "or one argument as in {decay: 0.95}"),
    ],
)
def test_a_baseline_that_is_none_is_refused_with_what_may_be_one(given, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        make_strategy("reinforce", PLAIN, baseline=given)


def test_the_books_controller_by_name_is_the_books():
    strategy = make_strategy("reinforce-book", BOOK, seed=3)
    assert isinstance(strategy.controller.cell, NASCell)
    assert (strategy.batch, strategy.exploration, strategy.standardise) == (1, 0.5, False)
    assert isinstance(strategy.baseline, RollingWindow)
    # facts.md, section 1: the window starts as [.1] and includes the current accuracy.
    accuracies = (0.36010000109672546, 0.6660749912261963, 0.7217749953269958)
    rewards = (0.13005000054836274, 0.29068332711855566, 0.2597874984145164)
    found = [strategy.baseline.advantage(accuracy) for accuracy in accuracies]
    assert found == pytest.approx(rewards)
    strategy.baseline.reset()
    other = Reinforce(
        BOOK, seed=3, batch=1, exploration=0.5, standardise=False, baseline=RollingWindow(),
        cell="nas", learning_rate=0.02, entropy_weight=1e-3, entropy_rise=0, epochs=1, imitation=0,
    )  # fmt: skip
    for number in range(12):
        params = strategy.ask(number)
        assert params == other.ask(number)
        for one in (strategy, other):
            one.tell(number, params, (number * 7 % 5) / 5)


def test_half_of_what_the_book_tries_is_drawn_uniformly():
    space = SearchSpace(BOOK.decisions)
    strategy = make_strategy("reinforce-book", space, seed=3)
    uniform = 0
    for number in range(200):
        rng = np.random.default_rng((3, number))
        rng.random()
        uniform += strategy.ask(number) == space.sample(rng)
    assert 80 <= uniform <= 120
