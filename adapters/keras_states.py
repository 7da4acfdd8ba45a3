"""What Keras Tuner's files hold, which it does not check itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

_Value = str | int | float | bool | None


@dataclass(frozen=True)
class _Observation:
    value: list[float]
    step: int


@dataclass(frozen=True)
class _History:
    observations: list[_Observation]
    direction: str | None = None


@dataclass(frozen=True)
class _Metrics:
    metrics: dict[str, _History]


@dataclass(frozen=True)
class _HyperParameters:
    space: list[dict[str, Any]]
    values: dict[str, _Value]


@dataclass(frozen=True)
class TrialState:
    """A ``trial.json``."""

    trial_id: str
    hyperparameters: _HyperParameters
    metrics: _Metrics
    status: str
    score: float | None = None
    best_step: int | None = None
    message: str | None = None


@dataclass(frozen=True)
class OracleState:
    """An ``oracle.json``; what it lacks is taken from the trials' own files."""

    ongoing_trials: dict[str, str] = field(default_factory=dict)
    hyperparameters: _HyperParameters | None = None
    start_order: list[str] = field(default_factory=list)
    end_order: list[str] = field(default_factory=list)
    run_times: dict[str, int] = field(default_factory=dict)
    retry_queue: list[str] = field(default_factory=list)
    seed: int | None = None
    seed_state: int | None = None
    tried_so_far: list[str] = field(default_factory=list)
    id_to_hash: dict[str, str | None] = field(default_factory=dict)
