"""What a result of Ray Tune means for what is searched for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from cellwright.adapters.ray_words import ERROR, is_finite, metrics_in
from cellwright.plugins.records.record import ANSWERS_NONE
from cellwright.plugins.strategies.known import SCORED_BY
from cellwright.plugins.strategies.outcome import Rewards


class Outcome(NamedTuple):
    """What a trial came to.

    Attributes:
        reward: To be maximised; None if it failed.
        facts: What else a record keeps of it.
        error: Why it failed; empty if it did not.
        missing: Whether it reported nothing of what is searched for.
    """

    reward: Rewards | None
    facts: dict[str, Any]
    error: str = ""
    missing: bool = False


def outcome(result: Mapping[str, Any], signs: Mapping[str, float]) -> Outcome:
    """Read the last result of a trial.

    Args:
        result: As Tune hands it to a searcher.
        signs: The metrics that are searched for: 1 to maximise, -1 to minimise.
    """
    facts: dict[str, Any] = {"metrics": metrics_in(result)}
    if "training_iteration" in result:
        facts["iterations"] = int(result["training_iteration"])
    if SCORED_BY in result:
        facts[SCORED_BY] = str(result[SCORED_BY])
    else:  # ended early, or by a trainable that does not say how it scores
        facts[ANSWERS_NONE] = True
    if result.get(ERROR):
        return Outcome(None, facts, str(result[ERROR]))
    if missing := [name for name in signs if name not in result]:
        found = ", ".join(facts["metrics"]) or "none"
        reason = (
            f"it ended without a value for {', '.join(missing)}; its metrics are {found}. The "
            "trainable is to call tune.report with what CellwrightSearch was given as metric"
        )
        return Outcome(None, facts, reason, True)
    bad = next((name for name in signs if not is_finite(result[name])), None)
    if bad is not None:
        return Outcome(None, facts, f"{bad} must be a finite number, got {result[bad]!r}")
    rewards = tuple(sign * float(result[name]) for name, sign in signs.items())
    return Outcome(rewards if len(rewards) > 1 else rewards[0], facts)
