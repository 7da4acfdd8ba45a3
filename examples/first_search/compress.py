"""Quantisation and weight clustering as decisions beside the architecture, with Optuna."""

import warnings
import zlib

import keras
import numpy as np
import optuna
from sklearn.cluster import KMeans

from cellwright import (
    Decision,
    Evaluation,
    Int,
    JointSpace,
    MLPSpace,
    RegularizedEvolution,
    StrategySampler,
    load_dataset,
    suggest,
)
from cellwright.plugins import Recipe

space = JointSpace(
    MLPSpace(nodes=(32, 64), activations=("relu",), length=3),
    Decision("quantised", (False, True)),
    Decision("clustered", (False, True)),
    Int("clusters", 4, 32, log=True, when={"clustered": True}),
)
data = load_dataset("digits")
evaluation = Evaluation(space.architecture, data, recipe=Recipe(epochs=12, batch_size=32))


def cluster(model: keras.Model, clusters: int) -> None:
    """Replace the weights of each kernel by the means of ``clusters`` groups of them."""
    for layer in model.layers:
        if isinstance(layer, keras.layers.Dense):
            kernel, bias = layer.get_weights()
            found = KMeans(clusters, n_init=1, random_state=0).fit(kernel.reshape(-1, 1))
            means = found.cluster_centers_[found.labels_].reshape(kernel.shape)
            layer.set_weights([means.astype(kernel.dtype), bias])


def size_bytes(model: keras.Model) -> int:
    """Size of the compressed weights, in which repeated values cost little."""
    return len(zlib.compress(b"".join(np.asarray(v).tobytes() for v in model.variables), 9))


def accuracy(model: keras.Model) -> float:
    found = model.predict(data.x_val, batch_size=512, verbose=0).argmax(axis=1)
    return float((found == data.y_val).mean())


def objective(trial: optuna.Trial) -> float:
    network, others = space.split(suggest(trial, space))
    _, model = evaluation.run(network)
    if others["clustered"]:
        cluster(model, others["clusters"])
    if others["quantised"]:
        model.quantize("int8")  # int8 kernels in every dense layer
    trial.set_user_attr("size_bytes", size_bytes(model))
    return accuracy(model)


if __name__ == "__main__":
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    warnings.filterwarnings("ignore", message="Layer .* does not have a `quantize` method")
    sampler = StrategySampler(RegularizedEvolution(space, seed=0, population=6, sample=3))
    study = optuna.create_study(direction="maximize", sampler=sampler)
    study.optimize(objective, n_trials=16)
    for trial in sorted(study.trials, key=lambda trial: trial.user_attrs["size_bytes"]):
        print(f"{trial.value:.4f}  {trial.user_attrs['size_bytes']:6d} bytes  {trial.params}")
    close = [trial for trial in study.trials if trial.value >= study.best_value - 0.01]
    small = min(close, key=lambda trial: trial.user_attrs["size_bytes"])
    print(f"smallest within a point of the best: {small.params}")
