"""The child that a search found, NASNet-A's cell and a small ResNet, trained to the end alike.

    cellwright search --data IMAGES.npz --filters 4 --epochs 2 --out runs/search
    python -m benchmarks.last_training runs/search --out benchmarks/results/last_training

All three are trained on every image that the search had by one recipe, and scored on ``x_test``,
once for each seed. NASNet-A's cell is stacked into the skeleton of the found cell with as many
filters as bring it closest to the same number of parameters, and so is the width of the ResNet (He
et al. 2016, section 4.2, with n = 1: six layers in three stages, and two more). Each training is
kept in ``trainings.jsonl``, so that the same command continues an interrupted run.
"""

from __future__ import annotations

import dataclasses
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import keras
import numpy as np
import typer

from cellwright.plugins import Recipe
from cellwright.plugins.training.train import train
from cellwright.search_spaces import Genotype, Skeleton, load_genotype
from cellwright.searches.candidate import Size, find_candidate
from cellwright.searches.sources import Sources, load_all, load_test

FILE = "trainings.jsonl"
Build = Callable[[int], keras.Model]  # of a seed


class Training(NamedTuple):
    """One network, trained to the end."""

    network: str
    seed: int
    parameters: int
    epochs: int
    seconds: float
    accuracy: float
    test_accuracy: float


def resnet(shape: tuple[int, ...], classes: int, width: int, seed: int) -> keras.Model:
    """A residual network of three stages of ``width``, 2 and 4 times ``width`` channels."""
    keras.utils.set_random_seed(seed)
    layers = keras.layers

    def normal(x: Any, channels: int, stride: int) -> Any:
        x = layers.Conv2D(channels, 3, stride, padding="same", use_bias=False)(x)
        return layers.BatchNormalization()(x)

    inputs = keras.Input(shape)
    x = layers.ReLU()(normal(inputs, width, 1))
    for stage in range(3):
        channels, stride = width * 2**stage, 1 if stage == 0 else 2
        shortcut = x
        if stride > 1:
            shortcut = layers.Conv2D(channels, 1, stride, use_bias=False)(x)
        inner = layers.ReLU()(normal(x, channels, stride))
        x = layers.ReLU()(layers.add([shortcut, normal(inner, channels, 1)]))
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(classes, activation="softmax")(x))


def closest(parameters: int, build: Callable[[int], keras.Model]) -> int:
    """The width whose network has the number of parameters that is closest to ``parameters``."""
    best, distance = 1, abs(build(1).count_params() - parameters)
    for width in range(2, 257):
        now = abs(build(width).count_params() - parameters)
        if now > distance:
            break
        best, distance = width, now
    return best


def networks(
    search: Path, size: Size, shape: tuple[int, ...], classes: int, steps: int
) -> dict[str, Build]:
    """How each of the three is made."""
    found = find_candidate(str(search), None, size)
    first = found.build(shape, classes, 0, steps)
    parameters = first.count_params()
    skeleton = Skeleton.book().change(repeats=size.repeats or Skeleton.book().repeats)
    published = load_genotype("nasnet-a")
    assert isinstance(published, Genotype)

    def nasnet_a(filters: int, seed: int = 0) -> keras.Model:
        return published.build(shape, classes, skeleton.change(filters=filters), seed=seed)

    filters = closest(parameters, nasnet_a)
    width = closest(parameters, lambda width: resnet(shape, classes, width, 0))
    return {
        "found": lambda seed: found.build(shape, classes, seed, steps),
        f"NASNet-A's cell, F = {filters}": lambda seed: nasnet_a(filters, seed),
        f"ResNet-8, {width} channels": lambda seed: resnet(shape, classes, width, seed),
    }


def read(folder: Path) -> list[Training]:
    """The trainings that were done so far."""
    file = folder / FILE
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    return [Training(**json.loads(line)) for line in lines]


def table(trainings: list[Training]) -> str:
    """Test accuracy of each network as mean and standard deviation over its seeds, in Markdown."""
    lines = [
        "| network | parameters | seeds | epochs | training accuracy | test accuracy | each seed |"
        " seconds |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name in dict.fromkeys(each.network for each in trainings):
        own = [each for each in trainings if each.network == name]
        tests = [each.test_accuracy for each in own]
        spread = f" ± {statistics.stdev(tests):.4f}" if len(tests) > 1 else ""
        lines.append(
            f"| {name} | {own[0].parameters:,} | {len(own)} | {own[0].epochs} "
            f"| {statistics.mean(each.accuracy for each in own):.4f} "
            f"| {statistics.mean(tests):.4f}{spread} | {', '.join(f'{x:.4f}' for x in tests)} "
            f"| {statistics.mean(each.seconds for each in own):.0f} |"
        )
    return "\n".join(lines) + "\n"


def main(
    search: Annotated[Path, typer.Argument(exists=True, help="Folder of a search on a .npz.")],
    out: Annotated[Path, typer.Option(help="Folder of the results.")],
    epochs: Annotated[int, typer.Option(min=1)] = 12,
    filters: Annotated[int, typer.Option(min=1, help="F of the found cell.")] = 8,
    repeats: Annotated[int | None, typer.Option(min=1, help="N; the search's by default.")] = None,
    seeds: Annotated[int, typer.Option(min=1)] = 3,
) -> None:
    """Train what is missing, the networks in turns, and make the table."""
    out.mkdir(parents=True, exist_ok=True)
    size = Size(filters=filters, repeats=repeats)
    settings = find_candidate(str(search), None, size).settings
    assert settings is not None
    sources = Sources(settings.data, settings.data_options)
    data = load_all(sources)
    test = load_test(sources, data)
    assert test is not None
    assert data.classes is not None
    recipe = Recipe(
        epochs=epochs, batch_size=64, weight_decay=1e-4, augmentation="shift_flip",
        learning_rate=2e-3, learning_rate_schedule="cosine", warmup=1, label_smoothing=0.1,
    )  # fmt: skip
    steps = epochs * -(-data.train.number // recipe.batch_size)
    made = networks(search, size, data.input_shape, data.classes, steps)
    for seed in range(seeds):
        for name, build in made.items():
            if any((each.network, each.seed) == (name, seed) for each in read(out)):
                continue
            keras.utils.clear_session()
            model = build(seed)
            begun = time.perf_counter()
            metrics = train(model, data, dataclasses.replace(recipe, seed=seed))
            seconds = time.perf_counter() - begun
            chosen = model.predict(test.x, batch_size=256, verbose=0).argmax(axis=1)
            training = Training(
                name, seed, model.count_params(), epochs, round(seconds, 1),
                round(metrics["accuracy"], 4), round(float(np.mean(chosen == test.y)), 4),
            )  # fmt: skip
            with (out / FILE).open("a", encoding="utf-8") as file:
                file.write(json.dumps(training._asdict()) + "\n")
            typer.echo(f"{name}, seed {seed}: {training.test_accuracy}", err=True)
    (out / "table.md").write_text(table(read(out)), encoding="utf-8")
    typer.echo(table(read(out)))


if __name__ == "__main__":
    typer.run(main)
