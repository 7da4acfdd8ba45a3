"""What a search finds in the same processor time, with shared weights and without.

    python -m benchmarks.supernet_search IMAGES.npz --seconds 800 --out FOLDER

Four searches of the book's space, each with `auto` and with several seeds: of plain children; of
children under Hyperband; of the children that a supernet scores best, in the order of its scores;
and of `auto` that begins with some of these and learns from the scores. The time of the supernet
and of its scores counts. Every child is kept in ``children.jsonl``, and the same command goes on
where it was stopped. The table tells the best accuracy so far on the validation part, and that
child's on test images, which no search sees.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from benchmarks.supernet import How, load, reduced
from cellwright import Evaluation, NASNetSpace, Supernet
from cellwright.plugins import Data, make_strategy
from cellwright.plugins.strategies.hyperband import Attempt, Hyperband
from cellwright.plugins.supernet import best_shared, search_shared
from cellwright.search_spaces import Params
from cellwright.searches.shared import kept_of

SPACE = NASNetSpace()
CONTENDERS = ("plain", "hyperband", "supernet", "supernet, then auto")
FILE = "children.jsonl"
PARTS = (0.25, 0.5, 0.75, 1.0)  # of the time, after which the table tells what was found
FIRST = 5  # children by shared weights with which `auto` begins


@dataclass(frozen=True)
class Trained:
    """One child, or one rung of it.

    Attributes:
        contender, seed, number: Of which search it is, and its place there.
        spent: Processor seconds of the search so far.
        epochs: For which it has been trained in all.
        val_accuracy: After these.
        test_accuracy: Of a child that was trained to the end and is the best so far; else None.
    """

    contender: str
    seed: int
    number: int
    spent: float
    epochs: int
    val_accuracy: float
    test_accuracy: float | None = None


@dataclass(frozen=True)
class Plan:
    """What all searches have in common.

    Attributes:
        how: Images and children.
        seconds: Processor time of each search.
        epochs: Of the supernet.
        scored: Children that it scores.
    """

    how: How
    seconds: float
    epochs: int
    scored: int


class Search:
    """One search: trains children, as far as ``known`` does not hold them."""

    def __init__(
        self, plan: Plan, contender: str, seed: int, images: Path, out: Path, known: list[Trained]
    ) -> None:
        self.plan, self.contender, self.seed, self.out = plan, contender, seed, out
        self.known = [one for one in known if (one.contender, one.seed) == (contender, seed)]
        self.folder = out / f"{contender}-{seed}".replace(", ", "-").replace(" ", "-")
        self.data: Data = load(images, plan.how)
        given = np.load(images)
        classes = np.unique(given["y_train"])
        self.test = (
            reduced(given["x_test"], plan.how.side),
            np.searchsorted(classes, given["y_test"].reshape(-1)),
        )
        self.evaluation = Evaluation(
            SPACE,
            self.data,
            plan.how.recipe(seed),
            options=plan.how.options,
            seed=seed,
            checkpoints=self.folder / "children" if contender == "hyperband" else None,
        )
        self.number, self.spent, self.best = 0, 0.0, -1.0

    @property
    def over(self) -> bool:
        """Whether its time is up."""
        return self.spent >= self.plan.seconds

    def train(self, params: Params, epochs: int | None = None) -> float:
        """The validation accuracy of a child."""
        import keras

        whole = self.plan.how.epochs
        if self.number < len(self.known):
            found = self.known[self.number]
        else:
            keras.utils.clear_session()
            begun = time.process_time()
            metrics, model = self.evaluation.run(params, epochs=epochs)
            spent = self.spent + time.process_time() - begun
            own, test = metrics["val_accuracy"], None
            if (epochs or whole) == whole and own > self.best:
                x, y = self.test
                test = float(np.mean(model.predict(x, verbose=0).argmax(axis=1) == y))
            found = Trained(
                self.contender, self.seed, self.number, spent, epochs or whole, own, test
            )
            with (self.out / FILE).open("a", encoding="utf-8") as file:
                file.write(json.dumps(asdict(found)) + "\n")
            typer.echo(f"{self.contender} {self.seed}: {own:.4f} after {spent:.0f} s", err=True)
        self.number, self.spent = self.number + 1, found.spent
        if found.epochs == whole:
            self.best = max(self.best, found.val_accuracy)
        return found.val_accuracy

    def scores(self) -> tuple[list[Params], list[Any]]:
        """The children that `auto` proposes on the scores of a supernet, the best first, and what
        a strategy learns from these scores, as its ``prior``; their time counts."""
        kept, plan = self.folder / "scores.json", self.plan
        if not kept.exists():
            shutil.rmtree(self.folder / "supernet", ignore_errors=True)  # its time is not known
            begun = time.process_time()
            supernet = Supernet(
                SPACE,
                self.data,
                plan.how.recipe(self.seed),
                options=plan.how.options,
                seed=self.seed,
                folder=self.folder / "supernet",
            )
            supernet.train(plan.epochs)
            strategy = make_strategy("auto", SPACE, seed=self.seed)
            found = search_shared(supernet, strategy, plan.scored)
            scores = [[one.choices, one.reward] for one in kept_of(found, self.evaluation)]
            best = [SPACE.encode(one.params) for one in best_shared(found, plan.scored)]
            spent = time.process_time() - begun
            text = json.dumps({"spent": spent, "scores": scores, "best": best})
            kept.write_text(text, encoding="utf-8")
        told = json.loads(kept.read_text(encoding="utf-8"))
        self.spent = told["spent"]
        return [SPACE.decode(choices) for choices in told["best"]], [told["scores"]]


def run(search: Search) -> None:
    """Search until the time is up."""
    strategy = make_strategy("auto", SPACE, seed=search.seed)
    if search.contender == "hyperband":
        return _under_hyperband(search, strategy)
    if search.contender == "supernet":
        ranked, _ = search.scores()
        for params in ranked:
            if search.over:
                return None
            search.train(params)
        return None
    if search.contender == "supernet, then auto":
        ranked, prior = search.scores()
        strategy = make_strategy("auto", SPACE, seed=search.seed, prior=prior)
        strategy.start_from(ranked[:FIRST])
    while not search.over:
        number = search.number
        params = strategy.ask(number)
        strategy.tell(number, params, search.train(params))
    return None


def _under_hyperband(search: Search, strategy: Any) -> None:
    schedule = Hyperband(search.plan.how.epochs, 3)
    attempts: list[Attempt] = []
    params: dict[int, Params] = {}
    while not search.over:
        number, rung = search.number, schedule.next(attempts)
        params[number] = strategy.ask(number) if rung.past is None else params[rung.past]
        reward = search.train(params[number], rung.epochs)
        strategy.tell(number, params[number], reward)
        attempts.append(Attempt(number, rung.past, True, reward))


def standings(children: list[Trained], plan: Plan) -> Iterator[tuple[str, list[list[Trained]]]]:
    """The best children so far, by contender: for each of `PARTS` one of each seed that has any
    that was trained to the end."""
    for contender in CONTENDERS:
        own = [one for one in children if one.contender == contender]
        columns = []
        for part in PARTS:
            column = []
            for seed in sorted({one.seed for one in own}):
                ended = [
                    one
                    for one in own
                    if one.seed == seed
                    and one.epochs == plan.how.epochs
                    and one.spent <= part * plan.seconds
                ]
                if ended:
                    column.append(max(ended, key=lambda one: (one.val_accuracy, -one.number)))
            columns.append(column)
        if own:
            yield contender, columns


def table(children: list[Trained], plan: Plan) -> str:
    """What was found after parts of the time, in Markdown: means over the seeds, and standard
    errors."""
    heads = [f"{part * plan.seconds:.0f} s" for part in PARTS]
    lines = [
        "| search | " + " | ".join(f"{head}: validation | test" for head in heads) + " | seeds |",
        "|---" * (2 * len(PARTS) + 2) + "|",
    ]
    for contender, columns in standings(children, plan):
        cells = []
        for column in columns:
            cells.append(_mean([one.val_accuracy for one in column]))
            tests = [one.test_accuracy for one in column if one.test_accuracy is not None]
            cells.append(_mean(tests))
        lines.append(f"| {contender} | {' | '.join(cells)} | {len(columns[-1])} |")
    return "\n".join(lines) + "\n"


def _mean(values: list[float]) -> str:
    if len(values) < 2:
        return "".join(f"{value:.4f}" for value in values)
    error = statistics.stdev(values) / len(values) ** 0.5
    return f"{statistics.mean(values):.4f} ± {error:.4f}"


def read(out: Path) -> list[Trained]:
    """The children that were trained so far."""
    file = out / FILE
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    return [Trained(**json.loads(line)) for line in lines]


def main(
    images: Annotated[
        Path, typer.Argument(exists=True, help="A .npz file with x_train, y_train, x_test, y_test.")
    ],
    out: Annotated[Path, typer.Option(help="Folder of the results.")],
    seconds: Annotated[float, typer.Option(help="Processor time of each search.")],
    seeds: Annotated[int, typer.Option(min=1)] = 5,
    contender: Annotated[list[str] | None, typer.Option(help=f"Of {CONTENDERS}.")] = None,
    side: Annotated[int, typer.Option(min=4)] = 14,
    filters: Annotated[int, typer.Option(min=1)] = 8,
    epochs: Annotated[int, typer.Option(min=1, help="Of each child.")] = 6,
    batch_size: Annotated[int, typer.Option(min=1)] = 128,
    learning_rate: float = 0.003,
    supernet_epochs: Annotated[int, typer.Option(min=1)] = 60,
    scored: Annotated[int, typer.Option(min=1, help="Children that a supernet scores.")] = 300,
) -> None:
    """Run the searches that are missing, and write the table."""
    out.mkdir(parents=True, exist_ok=True)
    how = How("nasnet", images.name, side, filters, epochs, batch_size, learning_rate)
    plan = Plan(how, seconds, supernet_epochs, scored)
    told = out / "plan.json"
    if told.exists() and json.loads(told.read_text(encoding="utf-8")) != asdict(plan):
        raise typer.BadParameter(f"{out} holds searches of another plan: give another --out")
    told.write_text(json.dumps(asdict(plan), indent=1) + "\n", encoding="utf-8")
    for seed in range(seeds):
        for name in contender or CONTENDERS:
            run(Search(plan, name, seed, images, out, read(out)))
    text = table(read(out), plan)
    (out / "table.md").write_text(text, encoding="utf-8")
    typer.echo(text)


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    typer.run(main)
