"""A skeleton as a picture, in the manner of the NASNet paper (Zoph et al. 2018, figure 2)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import groupby
from typing import Any

from matplotlib.figure import Figure

from cellwright.search_spaces.layer_table import Row, by_part, layer_table
from cellwright.search_spaces.stack import Part, draw_stack, output_part, shape_text

# Paul Tol's light scheme, as in the drawings of cells.
COLOURS = {"normal": "#77AADD", "reduction": "#EE8866"}
_STEM = ("stem", "stem_1", "stem_2", "stem_3")
_CELL = re.compile(r"cell_(\d+)_(normal|reduction)")


def draw_skeleton(model: Any, *, title: str) -> Figure:
    """Draw how the cells of a network are stacked, with the shape that each group hands on.

    Args:
        model: What `child.build_child` made. An auxiliary head is left out.
        title: Stands above the stack.

    Returns:
        See `stack.draw_stack`.
    """
    rows = {row.name: row for row in by_part(layer_table(model))}
    image = rows["image"]
    parts = [Part("image", output=shape_text(image.shape))]
    height = image.shape[0]
    for stem in (rows[name] for name in _STEM if name in rows):
        stride = round(float(height or 1) / float(stem.shape[0] or 1))
        label = "convolution 3x3" + (f", stride {stride}" if stride > 1 else "")
        parts.append(Part(label, "#DDDDDD", output=shape_text(stem.shape)))
        height = stem.shape[0]
    found = [(match, row) for name, row in rows.items() if (match := _CELL.fullmatch(name))]
    for kind, group in groupby(found, key=lambda cell: cell[0][2]):
        parts.append(_cells(kind, [(int(match[1]), row) for match, row in group]))
    parts.append(Part("global average pooling", "#EEDD88", output=shape_text(rows["pool"].shape)))
    parts.append(output_part(rows))
    return draw_stack(parts, title=title)


def _cells(kind: str, cells: Sequence[tuple[int, Row]]) -> Part:
    first, last = cells[0][0], cells[-1][0]
    until = {0: "", 1: f" and {last}"}.get(last - first, f" to {last}")
    aside = f"cell{'s' if until else ''} {first}{until}"
    return Part(f"{kind} cell", COLOURS[kind], len(cells), aside, shape_text(cells[-1][1].shape))
