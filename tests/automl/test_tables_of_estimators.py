"""What estimators read, leave out, refuse and save; no search, so that nothing is trained."""

import json
from types import SimpleNamespace

import keras
import numpy as np
import pandas as pd
import pytest

from cellwright import CellwrightClassifier, CellwrightRegressor, TrainedModel
from cellwright.automl import estimators
from cellwright.search_spaces import CorruptedState, Decision, JointSpace, MLPSpace, NASNetSpace

ROWS = 60
RNG = np.random.default_rng(0)
KINDS = RNG.integers(0, 2, ROWS)


@pytest.fixture(autouse=True)
def _no_search(monkeypatch):
    def find(data, whole, plan):
        network = [keras.Input(data.input_shape), keras.layers.Dense(data.classes or 1, "sigmoid")]
        return SimpleNamespace(
            params={}, trials=[], refitted=False, model=keras.Sequential(network)
        )

    monkeypatch.setattr(estimators, "find", find)


def classifier(**arguments):
    return CellwrightClassifier(max_trials=1, time_budget=None, **arguments)


@pytest.mark.parametrize(
    ("values", "what"),
    [
        (RNG.normal(size=ROWS) + 1j, "complex numbers"),
        ([[i] for i in range(ROWS)], "values of the type list"),
        ([f"n{i}" for i in range(ROWS)], "is text that differs in most rows"),
        ([5.0] * ROWS, "holds only 5"),
    ],
)
def test_columns_that_are_left_out_are_warned_of(values, what, capsys):
    x = pd.DataFrame({"a": RNG.normal(size=ROWS), "odd": values})
    with pytest.warns(
        UserWarning, match=f"1 of 2 columns are left out: column 'odd' .*{what}"
    ) as w:
        model = classifier(verbose=1).fit(x, KINDS)
    assert w[0].filename == __file__
    assert what in model.notes_[0]
    assert what in capsys.readouterr().out
    assert len(model.predict(x.assign(odd=["anything", np.inf, None] * (ROWS // 3)))) == ROWS


def test_a_left_out_column_of_an_array_is_not_checked_by_predict():
    x = np.c_[RNG.normal(size=ROWS), np.full(ROWS, 5.0)]
    with pytest.warns(UserWarning, match="'x1' holds only 5"):
        model = classifier().fit(x, KINDS)
    assert len(model.predict([[1.0, np.inf], [2.0, 7.0]])) == 2
    with pytest.raises(ValueError, match="'x0' holds an infinite number in row 2"):
        model.predict([[1.0, 5.0], [np.inf, 5.0]])


def test_dates_are_read_and_said(recwarn):
    frame = pd.DataFrame({"day": pd.date_range("2024-01-01", periods=ROWS)})
    for x in (frame, frame.to_numpy()):
        model = classifier().fit(x, KINDS)
        assert "holds dates, read as days since 1970: 2024-01-0" in model.notes_[0]
        assert len(model.predict(x)) == ROWS
    assert not [warning for warning in recwarn if warning.category is UserWarning]


@pytest.mark.parametrize(
    ("y", "words"),
    [
        (
            [None, *range(39)],
            r"y holds no value \(None\) in 1 of 40 rows, the first of which is row 1",
        ),
        ([*map(str, range(39)), "12_3"], "holds text such as '12_3' in row 40"),
    ],
)
def test_numbers_to_predict_that_are_none(y, words):
    x = np.c_[np.arange(40.0), np.arange(40) % 7]
    with pytest.raises(ValueError, match=words):
        CellwrightRegressor(max_trials=1, time_budget=None).fit(x, np.array(y, dtype=object))


def test_classes_that_are_missing():
    with pytest.raises(ValueError, match="y holds no value"):
        classifier().fit(np.eye(4), np.array(["a", None, "b", "a"], dtype=object))


def test_decimal_commas_to_predict():
    model = CellwrightRegressor(max_trials=1, time_budget=None)
    model.fit(np.c_[np.arange(40.0), np.arange(40) % 7], np.array(["10,5", "12,5"] * 20))
    assert 10 < model._scale[0] < 13


@pytest.mark.parametrize(
    "given",
    [
        {"class_weight": {0: 1.0, 1: 2.0}},
        {"class_weight": {np.int64(0): 1.0, np.int64(1): np.float32(2.0)}},
        {"random_state": np.int64(3)},
        {"space": MLPSpace(nodes=(8, 16), length=2)},
        {"space": NASNetSpace(blocks=2, operation_set="book")},
    ],
)
def test_parameters_come_back_as_they_were_given(given, tmp_path):
    x = RNG.normal(size=(ROWS, 2))
    classifier(**given).fit(x, KINDS).save(tmp_path)
    loaded = CellwrightClassifier.load(tmp_path)
    ((name, value),) = given.items()
    again = getattr(loaded, name)
    assert type(again) is type(value)
    if name == "space":
        assert again.identity() == value.identity()
    else:
        assert again == value
    loaded.fit(x, KINDS)


@pytest.mark.parametrize("make", [np.random.RandomState, np.random.default_rng])
def test_a_random_state_comes_back_where_it_stood(make, tmp_path):
    state = make(7)
    state.normal(size=3)
    model = classifier().fit(RNG.normal(size=(ROWS, 2)), KINDS).set_params(random_state=state)
    model.save(tmp_path)
    again = CellwrightClassifier.load(tmp_path).random_state
    assert again.normal(size=5).tolist() == state.normal(size=5).tolist()


@pytest.mark.parametrize(
    "classes",
    [
        np.array(["2020-01-01", "2021-01-01"], dtype="M8[D]"),
        np.array(["no", "yes"]),
        np.array([False, True]),
    ],
)
def test_classes_come_back_as_they_were(classes, tmp_path):
    x = RNG.normal(size=(ROWS, 2))
    model = classifier().fit(x, classes[KINDS])
    model.save(tmp_path)
    loaded = CellwrightClassifier.load(tmp_path)
    assert loaded.classes_.dtype == model.classes_.dtype
    assert loaded.predict(x).tolist() == model.predict(x).tolist()


@pytest.mark.parametrize("number", [1, 2])
def test_what_version_0_1_0_saved_is_loaded(number, tmp_path):
    x = RNG.normal(size=(ROWS, 2))
    model = classifier(class_weight="balanced").fit(x, KINDS)
    model.save(tmp_path)
    file = tmp_path / "estimator.json"
    document = json.loads(file.read_text())
    reader = json.loads((tmp_path / "model.json").read_text())["input"]
    (tmp_path / "model.json").unlink()
    document |= {"format": number, "reader": reader, "scale": [0.0, 1.0]}
    if number == 1:
        document |= {"classes": [0, 1], "classes_dtype": "int64"}
        document["params"]["image_shape"] = [2, 1]
        for column in document["reader"]["table"]["columns"]:
            del column["style"]
        del document["notes"]
    file.write_text(json.dumps(document))
    with pytest.raises(CorruptedState, match="an estimator of an earlier version: load and save"):
        TrainedModel.load(tmp_path)
    loaded = CellwrightClassifier.load(tmp_path)
    assert loaded.image_shape == ((2, 1) if number == 1 else None)
    assert loaded.predict(x).tolist() == model.predict(x).tolist()


class Mine(MLPSpace):
    """A space of a user."""


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("space", Mine()),
        ("space", JointSpace(MLPSpace(), Decision("a", (1, 2)))),
        ("class_weight", {0: object()}),
    ],
)
def test_what_would_not_come_back_is_refused_before_anything_is_written(name, value, tmp_path):
    model = classifier().fit(RNG.normal(size=(ROWS, 2)), KINDS).set_params(**{name: value})
    with pytest.raises(TypeError, match=rf"{name}: .*cannot be saved so that it comes back"):
        model.save(tmp_path / "model")
    assert not (tmp_path / "model").exists()
