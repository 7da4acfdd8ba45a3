"""What children lose in 8-bit integers, and what a search on that accuracy changes.

    python -m benchmarks.int8_accuracy --out benchmarks/results/int8

For each of two spaces, cells (``NASNetSpace``) and blocks (``MnasNetSpace``), evolution searches
once on the validation accuracy and once on ``accuracy_int8``, by the same seed and within the same
budget. The first ``--children`` of the first seed, an equal number of each space, tell what is
lost. A fifth of the images is no part of either search: winners are compared on these.

A child that both searches propose is trained once. Every child is kept in ``children.jsonl``, so
that the same command continues an interrupted run. ``table.md`` is made of them.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
import typer

from cellwright.plugins import (
    Dataset,
    Evaluation,
    Int8Accuracy,
    Recipe,
    load_dataset,
    make_strategy,
)
from cellwright.search_spaces import ChildFailed, MnasNetSpace, NASNetSpace, SearchSpace
from cellwright.searches.analysis import rank_correlation

FILE = "children.jsonl"
SPACES: dict[str, tuple[SearchSpace, dict[str, Any]]] = {
    "nasnet": (NASNetSpace(), {"filters": 4, "reductions": 1}),
    "mnasnet": (MnasNetSpace(), {"width": 0.25, "stem_stride": 1, "momentum": 0.9}),
}
METRICS = ("accuracy", "accuracy_int8")


class Child(NamedTuple):
    """One trained child: the positions of its choices, and its accuracies.

    ``accuracy`` and ``accuracy_int8`` are of the validation part, ``test`` and ``test_int8`` of the
    images that no search sees; ``seconds`` is all that the child took without int8, and
    ``seconds_int8`` what its ``accuracy_int8`` took. The two in int8 are None if LiteRT could
    not run the child so.
    """

    space: str
    choices: tuple[int, ...]
    parameters: int
    accuracy: float
    accuracy_int8: float | None
    test: float
    test_int8: float | None
    seconds: float
    seconds_int8: float


class Search(NamedTuple):
    """A finished search: its children in their order, the best of which is the winner."""

    space: str
    seed: int
    metric: str
    children: tuple[Child, ...]

    @property
    def winner(self) -> Child:
        return max(_in_int8(self.children), key=lambda child: float(getattr(child, self.metric)))


class Project(NamedTuple):
    """The folder of the results, and how children are trained."""

    folder: Path
    data: Dataset
    test: Dataset
    recipe: Recipe

    def read(self) -> dict[tuple[str, tuple[int, ...]], Child]:
        """The children that were trained so far."""
        file = self.folder / FILE
        lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
        told = [json.loads(line) for line in lines]
        children = [Child(**{**one, "choices": tuple(one["choices"])}) for one in told]
        return {(child.space, child.choices): child for child in children}

    def search(self, name: str, seed: int, metric: str, budget: int) -> Search:
        """Search, and train the children that no search has trained before."""
        space, _ = SPACES[name]
        strategy = make_strategy("evolution", space, seed=seed, population=10, sample=4)
        known, children = self.read(), []
        for number in range(budget):
            params = strategy.ask(number)
            key = (name, space.encode(space.canonical(params)))
            if key not in known:
                known[key] = self._train(*key)
            children.append(known[key])
            strategy.tell(number, params, getattr(known[key], metric))
        return Search(name, seed, metric, tuple(children))

    def _train(self, name: str, choices: tuple[int, ...]) -> Child:
        import keras

        keras.utils.clear_session()
        space, options = SPACES[name]
        metrics, model = Evaluation(space, self.data, self.recipe, options=options).run(
            space.decode(choices)
        )
        meter, start = Int8Accuracy(), time.perf_counter()
        try:
            in_int8 = [round(meter(model, data).value, 4) for data in (self.data, self.test)]
        except ChildFailed as error:
            typer.echo(f"{name}: {error}", err=True)
            in_int8 = []
        seconds = (time.perf_counter() - start) / 2  # for one of the two parts
        outputs = keras.ops.convert_to_numpy(model(self.test.x_val, training=False))
        child = Child(
            name,
            choices,
            int(metrics["parameters"]),
            round(metrics["val_accuracy"], 4),
            in_int8[0] if in_int8 else None,
            round(float(np.mean(outputs.argmax(-1) == self.test.y_val)), 4),
            in_int8[1] if in_int8 else None,
            round(metrics["seconds"], 1),
            round(seconds, 1),
        )
        with (self.folder / FILE).open("a", encoding="utf-8") as file:
            file.write(json.dumps(child._asdict()) + "\n")
        typer.echo(f"{name}: {child.accuracy} and in int8 {child.accuracy_int8}", err=True)
        return child


def table(first: Sequence[Search], searches: Sequence[Search]) -> str:
    """What the children of ``first`` lost, and the winners of ``searches``, in Markdown."""
    lines = [
        "| children of | run in int8 | float32 | int8 | lost, mean | lost, most | "
        "rank correlation | kept their order | int8 took |",
        "|---" * 9 + "|",
    ]
    for search in first:
        children = _in_int8(search.children)
        both = [[float(getattr(child, name)) for child in children] for name in METRICS]
        lost = [before - after for before, after in zip(*both, strict=True)]
        correlation = rank_correlation(*both)
        cells = [
            search.space,
            f"{len(children)} of {len(search.children)}",
            *(f"{statistics.mean(values):.4f}" for values in both),
            f"{statistics.mean(lost):+.4f}",
            f"{max(lost):+.4f}",
            "" if correlation is None else f"{correlation:.3f}",
            f"{_in_order(children):.0%} of pairs",
            f"{statistics.median(child.seconds_int8 for child in children):.1f} s of "
            f"{statistics.median(child.seconds + child.seconds_int8 for child in children):.0f} s",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    lines += [
        "",
        "| space | seed | children | search on | winner's validation, float32 | int8 | "
        "its test, float32 | int8 |",
        "|---" * 8 + "|",
    ]
    for search in searches:
        best = search.winner
        values = [
            float(x or 0) for x in (best.accuracy, best.accuracy_int8, best.test, best.test_int8)
        ]
        cells = [search.space, str(search.seed), str(len(search.children)), search.metric]
        lines.append(f"| {' | '.join([*cells, *(f'{value:.4f}' for value in values)])} |")
    return "\n".join(lines) + "\n"


def _in_int8(children: Sequence[Child]) -> list[Child]:
    """Those that LiteRT could run in int8."""
    return [child for child in children if child.accuracy_int8 is not None]


def _in_order(children: Sequence[Child]) -> float:
    """Share of the pairs that differ in float32 and are in the same order in int8."""
    pairs = [(a, b) for n, a in enumerate(children) for b in children[:n]]
    apart = [(a, b) for a, b in pairs if a.accuracy != b.accuracy]
    kept = [
        (a.accuracy - b.accuracy) * ((a.accuracy_int8 or 0) - (b.accuracy_int8 or 0)) > 0
        for a, b in apart
    ]
    return statistics.mean(kept) if kept else 1.0


def project(folder: Path, data: str, epochs: int) -> Project:
    """Images split into three fifths to train on, one to validate and one to test on."""
    whole = load_dataset(data, validation=0.4)
    if not isinstance(whole, Dataset):
        raise typer.BadParameter("give images that fit into memory", param_hint="--data")
    half = len(whole.x_val) // 2
    searched = replace(whole, x_val=whole.x_val[:half], y_val=whole.y_val[:half])
    test = replace(whole, x_val=whole.x_val[half:], y_val=whole.y_val[half:])
    return Project(folder, searched, test, Recipe(epochs, batch_size=32))


def _searches(made: Project, spaces: Sequence[str], budget: int, seeds: int) -> Iterator[Search]:
    for seed in range(seeds):
        for name in spaces:
            for metric in METRICS:
                yield made.search(name, seed, metric, budget)


def main(
    out: Annotated[Path, typer.Option(help="Folder of the results.")],
    data: Annotated[str, typer.Option(help="As for cellwright search: images.")] = "digits",
    children: Annotated[int, typer.Option(min=2, help="To compare, half of each space.")] = 20,
    budget: Annotated[int, typer.Option(min=1, help="Children of a search.")] = 16,
    seeds: Annotated[int, typer.Option(min=0, help="Searches of each kind, from seed 0.")] = 1,
    epochs: Annotated[int, typer.Option(min=1, help="Of each child.")] = 4,
    space: Annotated[list[str] | None, typer.Option(help="Only this one; may repeat.")] = None,
) -> None:
    """Train the children that are missing, and make the tables after each search.

    A process for each space may run at the same time; run once more without --space, the command
    makes the tables of both.
    """
    spaces = space or list(SPACES)
    if unknown := set(spaces) - set(SPACES):
        raise typer.BadParameter(f"give {' or '.join(SPACES)}, not {min(unknown)}")
    out.mkdir(parents=True, exist_ok=True)
    made = project(out, data, epochs)
    first = [made.search(name, 0, METRICS[0], children // 2) for name in spaces]
    done: list[Search] = []
    (out / "table.md").write_text(table(first, done), encoding="utf-8")
    for search in _searches(made, spaces, budget, seeds):
        done.append(search)
        (out / "table.md").write_text(table(first, done), encoding="utf-8")
    typer.echo(table(first, done))


if __name__ == "__main__":
    typer.run(main)
