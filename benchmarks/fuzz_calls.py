"""Public calls, each with one argument that may be nonsense."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from cellwright import (
    PPO,
    AccuracyReward,
    Auto,
    Decision,
    Float,
    Hyperband,
    Int,
    Limit,
    LossReward,
    MLPSpace,
    MnasNetReward,
    NASNetSpace,
    ParetoEvolution,
    ParetoPredictor,
    PopulationBased,
    PredictorGuided,
    RandomSearch,
    Recipe,
    RegularizedEvolution,
    Reinforce,
    WeightBank,
    load_dataset,
)
from cellwright.plugins.registry import make_meter, make_reward, make_space, make_strategy

VALUES: tuple[Any, ...] = (
    None, True, False, "", "x", "1", -1, 0, 1, 2, 0.5, 1.0, -0.5, 10**12, 10**30, 1e300, 1e12,
    math.nan, math.inf, -math.inf, [], (), {}, [1], {"a": 1}, object(), b"x", 1j, np.nan,
    np.array([1.0, 2.0]), np.int64(3), np.float32(0.5), np.array([]), "\0", lambda: 1, int,
)  # fmt: skip


@dataclass(frozen=True)
class Call:
    """A public call.

    Args:
        name: In the table.
        make: Calls it with one argument, of its name and value.
        rules: What each argument allows.
    """

    name: str
    make: Callable[[str, Any], Any]
    rules: Mapping[str, Callable[[Any], bool]]

    def draw(self, rng: np.random.Generator) -> tuple[str, Any]:
        """An argument and a value for it."""
        names = list(self.rules)
        return names[rng.integers(len(names))], VALUES[rng.integers(len(VALUES))]

    def allows(self, name: str, value: Any) -> bool:
        """Whether the argument may have the value."""
        return bool(self.rules[name](value))


def _is_number(value: Any) -> bool:
    real = isinstance(value, int | float | np.integer | np.floating)
    return real and not isinstance(value, bool) and math.isfinite(value)


def number(low: float = -math.inf, high: float = math.inf) -> Callable[[Any], bool]:
    """A finite number from ``low`` to ``high``."""
    return lambda value: _is_number(value) and low <= value <= high


def whole(least: int, most: float = math.inf) -> Callable[[Any], bool]:
    """A whole number; a float that is whole is one."""
    return lambda value: _is_number(value) and value == int(value) and least <= value <= most


def or_none(rule: Callable[[Any], bool]) -> Callable[[Any], bool]:
    """None too."""
    return lambda value: value is None or rule(value)


def text(value: Any) -> bool:
    """A word."""
    return isinstance(value, str) and bool(value)


def nothing(value: Any) -> bool:
    """What no value is."""
    return False


_MLP = MLPSpace()
_PARAMS = _MLP.sample(np.random.default_rng(0))


def _tell(name: str, value: Any) -> None:
    given = {"number": 0, "params": _PARAMS, "reward": 0.5, name: value}
    if name == "excess":
        given["reward"] = None
    RandomSearch(_MLP, seed=0).tell(**given)


def _space_calls(name: str, value: Any) -> None:
    """Every method of a space that takes parameters; only the last may accept them."""
    for method in (_MLP.encode, _MLP.canonical, _MLP.key, _MLP.describe, _MLP.validate):
        try:
            method(value)
        except (TypeError, ValueError) as error:
            told = error
            if "param" not in str(error):
                raise
        else:
            return
    raise told


def _build(name: str, value: Any) -> None:
    space = NASNetSpace()
    space.check_input((8, 8, 1), 2, **{name: value})


def _evaluation(name: str, value: Any) -> None:
    from cellwright import Evaluation

    given: dict[str, Any] = {"space": _MLP, "data": load_dataset("wine"), name: value}
    Evaluation(given.pop("space"), given.pop("data"), **given)


def _with(make: Callable[..., Any], *given: Any, **more: Any) -> Callable[[str, Any], Any]:
    return lambda name, value: make(*given, **{**more, name: value})


_SEED = or_none(whole(0))
_STRATEGY = {"seed": _SEED}
CALLS = [
    Call("ask", lambda n, v: RandomSearch(_MLP, seed=0).ask(**{"number": 0, n: v}),
         {"number": whole(0), "running": lambda v: (isinstance(v, list | tuple | dict) and not v)
          or (isinstance(v, np.ndarray) and not v.size) or v == "",
          "fixed": lambda v: v is None or v == {} or isinstance(v, dict)}),
    Call("tell", _tell, {"number": whole(0), "params": nothing,
                         "reward": or_none(number()), "excess": number(0)}),
    Call("RandomSearch", _with(RandomSearch, _MLP), _STRATEGY),
    Call("RegularizedEvolution", _with(RegularizedEvolution, _MLP),
         {**_STRATEGY, "population": whole(1), "sample": whole(1, 1e9), "crossover": number(0, 1),
          "initial": whole(1, 1e9), "signal": lambda v: v is None or callable(v)}),
    Call("Reinforce", _with(Reinforce, _MLP),
         {**_STRATEGY, "exploration": number(0, 1), "units": whole(1, 1e6),
          "learning_rate": number(0), "batch": whole(1)}),
    Call("PPO", _with(PPO, _MLP), {**_STRATEGY, "units": whole(1, 1e6), "batch": whole(1)}),
    Call("PredictorGuided", _with(PredictorGuided, _MLP), _STRATEGY),
    Call("Auto", _with(Auto, _MLP), _STRATEGY),
    Call("ParetoPredictor", _with(ParetoPredictor, _MLP), {**_STRATEGY, "objectives": whole(2)}),
    Call("ParetoEvolution", _with(ParetoEvolution, _MLP), {**_STRATEGY, "objectives": whole(2)}),
    Call("strategy's space", lambda n, v: RandomSearch(v, seed=0), {"space": nothing}),
    Call("Recipe", _with(Recipe),
         {"epochs": whole(1), "batch_size": whole(1), "learning_rate": number(1e-300),
          "seed": whole(0), "weight_decay": number(0), "augmentation": nothing,
          "patience": or_none(whole(1)), "precision": or_none(nothing),
          "learning_rate_schedule": nothing, "warmup": whole(0), "decay_epochs": or_none(whole(6)),
          "label_smoothing": number(0, 0.999), "clip_norm": or_none(number(1e-300))}),
    Call("AccuracyReward", _with(AccuracyReward), {"metric": text, "power": number(1e-300)}),
    Call("LossReward", _with(LossReward), {"metric": text}),
    Call("MnasNetReward", _with(MnasNetReward, target=2.0),
         {"target": number(1e-300), "alpha": number(), "beta": number(), "metric": text,
          "latency": text}),
    Call("Limit", lambda n, v: Limit("latency_ms", **{n: v}), {"at_most": number(1e-300),
                                                             "at_least": number(1e-300)}),
    Call("Hyperband", _with(Hyperband, max_epochs=9), {"max_epochs": whole(1), "factor": whole(2)}),
    Call("PopulationBased", _with(PopulationBased, population=4, max_epochs=4, step=1),
         {"population": whole(2), "max_epochs": whole(2), "step": whole(1, 3)}),
    Call("WeightBank", _with(WeightBank, "bank"), {"megabytes": number(1e-300)}),
    Call("Float", lambda n, v: Float(**{"name": "a", "low": 0.1, "high": 2.0, n: v}),
         {"name": text, "low": number(-math.inf, 2), "high": number(0.1),
          "log": lambda v: isinstance(v, bool)}),
    Call("Int", lambda n, v: Int(**{"name": "a", "low": 1, "high": 3, n: v}),
         {"name": text, "low": whole(-(10**30), 3), "high": whole(1),
          "log": lambda v: isinstance(v, bool)}),
    Call("Decision", lambda n, v: Decision(**{"name": "a", "choices": (1, 2), n: v}),
         {"name": text, "choices": lambda v: v == [1] if isinstance(v, list) else False}),
    Call("params of a space", _space_calls, {"params": nothing}),
    Call("options of a child", _build, {"filters": whole(1, 65_536), "repeats": whole(1, 1000),
                                         "reductions": whole(0, 3)}),
    Call("load_dataset", lambda n, v: load_dataset(**{"source": "digits", n: v}),
         {"source": nothing, "validation": number(0, 1), "seed": whole(0)}),
    Call("Evaluation", _evaluation,
         {"space": nothing, "data": or_none(nothing), "recipe": or_none(nothing), "seed": whole(0),
          "reward": or_none(callable), "deadline": or_none(number(0))}),
    Call("make_space", lambda n, v: make_space(v), {"name": or_none(nothing)}),
    Call("make_strategy", lambda n, v: make_strategy(v, _MLP), {"name": nothing}),
    Call("make_meter", lambda n, v: make_meter(v), {"name": nothing}),
    Call("make_reward", lambda n, v: make_reward(v), {"name": nothing}),
]  # fmt: skip
