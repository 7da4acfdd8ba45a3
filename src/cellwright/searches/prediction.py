"""``--predict``: latencies that are not measured, but added up from a table of timed pieces."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cellwright.plugins import Data, LatencyPredictor, Meter
from cellwright.plugins.meters import metric_of
from cellwright.search_spaces import CellwrightError, SearchSpace
from cellwright.search_spaces.joint import architecture_of


def make_predictor(
    path: Path, space: SearchSpace, meter: Meter, data: Data, options: Mapping[str, Any]
) -> LatencyPredictor:
    """The predictor of the children's latencies, with the table of timed pieces if there is one.

    Args:
        path: Path of the table.
        space: The space that is searched.
        meter: Times the pieces.
        data: Gives the shape of a child's inputs and the number of classes.
        options: Options for ``space.build``.

    Raises:
        CellwrightError: If the meter does not measure a latency, the space has no pieces, or
            ``--tune`` changes their size.
        ValueError: If the table was made for another search or machine.
        CorruptedState: If the table cannot be read.
    """
    check_prediction(space, meter)
    network = architecture_of(space)
    return LatencyPredictor(
        network, data.input_shape, data.classes, options, meter, path=path, lazy=True
    )


def check_prediction(space: SearchSpace, meter: Meter) -> None:
    """Refuse a prediction that no data make possible.

    Raises:
        CellwrightError: If the meter does not measure a latency, the space has no pieces, or
            ``--tune`` changes their size.
    """
    network = architecture_of(space)
    sizes = [name for name in space.names if name in (network.options or ())]
    if sizes:
        raise CellwrightError(
            f"--predict adds up pieces of one size, and --tune changes {', '.join(sizes)}: leave "
            "one of the two out"
        )
    measured = metric_of(meter)
    if measured is None or measured.unit != "ms":
        raise CellwrightError(
            f"--predict adds up latencies, and --meter measures {meter.metric}: "
            "give litert, keras, or another meter of a latency"
        )
    if not network.has_pieces:
        raise CellwrightError(
            f"--predict adds up the pieces that a network consists of, and {network!r} does not "
            "say what these are (those of cells and mnasnet do). Leave it "
            "out, and --limit-ms acts on what --meter measures of each child"
        )
