"""Which network is trained at last: a search's child or a genotype, of its own size or larger."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from cellwright.plugins import Recipe
from cellwright.plugins.scoring.evaluation import divide
from cellwright.search_spaces import (
    CellwrightError,
    EdgeCellGenotype,
    Genotype,
    MLPGenotype,
    Skeleton,
)
from cellwright.search_spaces.joint import architecture_of
from cellwright.searches.architectures import (
    SKELETONS,
    SMALLER,
    find_genotype,
    kind_of,
    skeleton_of,
)
from cellwright.searches.children import find_trial
from cellwright.searches.confirmation import read_trials
from cellwright.searches.folder import read_settings
from cellwright.searches.settings import FILE, Settings
from cellwright.searches.trial import Trial, best_trial

EPOCHS = 60  # unless another number is asked for
_LARGE = 128  # pixels a side from which a published cell gets its skeleton for large images


@dataclass(frozen=True)
class Size:
    """In what a network differs from the child of the search, or from its paper.

    Args:
        skeleton: For cells, one of `SKELETONS`.
        repeats: For cells, N, those (the normal ones) in each group, at least 1.
        filters: F, the channels at the start, at least 1.
        drop_path: For cells, the share of operations that the last cell drops at the end of the
            training, 0 up to below 1.
        auxiliary: For cells, whether a second classifier helps in training.

    Raises:
        CellwrightError: If a value is out of range.
    """

    skeleton: str | None = None
    repeats: int | None = None
    filters: int | None = None
    drop_path: float = 0.0
    auxiliary: bool = False

    def __post_init__(self) -> None:
        if self.skeleton is not None and self.skeleton not in SKELETONS:
            raise CellwrightError(
                f"--skeleton must be one of {', '.join(SKELETONS)}, got {self.skeleton!r}"
            )
        for name in ("repeats", "filters"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise CellwrightError(f"--{name} must be at least 1, got {value}")
        if not 0 <= self.drop_path < 1:
            raise CellwrightError(
                f"--drop-path is a share, 0 up to below 1 (the paper's is 0.3 to 0.5), got "
                f"{self.drop_path}"
            )

    def refuse_cells(self, what: str, *, stacked: bool = False) -> None:
        """Check that nothing is asked for that only a normal and a reduction cell have; ``stacked``
        says whether ``what`` has cells of another kind, and so `repeats`.

        Raises:
            CellwrightError: If something is.
        """
        kept = ("filters", "repeats") if stacked else ("filters",)
        given = [f.name for f in fields(self) if f.name not in kept and getattr(self, f.name)]
        if given:
            named = ", ".join(f"--{name.replace('_', '-')}" for name in given)
            cells = "normal and reduction cells" if stacked else "cells"
            raise CellwrightError(f"{named}: for networks of {cells}, and {what} has none")

    def schedule(self, steps: int) -> dict[str, Any]:
        """Fields of a skeleton that only training knows; ``steps`` are those of all epochs."""
        drops = {"drop_path_keep": 1 - self.drop_path, "drop_path_steps": steps}
        return {
            **(drops if self.drop_path else {}),
            **({"auxiliary": True} if self.auxiliary else {}),
        }


Build = Callable[[tuple[int, ...], "int | None", int, int], Any]


@dataclass(frozen=True)
class Candidate:
    """A network that is to be trained.

    Args:
        name: What a user calls it.
        facts: What it is, as JSON data: parameters, genotype, space, size.
        build: Makes it, from an input shape, the number of classes, a seed and the number of
            training steps; in the precision that Keras is set to.
        recipe: How it is trained unless something else is asked for.
        settings: Those of the search that found it, if one did.
        notes: What a user should know about the choice.
    """

    name: str
    facts: Mapping[str, Any]
    build: Build
    recipe: Recipe
    settings: Settings | None = None
    notes: tuple[str, ...] = field(default=())


def find_candidate(what: str, trial: int | None, size: Size) -> Candidate:
    """The best child of a search, that of its trial ``trial``, or a genotype.

    Args:
        what: Folder of a search, a genotype's file (.json), or the name of a published one.
        trial: Number of a trial of the search.
        size: In what it differs.

    Raises:
        CellwrightError: If there is no such network, or it cannot have that size.
    """
    if Path(what).is_dir():
        if not (Path(what) / FILE).is_file() and (Path(what) / "model.json").is_file():
            raise CellwrightError(
                f"{what} is a model that is trained already: give the folder of the search, or a "
                "genotype"
            )
        return _of_search(Path(what), trial, size)
    if trial is not None:
        raise CellwrightError(f"--trial is for the folder of a search, and {what!r} is not one")
    return _of_genotype(what, size)


def _of_search(folder: Path, number: int | None, size: Size) -> Candidate:
    settings = read_settings(folder)
    if number is None:
        best = best_trial(read_trials(folder, settings))
        if best is None:
            raise CellwrightError(f"{folder} has no finished trial yet: let the search go on first")
        trial: Trial = best
    else:
        trial = find_trial(folder, settings, number)
        if not trial.params:
            raise CellwrightError(f"trial {number} of {folder} has no architecture: {trial.error}")
    space = settings.make_space()
    network, hyperparameters = space.split(trial.params)
    usual = replace(settings.make_recipe(), epochs=EPOCHS, patience=None, decay_epochs=None)
    notes: tuple[str, ...] = ()
    if settings.patience is not None:
        notes = (
            f"the search's --patience {settings.patience} is left out: all epochs are trained",
        )
    searched = {name: x for name, x in hyperparameters.items() if name != "epochs"}
    recipe, options = divide(searched, usual, space)
    options = {**settings.options, **options}
    architecture = architecture_of(space)
    known, told = architecture.options, f"the space {settings.meant_space}"
    if known is not None and "skeleton" not in known:
        size.refuse_cells(told, stacked="repeats" in known)
    if size.filters is not None and known is not None and "filters" not in known:
        raise CellwrightError(f"--filters is for convolutions, and {told} has none")
    if size.skeleton is not None:
        options = {"skeleton": SKELETONS[size.skeleton]()}
    mine = {"repeats": size.repeats, "filters": size.filters}
    options |= {name: value for name, value in mine.items() if value is not None}

    def build(shape: tuple[int, ...], classes: int | None, seed: int, steps: int) -> Any:
        how = {**options, **size.schedule(steps)}
        return architecture.build(network, shape, classes, seed=seed, **how)

    facts = {
        "params": dict(trial.params),
        "genotype": architecture.describe(network),
        "space": str(settings.meant_space),
        "size": asdict(size),
        "options": {k: asdict(v) if isinstance(v, Skeleton) else v for k, v in options.items()},
    }
    name = f"trial {trial.number} of {folder.name}"
    return Candidate(name, facts, build, recipe, settings, notes)


def _of_genotype(what: str, size: Size) -> Candidate:
    genotype = find_genotype(what)
    cells = isinstance(genotype, Genotype)
    if not cells:
        size.refuse_cells(what, stacked=isinstance(genotype, EdgeCellGenotype))
    if isinstance(genotype, MLPGenotype) and size.filters is not None:
        raise CellwrightError(f"--filters is for convolutions, and {what} has none")
    mine = {"repeats": size.repeats, "filters": size.filters}
    given = {name: value for name, value in mine.items() if value is not None}

    def build(shape: tuple[int, ...], classes: int | None, seed: int, steps: int) -> Any:
        if not isinstance(genotype, Genotype):
            return genotype.build(shape, classes, seed=seed, **given)
        skeleton = skeleton_of(genotype, size.skeleton or _kind(genotype, shape)).change(**given)
        return genotype.build(shape, classes, skeleton, seed=seed, **size.schedule(steps))

    facts = {"genotype": genotype.to_dict(), "size": asdict(size)}
    notes: tuple[str, ...] = ()
    if cells and size.skeleton is None and (usual := kind_of(genotype)) in SMALLER:
        notes = (
            f"no --skeleton was given: {SMALLER[usual]} below {_LARGE} pixels a side, else "
            f"{usual}, with the numbers of its paper unless --repeats and --filters set others",
        )
    return Candidate(genotype.name or Path(what).stem, facts, build, Recipe(EPOCHS), None, notes)


def _kind(genotype: Genotype, shape: tuple[int, ...]) -> str:
    usual = kind_of(genotype)
    return SMALLER.get(usual, usual) if min(shape[:2]) < _LARGE else usual


def with_recipe(candidate: Candidate, given: Mapping[str, Any]) -> Candidate:
    """The candidate with these fields of its recipe in place of its own.

    Raises:
        CellwrightError: If a value is out of range.
    """
    try:
        return replace(candidate, recipe=replace(candidate.recipe, **given))
    except ValueError as error:
        field, _, reason = str(error).partition(" ")
        raise CellwrightError(f"--{field.replace('_', '-')} {reason}") from error
