"""The estimators as a scikit-learn user meets them: real searches with tiny budgets."""

import json
import pickle
import signal
import time

import keras
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_wine
from sklearn.model_selection import cross_val_score, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.utils.estimator_checks import check_estimator, estimator_checks_generator

from cellwright import CellwrightClassifier, CellwrightRegressor
from cellwright.search_spaces import (
    CellwrightError,
    ChildFailed,
    CorruptedState,
    Decision,
    JointSpace,
    MLPSpace,
    UnbuildableChild,
)

TINY = {"time_budget": None, "max_trials": 1, "strategy": "random", "random_state": 0}
SMALL = MLPSpace(nodes=(32,), activations=("relu",), length=2)
EXPECTED = {
    "check_sample_weight_equivalence_on_dense_data": "rows that weigh twice as much and rows that "
    "are there twice are split differently, and no child sees the part that it is validated on",
}

# scikit-learn's checks that train nothing: of parameters, tags, and data that are refused.
UNTRAINED = {
    "check_all_zero_sample_weights_error",
    "check_classifiers_one_label",
    "check_classifiers_one_label_sample_weights",
    "check_classifiers_regression_target",
    "check_complex_data",
    "check_decision_proba_consistency",
    "check_do_not_raise_errors_in_init_or_set_params",
    "check_estimator_cloneable",
    "check_estimator_repr",
    "check_estimator_sparse_array",
    "check_estimator_sparse_matrix",
    "check_estimator_sparse_tag",
    "check_estimator_tags_renamed",
    "check_estimators_empty_data_messages",
    "check_estimators_partial_fit_n_features",
    "check_estimators_unfitted",
    "check_fit1d",
    "check_fit2d_1sample",
    "check_get_params_invariance",
    "check_mixin_order",
    "check_no_attributes_set_in_init",
    "check_non_transformer_estimators_n_iter",
    "check_parameters_default_constructible",
    "check_requires_y_none",
    "check_set_params",
    "check_supervised_y_no_nan",
    "check_valid_tag_types",
}


