"""What it costs to train the children of a search, beside Keras's ``compile`` and ``fit``.

    python -m benchmarks.child_cost [--children 8] [--children 40]

Both ways train the same random children of the book's space on scikit-learn's digits, 6 epochs with
16 filters, each way in a process of its own. They take turns by parts of four children, so that
other load on the machine affects both; each part begins with the state of a process that goes on.
Processor time is that of the whole process, imports included.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
from typing import Annotated, Any

import numpy as np
import typer

PART = 4  # children that a way trains before it is the other's turn
WAYS = ("keras", "cellwright")


def train_in_turns(way: str, filters: int, epochs: int) -> None:
    """Train the children whose numbers come in as lines, and answer each with what it cost."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from cellwright import Evaluation, NASNetSpace, Recipe, load_dataset

    space, data = NASNetSpace(), load_dataset("digits")
    evaluation = Evaluation(space, data, Recipe(epochs=epochs), options={"filters": filters})
    for line in sys.stdin:
        params = space.sample(np.random.default_rng(int(line)))
        if way == "keras":
            accuracy = _with_keras(space, params, data, filters, epochs)
        else:
            accuracy = evaluation.run(params)[0]["val_accuracy"]
        used = resource.getrusage(resource.RUSAGE_SELF)
        found = {"accuracy": float(accuracy), "seconds": used.ru_utime + used.ru_stime}
        print(json.dumps(found), flush=True)


def _with_keras(space: Any, params: Any, data: Any, filters: int, epochs: int) -> float:
    """As somebody would train a child who takes it from ``space.build``."""
    import keras

    keras.utils.clear_session()
    model = space.build(params, data.input_shape, data.classes, filters=filters, seed=0)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    train, held_out = data.train, data.held_out
    history = model.fit(
        train.x,
        train.y,
        batch_size=128,
        epochs=epochs,
        validation_data=(held_out.x, held_out.y),
        verbose=0,
    )
    return float(history.history["val_accuracy"][-1])


def main(
    children: Annotated[
        list[int] | None, typer.Option(help="May repeat: the table's rows.")
    ] = None,
    filters: int = 16,
    epochs: int = 6,
    way: Annotated[str | None, typer.Option(hidden=True)] = None,
) -> None:
    """Print the processor time of both ways, and their accuracies."""
    if way is not None:
        train_in_turns(way, filters, epochs)
        return
    numbers = sorted(children or [8, 40])
    command = [sys.executable, "-m", "benchmarks.child_cost"]
    options = ["--filters", str(filters), "--epochs", str(epochs)]
    running = {
        way: subprocess.Popen(
            [*command, "--way", way, *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for way in WAYS
    }
    told: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
    for first in range(0, numbers[-1], PART):
        for way, process in running.items():
            for number in range(first, min(first + PART, numbers[-1])):
                told[way].append(_ask(process, number))
            typer.echo(f"{way}: {len(told[way])} children", err=True)
    for process in running.values():
        process.communicate()
    typer.echo("| children | way | CPU s | of Keras's | accuracy, mean and deviation |")
    typer.echo("|---|---|---|---|---|")
    for number in numbers:
        plain = told["keras"][number - 1]["seconds"]
        for way, found in told.items():
            seconds = found[number - 1]["seconds"]
            values = [child["accuracy"] for child in found[:number]]
            spread = f"{statistics.mean(values):.4f} ± {statistics.pstdev(values):.4f}"
            share = f"{seconds / plain:.2f}"
            typer.echo(f"| {number} | {way} | {seconds:.0f} | {share} | {spread} |")
    differences = [
        ours["accuracy"] - theirs["accuracy"]
        for ours, theirs in zip(told["cellwright"], told["keras"], strict=True)
    ]
    error = statistics.pstdev(differences) / len(differences) ** 0.5
    typer.echo(f"\nDifference of accuracy: {statistics.mean(differences):+.4f} ± {error:.4f}")


def _ask(process: subprocess.Popen[str], number: int) -> dict[str, float]:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"{number}\n")
    process.stdin.flush()
    found: dict[str, float] = json.loads(process.stdout.readline())
    return found


if __name__ == "__main__":
    typer.run(main)
