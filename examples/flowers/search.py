"""Transfer learning with Hyperband: learning rate and dropout of a frozen network's classifier.

    python search.py --data digits                 # bundled with scikit-learn, no network needed
    python search.py --data flowers --epochs 10    # downloads 102 flowers by tensorflow-datasets,
                                                   # and ImageNet's weights

``--host optuna`` (the default), ``keras-tuner`` or ``nni`` drives. One pass of Hyperband is 30
trials: children of 2, 4 and 10 epochs, of which the best continue from their weights.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from cellwright import (
    Decision,
    Evaluation,
    Float,
    Hyperband,
    JointSpace,
    Recipe,
    SearchSpace,
    load_dataset,
)
from cellwright.plugins import make_strategy
from cellwright.plugins.data.dataset import Dataset

Pairs = Iterable[tuple[Any, Any]]
SIZE = 264  # pixels of a flower's side


class Transfer(SearchSpace):
    """A frozen backbone, and a dense layer on its flattened output: the flowers project's model."""

    options = frozenset({"dropout", "weights"})

    def __init__(self, backbone: str = "ResNet50") -> None:
        super().__init__([Decision("backbone", (backbone,))])

    def build(
        self,
        params: Mapping[str, Any],
        input_shape: Sequence[int],
        classes: int | None,
        *,
        dropout: float = 0.0,
        weights: str | None = None,
        seed: int | None = None,
    ) -> Any:
        import keras

        keras.utils.set_random_seed(seed or 0)
        image = keras.Input(tuple(input_shape))
        if params["backbone"] == "small":  # random features, where nothing can be downloaded
            backbone = keras.Sequential(
                [
                    keras.Input(tuple(input_shape)),
                    keras.layers.Conv2D(64, 3, activation="relu"),
                    keras.layers.AveragePooling2D(2),
                ]
            )
            x = image
        else:
            make = getattr(keras.applications, params["backbone"])
            backbone = make(include_top=False, weights=weights, input_shape=tuple(input_shape))
            x = keras.layers.Rescaling(255.0)(image)
            if params["backbone"] == "ResNet50":
                x = keras.applications.resnet50.preprocess_input(x)
        backbone.trainable = False
        x = keras.layers.Flatten()(backbone(x, training=False))
        x = keras.layers.Dropout(dropout, seed=seed)(x)
        return keras.Model(image, keras.layers.Dense(classes, activation="softmax")(x))


def joint_space(data: str) -> JointSpace:
    """What is searched."""
    return JointSpace(
        Transfer("small" if data == "digits" else "ResNet50"),
        Float("learning_rate", 1e-4, 1e-2, log=True),
        Decision("dropout", tuple(tenths / 10 for tenths in range(1, 9))),
    )


DIGITS, FLOWERS = joint_space("digits"), joint_space("flowers")  # the names that NNI's tuner uses


def flowers() -> Dataset:
    """Oxford Flowers 102 in its official split: 1,020 images to train on, 1,020 to validate on."""
    try:
        import tensorflow_datasets as tfds
    except ImportError as error:
        raise SystemExit("--data flowers needs tensorflow-datasets; --data digits does not") from (
            error
        )
    parts = tfds.load("oxford_flowers102", split=["train", "validation"], as_supervised=True)
    return official(*parts, classes=102)


def official(train: Pairs, validation: Pairs, *, classes: int, size: int = SIZE) -> Dataset:
    """Data whose split is given: pairs of an image in 0..255, of any size, and its class."""
    x_train, y_train = arrays(train, size)
    x_val, y_val = arrays(validation, size)
    return Dataset(x_train, y_train, x_val, y_val, tuple(map(str, range(classes))))


def arrays(pairs: Pairs, size: int) -> tuple[Any, Any]:
    """Images (number, size, size, channels) in 0..1, and their classes (number,)."""
    import numpy as np
    import tensorflow as tf

    scaled = [(tf.image.resize(x, (size, size)).numpy() / 255, int(y)) for x, y in pairs]
    x, y = zip(*scaled, strict=True)
    return np.array(x, dtype=np.float32), np.array(y)


def evaluation(data: str, folder: Path, epochs: int) -> Evaluation:
    """How a child is scored."""
    return Evaluation(
        joint_space(data),
        load_dataset("digits") if data == "digits" else flowers(),
        recipe=Recipe(epochs=epochs, batch_size=32),
        options={} if data == "digits" else {"weights": "imagenet"},
        checkpoints=folder / "children",
    )


