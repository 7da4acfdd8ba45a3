"""Genotypes by name or file, and the skeletons that they are stacked into."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from typing import Any

from cellwright.search_spaces import (
    GENOTYPES,
    CellwrightError,
    Genotype,
    Skeleton,
    load_genotype,
)

SKELETONS: dict[str, Callable[[], Skeleton]] = {
    "book": Skeleton.book,
    "cifar": Skeleton.cifar,
    "imagenet": Skeleton.imagenet,
    "imagenet-large": Skeleton.imagenet_large,
    "darts": Skeleton.darts,
    "darts-imagenet": Skeleton.darts_imagenet,
    "pnasnet": Skeleton.pnasnet,
    "pnasnet-imagenet": Skeleton.pnasnet_imagenet,
}
# Image shape and number of classes that a skeleton was made for.
INPUTS: dict[str, tuple[tuple[int, ...], int]] = {
    "book": ((32, 32, 3), 10),
    "cifar": ((32, 32, 3), 10),
    "imagenet": ((224, 224, 3), 1000),
    "imagenet-large": ((331, 331, 3), 1000),
    "darts": ((32, 32, 3), 10),
    "darts-imagenet": ((224, 224, 3), 1000),
    "pnasnet": ((32, 32, 3), 10),
    "pnasnet-imagenet": ((224, 224, 3), 1000),
}
# For images that are small for a skeleton: the one of the same paper.
SMALLER = {"imagenet": "cifar", "darts-imagenet": "darts", "pnasnet-imagenet": "pnasnet"}
# What the papers built from their cells; the first of each is the default.
PAPERS: dict[str, dict[str, Skeleton]] = {
    "nasnet-a": {"imagenet": Skeleton.imagenet(4, 44), "cifar": Skeleton.cifar(6, 32)},
    "amoebanet-a": {"imagenet": Skeleton.imagenet(4, 50), "cifar": Skeleton.cifar(6, 36)},
    "amoebanet-b": {"imagenet": Skeleton.imagenet(3, 62), "cifar": Skeleton.cifar(6, 36)},
    "amoebanet-c": {"imagenet": Skeleton.imagenet(4, 50), "cifar": Skeleton.cifar(6, 36)},
    "amoebanet-d": {"imagenet": Skeleton.imagenet(6, 256)},
    "darts-v1": {"darts-imagenet": Skeleton.darts_imagenet(), "darts": Skeleton.darts()},
    "darts-v2": {"darts-imagenet": Skeleton.darts_imagenet(), "darts": Skeleton.darts()},
    "enas-micro": {"cifar": Skeleton.cifar(5, 36)},
    "pnasnet-5": {"pnasnet-imagenet": Skeleton.pnasnet_imagenet(), "pnasnet": Skeleton.pnasnet()},
}


def find_genotype(what: str) -> Any:
    """Find a shipped genotype by its name, or read one from a JSON file.

    Raises:
        CellwrightError: If ``what`` is neither.
        InvalidArchitecture: If the file holds no genotype.
        OSError: If the file cannot be read.
    """
    if what in GENOTYPES or what.endswith(".json"):
        return load_genotype(what)
    near = difflib.get_close_matches(what.lower().replace("_", "-"), GENOTYPES, n=1)
    raise CellwrightError(
        f"{what!r} is not the folder of a search, a genotype file (.json) or a shipped genotype; "
        f"shipped are {', '.join(sorted(GENOTYPES))}"
        + (f". Did you mean {near[0]!r}?" if near else "")
    )


def kind_of(genotype: Genotype) -> str:
    """The name of the skeleton of a genotype's paper, or, if a search found it, of its search."""
    if genotype.name in PAPERS:
        return next(iter(PAPERS[genotype.name]))
    return "book" if genotype.operation_set == "book" else "cifar"


def skeleton_of(genotype: Genotype, kind: str) -> Skeleton:
    """The skeleton of this name, as the genotype's paper has it.

    Raises:
        CellwrightError: If there is none.
    """
    if kind not in SKELETONS:
        near = difflib.get_close_matches(kind, SKELETONS, n=1)
        raise CellwrightError(
            f"--skeleton must be one of {', '.join(SKELETONS)}, got {kind!r}"
            + (f". Did you mean {near[0]!r}?" if near else "")
        )
    return PAPERS.get(genotype.name, {}).get(kind) or SKELETONS[kind]()