def people(rows=120, seed=0):
    """Text, numbers and missing values, and a class that follows from them."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "height": rng.normal(170, 10, rows),
            "town": rng.choice(["Rome", "Oslo"], rows),
            "children": pd.array(rng.integers(0, 4, rows), dtype="Int64"),
        }
    )
    tall = (frame["height"] > 170) ^ (frame["town"] == "Oslo")
    frame.loc[::10, "children"] = pd.NA
    frame.loc[5::10, "town"] = None
    return frame, np.where(tall, "yes", "no")


@pytest.fixture(scope="module")
def fitted():
    frame, answers = people()
    return CellwrightClassifier(space=SMALL, epochs=30, **TINY).fit(frame, answers)


def test_a_frame_of_text_numbers_and_gaps(fitted):
    frame, answers = people(seed=1)
    assert fitted.classes_.tolist() == ["no", "yes"]
    assert fitted.feature_names_in_.tolist() == ["height", "town", "children"]
    assert fitted.n_features_in_ == 3
    probabilities = fitted.predict_proba(frame)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    likeliest = fitted.classes_[probabilities.argmax(axis=1)]
    assert (fitted.predict(frame) == likeliest).all()
    assert fitted.score(frame, answers) > 0.75
    assert fitted.best_params_ == fitted.trials_[0].params
    assert fitted.refitted_
    assert isinstance(fitted.model_, keras.Model)


def test_the_winner_is_trained_again_with_the_hyperparameters_that_it_was_found_with(untraced):
    searched = JointSpace(SMALL, Decision("learning_rate", (0.02,)), Decision("epochs", (2,)))
    found = CellwrightClassifier(space=searched, epochs=1, **TINY).fit(*people(40))
    assert found.refitted_
    assert float(found.model_.optimizer.learning_rate) == pytest.approx(0.02)
    assert int(found.model_.optimizer.iterations) == 2 * 3  # batches of 16 of 40 rows


def test_what_is_saved_is_loaded_and_holds_no_pickle(fitted, tmp_path):
    frame, _ = people(seed=1)
    expected = fitted.predict_proba(frame)
    fitted.save(tmp_path / "model")
    assert sorted(f.name for f in (tmp_path / "model").iterdir()) == [
        "estimator.json",
        "model.json",
        "model.keras",
    ]
    loaded = CellwrightClassifier.load(tmp_path / "model")
    np.testing.assert_array_equal(loaded.predict_proba(frame), expected)
    assert loaded.classes_.dtype == fitted.classes_.dtype
    assert loaded.trials_ == fitted.trials_
    assert loaded.get_params()["max_trials"] == 1
    assert loaded.space.identity() == SMALL.identity()
    copied = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(copied.predict_proba(frame), expected)
    assert isinstance(fitted.model_, keras.Model)  # pickling left it as it was


def test_what_cannot_be_loaded_is_refused(fitted, tmp_path):
    with pytest.raises(CorruptedState, match="holds no CellwrightClassifier"):
        CellwrightClassifier.load(tmp_path)
    fitted.save(tmp_path)
    with pytest.raises(CorruptedState, match="holds a CellwrightClassifier of format 3"):
        CellwrightRegressor.load(tmp_path)
    document = json.loads((tmp_path / "estimator.json").read_text())
    del document["params"]
    (tmp_path / "estimator.json").write_text(json.dumps(document))
    with pytest.raises(CorruptedState, match="KeyError"):
        CellwrightClassifier.load(tmp_path)
    (tmp_path / "estimator.json").unlink()
    with pytest.raises(CorruptedState, match="a model of `cellwright train`, which is no Cellwr"):
        CellwrightClassifier.load(tmp_path)


@pytest.mark.slow
def test_the_same_seed_gives_the_same_estimator(fitted):
    frame, answers = people()
    again = clone(fitted).fit(frame, answers)
    np.testing.assert_allclose(again.predict_proba(frame), fitted.predict_proba(frame), atol=1e-6)


@pytest.mark.slow
def test_a_pipeline_and_cross_validation():
    x, y = load_wine(return_X_y=True)
    pipeline = make_pipeline(MinMaxScaler(), CellwrightClassifier(space=SMALL, epochs=20, **TINY))
    scores = cross_val_score(pipeline, x, y, cv=2)
    assert scores.min() > 0.8


@pytest.mark.slow
def test_numbers_are_predicted_in_their_own_unit():
    x, y = load_diabetes(return_X_y=True)
    regressor = CellwrightRegressor(space=SMALL, epochs=40, **TINY).fit(x[:330], y[:330])
    assert 100 < regressor.predict(x[330:]).mean() < 200
    assert regressor.score(x[330:], y[330:]) > 0.35


@pytest.mark.slow
def test_images_are_searched_by_a_space_of_images():
    digits = load_digits()
    classifier = CellwrightClassifier(epochs=2, **{**TINY, "time_budget": 60})
    classifier.fit(digits.images[:300], digits.target[:300])
    assert "layer_1/filters" in classifier.best_params_
    flat = digits.data[:50]
    with pytest.raises(ValueError, match="X has 64 features"):
        classifier.predict(flat)
    assert classifier.predict(digits.images[:50]).shape == (50,)


def test_images_with_channels_first_are_refused_by_fit_and_predict():
    x, y = np.random.default_rng(0).random((20, 8, 8, 3)), np.arange(20) % 2
    first = np.moveaxis(x, -1, 1)
    classifier = CellwrightClassifier(space=SMALL, epochs=1, refit=False, **TINY)
    with pytest.raises(ValueError, match=r"channels first.*\(20, 8, 8, 3\): transpose them"):
        classifier.fit(first, y)
    classifier.fit(x, y)
    with pytest.raises(ValueError, match=r"channels first.*\(20, 8, 8, 3\): transpose them"):
        classifier.predict(first)
    with pytest.raises(
        ValueError, match=r"images of shape \(8, 8, 3\) are expected, got \(8, 3, 8"
    ):
        classifier.predict(np.moveaxis(x, -1, 2))  # as many numbers, in another order
    assert classifier.predict(x).shape == (20,)


def test_a_time_budget_is_kept_and_used():
    x, y = load_digits(return_X_y=True)
    classifier = CellwrightClassifier(time_budget=12, random_state=0)
    start = time.monotonic()
    classifier.fit(x, y)
    assert 5 < time.monotonic() - start < 14
    assert len(classifier.trials_) >= 1


def test_a_budget_for_less_than_one_child_gives_what_there_is():
    x, y = load_digits(return_X_y=True)
    classifier = CellwrightClassifier(time_budget=2, epochs=10_000, random_state=0).fit(x, y)
    assert not classifier.refitted_
    assert classifier.trials_[0].metrics["cut"] == 1
    assert set(classifier.predict(x)) <= set(range(10))


@pytest.mark.slow
def test_weights_of_classes_and_rows():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(100, 2)), np.r_[np.zeros(80, int), np.ones(20, int)]
    shares = []
    for weights in (None, "balanced", {0: 1, 1: 1000}):
        model = CellwrightClassifier(space=SMALL, class_weight=weights, epochs=10, **TINY)
        shares.append((model.fit(x, y).predict(x) == 1).mean())
    assert shares[0] < shares[1] < shares[2]


@pytest.mark.slow
def test_rows_of_weight_0_are_left_out():
    x, y = load_wine(return_X_y=True)
    weights = np.where(y == 2, 0.0, 1.0)
    model = CellwrightClassifier(space=SMALL, epochs=10, **TINY).fit(x, y, sample_weight=weights)
    assert set(model.predict(x)) == {0, 1}
    with pytest.raises(ValueError, match="y holds only one class"):
        model.fit(x, y, sample_weight=weights * (y == 1))


@pytest.mark.parametrize(
    ("arguments", "kind", "words"),
    [
        ({"host": "katib"}, ValueError, "host must be one of optuna, nni, keras-tuner, ray, got"),
        ({"max_trials": None}, ValueError, "give a time_budget, max_trials, or both"),
        ({"time_budget": 0}, ValueError, "time_budget must be above 0, got 0"),
        ({"confirm": 0}, ValueError, "confirm must be above 0, got 0"),
        ({"validation_fraction": 1}, ValueError, "validation_fraction must be between 0 and 1"),
        ({"strategy": "luck"}, ValueError, "unknown name 'luck'"),
        ({"space": "maze"}, ValueError, "unknown name 'maze'"),
        ({"space": "convnet"}, UnbuildableChild, "a table of 2 features; MLPSpace"),
        (
            {"space": SMALL, "host": "nni"},
            CellwrightError,
            "NNI's trials are processes of their own",
        ),
    ],
)
def test_what_does_not_fit_is_refused_before_a_child_is_trained(arguments, kind, words):
    classifier = CellwrightClassifier(**{**TINY, **arguments})
    x = np.random.default_rng(0).normal(size=(40, 2))
    with pytest.raises(kind, match=words):
        classifier.fit(x, [0, 1] * 20)


class Broken(MLPSpace):
    """Its children are built once, to be looked at, and never to be trained."""

    built = 0

    def build(self, *arguments, **options):
        Broken.built += 1
        if Broken.built > 1:
            raise RuntimeError("no child today")
        return super().build(*arguments, **options)


def test_no_child_that_could_be_trained():
    with pytest.raises(
        ChildFailed, match="no child could be trained: RuntimeError: no child today"
    ):
        CellwrightClassifier(space=Broken(), **TINY).fit(np.eye(20), [0, 1] * 10)


@pytest.mark.slow
@pytest.mark.parametrize("host", ["keras-tuner", "nni", "ray"])
def test_every_host_drives_a_search_within_its_budget(host):
    pytest.importorskip(host.replace("-", "_"))
    x, y = load_wine(return_X_y=True)
    train, test, y_train, y_test = train_test_split(x, y, random_state=0, stratify=y)
    start = time.monotonic()
    found = CellwrightClassifier(host=host, time_budget=90, max_trials=2, random_state=0)
    found.fit(train, y_train)
    assert time.monotonic() - start < 99
    assert 1 <= len(found.trials_) <= 2
    assert found.score(test, y_test) > 0.9


@pytest.mark.slow
@pytest.mark.parametrize(
    ("load", "least"), [(load_digits, 0.97), (load_wine, 0.93), (load_breast_cancer, 0.93)]
)
def test_one_call_of_two_minutes(load, least):
    x, y = load(return_X_y=True)
    x, x_test, y, y_test = train_test_split(x, y, random_state=0, stratify=y)
    start = time.monotonic()
    found = CellwrightClassifier(time_budget=120, random_state=0).fit(x, y)
    seconds, accuracy = time.monotonic() - start, found.score(x_test, y_test)
    print(f"{load.__name__}: {accuracy:.4f} after {seconds:.1f} s, {len(found.trials_)} children")
    assert seconds < 132
    assert accuracy >= least


@pytest.mark.parametrize("kind", [CellwrightClassifier, CellwrightRegressor])
def test_scikit_learns_checks_that_train_nothing(kind):
    ran = set()
    for estimator, check in estimator_checks_generator(kind(**TINY)):
        name = getattr(check, "func", check).__name__
        if name in UNTRAINED:
            check(estimator)
            ran.add(name)
    only_classifiers = {name for name in UNTRAINED if "classifiers" in name or "proba" in name}
    assert ran == UNTRAINED - (only_classifiers if kind is CellwrightRegressor else set())


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("kind", [CellwrightClassifier, CellwrightRegressor])
def test_scikit_learns_checks(kind):
    estimator = kind(epochs=30, refit=False, **TINY)
    check_estimator(estimator, on_skip=None, expected_failed_checks=EXPECTED)


class Interrupted(MLPSpace):
    """Ctrl-C while the second child is built."""

    built = 0

    def build(self, *arguments, **options):
        Interrupted.built += 1
        if Interrupted.built == 3:  # the first is a test
            signal.raise_signal(signal.SIGINT)
        return super().build(*arguments, **options)


@pytest.mark.parametrize("host", ["optuna", "keras-tuner"])
def test_ctrl_c_ends_fit_and_is_no_failed_child(host, capsys):
    Interrupted.built = 0
    space = Interrupted(nodes=(2, 3, 4, 5, 6, 7), activations=("relu", "tanh"), length=2)
    x, y = load_wine(return_X_y=True)
    model = CellwrightClassifier(
        **(TINY | {"max_trials": 3}), space=space, host=host, epochs=1, verbose=1
    )
    with pytest.raises(KeyboardInterrupt):
        model.fit(x, y)
    assert not hasattr(model, "model_")
    assert [line.split(":")[0] for line in capsys.readouterr().out.splitlines()] == ["trial 0"]


@pytest.mark.slow
def test_the_winner_is_confirmed_within_the_budget(untraced):
    x, y = load_wine(return_X_y=True)
    options = {"max_trials": 3, "epochs": 3, "time_budget": None, "random_state": 1}
    for refit in (True, False):
        found = CellwrightClassifier(confirm=2, refit=refit, **options).fit(x, y)
        means = {
            trial.number: trial.metrics["confirmed_reward"]
            for trial in found.trials_
            if "confirmed_reward" in trial.metrics
        }
        winner = next(t for t in found.trials_ if t.number == max(means, key=means.get))
        assert len(means) == 2
        assert found.best_params_ == winner.params
        assert found.refitted_ == refit
        assert found.predict(x[:5]).shape == (5,)


def test_a_budget_too_short_to_confirm_is_said(untraced):
    x, y = load_digits(return_X_y=True)
    model = CellwrightClassifier(time_budget=2, epochs=10_000, random_state=0, confirm=1)
    with pytest.warns(UserWarning, match="too short to train the best child again"):
        model.fit(x, y)
    assert model.best_params_ == max(model.trials_, key=lambda t: t.reward or 0).params