def with_optuna(arguments: argparse.Namespace, schedule: Hyperband) -> None:
    import optuna

    from cellwright.adapters.optuna_sampler import StrategySampler, rung_of, suggest

    scores = evaluation(arguments.data, arguments.out, arguments.epochs)
    strategy = make_strategy("evolution", scores.space, seed=0)

    def objective(trial: optuna.Trial) -> float:
        params = suggest(trial, scores.space)
        rung = rung_of(trial)
        metrics, _ = scores.run({**params, "epochs": rung.epochs if rung else arguments.epochs})
        trial.set_user_attr("trained_epochs", metrics["trained_epochs"])
        return metrics["val_accuracy"]

    study = optuna.create_study(
        direction="maximize", sampler=StrategySampler(strategy, schedule=schedule)
    )
    study.optimize(objective, n_trials=schedule.trials)
    spent = sum(trial.user_attrs["trained_epochs"] for trial in study.trials)
    print(f"{len(study.trials)} trials, {spent:.0f} epochs")
    print(f"best validation accuracy: {study.best_value:.4f} with {study.best_params}")


def with_keras_tuner(arguments: argparse.Namespace, schedule: Hyperband) -> None:
    import keras_tuner

    from cellwright.adapters.keras_oracle import NASNetHyperModel, StrategyOracle

    scores = evaluation(arguments.data, arguments.out, arguments.epochs)
    data = scores.data
    strategy = make_strategy("evolution", scores.space, seed=0)
    tuner = keras_tuner.Tuner(
        oracle=StrategyOracle(
            "val_accuracy", schedule.trials, strategy=strategy, schedule=schedule
        ),
        hypermodel=NASNetHyperModel(
            scores.space, input_shape=data.input_shape, classes=data.classes, **scores.options
        ),
        directory=str(arguments.out),
        project_name="flowers",
    )
    tuner.search(
        data.x_train,
        data.y_train,
        batch_size=32,
        validation_data=(data.x_val, data.y_val),
        verbose=0,
    )
    values = [trial.hyperparameters.values for trial in tuner.oracle.trials.values()]
    spent = sum(given["tuner/epochs"] - given["tuner/initial_epoch"] for given in values)
    best = tuner.oracle.get_best_trials()[0]
    print(f"{len(values)} trials, {spent} epochs")
    print(f"best validation accuracy: {best.score:.4f} with {best.hyperparameters.values}")


def with_nni(arguments: argparse.Namespace, schedule: Hyperband) -> None:
    import yaml

    from cellwright.adapters.nni_experiment import run_experiment, write_experiment

    here, folder = Path(__file__).resolve().parent, arguments.out / "experiment"
    name = f"search:{arguments.data.upper()}"
    sys.path.append(str(here))
    write_experiment(folder, strategy="evolution", space=name, trials=schedule.trials,
                     concurrency=1, overwrite=True)  # fmt: skip
    config = yaml.safe_load((folder / "config.yml").read_text())
    config["tuner"]["codeDirectory"] = str(here)
    config["tuner"]["classArgs"]["schedule"] = {"max_epochs": arguments.epochs}
    config["trialCommand"] = (
        f"{sys.executable} {here / 'search.py'} --trial --data {arguments.data} "
        f"--epochs {arguments.epochs} --out {arguments.out.resolve()}"
    )
    (folder / "config.yml").write_text(yaml.safe_dump(config))
    found = run_experiment(folder, trials=schedule.trials)
    best = max((t for t in found if t.value is not None), key=lambda t: t.value or 0.0)
    spent = sum(trial.metrics.get("trained_epochs", 0) for trial in found)
    print(f"{len(found)} trials, {spent:.0f} epochs")
    print(f"best validation accuracy: {best.value:.4f} with {best.params}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("--data", choices=("digits", "flowers"), required=True)
    parser.add_argument("--host", choices=("optuna", "keras-tuner", "nni"), default="optuna")
    parser.add_argument("--epochs", type=int, default=10, help="of a child that is trained in full")
    parser.add_argument("--out", type=Path, default=Path("flowers"), help="folder for what is kept")
    parser.add_argument("--trial", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.trial:
        from cellwright.adapters.nni_trial import run

        run(evaluation(arguments.data, arguments.out, arguments.epochs))
        return
    hosts = {"optuna": with_optuna, "keras-tuner": with_keras_tuner, "nni": with_nni}
    hosts[arguments.host](arguments, Hyperband(arguments.epochs, 3))


if __name__ == "__main__":
    main()
