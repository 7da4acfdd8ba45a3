"""``--after``: what earlier searches of a space found, for a strategy that learns from it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from cellwright.plugins.strategies.surrogate.earlier import results_of
from cellwright.search_spaces import CellwrightError, InvalidArchitecture, SearchSpace
from cellwright.searches.folder import read_settings
from cellwright.searches.runs import open_run
from cellwright.searches.settings import FILE, Settings

MOST = 200  # results of each that are kept: to so many a predictor is fitted


def with_prior(folder: Path, settings: Settings) -> Settings:
    """The settings with the results of the runs that ``--after`` names.

    A search that goes on keeps those that it began with, because the runs may have grown.

    Raises:
        CellwrightError: See `earlier_results`.
    """
    if not settings.after:
        return settings
    if (folder / FILE).exists():
        before = read_settings(folder)
        if before.after == settings.after:
            return replace(settings, prior=before.prior)
    space = settings.make_space()
    return replace(settings, prior=tuple(earlier_results(one, space) for one in settings.after))


def earlier_results(what: str, space: SearchSpace) -> list[Any]:
    """The results of a run of any host, as the argument ``prior`` of `PredictorGuided` has them:
    pairs of positions (`SearchSpace.encode`) and what is maximised; None for a failed child.

    Args:
        what: The run; see `open_run`.
        space: What the new search searches.

    Raises:
        CellwrightError: If there is no such run, nothing says by what its trials are ranked, or
            too few of them are points of ``space``.
    """
    run = open_run(what)
    judge = run.judge or (run.objectives[0] if len(run.objectives) == 1 else None)
    if judge is None:
        names = ", ".join(metric.name for metric in run.objectives)
        raise CellwrightError(
            f"--after {what}: it searched for several objectives ({names}), and one number of each "
            "trial is learned from: give a run of one objective"
        )
    pairs = []
    for trial in run.trials:
        value = trial.metrics.get(judge.name) if trial.state in ("complete", "pruned") else None
        try:
            positions = list(space.encode(trial.params))
        except InvalidArchitecture as error:
            found = f"{run.space!r}" if run.space is not None else "no space of ours"
            raise CellwrightError(
                f"--after {what}: its trials are of another space ({found}), not of {space!r}: "
                f"trial {trial.number}: {error}"
            ) from error
        pairs.append((positions, None if value is None else judge.sign * value))
    try:
        keys, rewards = results_of(space, pairs, MOST)
    except ValueError as error:
        raise CellwrightError(f"--after {what}: {error}") from error
    return [[key, reward] for key, reward in zip(keys.tolist(), rewards.tolist(), strict=True)]
