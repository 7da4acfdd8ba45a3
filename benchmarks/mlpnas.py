"""The MLPNAS series' search on the wine data: strategies, the noise, one-shot weights.

    python -m benchmarks.mlpnas --wine wine-quality.csv --out benchmarks/results/mlpnas search

Run it in the root of the checkout. Every child is kept in ``children.jsonl`` in the folder, so that
strategies share the children that they have in common, and a second run only does what is missing.
``report`` makes tables of what is there.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from benchmarks import mlpnas_report as report
from benchmarks.wine import SPACE, Child, Children
from cellwright.plugins import make_strategy

TRIALS = 100
SEEDS = range(5)
STRATEGIES = ("random", "hybrid", "auto", "predictor", "evolution")

app = typer.Typer(add_completion=False, help=__doc__)


@dataclass(frozen=True)
class Settings:
    children: Children
    folder: Path


@app.callback()
def main(
    context: typer.Context,
    wine: Annotated[Path, typer.Option(help="The CSV file.")],
    out: Annotated[Path, typer.Option(help="Folder of the results.")],
) -> None:
    context.obj = Settings(Children(out / "children.jsonl", wine), out)


@app.command("search")
def search_all(
    context: typer.Context,
    strategy: Annotated[
        list[str] | None, typer.Option(help="A name; may be repeated. [all]")
    ] = None,
    seed: Annotated[list[int] | None, typer.Option(help="May be repeated. [0 to 4]")] = None,
    trials: int = TRIALS,
) -> None:
    """Search with each strategy and seed; the reward is that of the series."""
    for number in seed or SEEDS:
        for name in strategy or STRATEGIES:
            found = search(context.obj.children, name, number, trials)
            best = max(found, key=lambda child: child.reward)
            typer.echo(f"{name} {number}: {best.reward:.4f}, test {best.test:.4f}", err=True)


def search(children: Children, name: str, seed: int, trials: int) -> list[Child]:
    """Run one search; what it predicts of each trial is kept beside its children."""
    strategy = make_strategy(name, SPACE, seed=seed)
    found, predicted = [], []
    for number in range(trials):
        params = strategy.ask(number)
        expected = strategy.predict(params)
        predicted.append(None if expected is None else expected.mean)
        found.append(children.get(params, seed))
        strategy.tell(number, params, found[-1].reward)
    report.keep_search(children.file.parent, name, seed, found, predicted)
    return found


@app.command()
def noise(context: typer.Context, networks: int = 20, repeats: int = 5) -> None:
    """Train networks several times each, on the split of seed 0."""
    for params in drawn(networks):
        for repeat in range(repeats):
            context.obj.children.get(params, 0, repeat)


def drawn(networks: int) -> list[dict[str, object]]:
    """Different networks, drawn at random."""
    rng = np.random.default_rng(0)
    found: dict[tuple[int, ...], dict[str, object]] = {}
    while len(found) < networks:
        params = SPACE.sample(rng)
        found.setdefault(SPACE.tokens(params), dict(params))
    return list(found.values())


@app.command("one-shot")
def one_shot(context: typer.Context, networks: int = 50, short: int = 3) -> None:
    """Train networks on the split of seed 0 from fresh weights and, one after the other, from a
    bank of weights, for the same number of epochs and for ``short`` epochs."""
    from cellwright.plugins import WeightBank

    children: Children = context.obj.children
    for kind, epochs in (("fresh", 10), ("one-shot", 10), (f"one-shot {short}", short)):
        # Kept beside the results: a run that continues a half-finished one needs its bank.
        bank = None if kind == "fresh" else WeightBank(context.obj.folder / "banks" / kind)
        for params in drawn(networks):
            children.get(params, 0, kind=kind, epochs=epochs, weights=bank)


@app.command("report")
def report_all(context: typer.Context) -> None:
    """Write ``results.md`` about what the folder holds."""
    settings: Settings = context.obj
    text = report.text(settings.folder, settings.children)
    (settings.folder / "results.md").write_text(text, encoding="utf-8")
    typer.echo(text)


if __name__ == "__main__":
    app()
