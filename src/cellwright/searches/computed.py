"""Which objectives of a search are computed for each candidate, and not learned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cellwright.plugins import Evaluation, MultiplyAdds, Parameters
from cellwright.plugins.meters import AnyMeter
from cellwright.plugins.metrics import Direction
from cellwright.search_spaces.piece_costs import COSTS


def computed_objectives(
    goals: Mapping[str, Direction], meters: Sequence[AnyMeter], evaluation: Evaluation
) -> dict[str, Any]:
    """The argument ``computed`` of `ParetoPredictor`, as plain data; empty if nothing is computed.

    What is computed are counts of weights and of multiplications that are to be few, where the
    space says what its networks consist of. Something is left to be learned.

    Args:
        goals: The objectives and their directions.
        meters: Those of the search.
        evaluation: Of its children.
    """
    ours = {meter.metric for meter in meters if isinstance(meter, Parameters | MultiplyAdds)}
    others = {meter.metric for meter in meters} - ours
    counted = ({"parameters"} | ours & set(COSTS)) - others  # weights are counted in any search
    names = {name for name, way in goals.items() if name in counted and way == "minimize"}
    if not names or len(names) == len(goals) or not evaluation.space.has_pieces:
        return {}
    data = evaluation.data
    how: dict[str, Any] = {"input_shape": list(data.input_shape), "classes": data.classes}
    if evaluation.options:
        how["options"] = dict(evaluation.options)
    return {"computed": [{"metric": name, **how} if name in names else None for name in goals]}
