"""What a search finds in the same processor time, with shared weights and without.

    python -m benchmarks.supernet_search IMAGES.npz --seconds 800 --out FOLDER

Four searches of the book's space, each with `auto` and with several seeds: of plain children; of
children under Hyperband; of the children that a supernet scores best, in the order of its scores;
and of `auto` that begins with some of these and learns from the scores. The time of the supernet
and of its scores counts; both searches of one seed have the same supernet, which is trained once.
Every child is kept in ``children.jsonl``, and the same command goes on where it was stopped. The
table tells the best accuracy so far on the validation part, and that child's on test images, which
no search sees. What each search found in the end is trained anew with other seeds, whose mean on
the test images says more than the one training that was the luckiest of many: ``anew.jsonl``.
``table.md`` and ``best_so_far.png`` tell the result.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from benchmarks.supernet import How, load, reduced
from benchmarks.supernet_picture import draw
from benchmarks.supernet_records import (
    CONTENDERS,
    Anew,
    Plan,
    Trained,
    add,
    best_of,
    in_the_end,
    read,
    table,
    trained_anew,
)
from cellwright import Evaluation, NASNetSpace, Supernet
from cellwright.plugins import make_strategy
from cellwright.plugins.strategies.hyperband import Attempt, Hyperband
from cellwright.plugins.supernet import best_shared, search_shared
from cellwright.search_spaces import Params
from cellwright.searches.shared import kept_of

SPACE = NASNetSpace()
OTHER_SEEDS = 100  # the first seed with which a found child is trained anew
FIRST = 5  # children by shared weights with which `auto` begins


class Search:
    """One search: trains children, as far as ``known`` does not hold them."""

    def __init__(
        self, plan: Plan, contender: str, seed: int, images: Path, out: Path, known: list[Trained]
    ) -> None:
        self.plan, self.contender, self.seed, self.out = plan, contender, seed, out
        self.known = [one for one in known if (one.contender, one.seed) == (contender, seed)]
        self.images = images
        self.evaluation = Evaluation(
            SPACE,
            load(images, plan.how),
            plan.how.recipe(seed),
            options=plan.how.options,
            seed=seed,
            checkpoints=out / f"hyperband-{seed}" if contender == "hyperband" else None,
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
                test = on_test_images(model, self.images, self.plan.how)
            found = Trained(
                self.contender,
                self.seed,
                self.number,
                spent,
                epochs or whole,
                own,
                list(SPACE.encode(params)),
                test,
            )
            add(self.out, found)
            typer.echo(f"{self.contender} {self.seed}: {own:.4f} after {spent:.0f} s", err=True)
        self.number, self.spent = self.number + 1, found.spent
        if found.epochs == whole:
            self.best = max(self.best, found.val_accuracy)
        return found.val_accuracy

    def scores(self) -> tuple[list[Params], list[Any]]:
        """The children that `auto` proposes on the scores of a supernet, the best first, and what
        a strategy learns from these scores, as its ``prior``; their time counts."""
        folder, plan = self.out / f"supernet-{self.seed}", self.plan
        kept = folder / "scores.json"
        if not kept.exists():
            shutil.rmtree(folder, ignore_errors=True)  # the time of what is there is not known
            begun = time.process_time()
            supernet = Supernet(
                SPACE,
                self.evaluation.data,
                plan.how.constant(self.seed),
                options=plan.how.options,
                seed=self.seed,
                folder=folder,
                examples=plan.examples,
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


def on_test_images(model: Any, images: Path, how: How) -> float:
    """The accuracy of a trained child on the test images."""
    given = np.load(images)
    y = np.searchsorted(np.unique(given["y_train"]), given["y_test"].reshape(-1))
    answers = model.predict(reduced(given["x_test"], how.side), verbose=0).argmax(axis=1)
    return float(np.mean(answers == y))


def train_anew(plan: Plan, found: Trained, images: Path, out: Path, times: int) -> None:
    """Train what a search found with other seeds, as far as that has not been done."""
    import keras

    one = (found.contender, found.seed, found.number)
    before = {
        other.training_seed
        for other in trained_anew(out)
        if (other.contender, other.seed, other.number) == one
    }
    missing = [s for s in range(OTHER_SEEDS, OTHER_SEEDS + times) if s not in before]
    if not missing:
        return
    data = load(images, plan.how)
    for seed in missing:
        keras.utils.clear_session()
        recipe = plan.how.recipe(seed)
        evaluation = Evaluation(SPACE, data, recipe, options=plan.how.options, seed=seed)
        _, model = evaluation.run(SPACE.decode(found.choices))
        add(out, Anew(*one, seed, on_test_images(model, images, plan.how)))
        typer.echo(f"{found.contender} {found.seed}: trained anew with seed {seed}", err=True)


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
    schedule: Annotated[str, typer.Option(help="constant or cosine")] = "constant",
    supernet_epochs: Annotated[int, typer.Option(min=1)] = 60,
    scored: Annotated[int, typer.Option(min=1, help="Children that a supernet scores.")] = 300,
    examples: Annotated[int | None, typer.Option(help="On which each is scored.")] = None,
    anew: Annotated[
        int, typer.Option(min=0, help="How often what was found is trained with another seed.")
    ] = 4,
) -> None:
    """Run the searches that are missing, and write the table and the picture."""
    out.mkdir(parents=True, exist_ok=True)
    how = How(
        space="nasnet",
        images=images.name,
        side=side,
        filters=filters,
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        schedule=schedule,
    )
    plan = Plan(how, seconds, supernet_epochs, scored, examples)
    told = out / "plan.json"
    if told.exists() and json.loads(told.read_text(encoding="utf-8")) != asdict(plan):
        raise typer.BadParameter(f"{out} holds searches of another plan: give another --out")
    told.write_text(json.dumps(asdict(plan), indent=1) + "\n", encoding="utf-8")
    for seed in range(seeds):
        for name in contender or CONTENDERS:
            run(Search(plan, name, seed, images, out, read(out)))
    children = read(out)
    for name in contender or CONTENDERS:
        for seed in range(seeds):
            found = best_of(children, plan, name, seed)
            if found is not None:
                train_anew(plan, found, images, out, anew)
    draw(children, plan).savefig(out / "best_so_far.png")
    text = table(children, trained_anew(out), plan) + "\n" + in_the_end(children, plan)
    (out / "table.md").write_text(text, encoding="utf-8")
    typer.echo(text)


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    typer.run(main)
