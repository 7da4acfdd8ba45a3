"""Where a search starts: architectures that are known to be good, as points of its space."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cellwright.search_spaces.decision import Float, Int, Params
from cellwright.search_spaces.errors import InvalidArchitecture
from cellwright.search_spaces.genotype_space import GenotypeSpace
from cellwright.search_spaces.genotypes import load_genotype
from cellwright.search_spaces.joint import JointSpace
from cellwright.search_spaces.space import SearchSpace

_SHOWN = 3  # facts in which a network and the nearest one differ


def point_of(space: SearchSpace, entry: Any) -> Params:
    """The point of ``space`` that ``entry`` names.

    Args:
        space: Whose point it is. Hyperparameters of a `JointSpace` that ``entry`` does not give
            take the middle of their range, or their first choice.
        entry: A dictionary of the decisions by name; a genotype; the name of a published one
            (`GENOTYPES`); or the path of a ``.json`` file, the ``best.json`` or ``genotype.json``
            of a search.

    Warns:
        UserWarning: If the genotype is no point of the space, and the nearest one is taken; with
            what differs.

    Raises:
        InvalidArchitecture: If it is no point of the space, nor near one.
        ValueError: If nothing goes by that name.
        OSError: If the file cannot be read.
    """
    if isinstance(entry, str | Path):
        entry = _found(entry)
    if isinstance(space, JointSpace):
        return _in_joint(space, entry)
    if isinstance(entry, Mapping):
        return space.decode(space.encode(entry))
    if not isinstance(space, GenotypeSpace):
        raise InvalidArchitecture(
            f"{space!r} has no genotypes: give the decisions by their names, got {entry!r:.200}"
        )
    point = space.point_of(entry)
    made, wanted = _facts(space.describe(point)), _facts(entry.to_dict())
    differ = [name for name in wanted if name != "name" and wanted[name] != made.get(name)]
    if differ:
        shown = [f"{one} is {made.get(one)} in place of {wanted[one]}" for one in differ[:_SHOWN]]
        more = f", and {len(differ) - _SHOWN} more differ" if len(differ) > _SHOWN else ""
        warnings.warn(
            f"{entry.name or 'the genotype'} is no point of {space!r}; the search starts from the "
            f"nearest one, in which {', '.join(shown)}{more}",
            stacklevel=2,
        )
    return point


def _facts(described: Any, name: str = "") -> dict[str, Any]:
    """What a genotype's dictionary says, each with the names that lead to it."""
    if isinstance(described, Mapping):
        parts = [(str(key), value) for key, value in described.items()]
    elif isinstance(described, list | tuple) and any(isinstance(x, Mapping) for x in described):
        parts = [(str(number), value) for number, value in enumerate(described, start=1)]
    else:
        return {name: list(described) if isinstance(described, tuple) else described}
    found = (_facts(value, f"{name} {key}".strip()) for key, value in parts)
    return {key: value for facts in found for key, value in facts.items()}


def _found(what: str | Path) -> Any:
    """The parameters in a file of a search, or a genotype."""
    if str(what).endswith(".json") and Path(what).is_file():
        try:
            data = json.loads(Path(what).read_text(encoding="utf-8"))
        except (ValueError, RecursionError) as error:
            raise InvalidArchitecture(f"{what} is not JSON: {error}") from None
        if isinstance(data, dict) and isinstance(data.get("params"), dict):
            return data["params"]
    return load_genotype(what)


def _in_joint(space: JointSpace, entry: Any) -> Params:
    given = dict(entry) if isinstance(entry, Mapping) else point_of(space.architecture, entry)
    for decision in space.hyperparameters:
        if decision.name not in given:
            ranged = isinstance(decision, Float | Int)
            given[decision.name] = decision.choices[len(decision.choices) // 2 if ranged else 0]
    return space.decode(space.encode(given))
