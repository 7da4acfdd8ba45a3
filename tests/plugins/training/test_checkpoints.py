"""Children that go on from their weights, and hyperparameters that reach the training."""

import keras
import numpy as np
import pytest

from cellwright.plugins import Evaluation, Recipe, load_dataset
from cellwright.plugins.strategies.schedule import state_of
from cellwright.plugins.training.augmentation import augment
from cellwright.plugins.training.checkpoints import Checkpoint
from cellwright.search_spaces import (
    ChildFailed,
    Decision,
    Float,
    Int,
    JointSpace,
    NASNetSpace,
)

CELLS = NASNetSpace(blocks=1, operations=("identity", "max_3x3"))
PARAMS = CELLS.decode([0] * len(CELLS.names))
SMALL = {"filters": 2, "reductions": 0, "dropout": 0.3}


@pytest.fixture(scope="module")
def digits():
    data = load_dataset("digits")
    return type(data)(
        data.x_train[:200], data.y_train[:200], data.x_val[:100], data.y_val[:100],
        data.class_names,
    )  # fmt: skip


def evaluation(data, epochs=4, space=CELLS, **others):
    options = {**SMALL, **others.pop("options", {})}
    recipe = Recipe(epochs=epochs, batch_size=64, augmentation="shift", weight_decay=0.01)
    return Evaluation(space, data, recipe=recipe, options=options, **others)


def test_a_child_that_stops_and_goes_on_is_the_one_that_did_not(digits, tmp_path):
    whole, straight = evaluation(digits).run(PARAMS)
    epochs = []
    for stop in (2, 4):
        again = evaluation(digits, checkpoints=tmp_path)  # as in a new process
        metrics, model = again.run({**PARAMS, "epochs": stop}, lambda e, _: epochs.append(e))
        assert metrics["trained_epochs"] == 2
    assert epochs == [0, 1, 2, 3]
    for one, other in zip(straight.variables, model.variables, strict=True):
        np.testing.assert_array_equal(np.asarray(one), np.asarray(other))
    assert {n: v for n, v in metrics.items() if n not in ("seconds", "trained_epochs")} == {
        n: v for n, v in whole.items() if n not in ("seconds", "trained_epochs")
    }
    assert len(list(tmp_path.iterdir())) == 1


def test_what_is_trained_already_is_not_trained_again(digits, tmp_path):
    mine = evaluation(digits, 1, checkpoints=tmp_path)
    first, _ = mine.run(PARAMS)
    second, model = mine.run(PARAMS)
    assert (first["trained_epochs"], second["trained_epochs"]) == (1, 0)
    assert second["val_accuracy"] == first["val_accuracy"]
    scores = model.evaluate(digits.x_val, digits.y_val, verbose=0, return_dict=True)
    assert scores["accuracy"] == pytest.approx(first["val_accuracy"])


def test_other_children_and_damage_start_afresh(digits, tmp_path, caplog):
    mine = evaluation(digits, 1, checkpoints=tmp_path)
    mine.run(PARAMS)
    other, _ = mine.run({**PARAMS, "learning_rate": 0.01})
    assert other["trained_epochs"] == 1
    for file in tmp_path.iterdir():
        file.write_bytes(file.read_bytes()[:100])
    again, _ = mine.run(PARAMS)
    assert again["trained_epochs"] == 1
    assert "trained afresh" in caplog.text


def test_the_state_of_another_network_is_refused(tmp_path):
    def model(units):
        made = keras.Sequential([keras.Input((3,)), keras.layers.Dense(units)])
        made.compile("adam", "mse")
        made.optimizer.build(made.trainable_variables)
        return made

    checkpoint = Checkpoint(tmp_path / "child.npz")
    assert checkpoint.restore(model(2), 1) == {}
    checkpoint.save(model(2), {"loss": [1.0]})
    with pytest.raises(ChildFailed, match="another network"):
        checkpoint.restore(model(3), 1)
    assert checkpoint.restore(model(2), 1) == {"loss": [1.0]}
    assert [file.name for file in tmp_path.iterdir()] == ["child.npz"]


def test_a_new_learning_rate_stays(tmp_path):
    def compiled(rate):
        made = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
        made.compile(keras.optimizers.Adam(rate), "mse")
        made.optimizer.build(made.trainable_variables)
        return made

    checkpoint = Checkpoint(tmp_path / "child.npz")
    checkpoint.save(compiled(0.1), {"loss": [1.0]})
    model = compiled(0.5)
    checkpoint.restore(model, 1)
    assert float(np.asarray(model.optimizer.learning_rate)) == 0.5


