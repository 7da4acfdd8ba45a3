"""What users give ``tuner.search``: labels, images, ready-made batches, and objectives."""

import keras
import keras_tuner as kt
import numpy as np
import pytest

from cellwright.adapters.keras_oracle import NASNetHyperModel, StrategyOracle, architecture
from cellwright.adapters.keras_trial import EvaluationTuner
from cellwright.plugins import AccuracyReward, Evaluation, Recipe
from cellwright.plugins.data.dataset import Dataset
from cellwright.plugins.strategies.hyperband import Hyperband
from cellwright.plugins.training import batches, ready_made
from cellwright.search_spaces import Decision, InvalidData, JointSpace, SearchSpace

tf = pytest.importorskip("tensorflow")

X = np.random.default_rng(0).random((32, 6, 6, 1)).astype("float32")
Y = np.arange(32) % 3
HALF = {"validation_data": (X[:8], Y[:8])}
SHIFT = Decision("augmentation", ("shift", "shift_flip"))


@pytest.fixture(autouse=True)
def _eager():
    tf.config.run_functions_eagerly(True)  # nothing is traced, which takes longer than the training
    yield
    tf.config.run_functions_eagerly(False)


class Tiny(SearchSpace):
    def build(self, params, input_shape, classes, **options):
        inputs = keras.Input(input_shape)
        flat = keras.layers.Flatten()(inputs)
        return keras.Model(inputs, keras.layers.Dense(classes, "softmax")(flat))


SPACE = Tiny([Decision("units", (2, 3, 4, 5))])


class Count(keras.callbacks.Callback):
    """Counts batches and epochs; Keras Tuner copies callbacks, so they are counted in the class."""

    batches = epochs = 0

    def on_train_batch_end(self, batch, logs=None):
        Count.batches += 1

    def on_epoch_end(self, epoch, logs=None):
        Count.epochs += 1


@pytest.fixture(autouse=True)
def _uncounted():
    Count.batches = Count.epochs = 0


def search(path, *args, decisions=(), objective="val_accuracy", trials=1, make=None, **kwargs):
    space = JointSpace(SPACE, *decisions) if decisions else SPACE
    mine = StrategyOracle(objective, trials, strategy="random", space=space, seed=0)
    made = (make or NASNetHyperModel)(space, input_shape=(6, 6, 1), classes=3)
    tuner = kt.Tuner(mine, made, directory=str(path), project_name="p")
    given = {"verbose": 0, "callbacks": [Count()], **kwargs}
    tuner.search(*args, **given)
    return list(mine.trials.values())


def stream(x=X, y=Y, size=16):
    return tf.data.Dataset.from_tensor_slices((x, y)).batch(size)


class Rows(keras.utils.PyDataset):
    def __init__(self, x=X, y=Y):
        super().__init__()
        self.x, self.y = x, y

    def __len__(self):
        return 2

    def __getitem__(self, index):
        part = slice(16 * index, 16 * index + 16)
        return self.x[part], self.y[part]


def endless(x=X, y=Y):
    while True:
        yield x[:16], y[:16]


LABELS = {
    "one-hot": (np.eye(3)[Y], r"look one-hot; give the number of each class, as labels.argmax"),
    "text": (np.array(["a", "b", "c"])[Y], r"labels are text such as \['a', 'b', 'c'\]; give the"),
    "objects": (np.array(["a", "b", "c"], object)[Y], "labels are text such as"),
    "from 1": (Y + 1, "labels run from 1 to 3, and 3 classes are numbered from 0 to 2"),
    "negative": (Y - 1, "labels run from -1 to 1"),
    "halves": (Y / 2, "labels must be whole numbers or text, one for each image; got float64"),
    "NaN": (np.where(Y == 1, np.nan, Y), "labels must be whole numbers"),
}


@pytest.mark.parametrize("labels", LABELS)
def test_labels_get_the_advice_of_load_dataset_before_any_training(tmp_path, labels):
    y, message = LABELS[labels]
    with pytest.raises(kt.errors.FatalValueError, match=message) as raised:
        search(tmp_path, X, y, **HALF)
    assert isinstance(raised.value, InvalidData)
    assert Count.batches == 0


