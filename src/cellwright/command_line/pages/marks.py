"""The parts of the page's charts: points, lines, axes, and what is shown at the pointer."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from cellwright.command_line.pictures.charts import LARGEST
from cellwright.plugins.metrics import Metric
from cellwright.searches.trial import Trial

Spec = dict[str, Any]  # of Vega-Lite, or a part of one

# At least 3:1 against white and against the page's dark background, and apart in grey.
BLUE, GREY, ORANGE, RED = "#2b7bba", "#7d8896", "#c2661a", "#c9485b"
LINES = (BLUE, ORANGE, "#2a8f6d", "#a462a8", RED)
LEGEND = {"title": None, "orient": "top", "columns": 3, "labelLimit": 260, "symbolOpacity": 1}


def framed(spec: Spec) -> Spec:
    """A chart as wide as its place in the page."""
    fit = {"type": "fit-x", "contains": "padding"}
    return {"width": "container", "height": 280, "autosize": fit, **spec}


def layered(layers: Sequence[Spec], height: int = 280) -> Spec:
    """Several charts on the same axes."""
    return framed({"layer": list(layers), "height": height})


def quantity(name: str, title: str) -> Spec:
    """An axis of numbers, which need not begin at 0."""
    axis = {"tickCount": 6, "labelOverlap": True}
    scale = {"zero": False, "nice": True}
    return {"field": name, "type": "quantitative", "title": title, "scale": scale, "axis": axis}


def _trials_axis(name: str) -> Spec:
    axis = {"tickMinStep": 1, "format": "d", "grid": False, "labelOverlap": True}
    return {"field": name, "type": "quantitative", "title": "trial", "axis": axis}


def points(rows: list[Spec], kind: str, label: str, filled: bool = False) -> Spec:
    """A point for each trial, with its value ``y`` and that in words, ``yt``."""
    return {
        "data": {"values": rows},
        "mark": {"type": "point", "filled": filled, "size": 45, "opacity": 0.75,
                 "cursor": "pointer"},
        "encoding": {
            "x": _trials_axis("trial"), "y": quantity("y", label),
            "color": {"datum": kind, "legend": LEGEND}, "tooltip": tooltip(("yt", label)),
        },
    }  # fmt: skip


def line(rows: list[Spec], name: str, kind: str, label: str, **how: Any) -> Spec:
    """A line through what each row has under ``name``, by the trial's ``number``."""
    return {
        "data": {"values": [row for row in rows if row[name] is not None]},
        "mark": {"type": "line", "strokeWidth": 2, **how},
        "encoding": {"x": _trials_axis("number"), "y": quantity(name, label),
                     "color": {"datum": kind, "legend": LEGEND}},
    }  # fmt: skip


def crosses(lost: Sequence[Trial]) -> Spec:
    """Trials without a value, on the axis."""
    rows = [{"trial": t.number, "state": t.state, "why": t.error[:200]} for t in lost]
    return {
        "data": {"values": rows},
        "mark": {"type": "point", "shape": "cross", "size": 40, "filled": True,
                 "cursor": "pointer"},
        "encoding": {
            "x": _trials_axis("trial"), "y": {"value": "height"},
            "color": {"datum": "not trained to its end", "legend": LEGEND},
            "tooltip": tooltip(("state", "state"), ("why", "why")),
        },
    }  # fmt: skip


def value_rows(
    trials: Sequence[Trial], seen: Mapping[int, float | None], metric: Metric
) -> list[Spec]:
    """The rows of `points`, for those trials that have a value."""
    found = ((t.number, seen.get(t.number)) for t in trials)
    return [{"trial": n, "y": x, "yt": metric.number(x)} for n, x in found if x is not None]


def tooltip(*shown: tuple[str, str]) -> list[Spec]:
    """What is shown of a trial at the pointer: fields of its row, and their headings."""
    fields = [("trial", "trial"), *shown, ("architecture", "architecture")]
    return [{"field": name, "title": heading(title), "type": "nominal"} for name, title in fields]


def heading(title: str) -> str:
    """The heading of a row beside the pointer; two words mean something else there."""
    return f"{title} " if title in ("title", "image") else title


def drawable(trial: Trial, metric: Metric) -> float | None:
    """The value of a trial, if it has one that can be drawn."""
    value = trial.metrics.get(metric.name, math.nan)
    return value if abs(value) < LARGEST else None  # which NaN is not


def or_none(value: float) -> float | None:
    """A number for JSON, which has no NaN."""
    return None if math.isnan(value) else value


def left_out(count: int, why: str = "") -> str:
    """A note on ``count`` complete trials that are not drawn; none if all are."""
    if not count:
        return ""
    trials, are = ("trial", "is") if count == 1 else ("trials", "are")
    return (
        f"{count} complete {trials}, {why}with no finite value below {LARGEST:.0e}, {are} left out"
    )
