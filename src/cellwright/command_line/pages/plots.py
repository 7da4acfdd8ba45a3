"""The charts of the page, as specifications of Vega-Lite without colours of a theme.

Every point that stands for a trial has the field ``trial``, by which the page adds the architecture
to what is shown at the pointer, and draws the child at a click.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from cellwright.command_line.pages.marks import (
    BLUE,
    GREY,
    LEGEND,
    LINES,
    ORANGE,
    RED,
    Spec,
    crosses,
    drawable,
    framed,
    heading,
    layered,
    left_out,
    line,
    or_none,
    points,
    quantity,
    tooltip,
    value_rows,
)
from cellwright.command_line.pictures.charts import LARGEST, best_so_far, rolling_mean
from cellwright.plugins.metrics import Metric
from cellwright.searches.analysis import Importance
from cellwright.searches.trial import Trial
from cellwright.searches.wording import as_written

_DASHES = ([1, 0], [6, 3], [2, 2], [8, 2, 2, 2], [4, 4])
_WINDOW = 20  # trials of the rolling mean, as in the picture
_MOST = 15  # bars


@dataclass(frozen=True)
class Plot:
    """A chart: what stands above it, what a reader who cannot see it is told, and below it."""

    title: str
    alt: str
    spec: Spec = field(repr=False)
    note: str = ""


def progress(trials: Sequence[Trial], metric: Metric) -> Plot | None:
    """A metric by trial, its rolling mean and the best so far; None if no trial has the metric."""
    seen = {t.number: drawable(t, metric) for t in trials if t.state == "complete"}
    pruned = {t.number: drawable(t, metric) for t in trials if t.state == "pruned"}
    there = [x for x in seen.values() if x is not None]
    if not there:
        return None
    values = [math.nan if (x := seen.get(t.number)) is None else x for t in trials]
    best = best_so_far(values, metric.direction == "minimize")
    mean = rolling_mean(values, _WINDOW)
    lines = [
        {"number": t.number, "best": or_none(b), "mean": or_none(m)}
        for t, b, m in zip(trials, best, mean, strict=True)
    ]
    colours = {"a trial": GREY, f"mean of {_WINDOW} trials": BLUE, "best so far": ORANGE}
    layers = [
        points(value_rows(trials, seen, metric), "a trial", metric.label, filled=True),
        line(lines, "mean", f"mean of {_WINDOW} trials", metric.label),
        line(lines, "best", "best so far", metric.label, interpolate="step-after"),
    ]
    if any(x is not None for x in pruned.values()):
        colours["pruned"] = GREY
        layers.append(points(value_rows(trials, pruned, metric), "pruned", metric.label))
    lost = [t for t in trials if t.state not in ("complete", "pruned")]
    if lost:
        colours["not trained to its end"] = RED
        layers.append(crosses(lost))
    for layer in layers:
        layer["encoding"]["color"]["scale"] = {
            "domain": list(colours), "range": list(colours.values())
        }  # fmt: skip
    far = sum(t.state == "complete" and metric.name in t.metrics for t in trials) - len(there)
    top = min(there) if metric.direction == "minimize" else max(there)
    return Plot(
        f"{metric.label} by trial",
        f"{metric.label} of {len(there)} trials, from {metric.number(min(there))} to "
        f"{metric.number(max(there))}; the best is {metric.number(top)}, of trial "
        f"{next(n for n, x in seen.items() if x == top)}.",
        layered(layers),
        left_out(far),
    )


def trade_off(
    trials: Sequence[Trial], front: Sequence[Trial], quality: Metric, cost: Metric
) -> Plot | None:
    """Two metrics of the complete trials, and the front of those that no other beats in both."""
    there = [
        t for t in trials
        if t.state == "complete" and None not in (drawable(t, quality), drawable(t, cost))
    ]  # fmt: skip
    if not there:
        return None
    chosen = {trial.number for trial in front}
    rows = [
        {"trial": t.number, "x": t.metrics[cost.name], "y": t.metrics[quality.name],
         "xt": cost.number(t.metrics[cost.name]), "yt": quality.number(t.metrics[quality.name]),
         "kind": "on the front" if t.number in chosen else "another trial"}
        for t in sorted(there, key=lambda t: t.number in chosen)
    ]  # fmt: skip
    scale = {"domain": ["on the front", "another trial"], "range": [ORANGE, GREY]}
    x, y = quantity("x", cost.label), quantity("y", quality.label)
    edge = [row for row in rows if row["kind"] == "on the front"]
    layers = [
        {"data": {"values": edge},
         "mark": {"type": "line", "color": ORANGE, "strokeWidth": 1.5, "opacity": 0.6},
         "encoding": {"x": x, "y": y}},
        {"data": {"values": rows},
         "mark": {"type": "point", "filled": True, "opacity": 0.85, "cursor": "pointer"},
         "encoding": {
             "x": x, "y": y,
             "color": {"field": "kind", "type": "nominal", "scale": scale, "legend": LEGEND},
             "shape": {"field": "kind", "type": "nominal", "legend": LEGEND,
                       "scale": {"domain": scale["domain"], "range": ["diamond", "circle"]}},
             "size": {"condition": {"test": "datum.kind === 'on the front'", "value": 110},
                      "value": 55},
             "tooltip": tooltip(("yt", quality.label), ("xt", cost.label))}},
    ]  # fmt: skip
    ends = [front[0], front[-1]] if len(front) > 1 else list(front)
    told = " to ".join(
        f"{quality.number(t.metrics[quality.name])} at {cost.number(t.metrics[cost.name])}"
        for t in ends
    )
    return Plot(
        f"{quality.label} against {cost.label}",
        f"{quality.label} against {cost.label} of {len(there)} trials; {len(front)} of them are on "
        f"the front, from {told}.",
        layered(layers, height=360),
        left_out(sum(t.state == "complete" for t in trials) - len(there), "without both values, "),
    )


def mattered(found: Sequence[Importance], metric: Metric) -> Plot | None:
    """The shares of the decisions that mattered most; None if there are none."""
    if not found:
        return None
    shown = list(found)[:_MOST]
    rows = [
        {"decision": one.decision, "share": one.share, "best": as_written(one.best),
         "effect": f"{'+' if one.effect >= 0 else '−'}{metric.number(abs(one.effect))}",
         "trials": one.trials}
        for one in shown
    ]  # fmt: skip
    spec = {
        "height": 21 * len(shown) + 10,
        "data": {"values": rows},
        "mark": {"type": "bar", "color": BLUE, "cornerRadiusEnd": 2},
        "encoding": {
            "y": {"field": "decision", "type": "nominal", "sort": None, "title": None,
                  "axis": {"labelLimit": 150}},
            "x": {"field": "share", "type": "quantitative", "title": "share of the variance",
                  "axis": {"format": "%"}},
            "tooltip": [
                {"field": "decision"}, {"field": "share", "format": ".1%"},
                {"field": "best", "title": "best choice"},
                {"field": "effect", "title": "which adds"},
                {"field": "trials", "title": "trials that took it"}],
        },
    }  # fmt: skip
    told = ", ".join(f"{one.decision} {one.share:.0%}" for one in shown[:3])
    return Plot(
        f"What mattered for {metric.label}",
        f"Shares of the variance of {metric.label}: {told}"
        + (" and smaller ones." if len(shown) > 3 else "."),
        framed(spec),
        f"the first {_MOST} of {len(found)}; the table has all" if len(found) > _MOST else "",
    )


def predictions(
    trials: Sequence[Trial], predicted: str, metric: Metric, correlation: float | None
) -> Plot | None:
    """What was predicted against what was measured; None for fewer than 3 trials."""
    rows = [
        {"trial": t.number, "x": t.metrics[predicted], "y": t.metrics[metric.name],
         "xt": metric.number(t.metrics[predicted]), "yt": metric.number(t.metrics[metric.name])}
        for t in trials
        if predicted in t.metrics and drawable(t, metric) is not None
        and math.isfinite(t.metrics[predicted])
    ]  # fmt: skip
    if len(rows) < 3:
        return None
    ends = [float(t.metrics[n]) for t in trials for n in (predicted, metric.name) if n in t.metrics]
    ends = [end for end in ends if abs(end) < LARGEST]
    x, y = quantity("x", f"predicted {metric.label}"), quantity("y", f"measured {metric.label}")
    layers = [
        {"data": {"values": [{"x": end, "y": end} for end in (min(ends), max(ends))]},
         "mark": {"type": "line", "color": GREY, "strokeDash": [4, 4]},
         "encoding": {"x": x, "y": y}},
        {"data": {"values": rows},
         "mark": {"type": "point", "filled": True, "size": 60, "color": BLUE, "opacity": 0.85,
                  "cursor": "pointer"},
         "encoding": {"x": x, "y": y, "tooltip": tooltip(("xt", "predicted"), ("yt", "measured"))}},
    ]  # fmt: skip
    told = "" if correlation is None else f" Spearman's rank correlation is {correlation:.2f}."
    return Plot(
        f"Predicted against measured {metric.label}",
        f"Predicted against measured {metric.label} of {len(rows)} trials.{told}",
        layered(layers),
        f"on the dashed line both are equal.{told}",
    )


def curves(named: Mapping[str, Sequence[tuple[float, float]]], metric: Metric) -> Plot | None:
    """A metric by epoch, a line for each of up to five names; None if there is no line."""
    shown = {name: curve for name, curve in list(named.items())[: len(LINES)] if curve}
    if not shown:
        return None
    rows = [
        {"line": name, "epoch": epoch, "value": value, "vt": metric.number(value)}
        for name, curve in shown.items()
        for epoch, value in curve
        if abs(value) < LARGEST
    ]
    names = list(shown)
    legend = {**LEGEND, "symbolType": "stroke", "symbolSize": 400, "symbolStrokeWidth": 2}
    spec = {
        "data": {"values": rows},
        "mark": {"type": "line", "strokeWidth": 2, "point": {"size": 25}},
        "encoding": {
            "x": {**quantity("epoch", "epoch"), "axis": {"tickMinStep": 1, "format": "d"}},
            "y": quantity("value", metric.label),
            "color": {"field": "line", "type": "nominal", "legend": legend,
                      "scale": {"domain": names, "range": list(LINES[: len(names)])}},
            "strokeDash": {"field": "line", "type": "nominal", "legend": legend,
                           "scale": {"domain": names, "range": list(_DASHES[: len(names)])}},
            "tooltip": [{"field": "line", "title": "of"}, {"field": "epoch"},
                        {"field": "vt", "title": heading(metric.label)}],
        },
    }  # fmt: skip
    last = ", ".join(f"{name} ends at {metric.number(c[-1][1])}" for name, c in shown.items())
    return Plot(f"{metric.label} by epoch", f"{metric.label} by epoch: {last}.", framed(spec))
