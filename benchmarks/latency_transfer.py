"""How well a table of timed pieces, taken over from another device, predicts latencies on this one.

    python -m benchmarks.latency_transfer [--children 30]

The two devices are two runtimes on this machine, LiteRT and ONNX Runtime, each on one thread: they
differ by operation, as devices do. The table of the first is transferred to the second by 5, 10 and
20 measured children of the book's space (32x32x3, 16 filters); other children tell the error.
Beside it stand one factor for all, and a table of the second device's own, all of whose pieces are
timed and which is calibrated on 12 children.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
import typer

from benchmarks.latency import spearman
from cellwright.plugins import LatencyPredictor, LiteRTLatency, ONNXLatency
from cellwright.plugins.meters.latency_transfer import fit, in_proportion
from cellwright.search_spaces import NASNetSpace

SHAPE, CLASSES, FITTED = (32, 32, 3), 10, (5, 10, 20)
DRAWS = 20  # of the children that are measured here


def main(
    children: Annotated[int, typer.Option(min=1, help="Of the figures.")] = 30,
    seed: Annotated[int, typer.Option(min=0)] = 0,
) -> None:
    """Time both devices, and print a table of errors."""
    options = {"filters": 16}
    there, here = (
        LatencyPredictor(NASNetSpace(), SHAPE, CLASSES, options, meter)
        for meter in (LiteRTLatency(), ONNXLatency())
    )
    timed = there.fill(report=_say), here.fill(report=_say)
    here.calibrate(report=_say)
    rng = np.random.default_rng(seed)
    samples = [here.space.sample(rng) for _ in range(children + FITTED[-1])]
    counts = [here.space.pieces(params, SHAPE, CLASSES, **options) for params in samples]
    _, times = there.table.by_operation(counts)
    measured = np.zeros(len(samples))
    for number, params in enumerate(samples):
        _say(number + 1, len(samples), "child")
        measured[number] = here.measure(params)
    own = np.array([here.milliseconds(params) for params in samples])
    print(f"{len(timed[0])} pieces; children of {measured.min():.2f} to {measured.max():.2f} ms")
    print("| | median error | 90th percentile | Spearman |\n|---|---|---|---|")
    print(_row("all pieces timed here, 12 children", [own], [measured]))
    for number in FITTED:
        for name, way in ((f"transfer, {number} children", fit), ("one factor", in_proportion)):
            told, true = [], []
            for _ in range(DRAWS):
                order = rng.permutation(len(samples))
                made = way(times[order[:number]], measured[order[:number]])
                told.append(made(times[order[number:]]))
                true.append(measured[order[number:]])
            print(_row(name, told, true))


def _row(name: str, told: list[np.ndarray], true: list[np.ndarray]) -> str:
    errors = np.concatenate([np.abs(a / b - 1) for a, b in zip(told, true, strict=True)])
    ranks = [spearman(a, b) for a, b in zip(told, true, strict=True)]
    quantiles = f"{np.median(errors):.1%} | {np.quantile(errors, 0.9):.1%}"
    return f"| {name} | {quantiles} | {np.mean(ranks):.3f} |"


def _say(number: int, of: int, what: str) -> None:
    typer.echo(f"{number}/{of} {what}", err=True)


if __name__ == "__main__":
    typer.run(main)
