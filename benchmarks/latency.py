"""How good the latency meters and the predictor are, on random children of two spaces.

There are four steps, so that the ones that need a quiet machine are short; each continues where it
was stopped::

    python -m benchmarks.latency build book SCRATCH     # children as .tflite, seconds each
    python -m benchmarks.latency fill book SCRATCH      # the table of pieces; quiet
    python -m benchmarks.latency time book SCRATCH      # every child twice; quiet
    python -m benchmarks.latency report SCRATCH         # figures, a picture and JSON

The correction of the predictor is fitted on other children than those that the figures are of.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import typer
from numpy.typing import NDArray

from cellwright.plugins import LatencyPredictor, LiteRTLatency, MultiplyAdds
from cellwright.plugins.meters.latency_table import machine
from cellwright.plugins.meters.litert_latency import litert_content
from cellwright.search_spaces import MnasNetSpace, NASNetSpace, Params, SearchSpace

RESULTS = Path(__file__).parent / "results" / "latency"
SAME, AGREE = 20, 30  # times that one model is timed, and children that are ranked twice
CLASSES, SEED = 10, 4
Floats = NDArray[np.float64]

app = typer.Typer(add_completion=False, help=__doc__, no_args_is_help=True)


@dataclass(frozen=True)
class Setting:
    """A space and the shape of its children's images; the rest is at its default."""

    title: str
    space: SearchSpace
    input_shape: tuple[int, int, int]


SETTINGS = {
    "book": Setting("the book's space, 32x32x3", NASNetSpace.wide(), (32, 32, 3)),
    "mnasnet": Setting("MnasNet's space, 96x96x3", MnasNetSpace(), (96, 96, 3)),
}


@app.command()
def build(name: str, folder: Path, fitted: int = 12, children: int = 100) -> None:
    """Write random children as .tflite files; the first ones are to fit the correction on."""
    import keras

    setting, home = SETTINGS[name], folder / name
    home.mkdir(parents=True, exist_ok=True)
    for number, params in enumerate(_samples(name, fitted + children)):
        path = home / f"{number:03}.tflite"
        if not path.exists():
            model = setting.space.build(params, setting.input_shape, CLASSES, seed=0)
            facts = {"multiply_adds": MultiplyAdds()(model).value, "fitted": number < fitted}
            path.with_suffix(".json").write_text(json.dumps(facts))
            path.write_bytes(litert_content(model))
            keras.backend.clear_session()
            print(f"{name}: child {number + 1} of {fitted + children}", flush=True)


@app.command()
def fill(name: str, folder: Path) -> None:
    """Time the pieces of the space."""
    predictor, start = _predictor(name, folder), time.perf_counter()
    timed = predictor.fill(report=lambda *what: print(*what, flush=True))
    print(f"{len(timed)} pieces timed in {time.perf_counter() - start:.0f} s")


@app.command(name="time")
def time_children(name: str, folder: Path, seconds: float = 280) -> None:
    """Time one child 20 times, and every child twice, in two rounds; stop after so many seconds.

    Each round has its own random order: a machine may be faster or slower for a minute, and the
    children that the correction is fitted on must not all fall into the same one.
    """
    meter, start = LiteRTLatency(), time.perf_counter()
    paths = sorted((folder / name).glob("*.tflite"))
    wanted = [("same", number, paths[0]) for number in range(SAME)]
    for kind in "12":
        order = np.random.default_rng(int(kind)).permutation(len(paths))
        wanted += [(kind, int(number), paths[number]) for number in order]
    file = folder / name / "times.jsonl"
    known = {(row["kind"], row["number"]) for row in _rows(file)}
    for kind, number, path in wanted:
        if (kind, number) in known:
            continue
        if time.perf_counter() - start > seconds:
            print("time is up; the same command continues")
            return
        found = meter.of_content(path.read_bytes())
        row = {"kind": kind, "number": number, "ms": found.value, "spread": found.spread}
        with file.open("a") as stream:
            stream.write(json.dumps(row) + "\n")
    print("all children are timed")


@app.command()
def report(folder: Path, out: Path = RESULTS) -> None:
    """Compare, print, draw, and write JSON."""
    found: dict[str, Any] = {"machine": machine(), "meter": LiteRTLatency().how}
    points = {}
    for name in SETTINGS:
        if (folder / name / "times.jsonl").exists():
            found[name], points[name] = _figures(name, folder)
            print(f"{SETTINGS[name].title}: {json.dumps(found[name], indent=1)}")
    out.mkdir(parents=True, exist_ok=True)
    (out / "latency.json").write_text(json.dumps(found, indent=1) + "\n")
    _draw(points, out / "latency.png")


