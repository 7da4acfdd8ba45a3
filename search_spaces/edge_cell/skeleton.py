"""The check of what edge cells are stacked into, without a framework."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cellwright.search_spaces.arguments import LARGEST, check_flag, check_integer
from cellwright.search_spaces.errors import UnbuildableChild
from cellwright.search_spaces.task import check_task


def check_skeleton(
    input_shape: Sequence[int],
    classes: int | None,
    *,
    repeats: int = 5,
    filters: int = 16,
    reductions: int = 2,
    dead_edges: bool = False,
    **training: Any,
) -> None:
    """Check that cells can be stacked so on images of this shape; see `child.build_edge_cells`.

    Raises:
        UnbuildableChild: If it cannot.
    """
    check_task(input_shape, classes)
    try:
        check_integer("repeats", repeats, 1, 1_000)
        check_integer("filters", filters, 1, LARGEST)
        check_integer("reductions", reductions, 0, 16)
        check_flag("dead_edges", dead_edges)
    except ValueError as error:
        raise UnbuildableChild(str(error)) from None
    least = 2**reductions
    if min(input_shape[:2]) < least:
        raise UnbuildableChild(
            f"an image of {input_shape[0]}x{input_shape[1]} is too small for {reductions} "
            f"reductions, which need at least {least}x{least}; use larger images or fewer "
            "reductions"
        )
