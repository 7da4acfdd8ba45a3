"""Pictures of a trial's architecture as artifacts of Optuna, which its dashboard shows."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Sequence
from pathlib import Path

from optuna import Study, Trial
from optuna.artifacts import upload_artifact
from optuna.trial import FrozenTrial, TrialState

from cellwright.adapters.optuna_private import ArtifactStore, storage_of, trials_of
from cellwright.adapters.optuna_space import part_of
from cellwright.adapters.optuna_study import signs_of
from cellwright.plugins.strategies.pareto import non_dominated
from cellwright.search_spaces import SearchSpace

_DPI = 120
_logger = logging.getLogger(__name__)


def keep_picture(
    trial: Trial | FrozenTrial,
    space: SearchSpace,
    artifact_store: ArtifactStore,
    study: Study | None = None,
) -> list[str]:
    """Draw a trial's architecture, and keep the pictures as artifacts of the trial::

        value = train(suggest(trial, space))
        keep_picture(trial, space, FileSystemArtifactStore("artifacts"))
        return value

    `StrategySampler` does it by itself for each trial that is the best so far, if it is given an
    ``artifact_store``. Optuna takes no artifact of a trial that has ended.

    Args:
        trial: Whose parameters have been suggested, and that has not ended.
        space: The one of `suggest`.
        artifact_store: One of ``optuna.artifacts``.
        study: The trial's; needed with a ``FrozenTrial``.

    Returns:
        Names of the files, such as ``["cells.png"]``; none where the space has no pictures.

    Raises:
        InvalidArchitecture: If the trial lacks a decision of ``space``.
    """
    storage = storage_of(trial.study if isinstance(trial, Trial) else _needed(study))
    figures = space.figures(space.read(part_of(trial, space)))
    with tempfile.TemporaryDirectory() as folder:
        for name, figure in figures.items():
            file = Path(folder, f"{name}.png")
            figure.savefig(file, dpi=_DPI)
            upload_artifact(
                artifact_store=artifact_store,
                file_path=str(file),
                study_or_trial=trial,
                storage=storage,
            )
    return [f"{name}.png" for name in figures]


def keep_picture_of_best(
    study: Study,
    trial: FrozenTrial,
    values: Sequence[float],
    space: SearchSpace,
    artifact_store: ArtifactStore,
) -> None:
    """`keep_picture` for a trial that is about to complete with ``values``, if it is the best so
    far, or with several objectives on the front; what goes wrong is a warning."""
    try:
        if _is_best(study, trial, values, space):
            keep_picture(trial, space, artifact_store, study)
    except Exception as error:  # what a sampler raises here would end the study
        _logger.warning("The picture of trial %d could not be kept: %r", trial.number, error)


def _is_best(study: Study, trial: FrozenTrial, values: Sequence[float], space: SearchSpace) -> bool:
    """Whether no earlier trial of the space is as good; with several objectives, better in all."""
    if any(amount > 0 for amount in trial.constraints.values()):
        return False
    signs = signs_of(study)

    def signed(numbers: Sequence[float]) -> tuple[float, ...]:
        return tuple(sign * number for sign, number in zip(signs, numbers, strict=True))

    earlier = [
        signed(other.values)
        for other in trials_of(study, [TrialState.COMPLETE])
        if other.number != trial.number
        and part_of(other, space)
        and all(amount <= 0 for amount in other.constraints.values())
    ]
    if len(signs) == 1:
        return all(signed(values) > reward for reward in earlier)
    return len(earlier) in non_dominated([*earlier, signed(values)])


def _needed(study: Study | None) -> Study:
    if study is None:
        raise ValueError("give the study too: a FrozenTrial does not say of which study it is")
    return study