@pytest.mark.parametrize("labels", ["one-hot", "text"])
@pytest.mark.parametrize("given", ["stream", "rows", "generator", "held out", "held out stream"])
def test_labels_of_ready_made_batches_do_so_too(tmp_path, labels, given):
    y, message = LABELS[labels]
    args, kwargs = {
        "stream": ((stream(y=y),), HALF),
        "rows": ((Rows(y=y),), HALF),
        "generator": ((endless(y=y),), {"steps_per_epoch": 2, **HALF}),
        "held out": ((X, Y), {"validation_data": (X, y)}),
        "held out stream": ((X, Y), {"validation_data": stream(y=y)}),
    }[given]
    where = "validation_data is" if "held" in given else "tuner.search was given"
    with pytest.raises(kt.errors.FatalValueError, match=f"(?s){where}.*{message}"):
        search(tmp_path, *args, **kwargs)
    assert Count.batches == 0


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ((X, Y[:31]), "there are 32 images and 31 labels"),
        ((X, np.zeros((32, 6, 6))), "there are 32 images and 1152 labels"),
        ((X,), "there are no labels"),
        ((), "there is no data"),
        ((X[:, :5], Y), r"inputs of shape \(5, 6, 1\).*input_shape=\(6, 6, 1\)"),
        ((np.moveaxis(X, -1, 1), Y), r"channels first.*\(32, 6, 6, 1\): transpose them"),
        ((stream().map(lambda x, y: x),), r"a batch of a tf.data.Dataset must be \(images, labels"),
        ((Rows(), Y), "y, sample_weight and validation_split are for arrays"),
        ((endless(),), "would use the generator up"),
        ((iter([]),), "would use the generator up"),
        ((X.astype(str), Y), r"images must be numbers, got an array of dtype <U.*astype"),
        ((np.where(X.max() == X, np.nan, X), Y), "images hold NaN or infinite values"),
    ],
)
def test_inputs_that_no_child_can_be_trained_on_are_refused(tmp_path, args, message):
    with pytest.raises(kt.errors.FatalValueError, match=message):
        search(tmp_path, *args, **HALF)
    assert Count.batches == 0


def test_validation_images_are_looked_at_too(tmp_path):
    with pytest.raises(kt.errors.FatalValueError, match=r"validation_data is.*images hold NaN"):
        search(tmp_path, X, Y, validation_data=(np.full_like(X, np.nan), Y))
    assert Count.batches == 0


@pytest.mark.parametrize("name", ["epochs", "batch_size"])
def test_a_number_of_epochs_or_images_below_1_is_refused(tmp_path, name):
    with pytest.raises(kt.errors.FatalValueError, match=f"{name} must be 1 or more, got 0"):
        search(tmp_path, X, Y, **{**HALF, name: 0})
    assert Count.batches == 0


def test_an_argument_that_fit_does_not_know_is_refused(tmp_path):
    with pytest.raises(kt.errors.FatalTypeError, match=r"'epoch'.*It knows \['x', 'y', 'batch_siz"):
        search(tmp_path, X, Y, epoch=3, **HALF)


@pytest.mark.parametrize("y", [Y.astype(float), Y[:, None], Y.tolist(), Y.astype("uint8")])
def test_labels_that_load_dataset_takes_are_trained_on(tmp_path, y):
    (trial,) = search(tmp_path, X, y, **HALF)
    assert trial.status == "COMPLETED", trial.message


def test_a_loss_of_ones_own_has_labels_of_its_own(tmp_path):
    class Hot(NASNetHyperModel):
        def compile(self, hp, model):
            model.compile("sgd", "categorical_crossentropy", metrics=["accuracy"])

    hot = np.eye(3)[Y]
    (trial,) = search(tmp_path / "a", X, hot, make=Hot, validation_data=(X, hot))
    assert trial.status == "COMPLETED", trial.message
    with pytest.raises(InvalidData, match=r"one-hot labels of shape \(32, 3\), and got int64"):
        search(tmp_path / "b", X, Y, make=Hot, **HALF)


WORKING = {
    "arrays": lambda: ((X, Y), HALF),
    "by position": lambda: ((X, Y, 16, 1), HALF),
    "without channels": lambda: ((X[..., 0], Y), {"validation_data": (X[:8, ..., 0], Y[:8])}),
    "validation_split": lambda: ((X, Y), {"validation_split": 0.25}),
    "sample_weight": lambda: ((X, Y), {"sample_weight": np.ones(32), **HALF}),
    "weights and split": lambda: ((X, Y), {"sample_weight": np.ones(32), "validation_split": 0.5}),
    "class_weight": lambda: ((X, Y), {"class_weight": {0: 1.0, 1: 2.0, 2: 1.0}, **HALF}),
    "stream": lambda: ((stream(),), {"validation_data": stream()}),
    "stream, steps": lambda: ((stream().repeat(),), {"steps_per_epoch": 2, **HALF}),
    "rows": lambda: ((Rows(),), {"validation_data": Rows()}),
    "rows, weighted": lambda: ((Rows(),), {"class_weight": {0: 1.0, 1: 2.0, 2: 1.0}, **HALF}),
    "generator": lambda: ((endless(),), {"steps_per_epoch": 2, **HALF}),
    "tensors": lambda: ((tf.constant(X), tf.constant(Y)), HALF),
}


