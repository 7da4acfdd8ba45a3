"""The networks that are built from genotypes, as in their papers or as a user says."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cellwright.search_spaces import (
    CellwrightError,
    EdgeCellGenotype,
    Genotype,
    MLPGenotype,
    MnasNetGenotype,
)
from cellwright.searches.architectures import INPUTS, find_genotype, kind_of, skeleton_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Network:
    """A built network.

    Attributes:
        name: Name of the network.
        model: The ``keras.Model``.
        genotype: What it was built from, as plain data.
        told: Further facts for the reader, such as the skeleton.
        draw: Draws its pictures, by name.
    """

    name: str
    model: Any
    genotype: dict[str, Any]
    told: dict[str, Any]
    draw: Callable[[], dict[str, Figure]]


def build_network(
    what: str,
    *,
    skeleton: str | None = None,
    repeats: int | None = None,
    filters: int | None = None,
    image: str | None = None,
    classes: int | None = None,
) -> Network:
    """Build a genotype as its paper does, or with these options in place of the paper's.

    Args:
        what: See `find_genotype`.
        skeleton: For cells, one of `SKELETONS`; by default their paper's, or, if a search found
            them, that of their operation set.
        repeats: For cells, N.
        filters: For cells, F; for blocks, the channels of the stem.
        image: ``"224"``, ``"28x28x1"`` or the like; for a sequence of layers, the number of
            features.
        classes: Number of classes.

    Raises:
        CellwrightError: If an option does not exist or does not fit the genotype.
        UnbuildableChild: If the network cannot be made.
    """
    genotype = find_genotype(what)
    kind = "imagenet" if isinstance(genotype, MnasNetGenotype) else "cifar"
    given = {"repeats": repeats, "filters": filters}
    options: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    told = dict(options)
    if isinstance(genotype, Genotype):
        kind = skeleton or kind_of(genotype)
        stacked = skeleton_of(genotype, kind).change(**options)
        options = {"skeleton": stacked}
        told = {"skeleton": kind, "repeats": stacked.repeats, "filters": stacked.filters}
    elif isinstance(genotype, EdgeCellGenotype):
        if skeleton is not None:
            raise CellwrightError(f"--skeleton is for other cells; those of {what} have their own")
    elif skeleton is not None or repeats is not None:
        raise CellwrightError(f"--skeleton and --repeats are for cells, but {what} has none")
    elif isinstance(genotype, MLPGenotype) and filters is not None:
        raise CellwrightError(f"--filters is for convolutions, but {what} has none")
    shape, number = INPUTS[kind]
    if image:
        features = isinstance(genotype, MLPGenotype) and image.isdecimal()
        shape = (int(image),) if features else _shape(image)
    model = genotype.build(shape, classes or number, **options)
    name = genotype.name or Path(what).stem
    return Network(name, model, genotype.to_dict(), told, lambda: genotype.figures(model))


def _shape(image: str) -> Shape:
    """Read ``224`` as 224x224x3, and ``28x28x1`` as it stands."""
    found = re.fullmatch(r"(\d+)(?:x(\d+)(?:x(\d+))?)?", image)
    if not found:
        raise CellwrightError(f"--image must be like 224, 64x48 or 28x28x1, got {image!r}")
    height, width, channels = found.groups()
    shape = int(height), int(width or height), int(channels or 3)
    if min(shape) < 1:
        raise CellwrightError(f"--image must be at least 1 pixel in each direction, got {image!r}")
    return shape
