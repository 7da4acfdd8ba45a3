"""What the ``fit`` of a hypermodel, or the ``run_trial`` of a tuner, returns to Keras Tuner."""

from __future__ import annotations

import math
from typing import Any

from keras_tuner.src.engine.objective import MultiObjective

from cellwright.search_spaces import OverLimit


def with_sum(metrics: dict[str, float], objective: Any) -> dict[str, float]:
    """``metrics``, and with several objectives also the sum that Keras Tuner expects there."""
    if isinstance(objective, MultiObjective):
        return {**metrics, objective.name: objective.get_value(metrics)}
    return metrics


def not_trained(error: OverLimit, objective: Any, trial: Any = None) -> dict[str, float]:
    """What to return for a child beyond a limit: what was measured, and NaN as the objective.

    Keras Tuner prints the traceback of whatever is raised, while NaN marks a trial without a
    result. `ProjectOracle` recognises such a trial by `INFEASIBLE`, keeps the NaN out of the
    record, and does not count the trial among the failures.

    Args:
        error: Holds what was measured.
        objective: The oracle's.
        trial: Gets the reason as its message, if given.
    """
    if trial is not None:
        trial.message = f"OverLimit: {error}"
    several = [one.name for one in getattr(objective, "objectives", ())]
    # The objective itself may be among what was measured, and must not count all the same.
    return {**dict.fromkeys(several, math.nan), **error.metrics, objective.name: math.nan}
