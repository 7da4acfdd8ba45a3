"""A recipe's options in Keras Tuner's own way: `NASNetHyperModel` and ``tuner.search``."""

import functools

import keras
import keras_tuner as kt
import numpy as np
import pytest

from cellwright.adapters.keras_hypermodel import NASNetHyperModel
from cellwright.search_spaces import Decision, JointSpace, NASNetSpace

CELLS = NASNetSpace(blocks=1, operations=("identity", "max_3x3"))
RNG = np.random.default_rng(0)
X, Y = RNG.random((48, 8, 8, 1)).astype(np.float32), np.arange(48) % 3


def searched(tmp_path, *arguments, given=None, **options):
    """A search of one trial, with these options of a recipe; its tuner."""
    fixed = [Decision(name, (value,)) for name, value in options.items()]
    hypermodel = NASNetHyperModel(
        JointSpace(CELLS, *fixed),
        input_shape=(8, 8, 1),
        classes=3,
        filters=2,
        reductions=0,
        seed=0,
    )
    tuner = kt.RandomSearch(
        hypermodel, "val_loss", max_trials=1, directory=tmp_path, seed=1, overwrite=True
    )
    tuner.search(*arguments, verbose=0, **(given or {}))
    return tuner


@pytest.mark.parametrize("labels", [Y, Y[:, None], np.eye(3)[Y]])
def test_labels_are_softened(tmp_path, untraced, labels):
    given = {"validation_data": (X, labels), "epochs": 2}
    tuner = searched(
        tmp_path, X, labels, given=given, label_smoothing=0.2, augmentation="shift+cutmix"
    )
    (trial,) = tuner.oracle.get_best_trials()
    assert np.isfinite(trial.score)


def test_a_part_is_split_off_and_not_softened(tmp_path, untraced):
    given = {"validation_split": 0.25, "epochs": 1}
    tuner = searched(tmp_path, X, Y, given=given, label_smoothing=0.5, learning_rate=1e-9)
    usual = searched(tmp_path / "usual", X, Y, given=given, learning_rate=1e-9)
    one, other = (each.oracle.get_best_trials()[0].score for each in (tuner, usual))
    assert one == pytest.approx(other, rel=0.05)


def test_the_learning_rate_falls_over_the_epochs_of_the_search(tmp_path, untraced, monkeypatch):
    rates = []
    fit = keras.Model.fit

    @functools.wraps(fit)
    def watching(self, **given):
        watch = keras.callbacks.LambdaCallback(
            on_epoch_end=lambda epoch, logs: rates.append(float(self.optimizer.learning_rate))
        )
        return fit(self, **{**given, "callbacks": [*given["callbacks"], watch]})

    monkeypatch.setattr(keras.Model, "fit", watching)
    given = {"validation_data": (X, Y), "epochs": 4}
    options = {"learning_rate_schedule": "cosine", "learning_rate": 0.01}
    tuner = searched(tmp_path, X, Y, given=given, **options)
    assert rates == pytest.approx([0.01, 0.00853553, 0.005, 0.00146447], rel=1e-5)
    (trial,) = tuner.oracle.get_best_trials()
    assert "learning_rate" not in trial.metrics.metrics


def test_batches_that_are_made_keep_their_labels(tmp_path):
    import tensorflow as tf

    made = tf.data.Dataset.from_tensor_slices((X, Y)).batch(16)
    with pytest.raises(kt.errors.FatalValueError, match="label_smoothing changes labels"):
        searched(tmp_path, made, given={"validation_data": (X, Y)}, label_smoothing=0.1)


def test_labels_that_are_no_classes_are_told(tmp_path):
    with pytest.raises(kt.errors.FatalValueError, match="labels run from"):
        searched(tmp_path, X, Y + 1, given={"validation_data": (X, Y)}, label_smoothing=0.1)
