"""Trains a child on a stream and on the same data as arrays, on one backend, and goes on from a
checkpoint; prints what came of it as JSON.

KERAS_BACKEND=jax python streamed_children.py FOLDER
"""

import hashlib
import json
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from cellwright.plugins import Evaluation, Recipe, load_dataset
from cellwright.plugins.training.checkpoints import Checkpoint
from cellwright.plugins.training.train import train
from cellwright.search_spaces import NASNetSpace

SPACE = NASNetSpace(blocks=1, operations=("sep_3x3", "max_3x3"))
PARAMS = SPACE.decode([0] * len(SPACE.names))
RECIPE = Recipe(2, 32, 0.01, augmentation="shift")


def write(folder):
    """A folder of 120 small images in two classes, and the same pixels in a ``.npz`` file."""
    rng = np.random.default_rng(0)
    x = rng.integers(0, 120, (120, 8, 8, 3)).astype(np.uint8)
    y = np.arange(120) % 2
    x[y == 1, 2:6, 2:6] += 100
    for number, (pixels, label) in enumerate(zip(x, y, strict=True)):
        place = folder / "images" / f"class{label}"
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(place / f"{number:03d}.png")
    np.savez(folder / "images.npz", x_train=x, y_train=y)


def trained(source, stream):
    """Metrics of a child, without what is measured in seconds, and a digest of its weights."""
    data = load_dataset(str(source), stream=stream)
    evaluation = Evaluation(SPACE, data, RECIPE, options={"filters": 2, "reductions": 0})
    found, model = evaluation.run(PARAMS)
    metrics = {n: v for n, v in found.items() if n in ("loss", "accuracy", "val_loss", "data_wait")}
    return metrics, digest(model)


def digest(model):
    """Hexadecimal digits that differ if a bit of the weights does."""
    return hashlib.sha256(b"".join(w.tobytes() for w in model.get_weights())).hexdigest()


def in_two_parts(source, folder):
    """The loss of a child that is trained for an epoch, kept in a file, and trained on, and a
    digest of its weights."""
    data = load_dataset(str(source), stream=True)
    found = {}
    for epochs in (1, 2):
        child = SPACE.build(PARAMS, data.input_shape, data.classes, filters=2, reductions=0, seed=0)
        recipe = Recipe(epochs, 32, 0.01, augmentation="shift", decay_epochs=2)
        found = train(child, data, recipe, checkpoint=Checkpoint(folder / "child.ckpt"))
    return {"loss": found["loss"], "trained_epochs": found["trained_epochs"]}, digest(child)


def main():
    folder = Path(sys.argv[1])
    write(folder)
    found = {
        f"{kind} {how}": trained(folder / name, how == "stream")
        for kind, name in (("folder", "images"), ("npz", "images.npz"))
        for how in ("arrays", "stream")
    }
    for kind, name in (("folder", "images"), ("npz", "images.npz")):
        (folder / kind).mkdir()
        found[f"{kind} in two parts"] = in_two_parts(folder / name, folder / kind)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
