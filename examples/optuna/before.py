"""A study as one writes it: a Keras model of one's own, a learning rate, a pruner, a callback."""

import sys

import keras
import optuna
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

x, y = load_digits(return_X_y=True)
x, x_val, y, y_val = train_test_split(x.reshape(-1, 8, 8, 1) / 16, y, random_state=0)


class Report(keras.callbacks.Callback):
    def __init__(self, trial):
        super().__init__()
        self.trial = trial

    def on_epoch_end(self, epoch, logs=None):
        self.trial.report(logs["val_accuracy"], epoch)
        if self.trial.should_prune():
            raise optuna.TrialPruned


def make_model(trial):
    filters = trial.suggest_categorical("filters", (8, 16, 32))
    layers = [keras.layers.Conv2D(filters, 3, activation="relu") for _ in range(2)]
    layers += [keras.layers.Flatten(), keras.layers.Dense(10, activation="softmax")]
    return keras.Sequential([keras.Input((8, 8, 1)), *layers])


def objective(trial):
    net = make_model(trial)
    rate = trial.suggest_float("learning_rate", 1e-4, 1e-1, log=True)
    loss = "sparse_categorical_crossentropy"
    net.compile(keras.optimizers.Adam(rate), loss, metrics=["accuracy"])
    net.fit(x, y, epochs=3, validation_data=(x_val, y_val), callbacks=[Report(trial)], verbose=0)
    return net.evaluate(x_val, y_val, verbose=0)[1]


pruner = optuna.pruners.MedianPruner(n_warmup_steps=1)
study = optuna.create_study(direction="maximize", pruner=pruner)
study.optimize(objective, n_trials=int(sys.argv[1]) if sys.argv[1:] else 20)
print(f"best validation accuracy: {study.best_value:.4f}")
