"""Tables: what is read, prepared and split, what is refused, and with which words."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from cellwright.plugins import load_dataset
from cellwright.plugins.data.csv_file import read_csv
from cellwright.plugins.data.frame_file import readable
from cellwright.plugins.data.preparation import Preparation
from cellwright.plugins.data.table import read_table
from cellwright.plugins.data.tables import table_dataset
from cellwright.plugins.data.target import Target, balanced_weights, read_target
from cellwright.search_spaces import CorruptedState, InvalidData

ROWS = 40
WEIGHT = [f"{60 + i % 7}.{i}" for i in range(ROWS)]
COLOUR = ["red", "green", "blue", "red"] * (ROWS // 4)
KIND = ["cat", "dog"] * (ROWS // 2)


def csv_of(separator=",", /, **columns):
    lines = [separator.join(columns), *map(separator.join, zip(*columns.values(), strict=True))]
    Path("data.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return "data.csv"


def changed(cells, **values):
    """A copy with other cells; ``_3="x"`` is the fourth."""
    cells = list(cells)
    for position, value in values.items():
        cells[int(position[1:])] = value
    return cells


def notes(data):
    return "\n".join(data.notes)


def test_a_csv_file_becomes_numbers_split_by_class():
    data = load_dataset(csv_of(weight=WEIGHT, colour=COLOUR, kind=KIND))
    assert data.class_names == ("cat", "dog")
    assert data.input_shape == (4,)
    assert (len(data.x_train), len(data.x_val)) == (32, 8)
    assert np.bincount(data.y_val).tolist() == [4, 4]
    assert data.x_train.dtype == np.float32
    assert data.y_train.dtype == np.int64
    np.testing.assert_allclose(data.x_train[:, 0].mean(), 0, atol=1e-6)
    np.testing.assert_allclose(data.x_train[:, 0].std(), 1, atol=1e-6)
    assert set(data.x_train[:, 1:].sum(axis=1)) == {1.0}
    assert "no label was named: it is the last column, 'kind'" in notes(data)
    assert "label 'kind': 2 classes, the largest with 50.0% of the rows" in notes(data)
    again = load_dataset("data.csv", label="kind")
    np.testing.assert_array_equal(again.x_train, data.x_train)


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_separators_marks_and_quotes(separator):
    csv_of(separator, weight=WEIGHT, colour=[f'"{c}{separator} light"' for c in COLOUR], kind=KIND)
    text = Path("data.csv").read_bytes()
    Path("marked.csv").write_bytes(b"\xef\xbb\xbf" + text.replace(b"\n", b"\r\n\r\n"))
    columns = read_csv(Path("marked.csv")).columns
    assert list(columns) == ["weight", "colour", "kind"]
    assert columns["colour"].cells()[0] == f"red{separator} light"
    assert columns["weight"].cells() == WEIGHT


def test_preparation_is_fitted_on_the_rows_that_are_trained_on():
    outlier = changed(WEIGHT, _7="1e9")
    for seed in range(20):
        csv_of(weight=outlier, colour=COLOUR, kind=KIND)
        data = load_dataset("data.csv", seed=seed)
        if (data.x_val[:, 0] == 20).any():  # as far as a number may lie
            np.testing.assert_allclose(data.x_train[:, 0].std(), 1, atol=1e-5)
            break
    else:
        pytest.fail("the outlier was never held out")


MESSY = pd.DataFrame(
    {
        "number": [1.5, np.nan, 3.0, 8.0, np.nan, 2.0],
        "whole": [3, 1, 4, 1, 5, 9],
        "text": ["a", "b", None, "a", "b", "a"],
        "flag": [True, False, True, True, False, True],
    }
)


def test_numbers_and_categories_as_scikit_learn_prepares_them():
    table = read_table(MESSY)
    found = Preparation.fit(table).transform(table)
    expected = make_column_transformer(
        (make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), ["number"]),
        (StandardScaler(), ["whole"]),
        (OneHotEncoder(sparse_output=False), ["text"]),
        (StandardScaler(), ["flag"]),
    ).fit_transform(MESSY)
    assert found.shape == (6, 7)  # with an indicator of what is missing in `number`
    assert found[:, 1].tolist() == [0, 1, 0, 0, 1, 0]
    np.testing.assert_allclose(found[:, [0, 2]], expected[:, :2], atol=1e-6)
    np.testing.assert_allclose(
        sorted(found[:, 3:6].T.tolist()), sorted(expected[:, 2:5].T.tolist())
    )
    np.testing.assert_allclose(found[:, 6], expected[:, 5], atol=1e-6)


def test_the_same_table_in_any_form_gives_the_same_features():
    fitted = Preparation.fit(read_table(MESSY))
    expected = fitted.transform(fitted.read(MESSY))
    forms = [
        MESSY.convert_dtypes(),
        MESSY.astype(object),
        MESSY.to_numpy(dtype=object),
        MESSY.to_numpy(dtype=object).tolist(),
        MESSY.astype({"text": "category"}),
    ]
    for form in forms:
        np.testing.assert_array_equal(fitted.transform(fitted.read(form)), expected)


def test_what_was_not_there_in_fitting():
    fitted = Preparation.fit(read_table([[1.0, "a"], [2.0, "b"], [4.0, "b"]]))
    found = fitted.transform(fitted.read([[None, "c"], [2.0, None]]))
    assert found[:, 1:].tolist() == [[0, 0], [0, 0]]  # neither a nor b
    assert found[0, 0] == found[1, 0]  # the median
    for rows, words in (
        ([["much", "a"]], "column 'x0' holds numbers, but 'much' in row 1"),
        ([[np.inf, "a"]], "column 'x0' holds an infinite number in row 1"),
        ([[1.0]], "1 columns"),
    ):
        with pytest.raises(InvalidData, match=words):
            fitted.read(rows)


@given(
    st.lists(
        st.tuples(
            st.none() | st.floats(-1e6, 1e6), st.none() | st.sampled_from("xyz"), st.integers(-9, 9)
        ),
        min_size=2,
        max_size=30,
    )
)
def test_a_preparation_survives_json_and_gives_finite_features(rows):
    table = read_table(rows)
    try:
        fitted = Preparation.fit(table)
    except InvalidData:
        return  # nothing differs
    again = Preparation.from_json(json.loads(json.dumps(fitted.to_json())))
    assert again == fitted
    features = again.transform(again.read(rows))
    assert np.isfinite(features).all()
    assert len(features) == len(rows)


def test_a_damaged_preparation_is_refused():
    with pytest.raises(CorruptedState, match=r"the preparation of a table is damaged: .*columns"):
        Preparation.from_json({"names": ["a"]})
    data = Preparation.fit(read_table([[1.0], [2.0]])).to_json()
    data["columns"][0]["style"] = "MCMXC"
    with pytest.raises(CorruptedState, match="knows no style 'MCMXC'"):
        Preparation.from_json(data)
    del data["columns"][0]["style"]  # as version 0.1.0 wrote it
    assert Preparation.from_json(data) == Preparation.fit(read_table([[1.0], [2.0]]))


def test_many_categories():
    rng = np.random.default_rng(0)
    texts = [[f"c{i}", j] for j, i in enumerate(rng.integers(0, 100, 2000))]
    fitted = Preparation.fit(read_table(texts))
    assert len(fitted.columns[0].categories) == 64
    assert fitted.notes == ("column 'x0' has 100 categories; only the 64 most frequent are used",)


@pytest.mark.parametrize(
    ("cells", "classes", "words"),
    [
        (KIND, 2, "2 classes"),
        (["0", "1"] * 20, 2, "2 classes, .*--task regression predicts it as a number"),
        (["1.0", "2.0"] * 20, 2, "2 classes"),
        ([str(i % 20) for i in range(40)], 20, "20 classes"),
        ([str(i % 21) for i in range(40)], None, "a number is predicted"),
        ([f"{i}.5" for i in range(40)], None, "a number is predicted"),
    ],
)
def test_the_label_decides_the_task(cells, classes, words):
    data = load_dataset(csv_of(weight=WEIGHT, y=cells))
    assert data.classes == classes
    assert re.search(words, notes(data))


def test_the_task_can_be_named():
    csv_of(weight=WEIGHT, y=["3", "4", "5", "6"] * 10)
    number = load_dataset("data.csv", task="regression")
    assert number.classes is None
    np.testing.assert_allclose([number.y_train.mean(), number.y_train.std()], [0, 1], atol=1e-6)
    natural = number.target_mean + number.target_scale * number.y_val
    assert set(np.round(natural, 4)) <= {3, 4, 5, 6}
    assert load_dataset("data.csv", task="classification").class_names == ("3", "4", "5", "6")


def test_bundled_tables():
    wine, cancer, diabetes = map(load_dataset, ("wine", "breast_cancer", "diabetes"))
    assert (wine.input_shape, wine.class_names) == ((13,), ("class_0", "class_1", "class_2"))
    assert (cancer.input_shape, cancer.class_names) == ((30,), ("benign", "malignant"))
    assert (diabetes.input_shape, diabetes.classes) == ((10,), None)
    with pytest.raises(InvalidData, match="data 'wine': its label is fixed"):
        load_dataset("wine", label="ash")


def test_balanced_weights_make_classes_count_alike():
    data = load_dataset(csv_of(weight=WEIGHT, y=["a"] * 30 + ["b"] * 10), balanced=True)
    totals = [data.weights[data.y_train == k].sum() for k in (0, 1)]
    np.testing.assert_allclose(totals, data.weights.sum() / 2, rtol=1e-5)
    np.testing.assert_allclose(data.weights.mean(), 1, rtol=1e-5)
    assert load_dataset("data.csv").weights is None
    with pytest.raises(InvalidData, match="class weights need classes"):
        balanced_weights(Target(np.arange(3.0), None))


@pytest.mark.parametrize("source", ["wine", "diabetes"])
def test_what_is_saved_for_another_process_is_loaded(source):
    data = load_dataset(source, balanced=source == "wine")
    data.save(Path("saved.dataset.npz"))
    again = load_dataset("saved.dataset.npz")
    for name in ("x_train", "y_train", "x_val", "y_val", "weights", "val_weights"):
        np.testing.assert_array_equal(getattr(again, name), getattr(data, name))
    for name in ("class_names", "target_mean", "target_scale"):
        assert getattr(again, name) == getattr(data, name)


def test_everything_can_be_trained_on():
    table, target = read_table([[float(i)] for i in range(6)]), np.array([0, 1] * 3)
    data = table_dataset(table, Target(target, ("a", "b")), validation=0)
    assert (len(data.x_train), len(data.x_val)) == (6, 0)


# Tables that are bad, and are used all the same: what is left out, and what is said.
@pytest.mark.parametrize(
    ("columns", "arguments", "features", "words"),
    [
        ({"c": ["7"] * ROWS}, {}, 1, "column 'c' holds only 7, and is left out"),
        ({"c": ["x"] * ROWS}, {}, 1, "column 'c' holds only 'x', and is left out"),
        ({"c": [""] * ROWS}, {}, 1, "column 'c' holds no value, and is left out"),
        ({"c": ["?"] * ROWS}, {}, 1, "column 'c' holds no value"),
        ({"c": [f"id {i}" for i in range(40)]}, {}, 1, "'c' is text that differs in most rows"),
        ({"c": changed(WEIGHT, _3="", _8="NaN")}, {}, 3, "2 classes"),
        ({"": WEIGHT}, {}, 2, "without a name is called 'column_2'"),
        ({"c": WEIGHT}, {"drop": ["c"]}, 1, "2 classes"),
        (
            {"kind": changed(KIND, _0="", _1="nan")},
            {},
            1,
            "2 of 40 rows have no label and are left out",
        ),
        ({"kind": changed(KIND, _5="emu")}, {}, 1, "one row only, trained on .*: emu"),
        (
            {f"c{i}": [f"{j * (i + j) % 13}" for j in range(40)] for i in range(60)},
            {},
            61,
            "2 class",
        ),
    ],
)
def test_bad_tables_that_are_used(columns, arguments, features, words):
    label = {"label": columns.get("kind", KIND)}
    csv_of(**{"weight": WEIGHT, **{k: v for k, v in columns.items() if k != "kind"}, **label})
    data = load_dataset("data.csv", label="label", **arguments)
    assert data.input_shape == (features,)
    assert np.isfinite(data.x_train).all()
    assert re.search(words, notes(data))


def test_copies_and_row_numbers_are_left_out():
    twice = {"": [str(i) for i in range(2 * ROWS)], "weight": WEIGHT * 2, "kind": KIND * 2}
    data = load_dataset(csv_of(**twice))
    assert len(data.x_train) + len(data.x_val) == ROWS
    assert "the first column has no name and numbers the rows; it is left out" in notes(data)
    assert "40 of 80 rows repeat others and are left out" in notes(data)
    seen = {row.tobytes() for row in data.x_train}
    assert not any(row.tobytes() in seen for row in data.x_val)


def test_identifiers_are_left_out():
    rows = {"name": [f"n{i}" for i in range(200)], "x": [f"{i}" for i in range(200)]}
    data = load_dataset(csv_of(**rows, kind=KIND * 5))
    assert data.input_shape == (1,)
    assert "column 'name' is text that differs in most rows" in notes(data)


@pytest.mark.parametrize(
    ("columns", "arguments", "words"),
    [
        (
            {"weight": changed(WEIGHT, _4="heavy")},
            {},
            "'weight' holds numbers, but 'heavy' in row 5",
        ),
        ({"weight": changed(WEIGHT, _4="inf")}, {}, "'weight' holds an infinite number in row 5"),
        ({"weight": []}, {}, "a header line but no rows"),
        ({"kind": ["cat"] * 40}, {}, r"label 'kind' has only one value, \['cat'\]"),
        ({"kind": [""] * 40}, {}, "0 rows with a label are left"),
        (
            {"kind": [f"n{i}" for i in range(40)]},
            {},
            "40 values in 40 rows, each once: these are no",
        ),
        ({"kind": [f"{i}" for i in range(40)]}, {"task": "classification"}, "each once"),
        ({"kind": changed([f"{i}.5" for i in range(40)], _2="inf")}, {}, "a label is infinite"),
        ({"kind": KIND}, {"task": "regression"}, "holds text such as 'cat' in row 1, not numbers"),
        ({"kind": KIND}, {"task": "guess"}, "task must be one of auto, classification, regression"),
        ({}, {"label": "species"}, r"no column 'species'; the columns are \['weight', 'kind'\]"),
        ({}, {"drop": ["age"]}, "no column 'age'"),
        ({}, {"label": "kind", "drop": ["kind"]}, "the label 'kind' cannot be left out"),
        ({}, {"drop": ["weight"]}, "no column is left besides the label"),
        ({}, {"drop": ["weight", "kind"]}, "cannot be left out"),
        ({}, {"validation": 1.5}, "validation must be above 0 and below 1"),
    ],
)
def test_bad_tables_that_are_refused(columns, arguments, words):
    columns = {"weight": WEIGHT, "kind": KIND} | columns
    rows = min(map(len, columns.values()))
    csv_of(**{name: cells[:rows] for name, cells in columns.items()})
    with pytest.raises(InvalidData, match=words):
        load_dataset("data.csv", **arguments)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "a table needs a header line"),
        (b"\n\n", "a table needs a header line"),
        (b"just some words\nin two lines\n", "the file begins with 'just some words"),
        (b"\x89PNG\r\n\x1a\n\xff\xd8", "cannot be read as CSV in UTF-8"),
        (b"a,b\n1,\x00\n2,3\n", "row 1|cannot be read as CSV"),
        (b'a,b\n"1,2\n', "cannot be read as CSV"),
        (b"a,b\n1,2\n1,2,3\n", "line 3 has 3 cells, the header 2"),
        (b"a,b\n1,2\n1\n", "line 3 has 1 cells, the header 2"),
        (b"a,b,a\n1,2,3\n", r"different names; given twice: \['a'\]"),
    ],
)
def test_files_that_are_no_tables(content, words):
    Path("data.csv").write_bytes(content)
    with pytest.raises(InvalidData, match=rf"^data 'data\.csv': .*({words})"):
        load_dataset("data.csv")


def test_a_file_that_is_not_there():
    with pytest.raises(InvalidData, match="there is no such file"):
        load_dataset("data.csv")


def test_images_take_no_label():
    with pytest.raises(InvalidData, match="label, drop, task and class weights are for tables"):
        load_dataset("digits", label="target")


def test_labels_of_many_kinds_as_targets():
    target, _ = read_target(np.array([2, 0, 2, 0]), "y")
    assert target.class_names == ("0", "2")
    assert target.y.tolist() == [1, 0, 1, 0]


def test_nothing_to_learn_from_and_numbers_beyond_all_bounds():
    with pytest.raises(
        InvalidData, match="no column is left to learn from: column 'x0' holds only 7"
    ):
        Preparation.fit(read_table([[7.0], [7.0]]))
    with pytest.raises(InvalidData, match="'x0' holds numbers too large to scale"):
        Preparation.fit(read_table([[1e300], [0.0]]))


@pytest.mark.parametrize("error", [KeyError("a"), MemoryError(), RuntimeError("Unknown error")])
def test_whatever_a_damaged_frame_raises_is_named(error: Exception) -> None:
    with (
        pytest.raises(InvalidData, match="the file cannot be read as feather"),
        readable("feather"),
    ):
        raise error


@pytest.mark.parametrize(
    ("ending", "how"), [("feather", {}), ("parquet", {}), ("parquet", {"stream": True})]
)
def test_text_that_is_no_utf_8_is_refused(
    ending: str, how: dict[str, bool], tmp_path: Path
) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    feather, parquet = (pytest.importorskip(f"pyarrow.{name}") for name in ("feather", "parquet"))
    damaged = pyarrow.array([b"x\xff", b"y"] * 10, pyarrow.binary()).view(pyarrow.string())
    columns = {"a": [1.0, 2.0] * 10, "b": damaged, "label": ["p", "q"] * 10}
    write = feather.write_feather if ending == "feather" else parquet.write_table
    write(pyarrow.table(columns), str(tmp_path / f"table.{ending}"))
    with pytest.raises(InvalidData, match=f"the file cannot be read as {ending}: .*UTF8"):
        load_dataset(tmp_path / f"table.{ending}", label="label", **how)
