"""A trial and its metrics in words, for whoever prints or draws them."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from typing import Any

from cellwright.plugins.metrics import METRICS, Metric, known_metric
from cellwright.search_spaces import SearchSpace
from cellwright.searches.trial import Trial


def words(space: SearchSpace | None, trial: Trial) -> list[str]:
    """The architecture of a trial in words, and a line of its other hyperparameters."""
    lines = list(space.words(trial.params)) if space is not None and trial.params else []
    return lines + filled([f"{name} {as_written(x)}" for name, x in trial.others.items()])


def filled(parts: Sequence[str], width: int = 76) -> list[str]:
    """Lines of parts, each of which stays in one piece."""
    text = "  ".join(part.replace(" ", "\u00a0") for part in parts)
    lines = textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False)
    return [line.replace("\u00a0", " ") for line in lines]


def as_written(value: Any) -> str:
    """A hyperparameter; a number that is not whole has four significant digits."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def told_of(names: Iterable[str]) -> list[Metric]:
    """Metrics by their names, in the order of tables; those that are not known follow."""
    there = set(names)
    order = [name for name in METRICS if name in there]
    order += sorted(there - set(METRICS))
    return [known_metric(name) or Metric(name, "", "maximize") for name in order]
