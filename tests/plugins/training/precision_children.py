"""Trains a child in each precision on one backend, and prints what came of it as JSON.

KERAS_BACKEND=jax python precision_children.py
"""

import json

import keras

from cellwright.plugins import Dataset, Evaluation, Recipe, load_dataset
from cellwright.plugins.training.recipe import PRECISIONS
from cellwright.search_spaces import NASNetSpace

SPACE = NASNetSpace(blocks=1, operations=("sep_3x3", "max_3x3"))
PARAMS = SPACE.decode([0] * len(SPACE.names))


def trained(precision):
    """The metrics and the model of a small child."""
    data = load_dataset("digits")
    data = Dataset(
        data.x_train[:1024], data.y_train[:1024], data.x_val, data.y_val,
        data.class_names,
    )  # fmt: skip
    recipe = Recipe(
        5, 32, 0.02, learning_rate_schedule="cosine", warmup=1, label_smoothing=0.1,
        clip_norm=1.0, precision=precision, augmentation="shift+mixup",
    )  # fmt: skip
    options = {"filters": 8, "reductions": 1}
    return Evaluation(SPACE, data, recipe=recipe, options=options).run(PARAMS)


def main():
    found = {}
    for precision in PRECISIONS:
        metrics, model = trained(precision)
        found[precision] = {
            "val_loss": metrics["val_loss"],
            "optimizer": type(model.optimizer).__name__,
            "computed": sorted({str(layer.compute_dtype) for layer in model.layers}),
            "weights": sorted({str(variable.dtype) for variable in model.variables}),
            "policy": keras.config.dtype_policy().name,
        }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
