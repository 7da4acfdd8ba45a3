"""Genotypes by name: the published networks, and those that a search left in a file."""

from __future__ import annotations

import difflib
import json
from pathlib import Path
from typing import Any

from cellwright.search_spaces.convnet.genotype import ConvNetGenotype
from cellwright.search_spaces.edge_cell.genotype import EdgeCellGenotype
from cellwright.search_spaces.errors import InvalidArchitecture
from cellwright.search_spaces.mlp.genotype import MLPGenotype
from cellwright.search_spaces.mnasnet import MNASNETS, MnasNetGenotype
from cellwright.search_spaces.nasnet.genotype import Genotype
from cellwright.search_spaces.nasnet.published import (
    AMOEBANET_A,
    AMOEBANET_B,
    AMOEBANET_C,
    AMOEBANET_D,
    DARTS_V1,
    DARTS_V2,
    ENAS_MICRO,
    NASNET_A,
    PNASNET_5,
)

_PUBLISHED: tuple[Genotype | MnasNetGenotype, ...] = (
    *(NASNET_A, AMOEBANET_A, AMOEBANET_B, AMOEBANET_C, AMOEBANET_D),
    *(PNASNET_5, ENAS_MICRO, DARTS_V1, DARTS_V2),
    *MNASNETS,
)
GENOTYPES = {genotype.name: genotype for genotype in _PUBLISHED}
"""The published genotypes by the names that `load_genotype` and the command line take."""


def load_genotype(
    name: str | Path,
) -> Genotype | MnasNetGenotype | ConvNetGenotype | MLPGenotype | EdgeCellGenotype:
    """A published genotype by its name, or one from a JSON file (`Genotype.to_dict`).

    Args:
        name: One of `GENOTYPES`, such as ``"nasnet-a"``, ``"darts-v2"`` or ``"mnasnet-a1"``, or the
            path of a file whose name ends in ``.json``.

    Raises:
        ValueError: If nothing goes by this name.
        InvalidArchitecture: If the file holds no genotype.
        OSError: If the file cannot be read.
    """
    if str(name) in GENOTYPES:
        return GENOTYPES[str(name)]
    if not str(name).endswith(".json"):
        near = difflib.get_close_matches(str(name), GENOTYPES, n=1)
        raise ValueError(
            f"unknown genotype {str(name)!r}; shipped are {sorted(GENOTYPES)}, and a path that "
            "ends in .json names a file" + (f". Did you mean {near[0]!r}?" if near else "")
        )
    try:
        data = json.loads(Path(name).read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise InvalidArchitecture(
            f"{name} is not JSON: {error}. Give a genotype.json that a search wrote"
        ) from None
    kinds: dict[str, Any] = {
        "blocks": MnasNetGenotype,
        "layers": ConvNetGenotype,
        "sequence": MLPGenotype,
        "edges": EdgeCellGenotype,
    }
    made: Any = Genotype
    if isinstance(data, dict):
        made = next((kind for part, kind in kinds.items() if part in data), Genotype)
    try:
        return made.from_dict(data)  # type: ignore[no-any-return]
    except (ValueError, TypeError, AttributeError, KeyError, OverflowError) as error:
        raise InvalidArchitecture(
            f"{name}: {error}. Give a genotype.json that a search wrote"
        ) from error