@pytest.mark.parametrize("given", WORKING)
def test_a_searched_augmentation_works_with_what_keras_takes(tmp_path, given, monkeypatch):
    changed = []
    for module in (batches, ready_made):
        monkeypatch.setattr(
            module, "augment", lambda x, how, rng: changed.append(x.shape) or np.zeros_like(x)
        )
    args, kwargs = WORKING[given]()
    for trial in search(tmp_path, *args, decisions=[SHIFT], **kwargs):
        assert trial.status == "COMPLETED", trial.message
    assert {shape[1:] for shape in changed} == {(6, 6, 1)}
    assert len(changed) >= Count.batches > 0


def test_an_augmented_order_is_the_one_that_was_given(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(batches, "augment", lambda x, how, rng: seen.append(x) or x)
    search(tmp_path, X, Y, decisions=[SHIFT], shuffle=False, **HALF)
    assert np.array_equal(np.concatenate(seen)[:32], X)


class Loader:
    """Batches of a kind that is not known."""

    def __iter__(self):
        return endless()


@pytest.mark.parametrize(
    ("decision", "x", "more", "message"),
    [
        (SHIFT, Loader(), {"steps_per_epoch": 2}, "augmentation cannot change.* of a Loader"),
        (Decision("augmentation", ("none",)), Loader(), {"steps_per_epoch": 2}, "of a Loader"),
        (Decision("batch_size", (2, 4)), Rows(), {}, "batch_size cannot change.* of a PyDataset"),
        (Decision("batch_size", (2, 4)), endless(), {"steps_per_epoch": 2}, "how many examples"),
        (Decision("batch_size", (2, 4)), stream(), {"steps_per_epoch": 2}, "how many examples"),
    ],
)
def test_what_a_searched_recipe_cannot_change_is_refused(tmp_path, decision, x, more, message):
    with pytest.raises(kt.errors.FatalValueError, match=message):
        search(tmp_path, x, decisions=[decision], **more, **HALF)
    assert Count.batches == 0


def test_what_are_no_images_is_not_augmented():
    """Neither by the hypermodel nor by the evaluation of any other host."""
    space = JointSpace(SPACE, SHIFT)
    with pytest.raises(ValueError, match=r"augmentation shift changes images.*shape \(36,\)"):
        NASNetHyperModel(space, input_shape=(36,), classes=3)
    rows = X.reshape(32, 36)
    with pytest.raises(ValueError, match=r"augmentation shift changes images.*shape \(36,\)"):
        Evaluation(space, Dataset(rows, Y, rows[:8], Y[:8], ("a", "b", "c")))


def test_a_searched_batch_size_makes_the_batches_of_a_stream_anew(tmp_path):
    size = Decision("batch_size", (4,))
    search(tmp_path, stream(), decisions=[size], **HALF)
    assert Count.batches == 8


OBJECTIVES = {
    "val_acc": ({}, r"'val_acc': the metrics are accuracy, loss, val_accuracy, val_loss. Did you"),
    "val_auc": ({}, "'val_auc': the metrics are accuracy, loss, val_accuracy, val_loss"),
    "val_mae": ({"validation_data": None}, r"'val_mae'.*Did you|There is no validation in every"),
    "val_accuracy": ({"validation_freq": 2}, "no validation_data or validation_split"),
}


@pytest.mark.parametrize("name", OBJECTIVES)
def test_an_objective_that_training_does_not_give_is_refused(tmp_path, name):
    """A callback of a user's may add metrics, so it is known after the first epoch only."""
    more, message = OBJECTIVES[name]
    for callbacks, epochs in (([], 0), ([Count()], 1)):
        Count.epochs = 0
        given = {"callbacks": callbacks, **HALF, **more}
        with pytest.raises(kt.errors.FatalValueError, match=message):
            search(tmp_path / str(epochs), X, Y, objective=kt.Objective(name, "max"), **given)
        assert Count.epochs <= epochs


def test_an_objective_that_a_callback_adds_is_taken(tmp_path):
    class Adds(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs["val_f1"] = 0.25

    given = {"objective": kt.Objective("val_f1", "max"), "callbacks": [Adds()], **HALF}
    assert [trial.score for trial in search(tmp_path, X, Y, **given)] == [0.25]


def test_objectives_of_what_is_measured_are_taken(tmp_path):
    def weighed(*args, **kwargs):
        return NASNetHyperModel(*args, reward=AccuracyReward(), **kwargs)

    for name in ("reward", "seconds", "best_val_accuracy", "parameters"):
        given = {"objective": kt.Objective(name, "max"), "make": weighed, **HALF}
        (trial,) = search(tmp_path / name, X, Y, **given)
        assert trial.status == "COMPLETED", trial.message
    with pytest.raises(kt.errors.FatalValueError, match="Did you mean 'reward'"):
        search(tmp_path, X, Y, objective=kt.Objective("rewards", "max"), make=weighed, **HALF)
    assert Count.epochs == 4 + 1


def build(hp):
    model = SPACE.build(architecture(hp, SPACE), (6, 6, 1), 3)
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def own_search(path, hypermodel, objective="val_accuracy", tuner=kt.Tuner, **kwargs):
    mine = StrategyOracle(objective, 2, strategy="random", space=SPACE, seed=0, **kwargs)
    made = tuner(mine, hypermodel, directory=str(path), project_name="p")
    made.search(X, Y, epochs=3, verbose=0, callbacks=[Count()], **HALF)
    return list(mine.trials.values())


@pytest.mark.parametrize("objective", [
    kt.Objective("val_acc", "max"),
    [kt.Objective("val_acc", "max"), kt.Objective("val_loss", "min")],
])  # fmt: skip
def test_a_build_of_ones_own_is_told_after_the_first_epoch(tmp_path, objective):
    given = {"strategy": "auto"} if isinstance(objective, list) else {}
    mine = StrategyOracle(objective, 2, **{"strategy": "random", "space": SPACE, **given})
    tuner = kt.Tuner(mine, build, directory=str(tmp_path), project_name="p")
    with pytest.raises(kt.errors.FatalValueError, match="'val_acc': the metrics are accuracy, "):
        tuner.search(X, Y, epochs=3, verbose=0, callbacks=[Count()], **HALF)
    assert Count.epochs == 1


def test_a_fit_of_ones_own_may_compute_the_objective(tmp_path):
    class Computes(kt.HyperModel):
        def build(self, hp):
            return build(hp)

        def fit(self, hp, model, *args, **kwargs):
            model.fit(*args, **kwargs)
            return {"taste": 0.5}

    class Returns(Computes):
        def fit(self, hp, model, *args, **kwargs):
            return model.fit(*args, **kwargs)

    trials = own_search(tmp_path / "a", Computes(), kt.Objective("taste", "max"))
    assert [trial.score for trial in trials] == [0.5, 0.5]
    Count.epochs = 0
    with pytest.raises(kt.errors.FatalValueError, match="'taste': the metrics are"):
        own_search(tmp_path / "b", Returns(), kt.Objective("taste", "max"))
    assert Count.epochs == 3  # one whole training: only its end shows what `fit` returns


@pytest.mark.parametrize("way", ["maximize", "up", None])
def test_a_direction_that_keras_tuner_would_take_for_min_is_refused(way):
    with pytest.raises(ValueError, match='"min" or "max", got'):
        StrategyOracle(kt.Objective("val_accuracy", way), 2, strategy="random", space=SPACE)
    with pytest.raises(ValueError, match="each objective is to be given once"):
        StrategyOracle(["val_loss", "val_loss"], 2, strategy="pareto", space=SPACE)


def test_a_search_of_several_trials_brings_no_warning_of_retracing(tmp_path, caplog):
    tf.config.run_functions_eagerly(False)
    log = tf.get_logger()
    log.addHandler(caplog.handler)
    try:
        trials = search(tmp_path, X, Y, batch_size=8, epochs=2, trials=6, **HALF)
    finally:
        log.removeHandler(caplog.handler)
    assert [trial.status for trial in trials] == ["COMPLETED"] * 6
    assert [said for said in caplog.messages if "retracing" in said] == []


def test_an_evaluation_is_told_after_the_first_epoch(tmp_path):
    data = Dataset(X, Y, X[:8], Y[:8], ("a", "b", "c"))
    epochs = []
    mine = StrategyOracle(kt.Objective("val_acc", "max"), 2, strategy="random", space=SPACE)
    tuner = EvaluationTuner(
        Evaluation(SPACE, data, recipe=Recipe(epochs=3)),
        mine,
        report=lambda number, epoch, metrics: epochs.append(epoch),
        directory=str(tmp_path),
    )
    with pytest.raises(kt.errors.FatalValueError, match="Did you mean 'val_accuracy'"):
        tuner.search(verbose=0)
    assert epochs == []


def test_a_schedule_that_a_fit_of_ones_own_ignores_ends_the_search(tmp_path):
    class Follows(kt.HyperModel):
        def build(self, hp):
            return build(hp)

        def fit(self, hp, model, *args, **kwargs):
            return model.fit(*args, **{**kwargs, "epochs": hp["tuner/epochs"]})

    schedule = Hyperband(2, 2)
    with pytest.raises(RuntimeError, match=r'Give model.fit epochs=hp\["tuner/epochs"\]'):
        own_search(tmp_path / "a", build, schedule=schedule)
    Count.epochs = 0
    own_search(tmp_path / "b", Follows(), schedule=schedule)
    assert Count.epochs == 2  # two trials of the first rung, of one epoch each