def test_hyperparameters_reach_the_recipe_and_the_child_by_name(digits):
    space = JointSpace(
        CELLS,
        Float("learning_rate", 1e-4, 1e-1, log=True),
        Int("batch_size", 16, 256),
        Decision("augmentation", ("none", "shift")),
        Float("dropout", 0, 0.5),
    )
    mine = evaluation(digits, 1, space=space)
    chosen = {"learning_rate": 0.02, "batch_size": 50, "augmentation": "none", "dropout": 0.2}
    metrics, model = mine.run({**PARAMS, **chosen})
    assert float(np.asarray(model.optimizer.learning_rate)) == pytest.approx(0.02)
    assert int(np.asarray(model.optimizer.iterations)) == 4  # 200 images in batches of 50
    [dropout] = [layer for layer in model.layers if isinstance(layer, keras.layers.Dropout)]
    assert dropout.rate == 0.2
    direct = Evaluation(
        CELLS,
        digits,
        recipe=Recipe(1, 50, 0.02, weight_decay=0.01),
        options={**SMALL, "dropout": 0.2},
    )
    assert direct.run(PARAMS)[0]["val_loss"] == metrics["val_loss"]


def test_a_hyperparameter_that_nothing_knows_is_refused_before_any_training(digits):
    with pytest.raises(ValueError, match=r"\['learning_rat'\] mean nothing.*learning_rate"):
        evaluation(digits, space=JointSpace(CELLS, Float("learning_rat", 0, 1)))
    with pytest.raises(ValueError, match="'depth'"):
        evaluation(digits).run({**PARAMS, "depth": 3})


def test_augmentation_moves_images_by_an_eighth_and_nothing_else():
    images = np.random.default_rng(0).random((50, 16, 8, 3), np.float32)
    assert augment(images, "none", np.random.default_rng(0)) is images
    padded = np.pad(images, ((0, 0), (2, 2), (1, 1), (0, 0)))
    places = {(d, r, f) for d in range(5) for r in range(3) for f in (1, -1)}
    for how, expected in (("shift", 15), ("shift_flip", 30)):
        found = set()
        for number, image in enumerate(augment(images, how, np.random.default_rng(1))):
            [place] = [
                (d, r, f)
                for d, r, f in places
                if (padded[number, d : d + 16, r : r + 8][:, ::f] == image).all()
            ]
            found.add(place)
        assert len(found) > expected / 2
        assert how == "shift_flip" or all(flip == 1 for _, _, flip in found)


RATES = JointSpace(CELLS, Float("learning_rate", 1e-30, 1e-1, log=True))


def weights_of(model):
    return [np.asarray(variable) for variable in model.trainable_variables]


def test_a_child_of_a_population_begins_with_the_weights_of_another(digits, tmp_path):
    mine = evaluation(digits, 1, RATES, checkpoints=tmp_path)
    parent = {**PARAMS, "learning_rate": 0.01}
    first, trained = mine.run(parent, epochs=1, after="")
    name = state_of(parent, 1, "")
    frozen = {**PARAMS, "learning_rate": 1e-30}  # so small that nothing moves
    second, copied = mine.run(frozen, epochs=2, after=name)
    assert (first["trained_epochs"], second["trained_epochs"]) == (1, 1)
    for one, other in zip(weights_of(trained), weights_of(copied), strict=True):
        np.testing.assert_array_equal(one, other)
    # The parent goes on as if nobody had copied it, and a whole training is the sum of its steps.
    third, model = mine.run(parent, epochs=2, after=name)
    whole, straight = evaluation(digits, 2, RATES).run(parent)
    assert third["val_loss"] == whole["val_loss"]
    for one, other in zip(weights_of(model), weights_of(straight), strict=True):
        np.testing.assert_array_equal(one, other)
    assert len(list(tmp_path.iterdir())) == 3
    again, _ = mine.run(frozen, epochs=2, after=name)
    assert (again["trained_epochs"], again["val_loss"]) == (0, second["val_loss"])


def test_a_step_that_was_killed_after_its_copy_is_trained_from_there(digits, tmp_path):
    mine = evaluation(digits, 1, RATES, checkpoints=tmp_path)
    parent = {**PARAMS, "learning_rate": 0.01}
    mine.run(parent, epochs=1, after="")
    name = state_of(parent, 1, "")

    def killed(epoch, metrics):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        mine.run(parent, killed, epochs=2, after=name)
    metrics, _ = mine.run(parent, epochs=2, after=name)
    whole, _ = evaluation(digits, 2, RATES).run(parent)
    assert (metrics["trained_epochs"], metrics["val_loss"]) == (1, whole["val_loss"])


def test_weights_that_are_not_there_are_said_and_not_replaced(digits, tmp_path, caplog):
    parent = {**PARAMS, "learning_rate": 0.01}
    with pytest.raises(ValueError, match="give the evaluation a folder for them"):
        evaluation(digits, 1, RATES).run(parent, epochs=1, after="")
    mine = evaluation(digits, 1, RATES, checkpoints=tmp_path)
    mine.run(parent, epochs=1, after="")
    with pytest.raises(ChildFailed, match="does not hold the weights that this child goes on from"):
        mine.run(parent, epochs=2, after="0123456789abcdef")
    [kept] = tmp_path.iterdir()
    kept.write_bytes(kept.read_bytes()[:100])
    with pytest.raises(ChildFailed, match="does not hold the weights"):
        mine.run(parent, epochs=2, after=state_of(parent, 1, ""))
    assert "cannot be read" in caplog.text