def _figures(name: str, folder: Path) -> tuple[dict[str, Any], tuple[Floats, Floats, Floats]]:
    rows = sorted(_rows(folder / name / "times.jsonl"), key=lambda row: row["number"])
    same, first, second = (
        np.array([row["ms"] for row in rows if row["kind"] == kind]) for kind in ("same", "1", "2")
    )
    spread = np.array([row["spread"] / row["ms"] for row in rows if row["kind"] == "1"])
    files = sorted((folder / name).glob("[0-9]*.json"))[: len(first)]
    facts = [json.loads(file.read_text()) for file in files]
    fitted = np.array([fact["fitted"] for fact in facts])
    multiply_adds = np.array([fact["multiply_adds"] for fact in facts])
    predictor, params = _predictor(name, folder), _samples(name, len(first))
    totals = np.array([predictor.total(one) for one in params])
    correction = predictor.fit(totals[fitted], first[fitted])
    start = time.perf_counter()
    predicted = np.array([1000 * predictor(one) for one in params])
    microseconds = 1e6 * (time.perf_counter() - start) / len(params)
    real, guess, sums, flops = (
        values[~fitted] for values in (first, predicted, totals, multiply_adds)
    )
    line = np.polyfit(multiply_adds[fitted], first[fitted], 1)
    errors = np.abs(guess / real - 1)
    figures = {
        "same_model_median_ms": float(np.median(same)),
        "same_model_iqr_over_median": float(np.subtract(*np.percentile(same, [75, 25])))
        / float(np.median(same)),
        "two_runs_spearman": spearman(first[:AGREE], second[:AGREE]) if len(second) else None,
        "children": len(real),
        "latency_ms_quartiles": np.percentile(real, [0, 25, 50, 75, 100]).round(3).tolist(),
        "median_iqr_over_median_of_a_child": float(np.median(spread)),
        "predictor_spearman": spearman(guess, real),
        "predictor_median_error": float(np.median(errors)),
        "predictor_90th_percentile_error": float(np.percentile(errors, 90)),
        "sum_alone_median_error": float(np.median(np.abs(sums / real - 1))),
        "sum_alone_median_ratio": float(np.median(sums / real)),
        "multiply_adds_spearman": spearman(flops, real),
        "multiply_adds_line_median_error": float(
            np.median(np.abs(np.polyval(line, flops) / real - 1))
        ),
        "correction": vars(correction),
        "pieces": len(predictor.table.pieces),
        "microseconds_a_prediction": microseconds,
    }
    return figures, (real, guess, flops)


def spearman(a: Floats, b: Floats) -> float:
    """Rank correlation of two lists without ties."""
    ranks = np.array([values.argsort().argsort() for values in (a, b)])
    return float(np.corrcoef(ranks)[0, 1])


def _draw(points: dict[str, tuple[Floats, Floats, Floats]], path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4.2 * len(points)), layout="constrained")
    axes = figure.subplots(len(points), 2, squeeze=False)
    for (name, (real, guess, flops)), (left, right) in zip(points.items(), axes, strict=True):
        left.scatter(guess, real, s=14, color="#4477AA")
        ends = [min(guess.min(), real.min()), max(guess.max(), real.max())]
        left.plot(ends, ends, color="#888888", linewidth=1)
        left.set(
            xlabel=f"predicted ms (Spearman {spearman(guess, real):.3f})",
            ylabel="measured ms",
            title=SETTINGS[name].title,
        )
        right.scatter(flops / 1e6, real, s=14, color="#EE6677")
        right.set(
            xlabel=f"million multiply-adds (Spearman {spearman(flops, real):.3f})",
            ylabel="measured ms",
        )
    figure.savefig(path, dpi=120)


def _predictor(name: str, folder: Path) -> LatencyPredictor:
    setting = SETTINGS[name]
    return LatencyPredictor(
        setting.space,
        setting.input_shape,
        CLASSES,
        meter=LiteRTLatency(),
        path=folder / f"{name}_pieces.json",
        lazy=True,
    )


def _samples(name: str, number: int) -> list[Params]:
    rng = np.random.default_rng(SEED)
    return [SETTINGS[name].space.sample(rng) for _ in range(number)]


def _rows(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


if __name__ == "__main__":
    app()
