"""Whether networks of edge cells have the parameters that NAS-Bench-201's table says, to the last
digit.

    python benchmarks/nb201_parameters.py nb201.csv.gz [--built 300]

All rows are counted by the pieces of their networks, and as many as ``--built``, drawn at random,
are built as well. The table has a column for each edge, ``op_01`` and so on, and ``params_M``.
"""

import argparse
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

from benchmarks.tables import read_rows
from cellwright import EdgeCellSpace, costs
from cellwright.search_spaces.edge_cell.graph import live_edges
from cellwright.search_spaces.piece_costs import PieceCosts

SPACE = EdgeCellSpace()
SHAPE, CLASSES = (32, 32, 3), 10
counted = PieceCosts(SPACE, "trainable", SHAPE, CLASSES, {"dead_edges": True})


def built(params: Mapping[str, Any]) -> int:
    """Trainable parameters of the network itself, dead edges included."""
    keras.backend.clear_session()
    trainable: int = costs(SPACE.build(params, SHAPE, CLASSES, dead_edges=True)).trainable
    return trainable


def wrong(rows: list[Mapping[str, Any]], count: Any) -> list[str]:
    """The cells whose parameters are not the table's."""
    found = []
    for row in rows:
        params = {name: row[name] for name in SPACE.names}
        if f"{count(params) / 1e6:.6f}" != row["params_M"]:
            found.append(SPACE.in_short(params))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("table", type=Path)
    parser.add_argument("--built", type=int, default=300)
    arguments = parser.parse_args()
    rows = read_rows(arguments.table)
    few = sum(
        len(live_edges(SPACE.genotype({name: row[name] for name in SPACE.names}).edges)) < 3
        for row in rows
    )
    differ = wrong(rows, counted)
    print(
        f"{len(rows)} rows by pieces, {few} with fewer than three live edges: {len(differ)} wrong"
    )
    drawn = np.random.default_rng(0).choice(len(rows), arguments.built, replace=False)
    differ += (others := wrong([rows[number] for number in drawn], built))
    print(f"{len(drawn)} rows by networks, drawn at random: {len(others)} wrong")
    for cell in differ:
        print(cell)


if __name__ == "__main__":
    main()
