"""Search for the layers of a small network on scikit-learn's digits, in under a minute.

pip install optunahub 'cellwright[optuna]' scikit-learn
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import optuna
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

import optunahub

# The copy of this package in which the file lies. From the registry itself it is
# optunahub.load_module("samplers/cellwright_nas").
ROOT = Path(__file__).resolve().parents[2]
package: Any = optunahub.load_local_module("samplers/cellwright_nas", registry_root=str(ROOT))

CHOICES = {
    "width_1": (8, 16, 32, 64),
    "width_2": (0, 8, 16, 32, 64),  # 0 leaves the layer out
    "width_3": (0, 8, 16, 32, 64),
    "activation": ("relu", "tanh", "logistic"),
}


def objective(trial: optuna.Trial) -> float:
    chosen = {name: trial.suggest_categorical(name, values) for name, values in CHOICES.items()}
    rate = trial.suggest_float("learning_rate", 1e-3, 3e-2, log=True)  # drawn at random
    widths = [chosen[f"width_{layer}"] for layer in (1, 2, 3)]
    model = MLPClassifier(
        [width for width in widths if width],
        activation=chosen["activation"],
        learning_rate_init=rate,
        max_iter=8,
        random_state=0,
    )
    return float(model.fit(X_TRAIN, Y_TRAIN).score(X_TEST, Y_TEST))


if __name__ == "__main__":
    trials = int(sys.argv[1]) if len(sys.argv) > 1 else 30
    X, Y = load_digits(return_X_y=True)
    X_TRAIN, X_TEST, Y_TRAIN, Y_TEST = train_test_split(X / 16, Y, random_state=0)
    sampler = package.ArchitectureSampler(CHOICES, seed=0)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    study.optimize(objective, n_trials=trials)
    print(study.best_value, study.best_params)
