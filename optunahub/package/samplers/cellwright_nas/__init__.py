"""Neural architecture search for Optuna: reinforcement learning, evolution and a predictor.

The samplers are Cellwright's; this package gives them to whoever loads it from OptunaHub, and takes
a search space as a dictionary of choices.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

try:
    from cellwright import (
        MLPSpace,
        MnasNetSpace,
        NASNetEvolutionSampler,
        NASNetRLSampler,
        NASNetSpace,
        StrategySampler,
        suggest,
    )
    from cellwright.search_spaces import Decision, SearchSpace
except ImportError as error:
    raise ImportError(
        "samplers/cellwright_nas needs Cellwright: pip install 'cellwright[optuna]'"
    ) from error

__all__ = [
    "ArchitectureSampler",
    "MLPSpace",
    "MnasNetSpace",
    "NASNetEvolutionSampler",
    "NASNetRLSampler",
    "NASNetSpace",
    "StrategySampler",
    "space_of",
    "suggest",
]


def space_of(choices: Mapping[str, Sequence[str | int | float | bool]]) -> SearchSpace:
    """The search space of categorical parameters.

    Args:
        choices: By the name of each parameter, what ``trial.suggest_categorical`` is given.

    Raises:
        ValueError: If a parameter has no choices, equal ones, or values of several types.
    """
    return SearchSpace([Decision(name, tuple(values)) for name, values in choices.items()])


class ArchitectureSampler(StrategySampler):
    """Samples categorical parameters that describe a network; all others are drawn at random::

        sampler = ArchitectureSampler({"op_0": OPERATIONS, "op_1": OPERATIONS}, seed=0)
        study = optuna.create_study(direction="maximize", sampler=sampler)
        study.optimize(objective, n_trials=100)   # which calls trial.suggest_categorical

    Args:
        choices: By the name of each parameter, what ``trial.suggest_categorical`` is given. The
            order of the parameters and of their choices counts.
        strategy: ``"auto"`` (a Gaussian process and evolution), ``"evolution"``, ``"reinforce"``,
            ``"ppo"``, ``"local"``, ``"predictor"``, ``"random"``; with several objectives
            ``"pareto"`` or ``"pareto-predictor"``.
        seed: 0 or above; the same seed and results give the same trials.
        arguments: The others of ``StrategySampler``, such as ``independent_sampler``, and those of
            the strategy.

    Raises:
        ValueError: On an argument that does not fit; the message says which one.
    """

    def __init__(
        self,
        choices: Mapping[str, Sequence[str | int | float | bool]],
        strategy: str = "auto",
        *,
        seed: int | None = None,
        **arguments: Any,
    ) -> None:
        super().__init__(strategy, space=space_of(choices), seed=seed, **arguments)
