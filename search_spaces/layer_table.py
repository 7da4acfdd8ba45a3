"""The layers of a built network as a table, and the same by cell or block."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from cellwright.search_spaces.costs import tensors_of
from cellwright.search_spaces.multiplications import multiply_adds_by_layer

# What layers of one part of a network have in common: cell_3_normal, block_2, stem, classes.
_PART = re.compile(r"[a-z]+_\d+(_normal|_reduction)?(?=_|$)|[a-z]+(?=_|$)")


@dataclass(frozen=True)
class Row:
    """A layer, or several that make a cell, a block or another part of a network.

    Attributes:
        name: Name of the layer or the part.
        shape: Shape of its output for one image; a part's output is that of its last layer.
        parameters: All weights.
        multiply_adds: For one image; see `multiply_adds`.
    """

    name: str
    shape: tuple[int | None, ...]
    parameters: int
    multiply_adds: int


def layer_table(model: Any) -> list[Row]:
    """A row for each layer of a ``keras.Model``, in topological order.

    Raises:
        ValueError: See `multiply_adds`.
    """
    counted = multiply_adds_by_layer(model)
    return [
        Row(
            layer.name,
            tuple(tensors_of(layer, "output")[0].shape[1:]),
            layer.count_params(),
            counted.get(id(layer), 0),
        )
        for layer in model.layers
    ]


def by_part(rows: Sequence[Row]) -> list[Row]:
    """A row for each part of the network: stem, cells or blocks, head, in their order.

    Parts are told by the names that the child builders give: ``cell_3_normal_block_1_left...``
    belongs to ``cell_3_normal``, ``block_2_1_expand...`` to ``block_2``, ``stem_convolution`` to
    ``stem``.
    A layer of another name is a part of its own.
    """
    parts: dict[str, Row] = {}
    for row in rows:
        found = _PART.match(row.name)
        name = found[0] if found else row.name
        part = parts.get(name, Row(name, (), 0, 0))
        parts[name] = replace(
            part,
            shape=row.shape,
            parameters=part.parameters + row.parameters,
            multiply_adds=part.multiply_adds + row.multiply_adds,
        )
    return list(parts.values())
