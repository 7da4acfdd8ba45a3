"""That each option of a recipe does in the training what it says, on real images."""

import keras
import numpy as np
import pytest

from cellwright.plugins import Dataset, Evaluation, Recipe, load_dataset
from cellwright.plugins.training.soft_labels import as_shares
from cellwright.plugins.training.train import train
from cellwright.search_spaces import Decision, JointSpace, NASNetSpace

CELLS = NASNetSpace(blocks=1, operations=("identity", "max_3x3"))
PARAMS = CELLS.decode([0] * len(CELLS.names))
SMALL = {"filters": 2, "reductions": 0}


@pytest.fixture(scope="module")
def digits():
    data = load_dataset("digits")
    return Dataset(
        data.x_train[:256], data.y_train[:256], data.x_val[:100], data.y_val[:100],
        data.class_names,
    )  # fmt: skip


def child(data, seed=0):
    return Evaluation(CELLS, data, options=SMALL, seed=seed).build(PARAMS)


class Seen(keras.callbacks.Callback):
    """What a training shows of itself."""

    def __init__(self):
        super().__init__()
        self.rates = []

    def on_train_batch_end(self, batch, logs=None):
        self.rates.append(float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate)))


def watched(monkeypatch):
    """The learning rate of every step of the trainings that follow."""
    seen, fit = Seen(), keras.Model.fit

    def watching(self, **given):
        return fit(self, **{**given, "callbacks": [*given["callbacks"], seen]})

    monkeypatch.setattr(keras.Model, "fit", watching)
    return seen.rates


def losses(model, data, smoothing):
    """Cross-entropy by hand, of all training examples."""
    guess = keras.ops.convert_to_numpy(model(data.x_train, training=True)).astype(np.float64)
    shares = as_shares(data.y_train, 10, smoothing)
    return float(np.mean(-np.sum(shares * np.log(guess), axis=1)))


def test_the_learning_rate_of_each_epoch(digits, monkeypatch, untraced):
    rates = watched(monkeypatch)
    recipe = Recipe(5, 128, 0.01, learning_rate_schedule="cosine", warmup=2)
    metrics = train(child(digits), digits, recipe)
    assert rates == pytest.approx([recipe.rate(epoch) for epoch in range(5) for _ in range(2)])
    assert "learning_rate" not in metrics


def test_the_loss_of_smoothed_labels(digits, untraced):
    """One step on all examples: its loss is that of the network before it."""
    model = child(digits)
    by_hand = losses(model, digits, 0.3)
    true = losses(model, digits, 0.0)
    found = train(model, digits, Recipe(1, 256, 1e-9, label_smoothing=0.3))
    assert found["loss"] == pytest.approx(by_hand, rel=1e-4)
    assert abs(by_hand - true) > 1e-3


def test_validation_is_on_true_labels(digits, untraced):
    """A training that changes nothing validates alike with and without smoothing."""
    usual, smooth = (
        train(child(digits), digits, Recipe(1, 64, 1e-9, label_smoothing=share))
        for share in (0.0, 0.3)
    )
    assert smooth["val_loss"] == pytest.approx(usual["val_loss"], rel=1e-4)
    assert smooth["val_accuracy"] == usual["val_accuracy"]
    assert smooth["accuracy"] == pytest.approx(usual["accuracy"], abs=0.01)
    assert smooth["loss"] != pytest.approx(usual["loss"], rel=1e-4)


def test_a_child_of_smoothed_labels_is_evaluated_on_class_numbers(digits, tmp_path, untraced):
    model = child(digits)
    found = train(model, digits, Recipe(1, 64, label_smoothing=0.1))
    model.save(tmp_path / "child.keras")
    again = keras.models.load_model(tmp_path / "child.keras")
    for one in (model, again):
        scores = one.evaluate(digits.x_val, digits.y_val, verbose=0, return_dict=True)
        assert scores["accuracy"] == pytest.approx(found["val_accuracy"])
        assert scores["loss"] == pytest.approx(found["val_loss"], rel=1e-4)


def test_the_norm_of_the_gradients_is_clipped(digits, monkeypatch, untraced):
    """The first moment of Adam after its first step is a tenth of the gradient."""

    def norm(clip):
        model = child(digits)
        train(model, digits, Recipe(1, 256, clip_norm=clip))
        names = [v for v in model.optimizer.variables if "momentum" in v.path]
        assert len(names) == len(model.trainable_variables)
        squares = [np.sum(np.square(keras.ops.convert_to_numpy(v) / 0.1)) for v in names]
        return float(np.sqrt(np.sum(squares)))

    whole = norm(None)
    assert norm(whole / 4) == pytest.approx(whole / 4, rel=1e-3)
    assert norm(whole * 4) == pytest.approx(whole, rel=1e-5)


FULL = {
    "learning_rate_schedule": "cosine", "warmup": 1, "label_smoothing": 0.1, "clip_norm": 0.5,
    "precision": "mixed_float16", "augmentation": "shift",
}  # fmt: skip


@pytest.mark.parametrize("options", [FULL, {**FULL, "augmentation": "none"}])
def test_a_training_in_two_parts_is_the_one_without_a_break(digits, tmp_path, options, untraced):
    recipe = Recipe(4, 128, **options)
    whole, straight = Evaluation(CELLS, digits, recipe=recipe, options=SMALL).run(PARAMS)
    for stop in (2, 4):
        parts = Evaluation(CELLS, digits, recipe=recipe, options=SMALL, checkpoints=tmp_path)
        metrics, model = parts.run(PARAMS, epochs=stop)
        assert metrics["trained_epochs"] == 2
    assert len(list(tmp_path.iterdir())) == 1
    for one, other in zip(straight.variables, model.variables, strict=True):
        np.testing.assert_array_equal(np.asarray(one), np.asarray(other))
    assert metrics["val_loss"] == whole["val_loss"]


def test_a_schedule_longer_than_the_recipe_is_refused(digits, tmp_path):
    recipe = Recipe(4, learning_rate_schedule="cosine")
    mine = Evaluation(CELLS, digits, recipe=recipe, options=SMALL, checkpoints=tmp_path)
    with pytest.raises(ValueError, match="trained for 9 epochs in all"):
        mine.run(PARAMS, epochs=9)


def test_a_searched_option_reaches_the_training(digits, monkeypatch, untraced):
    rates = watched(monkeypatch)
    space = JointSpace(CELLS, Decision("learning_rate_schedule", ("constant", "cosine")))
    mine = Evaluation(space, digits, recipe=Recipe(2, 256, 0.01), options=SMALL)
    mine.run({**PARAMS, "learning_rate_schedule": "cosine"})
    assert rates == pytest.approx([0.01, 0.005])
