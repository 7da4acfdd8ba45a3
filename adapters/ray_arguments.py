"""What a searcher of Ray Tune is given, and what Tune tells it of its ``param_space``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ray.tune.search.sample import Domain

_WAYS = {"max": 1.0, "min": -1.0}


def signs_of(metric: Any, mode: Any) -> dict[str, float]:
    """The metrics by name: 1 to maximise, -1 to minimise.

    Raises:
        ValueError: If one of the two is not given, or they do not fit together.
    """
    if metric is None or mode is None:
        raise ValueError(
            "CellwrightSearch needs metric and mode of its own, as in CellwrightSearch(strategy, "
            'metric="val_accuracy", mode="max"): without a param_space Tune does not hand on '
            f"those of its TuneConfig; got metric={metric!r}, mode={mode!r}"
        )
    metrics = [metric] if isinstance(metric, str) else list(metric)
    modes = [mode] if isinstance(mode, str) else list(mode)
    if wrong := [each for each in modes if each not in _WAYS]:
        raise ValueError(f'mode must be "max" or "min", got {wrong[0]!r}')
    if not metrics or len(metrics) != len(modes) or len(set(metrics)) < len(metrics):
        raise ValueError(
            f"there is to be one mode for each of different metrics, got metric={metric!r}, "
            f"mode={mode!r}"
        )
    return {name: _WAYS[way] for name, way in zip(metrics, modes, strict=True)}


def searched_in(config: Any, name: str = "") -> list[str]:
    """Names of what a ``param_space`` would have Tune search."""
    if isinstance(config, Domain) or (isinstance(config, Mapping) and "grid_search" in config):
        return [name]
    parts: list[tuple[Any, Any]] = []
    if isinstance(config, Mapping):
        parts = list(config.items())
    elif isinstance(config, list | tuple):
        parts = list(enumerate(config))
    inner = [(f"{name}/{key}" if name else str(key), part) for key, part in parts]
    return [each for key, part in inner for each in searched_in(part, key)]
