"""``--predict``: latencies that are not measured, but added up from a table of timed pieces."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cellwright.plugins import Dataset, LatencyPredictor, Meter
from cellwright.plugins.meters import metric_of
from cellwright.search_spaces import CellwrightError, JointSpace

if TYPE_CHECKING:
    from cellwright.searches.settings import Settings


def make_predictor(settings: Settings, meter: Meter, data: Dataset) -> LatencyPredictor:
    """The predictor of the children's latencies, with the table of timed pieces if there is one.

    Args:
        settings: Of the search; ``predict`` is the path of the table.
        meter: Times the pieces.
        data: Says what a child takes in.

    Raises:
        CellwrightError: If the meter does not measure a latency, or the space has no pieces.
        ValueError: If the table was made for another search or machine.
        CorruptedState: If the table cannot be read.
    """
    whole, path = settings.make_space(), Path(settings.predict or "")
    space = whole.architecture if isinstance(whole, JointSpace) else whole
    sizes = [name for name in whole.names if name in (space.options or ())]
    if sizes:
        raise CellwrightError(
            f"--predict adds up pieces of one size, and --tune changes {', '.join(sizes)}: leave "
            "one of the two out"
        )
    measured = metric_of(meter)
    if measured is None or measured.unit != "ms":
        raise CellwrightError(
            f"--predict adds up latencies, and --meter {settings.meter} measures {meter.metric}: "
            "give litert, keras, or another meter of a latency"
        )
    options = settings.options
    try:
        space.pieces(
            space.decode([0] * len(space.names)), data.input_shape, data.classes, **options
        )
    except NotImplementedError:
        raise CellwrightError(
            f"--predict adds up the pieces that a network consists of, and {settings.space} does "
            "not say what these are (nasnet, nasnet-published, amoebanet and mnasnet do). Leave it "
            "out, and --limit-ms acts on what --meter measures of each child"
        ) from None
    return LatencyPredictor(
        space, data.input_shape, data.classes, options, meter, path=path, lazy=True
    )
