"""The class arguments of a tuner in NNI's config, checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cellwright.plugins.strategies.hyperband import Hyperband
from cellwright.plugins.strategies.population import PopulationBased
from cellwright.plugins.strategies.schedule import Schedule
from cellwright.search_spaces import SearchSpace

# Those of `StrategyTuner`, which cannot be imported where NNI is not installed.
TUNER_ARGUMENTS = (
    "strategy", "space", "seed", "optimize_mode", "objectives", "schedule", "tune",
)  # fmt: skip
_SIGNS = {"maximize": 1.0, "minimize": -1.0}


def signs_of(optimize_mode: str, objectives: Mapping[str, str] | None) -> dict[str, float]:
    """The objectives by the names under which trials report them: 1 to maximise, -1 to minimise.

    Args:
        optimize_mode: Of ``default``, if there are no ``objectives``.
        objectives: From a metric's name to ``"maximize"`` or ``"minimize"``.

    Raises:
        ValueError: On any other word.
    """
    if optimize_mode not in _SIGNS:
        raise ValueError(f"optimize_mode must be 'maximize' or 'minimize', got {optimize_mode!r}")
    objectives = objectives or {"default": optimize_mode}
    wrong = {name: mode for name, mode in objectives.items() if mode not in _SIGNS}
    if wrong:
        raise ValueError(
            f"objectives must map metrics to 'maximize' or 'minimize', got {wrong}; for example "
            '{"val_accuracy": "maximize", "latency_ms": "minimize"}'
        )
    return {name: _SIGNS[mode] for name, mode in objectives.items()}


def schedule_of(arguments: Mapping[str, Any] | None, space: SearchSpace) -> Schedule | None:
    """The schedule that ``arguments`` describe: with a ``population``, a `PopulationBased`.

    Raises:
        ValueError: If they are not those of `Hyperband` or `PopulationBased`, one is out of range,
            or the schedule cannot do with ``space``.
    """
    if arguments is None:
        return None
    kind = PopulationBased if "population" in arguments else Hyperband
    try:
        schedule: Schedule = kind(**arguments)
    except TypeError as error:
        raise ValueError(f"schedule {arguments!r} is no {kind.__name__}: {error}") from error
    schedule.check(space)
    return schedule
