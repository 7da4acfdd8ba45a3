"""How well the scores of shared weights rank children that are trained from scratch.

    python -m benchmarks.supernet children IMAGES.npz --side 14 --table TABLE.jsonl
    python -m benchmarks.supernet rank IMAGES.npz --table TABLE.jsonl --folder SUPERNET

The first command trains random children, each with two seeds, and keeps their validation accuracies
by epoch in a table, one line for each training; it goes on where it was stopped. With ``--spread``
each child prefers some operations, as the children of a search do sooner or later, and others than
the next child: uniformly drawn ones of many operations are all much alike. The smaller the number,
the fewer operations a child has; with 0.1 many are of one alone. The second trains
a supernet on the same images, by the same recipe, and prints Kendall's tau of its scores with the
mean accuracies of both seeds by epochs of the supernet, with the processor time. Beside it stand
the tau of the two seeds with each other, which no score can be expected to exceed by much, and that
of the number of parameters.
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from cellwright import (
    Evaluation,
    MnasNetSpace,
    NASNetSpace,
    Recipe,
    SearchSpace,
    Supernet,
)
from cellwright.plugins import Data
from cellwright.plugins.data.dataset import split
from cellwright.search_spaces import Params
from cellwright.searches.analysis import kendall_tau

SPACES: dict[str, tuple[SearchSpace, dict[str, Any]]] = {
    "nasnet": (NASNetSpace(), {}),
    "mnasnet": (MnasNetSpace(), {"stem_stride": 1}),
}
SEEDS = (0, 1)
OTHERS = 10_000  # the number from which children are counted that are in no table
app = typer.Typer(add_completion=False, help=__doc__)
Images = Annotated[Path, typer.Argument(help="A .npz file with x_train and y_train.")]
Table = Annotated[Path, typer.Option(help="Of the trained children.")]


@dataclass(frozen=True)
class How:
    """How children and supernets are made: the first line of a table.

    Attributes:
        space: A name of `SPACES`.
        images: Name of the file.
        side: To which images are averaged, in pixels.
        filters: See ``space.build``.
        epochs: Of each child.
        batch_size, learning_rate: Of children and supernets.
        spread: How few operations each child prefers, 0 if it prefers none; see `drawn`.
        schedule: Of the children's learning rate; that of a supernet is constant.
        held_out: Share of the images that are validated on. Where the children of a space are
            nearly as good as each other, it takes many to tell one from another.
    """

    space: str
    images: str
    side: int
    filters: int
    epochs: int
    batch_size: int
    learning_rate: float
    spread: float = 0.0
    schedule: str = "constant"
    held_out: float = 0.2

    @property
    def options(self) -> dict[str, Any]:
        """For ``space.build``."""
        return {"filters": self.filters, **SPACES[self.space][1]}

    def recipe(self, seed: int = 0) -> Recipe:
        """Of a child."""
        return replace(self.constant(seed), learning_rate_schedule=self.schedule)

    def constant(self, seed: int = 0, batch_size: int | None = None) -> Recipe:
        """Of a supernet, which is trained for other numbers of epochs."""
        return Recipe(self.epochs, batch_size or self.batch_size, self.learning_rate, seed)


@dataclass(frozen=True)
class Training:
    """One child, trained from scratch with a seed.

    Attributes:
        child: Its number, which is the seed that drew it.
        choices: Of ``space.encode``.
        seed: Of its initial weights and batches.
        parameters: How many.
        seconds: Of processor time.
        accuracies: On the validation part, by epoch.
    """

    child: int
    choices: list[int]
    seed: int
    parameters: int
    seconds: float
    accuracies: list[float]


def load(images: Path, how: How) -> Data:
    """The images of the training part, `reduced`, and a share of them held out."""
    given = np.load(images)
    names, y = np.unique(given["y_train"], return_inverse=True)
    x, classes = reduced(given["x_train"], how.side), tuple(map(str, names))
    return split(x, y.reshape(-1), classes, validation=how.held_out)


def reduced(images: NDArray[np.uint8], side: int) -> NDArray[np.float32]:
    """Images averaged to ``side`` x ``side`` pixels of 0 to 1, with a last axis of channels."""
    x = images.astype(np.float32) / 255
    x = x[..., None] if x.ndim == 3 else x
    by, left = divmod(x.shape[1], side)
    if left:
        raise typer.BadParameter(f"--side {side} does not divide {x.shape[1]} pixels")
    small: NDArray[np.float32] = x.reshape(len(x), side, by, side, by, x.shape[-1]).mean((2, 4))
    return small


def drawn(space: SearchSpace, child: int, spread: float) -> Params:
    """A child: uniformly drawn; or, if ``spread`` is above 0, its operations with odds of its own,
    which are of a Dirichlet distribution with this parameter."""
    rng = np.random.default_rng(child)
    params: Params = space.sample(rng)
    if not spread:
        return params
    decisions = [one for one in space.decisions if one.kind == "operation"]
    odds = rng.dirichlet([spread] * len(decisions[0].choices))
    chosen = rng.choice(len(odds), size=len(decisions), p=odds)
    params |= {one.name: one.choices[which] for one, which in zip(decisions, chosen, strict=True)}
    return params


def read(table: Path) -> tuple[How, list[Training]]:
    """A table of trained children."""
    first, *lines = table.read_text(encoding="utf-8").splitlines()
    return How(**json.loads(first)), [Training(**json.loads(line)) for line in lines]


@app.command()
def children(
    images: Images,
    table: Table,
    space: Annotated[str, typer.Option(help=", ".join(SPACES))] = "nasnet",
    side: Annotated[int, typer.Option(min=4)] = 14,
    filters: Annotated[int, typer.Option(min=1)] = 8,
    epochs: Annotated[int, typer.Option(min=1)] = 4,
    batch_size: Annotated[int, typer.Option(min=1)] = 128,
    learning_rate: float = 0.003,
    number: Annotated[int, typer.Option(min=2, help="Of children.")] = 60,
    first: Annotated[
        int, typer.Option(min=0, help="Number of the first; others train elsewhere.")
    ] = 0,
    spread: Annotated[
        float, typer.Option(min=0, help="The smaller, the fewer operations in each; 0: uniform.")
    ] = 0.0,
    schedule: Annotated[str, typer.Option(help="constant or cosine")] = "constant",
    held_out: Annotated[float, typer.Option(help="Share of the images.")] = 0.2,
) -> None:
    """Train random children from scratch, each with two seeds."""
    import keras

    if spread and space != "nasnet":
        raise typer.BadParameter(f"--spread is of operations, which {space} does not choose")
    if first >= number:
        raise typer.BadParameter(f"--first {first} must be below --number {number}")
    how = How(
        space=space,
        images=images.name,
        side=side,
        filters=filters,
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        spread=spread,
        schedule=schedule,
        held_out=held_out,
    )
    if not table.exists():
        table.write_text(json.dumps(asdict(how)) + "\n", encoding="utf-8")
    before, known = read(table)
    if before != how:
        raise typer.BadParameter(f"{table} is of {before}, and not of {how}: give another table")
    made, data = SPACES[space][0], load(images, how)
    done = {(one.child, one.seed) for one in known}
    for child in range(first, number):
        params = drawn(made, child, spread)
        for seed in SEEDS:
            if (child, seed) in done:
                continue
            keras.utils.clear_session()
            begun, found = time.process_time(), list[float]()

            def report(epoch: int, told: dict[str, float], found: list[float] = found) -> None:
                found.append(round(told["val_accuracy"], 4))

            evaluation = Evaluation(made, data, how.recipe(seed), options=how.options, seed=seed)
            metrics, _ = evaluation.run(params, report)
            spent = round(time.process_time() - begun, 1)
            choices, parameters = list(made.encode(params)), int(metrics["parameters"])
            line = Training(child, choices, seed, parameters, spent, found)
            with table.open("a", encoding="utf-8") as file:
                file.write(json.dumps(asdict(line)) + "\n")
            typer.echo(f"child {child}, seed {seed}: {found[-1]:.4f} in {spent:.0f} s", err=True)


@app.command()
def rank(
    images: Images,
    table: Table,
    folder: Annotated[Path, typer.Option(help="Of the supernet.")],
    epochs: Annotated[list[int] | None, typer.Option(help="When it is asked.")] = None,
    paths: Annotated[str, typer.Option(help="uniform or fair")] = "uniform",
    after: Annotated[int | None, typer.Option(help="Epochs of the children.")] = None,
    recalibration: Annotated[int, typer.Option(min=1, help="Batches.")] = 2,
    examples: Annotated[int | None, typer.Option(help="On which each is scored.")] = None,
    batch_size: Annotated[
        int | None, typer.Option(min=1, help="Of the supernet; the children's by default.")
    ] = None,
    scored: Annotated[int, typer.Option(min=0, help="How many others to score, for the time.")] = 0,
) -> None:
    """Train a supernet, and print how its scores rank the children of a table."""
    how, trained = read(table)
    both = {child: [one for one in trained if one.child == child] for child in
            sorted({one.child for one in trained})}  # fmt: skip
    seeds = max(len(ones) for ones in both.values())  # one, where searches trained the children
    whole = [ones for ones in both.values() if len(ones) == seeds]
    epoch = -1 if after is None else after - 1
    accuracies = np.array([[one.accuracies[epoch] for one in ones] for ones in whole])
    space, data = SPACES[how.space][0], load(images, how)
    supernet = Supernet(
        space,
        data,
        how.constant(batch_size=batch_size),
        options=how.options,
        paths=paths,
        folder=folder,
        recalibration=recalibration,
        examples=examples,
    )
    seconds = float(np.median([one.seconds for ones in whole for one in ones]))
    ceiling = f"of the two seeds {kendall_tau(*accuracies.T):.2f}, " if seeds == 2 else ""
    typer.echo(
        f"{len(whole)} children after {after or how.epochs} epochs: accuracy "
        f"{accuracies.mean():.4f} ± {accuracies.mean(1).std():.4f}, {seconds:.0f} s each; tau "
        f"{ceiling}of the parameters "
        f"{kendall_tau([ones[0].parameters for ones in whole], accuracies.mean(1)):.2f}"
    )
    typer.echo("| epochs | loss | CPU s | of children | tau | shared accuracy | CPU s a score |")
    typer.echo("|---" * 7 + "|")
    spent = 0.0
    for number in sorted(epochs or [10, 20, 40, 80]):
        begun = time.process_time()
        supernet.train(number)
        spent += time.process_time() - begun
        begun = time.process_time()
        scores = [supernet.reward(space.decode(ones[0].choices)) for ones in whole]
        each = (time.process_time() - begun) / len(whole)
        tau = kendall_tau(scores, accuracies.mean(1))
        shared = f"{np.mean(scores):.3f} ± {np.std(scores):.3f}"
        typer.echo(
            f"| {number} | {supernet.losses[-1]:.3f} | {spent:.0f} | {spent / seconds:.1f} | "
            f"{tau:.2f} | {shared} | {each:.2f} |"
        )
    if scored:
        begun = time.process_time()
        for child in range(OTHERS, OTHERS + scored):
            supernet.reward(drawn(space, child, how.spread))
        spent = time.process_time() - begun
        typer.echo(f"{scored} others scored: {spent:.0f} CPU s, {spent / seconds:.1f} of children")


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    app()
