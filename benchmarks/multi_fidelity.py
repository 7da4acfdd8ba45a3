"""Hyperband against full training, by the epochs that each spends, on scikit-learn's digits.

    python -m benchmarks.multi_fidelity --seeds 3 --out benchmarks/results/multi_fidelity

Both sides search the same joint space with the same strategy and child builder. Full training gives
every child all its epochs; Hyperband gives most of them only a few, and the best continue from
their weights. A seed's curve is the best validation accuracy so far of a fully trained child, by
epochs spent. Every trial is kept, and the same command continues an interrupted run.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from cellwright.plugins import Evaluation, Strategy, load_dataset, make_strategy
from cellwright.plugins.strategies.hyperband import Attempt, Hyperband
from cellwright.search_spaces import Float, Int, JointSpace, NASNetSpace


def full_children(schedule: Hyperband) -> int:
    """Children with which full training spends twice as many epochs as one pass of Hyperband."""
    return -(-2 * schedule.epochs // schedule.max_epochs)


def joint_space() -> JointSpace:
    """Cells of two blocks, and how they are trained."""
    return JointSpace(
        NASNetSpace.wide(blocks=2, operations=("identity", "max_3x3", "avg_3x3", "sep_3x3")),
        Float("learning_rate", 1e-4, 3e-2, log=True),
        Int("batch_size", 32, 256, log=True, levels=4),
    )


def full_training(
    strategy: Strategy, schedule: Hyperband, run: Any
) -> Iterator[tuple[float, float]]:
    """(epochs, accuracy) of each child."""
    for number in range(full_children(schedule)):
        params = strategy.ask(number)
        reward = run(number, params, schedule.max_epochs)
        strategy.tell(number, params, reward)
        yield schedule.max_epochs, reward


def hyperband(strategy: Strategy, schedule: Hyperband, run: Any) -> Iterator[tuple[float, float]]:
    """(epochs, accuracy) of each rung; accuracy below the last rung does not count."""
    attempts: list[Attempt] = []
    params: dict[int, Any] = {}
    for number in range(schedule.trials):
        rung = schedule.next(attempts)
        params[number] = strategy.ask(number) if rung.past is None else params[rung.past]
        reward = run(number, params[number], rung.epochs)
        strategy.tell(number, params[number], reward)
        attempts.append(Attempt(number, rung.past, True, reward))
        yield (
            rung.epochs - rung.initial_epoch,
            (reward if rung.epochs == schedule.max_epochs else float("-inf")),
        )


def search(side: str, name: str, seed: int, schedule: Hyperband, out: Path) -> None:
    """Run one search; children that are in its file already are not trained again."""
    strategy = make_strategy(name, joint_space(), seed=seed)
    run_name = f"{side}-{name}-{schedule.max_epochs}-{seed}"
    lines = out / f"{run_name}.jsonl"
    known = [json.loads(line) for line in lines.read_text().splitlines()] if lines.exists() else []
    evaluation: list[Evaluation] = []

    def run(number: int, params: Any, epochs: int) -> float:
        if number < len(known):
            return float(known[number]["accuracy"])
        if not evaluation:
            evaluation.append(_evaluation(seed, out / "children" / run_name))
        import keras

        keras.utils.clear_session()
        metrics, _ = evaluation[0].run({**params, "epochs": epochs})
        with lines.open("a") as file:
            spent = metrics["trained_epochs"]
            file.write(json.dumps({"epochs": spent, "accuracy": metrics["val_accuracy"]}) + "\n")
        return metrics["val_accuracy"]

    sides = {"full": full_training, "hyperband": hyperband}
    curve = list(sides[side](strategy, schedule, run))
    spent = np.cumsum([epochs for epochs, _ in curve]).tolist()
    best = np.maximum.accumulate([accuracy for _, accuracy in curve]).tolist()
    (out / f"{run_name}.json").write_text(json.dumps({"spent": spent, "best": best}))


def _evaluation(seed: int, children: Path) -> Evaluation:
    from cellwright.plugins import Recipe

    return Evaluation(
        joint_space(),
        load_dataset("digits", seed=seed),
        recipe=Recipe(),
        options={"filters": 4, "reductions": 1},
        seed=seed,
        checkpoints=children,
    )


def summary(name: str, seeds: int, schedule: Hyperband, out: Path) -> str:
    """A line for each seed: what full training reached, and when Hyperband reached it."""
    rows = ["| seed | full training | epochs | Hyperband | epochs | ratio |", "|" + "---:|" * 6]
    ratios = []
    for seed in range(seeds):
        full, ours = (
            json.loads((out / f"{side}-{name}-{schedule.max_epochs}-{seed}.json").read_text())
            for side in ("full", "hyperband")
        )
        goal = full["best"][-1]
        to_goal = full["spent"][full["best"].index(goal)]
        reached = [s for s, b in zip(ours["spent"], ours["best"], strict=True) if b >= goal]
        ratio = reached[0] / full["spent"][-1] if reached else float("inf")
        ratios.append(ratio)
        when = f"{reached[0]:.0f}" if reached else "not reached"
        rows.append(
            f"| {seed} | {goal:.4f} | {full['spent'][-1]:.0f} (best at {to_goal:.0f}) "
            f"| {ours['best'][-1]:.4f} | {when} of {ours['spent'][-1]:.0f} | {ratio:.2f} |"
        )
    rows.append(f"\nmedian ratio {statistics.median(ratios):.2f}")
    return "\n".join(rows) + "\n"


def main(
    out: Annotated[Path, typer.Option(help="Folder for the results.")],
    seeds: Annotated[int, typer.Option(min=1)] = 3,
    strategy: Annotated[str, typer.Option(help="As in cellwright search.")] = "evolution",
    max_epochs: Annotated[int, typer.Option(help="Epochs of a fully trained child.")] = 27,
) -> None:
    """Run both sides for each seed, and write a table."""
    out.mkdir(parents=True, exist_ok=True)
    schedule = Hyperband(max_epochs, 3)
    for seed in range(seeds):
        for side in ("hyperband", "full"):
            search(side, strategy, seed, schedule, out)
    text = summary(strategy, seeds, schedule, out)
    (out / f"{strategy}-{max_epochs}.md").write_text(text)
    print(text)


if __name__ == "__main__":
    typer.run(main)
