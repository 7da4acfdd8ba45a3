"""Which objectives, and which limit, are computed for each candidate, and not learned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cellwright.plugins import Evaluation, Limit, MultiplyAdds, Parameters
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
    exact = counted(meters)
    names = {name for name, way in goals.items() if name in exact and way == "minimize"}
    if not names or len(names) == len(goals) or not evaluation.space.has_pieces:
        return {}
    how = _how(evaluation)
    return {"computed": [{"metric": name, **how} if name in names else None for name in goals]}


def computed_limit(
    limit: Limit | None, meters: Sequence[AnyMeter], evaluation: Evaluation
) -> dict[str, Any]:
    """The argument ``within`` of `make_strategy`, as plain data; empty if there is no limit, or it
    is on what cannot be computed.

    Args:
        limit: Of the search.
        meters: Those of the search.
        evaluation: Of its children.
    """
    if limit is None or limit.at_most is None or limit.metric not in counted(meters):
        return {}
    if not evaluation.space.has_pieces:
        return {}
    return {"within": {"metric": limit.metric, "at_most": limit.at_most, **_how(evaluation)}}


def counted(meters: Sequence[AnyMeter]) -> set[str]:
    """What `PieceCosts` counts as the search does; weights are counted in any search."""
    ours = {meter.metric for meter in meters if isinstance(meter, Parameters | MultiplyAdds)}
    others = {meter.metric for meter in meters} - ours
    return ({"parameters"} | ours & set(COSTS)) - others


def _how(evaluation: Evaluation) -> dict[str, Any]:
    """The arguments of a `PieceCosts` beside its space and its metric."""
    data = evaluation.data
    how: dict[str, Any] = {"input_shape": list(data.input_shape), "classes": data.classes}
    if evaluation.options:
        how["options"] = dict(evaluation.options)
    return how
