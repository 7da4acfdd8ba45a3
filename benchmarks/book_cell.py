"""The book's cell with and without its 1x1 convolutions, on scikit-learn's digits.

    python -m benchmarks.book_cell --out benchmarks/results/book_cell

The same parameters are built both ways, ``NASNetSpace()`` and ``NASNetSpace.wide()``, and trained
as `cellwright search --data digits --filters 4` trains a child. Every child is kept in
``children.jsonl``, and the same command continues an interrupted run. ``table.md`` is made of them.
"""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
import typer

from cellwright.plugins import Evaluation, Recipe, load_dataset
from cellwright.search_spaces import NASNetSpace

FILE = "children.jsonl"
SPACES = {"repaired": NASNetSpace(), "wide": NASNetSpace.wide()}


class Child(NamedTuple):
    """One trained child; ``number`` is the seed that its parameters are drawn from."""

    number: int
    way: str
    epochs: int
    filters: int
    parameters: int
    seconds: float
    accuracy: float
    val_accuracy: float


def read(folder: Path) -> list[Child]:
    """The children that were trained so far."""
    file = folder / FILE
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    return [Child(**json.loads(line)) for line in lines]


def train(number: int, way: str, epochs: int, filters: int) -> Child:
    """Build and train one child."""
    import keras

    keras.utils.clear_session()
    space = SPACES[way]
    params = space.sample(np.random.default_rng(number))
    evaluation = Evaluation(
        space, load_dataset("digits"), recipe=Recipe(epochs), options={"filters": filters}
    )
    metrics, _ = evaluation.run(params)
    return Child(
        number,
        way,
        epochs,
        filters,
        int(metrics["parameters"]),
        round(metrics["seconds"], 1),
        round(metrics["accuracy"], 4),
        round(metrics["val_accuracy"], 4),
    )


def table(children: Sequence[Child]) -> str:
    """Means with their standard errors, and the mean difference of the pairs, in Markdown.

    Seconds are the median, since other processes may have slowed some children down.
    """
    lines = [
        "| way | children | parameters | seconds (median) | training acc. | validation acc. |",
        "|---|---|---|---|---|---|",
    ]
    for way in SPACES:
        own = [child for child in children if child.way == way]
        if len(own) > 1:
            cells = (
                f"{statistics.mean(child.parameters for child in own):,.0f}",
                f"{statistics.median(child.seconds for child in own):.0f}",
                _mean([child.accuracy for child in own]),
                _mean([child.val_accuracy for child in own]),
            )
            lines.append(f"| {way} | {len(own)} | {' | '.join(cells)} |")
    wide = {child.number: child.val_accuracy for child in children if child.way == "wide"}
    differences = [
        child.val_accuracy - wide[child.number]
        for child in children
        if child.way == "repaired" and child.number in wide
    ]
    if len(differences) > 1:
        better = sum(difference > 0 for difference in differences)
        lines.append(
            f"\nRepaired less wide, by pairs: {_mean(differences)}; "
            f"{better} of {len(differences)} are better repaired."
        )
    return "\n".join(lines) + "\n"


def _mean(values: Sequence[float]) -> str:
    error = statistics.stdev(values) / math.sqrt(len(values))
    return f"{statistics.mean(values):.3f} ± {error:.3f}"


def main(
    out: Annotated[Path, typer.Option(help="Folder of the results.")],
    children: Annotated[int, typer.Option(min=2, help="Each way.")] = 20,
    epochs: Annotated[int, typer.Option(min=1)] = 6,
    filters: Annotated[int, typer.Option(min=1)] = 4,
) -> None:
    """Train the children that are missing, and make the table."""
    out.mkdir(parents=True, exist_ok=True)
    wanted = [(n, way, epochs, filters) for n in range(children) for way in SPACES]
    done = {child[:4] for child in read(out)}
    for one in wanted:
        if one not in done:
            child = train(*one)
            with (out / FILE).open("a", encoding="utf-8") as file:
                file.write(json.dumps(child._asdict()) + "\n")
            typer.echo(f"{child}", err=True)
    text = table([child for child in read(out) if child[:4] in set(wanted)])
    (out / "table.md").write_text(text, encoding="utf-8")
    typer.echo(text)


if __name__ == "__main__":
    typer.run(main)
