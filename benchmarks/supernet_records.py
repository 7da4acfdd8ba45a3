"""What searches with shared weights and without found: what is kept of them, and what is told.

    python -m benchmarks.supernet_records FOLDER --images IMAGES.npz --table TABLE.jsonl

writes the children that the plain searches of a folder trained as a table of `benchmarks.supernet`,
whose command ``rank`` then says how well a supernet ranks them.
"""

from __future__ import annotations

import json
import statistics
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.supernet import SPACES, How, Training, load
from cellwright import PieceCosts

CONTENDERS = ("plain", "hyperband", "supernet", "supernet, then auto")
FILE = "children.jsonl"
ANEW = "anew.jsonl"
TENS = (slice(10), slice(-10, None))  # children at the start and at the end of a search
PARTS = (0.25, 0.5, 0.75, 1.0)  # of the time, after which the table tells what was found


@dataclass(frozen=True)
class Trained:
    """One child, or one rung of it.

    Attributes:
        contender, seed, number: Of which search it is, and its place there.
        spent: Processor seconds of the search so far.
        epochs: For which it has been trained in all.
        val_accuracy: After these.
        choices: Of ``space.encode``.
        test_accuracy: Of a child that was trained to the end and is the best so far; else None.
    """

    contender: str
    seed: int
    number: int
    spent: float
    epochs: int
    val_accuracy: float
    choices: list[int]
    test_accuracy: float | None = None


@dataclass(frozen=True)
class Anew:
    """What a search found, trained once more.

    Attributes:
        contender, seed, number: Of the search, and of the child there.
        training_seed: Of its initial weights and batches.
        test_accuracy: After all epochs.
    """

    contender: str
    seed: int
    number: int
    training_seed: int
    test_accuracy: float


@dataclass(frozen=True)
class Plan:
    """What all searches have in common.

    Attributes:
        how: Images and children.
        seconds: Processor time of each search.
        epochs: Of the supernet.
        scored: Children that it scores.
        examples: On which each is scored; all of the validation part if None.
    """

    how: How
    seconds: float
    epochs: int
    scored: int
    examples: int | None = None


def add(out: Path, one: Trained | Anew) -> None:
    """Write one training down."""
    with (out / (FILE if isinstance(one, Trained) else ANEW)).open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(one)) + "\n")


def read(out: Path) -> list[Trained]:
    """The children that searches trained so far."""
    return [Trained(**line) for line in _lines(out / FILE)]


def trained_anew(out: Path) -> list[Anew]:
    """The trainings of what was found."""
    return [Anew(**line) for line in _lines(out / ANEW)]


def _lines(file: Path) -> list[dict[str, Any]]:
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    return [json.loads(line) for line in lines]


def seeds_of(children: list[Trained], contender: str) -> list[int]:
    """With which a contender has searched."""
    return sorted({one.seed for one in children if one.contender == contender})


def ended(
    children: list[Trained], plan: Plan, contender: str, seed: int, part: float = 1.0
) -> list[Trained]:
    """The children that a search had trained to the end after a part of its time."""
    return [
        one
        for one in children
        if (one.contender, one.seed) == (contender, seed)
        and one.epochs == plan.how.epochs
        and one.spent <= part * plan.seconds
    ]


def best_of(
    children: list[Trained], plan: Plan, contender: str, seed: int, part: float = 1.0
) -> Trained | None:
    """The best of these, if there are any."""
    found = ended(children, plan, contender, seed, part)
    return max(found, key=lambda one: (one.val_accuracy, -one.number), default=None)


def table(children: list[Trained], anew: list[Anew], plan: Plan) -> str:
    """What was found after parts of the time, and what it is worth when it is trained anew, in
    Markdown: means over the seeds, and standard errors."""
    heads = [f"{part * plan.seconds:.0f} s: validation | test" for part in PARTS]
    lines = [
        f"| search | {' | '.join(heads)} | trained anew: test | seeds |",
        "|---" * (2 * len(PARTS) + 3) + "|",
    ]
    for contender in CONTENDERS:
        seeds = seeds_of(children, contender)
        cells, last = [], list[Trained]()
        for part in PARTS:
            found = [best_of(children, plan, contender, seed, part) for seed in seeds]
            last = [one for one in found if one is not None]
            cells.append(_mean([one.val_accuracy for one in last]))
            cells.append(
                _mean([one.test_accuracy for one in last if one.test_accuracy is not None])
            )
        cells.append(_mean([mean for one in last if (mean := _anew(one, anew)) is not None]))
        if seeds:
            lines.append(f"| {contender} | {' | '.join(cells)} | {len(last)} |")
    return "\n".join(lines) + "\n"


def in_the_end(children: list[Trained], plan: Plan) -> str:
    """How many children each search trained to the end, and the mean accuracies of its first and
    its last ten on the validation part, in Markdown: means over the seeds, and standard errors."""
    lines = [
        "| search | children trained to the end | the first ten | the last ten |",
        "|---" * 4 + "|",
    ]
    for contender in CONTENDERS:
        seeds = seeds_of(children, contender)
        found = [ended(children, plan, contender, seed) for seed in seeds]
        values = [[one.val_accuracy for one in own] for own in found if own]
        if values:
            first, last = ([statistics.mean(own[part]) for own in values] for part in TENS)
            number = statistics.mean(map(len, values))
            lines.append(f"| {contender} | {number:.1f} | {_mean(first)} | {_mean(last)} |")
    return "\n".join(lines) + "\n"


def _anew(found: Trained, anew: list[Anew]) -> float | None:
    """The mean accuracy of the trainings of a found child."""
    own = [
        one.test_accuracy
        for one in anew
        if (one.contender, one.seed, one.number) == (found.contender, found.seed, found.number)
    ]
    return statistics.mean(own) if own else None


def _mean(values: list[float]) -> str:
    if len(values) < 2:
        return "".join(f"{value:.4f}" for value in values)
    error = statistics.stdev(values) / len(values) ** 0.5
    return f"{statistics.mean(values):.4f} ± {error:.4f}"


def main(
    folder: Annotated[Path, typer.Argument(exists=True, help="Of the searches.")],
    images: Annotated[Path, typer.Option(exists=True, help="On which they trained.")],
    to: Annotated[Path, typer.Option("--table", help="A new file.")],
) -> None:
    """Write the children of the plain searches as a table, the first of each architecture."""
    how = How(**json.loads((folder / "plan.json").read_text(encoding="utf-8"))["how"])
    space, data = SPACES[how.space][0], load(images, how)
    parameters = PieceCosts(space, "parameters", data.input_shape, data.classes, how.options)
    lines, before = [json.dumps(asdict(how))], dict[int, float]()
    seen = set[tuple[int, ...]]()
    for one in read(folder):
        if one.contender != "plain":
            continue
        seconds = one.spent - before.get(one.seed, 0.0)
        before[one.seed] = one.spent
        if tuple(one.choices) in seen:
            continue
        seen.add(tuple(one.choices))
        size = int(parameters(space.decode(one.choices)))
        line = Training(
            len(seen), one.choices, one.seed, size, round(seconds, 1), [one.val_accuracy]
        )
        lines.append(json.dumps(asdict(line)))
    to.write_text("\n".join(lines) + "\n", encoding="utf-8")
    typer.echo(f"{len(seen)} children in {to}", err=True)


if __name__ == "__main__":
    typer.run(main)
