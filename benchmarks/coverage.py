"""How often a result lies where the predictor expects it.

    python -m benchmarks.coverage --table nb201.csv.gz --seeds 8

Run it in the root of the checkout. A search of 100 evaluations is told its results one by one. From
the twentieth on, what `PredictorGuided.predict` expects of the next proposal, and of one
architecture drawn at random, is compared with what is then measured.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
import typer

from benchmarks.problems import Source
from benchmarks.synthetic import SyntheticSource, parse_sizes
from benchmarks.tables import TableSource
from cellwright.plugins import PredictorGuided

_FIRST = 20  # results before predictions are compared
_WIDE = 1.96  # standard deviations to both sides that would hold 95 % of a normal distribution


class Coverage(NamedTuple):
    """Shares of the results, and how many they are."""

    results: int
    within_one: float  # standard deviation of the mean
    within_wide: float  # 1.96 of them
    below: float  # what is beyond those
    above: float


def coverage(errors: list[float]) -> Coverage:
    """From measured less predicted, in predicted standard deviations."""
    z = np.array(errors)
    shares = (abs(z) <= 1, abs(z) <= _WIDE, z < -_WIDE, z > _WIDE)
    return Coverage(len(z), *(float(np.mean(share)) for share in shares))


def measure(source: Source, seeds: int, evaluations: int) -> dict[str, Coverage]:
    """Coverage of proposals and of random architectures, over all seeds."""
    errors: dict[str, list[float]] = {"proposals": [], "random architectures": []}
    for seed in range(seeds):
        problem = source.load(seed)
        strategy = PredictorGuided(problem.space, seed=seed)
        rng = np.random.default_rng((seed, 3))
        for number in range(evaluations):
            params = strategy.ask(number)
            outcome = problem.evaluate(params, number)
            if number >= _FIRST:
                other = problem.space.sample(rng)
                measured = (outcome, problem.evaluate(other, evaluations + number))
                for kind, one, found in zip(errors, (params, other), measured, strict=True):
                    expected = strategy.predict(one)
                    if expected is not None and isinstance(found.value, float):
                        errors[kind].append((found.value - expected.mean) / expected.std)
            strategy.tell(number, params, outcome.value)
    return {kind: coverage(found) for kind, found in errors.items()}


def table(found: dict[str, dict[str, Coverage]]) -> str:
    """A row for each problem and kind of architecture."""
    lines = [
        "| problem | of | results | within 1 std | within 1.96 | below | above |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, kinds in found.items():
        for kind, one in kinds.items():
            shares = " | ".join(f"{100 * share:.1f} %" for share in one[1:])
            lines.append(f"| {name} | {kind} | {one.results} | {shares} |")
    return "\n".join(lines) + "\n"


def main(
    nb201: Annotated[Path | None, typer.Option("--table", help="NAS-Bench-201 as CSV.")] = None,
    synthetic: Annotated[
        str, typer.Option(help="A synthetic space, decisions x choices.")
    ] = "50x4",
    seeds: Annotated[int, typer.Option(min=1, help="Searches of each problem.")] = 8,
    evaluations: Annotated[int, typer.Option(min=_FIRST + 1, help="Of each search.")] = 100,
) -> None:
    """Print the table."""
    sources: dict[str, Source] = {synthetic: SyntheticSource(parse_sizes(synthetic))}
    for column in ("cifar10_val", "cifar100_val") if nb201 else ():
        sources[column] = TableSource(Path(str(nb201)), column, column, ("op_*",))
    found = {name: measure(source, seeds, evaluations) for name, source in sources.items()}
    typer.echo(table(found))


if __name__ == "__main__":
    typer.run(main)
