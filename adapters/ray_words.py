"""What a trial of Ray Tune is given beside its parameters, and what its results hold."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from cellwright.plugins import make_space
from cellwright.plugins.records.record import OURS
from cellwright.search_spaces import Params, SearchSpace

NOTES = "cellwright"  # the entry of a trial's config that holds what follows
NUMBER = "number"  # the trial's, 0, 1, 2, ... as it was asked for
OBJECTIVES = "objectives"  # the metrics that are searched for

# Among what `ray_trial.run` reports:
ERROR = "error"  # why the child was not trained
ARCHITECTURE = "architecture"  # in a line or two, for a reader of Tune's tables

# What Tune itself adds to a result.
_TUNES = {
    "timestamp", "date", "pid", "hostname", "node_ip", "done", "trial_id", "experiment_tag",
    "experiment_id", "time_this_iter_s", "time_total_s", "time_since_restore", "timesteps_total",
    "timesteps_since_restore", "iterations_since_restore", "episodes_total",
    "checkpoint_dir_name", "should_checkpoint", "training_iteration",
}  # fmt: skip


def architecture(config: Mapping[str, Any], space: SearchSpace | str | None = None) -> Params:
    """What this trial decided, for a trainable of your own::

        def trainable(config):
            model = space.build(architecture(config, space), (8, 8, 1), 10, filters=8)
            ...
            tune.report({"val_accuracy": accuracy})

    Args:
        config: As Tune hands it to the trainable; other entries are left alone.
        space: A space or its name; the book's if None.

    Returns:
        Plain values by decision name.

    Raises:
        InvalidArchitecture: If a decision is missing or not allowed.
    """
    return make_space(space).read(config)


def notes_in(config: Mapping[str, Any]) -> dict[str, Any]:
    """What `CellwrightSearch` noted of a trial in its config; nothing if another searcher chose."""
    notes = config.get(NOTES)
    return dict(notes) if isinstance(notes, Mapping) else {}


def given_in(config: Mapping[str, Any]) -> dict[str, Any]:
    """All parameters of a trial, and what a schedule says of it, as a record holds them."""
    given = {name: value for name, value in config.items() if name != NOTES}
    return {**given, **{name: x for name, x in notes_in(config).items() if name in OURS}}


def as_config(given: Mapping[str, Any], notes: Mapping[str, Any]) -> dict[str, Any]:
    """The config of a trial; `given_in` and `notes_in` read it."""
    params = {name: value for name, value in given.items() if name not in OURS}
    ours = {name: value for name, value in given.items() if name in OURS}
    return {**params, NOTES: {**notes, **ours}}


def config_of(result: Mapping[str, Any]) -> dict[str, Any]:
    """The config in a result, which Tune hands to a searcher flat, with "/" between names."""
    if isinstance(result.get("config"), Mapping):
        return dict(result["config"])
    found: dict[str, Any] = {}
    for name, value in result.items():
        if not name.startswith("config/"):
            continue
        inner = name.removeprefix("config/")
        if inner.startswith(f"{NOTES}/"):
            notes = found.setdefault(NOTES, {})
            first, _, rest = inner.removeprefix(f"{NOTES}/").partition("/")
            if rest:
                notes.setdefault(first, {})[rest] = value
            else:
                notes[first] = value
        else:
            found[inner] = value
    return found


def metrics_in(result: Mapping[str, Any]) -> dict[str, float]:
    """The finite numbers that a trial reported, without what Tune adds."""
    return {
        name: float(value)
        for name, value in result.items()
        if name not in _TUNES and not name.startswith("config/") and is_finite(value)
    }


def is_finite(value: Any) -> bool:
    if isinstance(value, bool):
        return False
    try:
        return math.isfinite(value)
    except TypeError:
        return False
