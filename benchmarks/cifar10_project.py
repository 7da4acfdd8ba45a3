"""The book's CIFAR-10 project: its controller, `Auto` and random search on the same 10,000 images.

    python -m benchmarks.cifar10_project IMAGES.npz --out benchmarks/results/cifar10_project

Children of ``NASNetSpace()`` with 4 filters are trained as ``cellwright search --filters 4 --epochs
6 --batch-size 128 --seed 0`` trains them. Every child is kept in ``children.jsonl``, so the same
command continues an interrupted run, on another machine too. ``table.md``, a picture of each search
(accuracy by episode and the mean of the last 20, as in the book's figures 7-11 and 7-12) and its
best cells are made of them.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from cellwright.command_line.pictures.charts import draw_search, save_figures
from cellwright.plugins import Evaluation, make_strategy
from cellwright.search_spaces import NASNetSpace
from cellwright.searches.settings import Settings

FILE = "children.jsonl"
SPACE = NASNetSpace()
STRATEGIES = ("reinforce-book", "auto", "random")
SHOWN = (20, 40, 60, 100, 150)  # episodes after which the table tells the best accuracy


class Child(NamedTuple):
    """One trained child: episode ``number`` of a strategy, and the positions of its choices."""

    strategy: str
    number: int
    choices: tuple[int, ...]
    parameters: int
    seconds: float
    accuracy: float
    val_accuracy: float


def read(folder: Path) -> dict[str, list[Child]]:
    """The children that were trained so far, by strategy, in the order of their episodes."""
    file = folder / FILE
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    children = [_child(json.loads(line)) for line in lines]
    return {name: [child for child in children if child.strategy == name] for name in STRATEGIES}


def _child(told: dict[str, Any]) -> Child:
    return Child(**{**told, "choices": tuple(told["choices"])})


def train_next(evaluation: Evaluation, strategy: str, before: Sequence[Child]) -> Child:
    """Train what the strategy proposes after the children ``before``."""
    import keras

    keras.utils.clear_session()
    proposing = make_strategy(strategy, SPACE, seed=0)
    for child in before:
        proposing.ask(child.number)
        proposing.tell(child.number, SPACE.decode(child.choices), child.val_accuracy)
    params = proposing.ask(len(before))
    metrics, _ = evaluation.run(params)
    return Child(
        strategy,
        len(before),
        SPACE.encode(params),
        int(metrics["parameters"]),
        round(metrics["seconds"], 1),
        round(metrics["accuracy"], 4),
        round(metrics["val_accuracy"], 4),
    )


def table(children: dict[str, list[Child]]) -> str:
    """The best accuracy of each search after some episodes, and means, in Markdown."""
    most = max(map(len, children.values()))
    shown = [number for number in SHOWN if number <= most]
    lines = [
        "| search | children | mean of all | mean of the last 20 | best cell's parameters | "
        + "".join(f"best after {number} | " for number in shown)
        + "best |",
        "|---" * (6 + len(shown)) + "|",
    ]
    for name, own in children.items():
        if own:
            values = [child.val_accuracy for child in own]
            best = max(own, key=lambda child: child.val_accuracy)
            cells = [
                name,
                str(len(own)),
                f"{statistics.mean(values):.4f}",
                f"{statistics.mean(values[-20:]):.4f}",
                f"{best.parameters:,}",
                *(f"{max(values[:n]):.4f}" if n <= len(values) else "" for n in shown),
                f"{best.val_accuracy:.4f}",
            ]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def draw(folder: Path, children: dict[str, list[Child]]) -> None:
    """A picture of each search, and the two cells of its best child."""
    for name, own in children.items():
        if own:
            best = max(own, key=lambda child: child.val_accuracy)
            cells = SPACE.figures(SPACE.decode(best.choices))
            title = f"{name} on 10,000 images of CIFAR-10"
            search = draw_search([child.val_accuracy for child in own], title=title)
            save_figures({f"{name} search": search}, folder)
            save_figures({f"{name} {cell}": figure for cell, figure in cells.items()}, folder)


def main(
    images: Annotated[Path, typer.Argument(exists=True, help="A .npz file with x_train, y_train.")],
    out: Annotated[Path, typer.Option(help="Folder of the results.")],
    children: Annotated[int, typer.Option(min=1, help="Of each strategy.")] = 60,
    strategy: Annotated[list[str] | None, typer.Option(help="Only this one; may repeat.")] = None,
) -> None:
    """Train the children that are missing, the strategies in turns, and make the table.

    A process for each strategy may run at the same time.
    """
    out.mkdir(parents=True, exist_ok=True)
    settings = Settings(
        "optuna", "random", "nasnet", str(images), children, 6, 128, 1e-3, 4, 0, None, 1
    )
    evaluation = settings.make_evaluation()
    for number in range(children):
        for name in strategy or STRATEGIES:
            done = read(out)[name]
            if len(done) <= number:
                child = train_next(evaluation, name, done)
                with (out / FILE).open("a", encoding="utf-8") as file:
                    file.write(json.dumps(child._asdict()) + "\n")
                typer.echo(f"{name} {number}: {child.val_accuracy}", err=True)
    found = read(out)
    (out / "table.md").write_text(table(found), encoding="utf-8")
    draw(out, found)
    typer.echo(table(found))


if __name__ == "__main__":
    typer.run(main)
