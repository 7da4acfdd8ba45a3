"""Memory, and time that children wait for data, in a search on 100,000 image files.

    python -m benchmarks.stream_speed --make FOLDER   # 100,000 JPEG files of 64 px in 100 classes
    python -m benchmarks.stream_speed FOLDER          # listing them, and a search on them

The pictures are of a shape (10 of them) in a colour (10) on a ground with a gradient and noise;
shape and colour make the class, and place, size, brightness and ground are drawn for each picture.
The search is `cellwright search --stream` in a process of its own, of which Linux keeps the largest
memory (the resident set, files that are mapped into memory included).
"""

from __future__ import annotations

import csv
import math
import os
import resource
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

SHAPES, COLOURS = 10, 10
SIDE = 64


def main(
    folder: Annotated[Path, typer.Argument(help="Folder of images by class.")],
    make: Annotated[bool, typer.Option("--make", help="Make the images, and end.")] = False,
    number: Annotated[int, typer.Option(help="How many to make.")] = 100_000,
    trials: Annotated[int, typer.Option(help="Children.")] = 2,
    space: Annotated[str, typer.Option(help="As in `cellwright search`.")] = "convnet",
    filters: Annotated[int, typer.Option(help="As in `cellwright search`.")] = 4,
    out: Annotated[Path, typer.Option(help="Folder for the search.")] = Path("runs/stream_speed"),
) -> None:
    if make:
        make_images(folder, number)
        return
    list_images(folder)
    search(folder, out, trials, space, filters)


def make_images(folder: Path, number: int) -> None:
    """Write ``number`` pictures, as many of each class."""
    start = time.perf_counter()
    each = number // (SHAPES * COLOURS)
    classes = [
        (folder, shape, colour, each) for shape in range(SHAPES) for colour in range(COLOURS)
    ]
    with ProcessPoolExecutor() as pool:
        list(pool.map(_make_class, classes))
    print(f"{each * len(classes):,} images in {time.perf_counter() - start:.0f} s")


def _make_class(what: tuple[Path, int, int, int]) -> None:
    folder, shape, colour, number = what
    there = folder / f"shape{shape}_colour{colour}"
    there.mkdir(parents=True, exist_ok=True)
    for i in range(number):
        rng = np.random.default_rng((shape, colour, i))
        picture(shape, colour, rng).save(there / f"{i:05d}.jpg", quality=85)


def picture(shape: int, colour: int, rng: np.random.Generator) -> Any:
    """A picture of the class (shape, colour)."""
    import colorsys

    from PIL import Image, ImageDraw

    y, x = np.mgrid[0:SIDE, 0:SIDE] / SIDE
    slope = rng.uniform(-60, 60, (2, 3))
    ground = rng.uniform(60, 190, 3) + y[..., None] * slope[0] + x[..., None] * slope[1]
    ground += rng.normal(0, 12, ground.shape)
    image = Image.fromarray(ground.clip(0, 255).astype(np.uint8))
    hue = (colour + rng.uniform(-0.25, 0.25)) / COLOURS
    ink = tuple(int(255 * c) for c in colorsys.hsv_to_rgb(hue, 0.9, rng.uniform(0.6, 1)))
    radius = rng.uniform(12, 26)
    cx, cy = rng.uniform(radius, SIDE - radius, 2)
    draw = ImageDraw.Draw(image)
    box = [cx - radius, cy - radius, cx + radius, cy + radius]
    if shape == 0:
        draw.ellipse(box, fill=ink)
    elif shape == 1:
        draw.ellipse(box, outline=ink, width=5)
    elif shape == 2:
        draw.line([*box], fill=ink, width=6)
        draw.line([box[0], box[3], box[2], box[1]], fill=ink, width=6)
    elif shape == 3:
        draw.rectangle([cx - radius, cy - 4, cx + radius, cy + 4], fill=ink)
        draw.rectangle([cx - 4, cy - radius, cx + 4, cy + radius], fill=ink)
    elif shape == 4:
        for i in range(4):
            at = box[1] + i * radius / 2
            draw.line([box[0], at, box[2], at], fill=ink, width=4)
    else:  # polygons of 3 to 7 corners
        corners, turn = shape - 2, rng.uniform(0, math.tau)
        at = [turn + math.tau * i / corners for i in range(corners)]
        points = [(cx + radius * math.cos(a), cy + radius * math.sin(a)) for a in at]
        draw.polygon(points, fill=ink)
    return image


def list_images(folder: Path) -> None:
    """How long it takes until a search can begin."""
    from cellwright.plugins import load_dataset

    for how in ({"image_size": SIDE, "color": "rgb"}, {}):
        start = time.perf_counter()
        data = load_dataset(str(folder), stream=True, **how)  # type: ignore[arg-type]
        held_out = 0 if data.held_out is None else data.held_out.number
        print(
            f"load_dataset with {how or 'no size, so that all headers are read'}: "
            f"{time.perf_counter() - start:.1f} s for {data.train.number + held_out:,} images of "
            f"{data.input_shape}, fingerprint {data.fingerprint}",
            flush=True,
        )


def search(folder: Path, out: Path, trials: int, space: str, filters: int) -> None:
    """A search, its largest memory, and the share of the time in which its children waited."""
    arguments = [
        *("search", "--data", str(folder), "--stream", "--image-size", str(SIDE), "--color", "rgb"),
        *("--space", space, "--filters", str(filters), "--trials", str(trials), "--epochs", "1"),
        *("--batch-size", "32", "--strategy", "random", "--out", str(out)),
    ]
    command = [sys.executable, "-c", "from cellwright.command_line.app import main; main()"]
    start = time.perf_counter()
    subprocess.run([*command, *arguments], check=True, env=os.environ)
    seconds = time.perf_counter() - start
    kibibytes = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    with open(out / "trials.csv", encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["state"] == "complete"]
    waits = [float(row["data_wait"]) for row in rows]
    print(f"search of {len(rows)} children: {seconds:.0f} s")
    print(f"peak memory of the search: {kibibytes * 1024 / 1e9:.2f} GB (bar: 1.5)")
    print(
        f"steps waited for data {max(waits):.2%} of the time in the worst child, "
        f"{np.mean(waits):.2%} on average (bar: 5 %)"
    )


if __name__ == "__main__":
    typer.run(main)
