"""The grammar of numbers, dates and text: what a cell, a column, a label is, of whatever type."""

import datetime
import math
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cellwright.plugins import load_dataset
from cellwright.plugins.data import moments, numbers
from cellwright.plugins.data.preparation import Preparation
from cellwright.plugins.data.table import read_table
from cellwright.plugins.data.target import read_numbers, read_target
from cellwright.search_spaces import InvalidData

FINITE = st.floats(allow_nan=False, allow_infinity=False)
PLACES = st.decimals(-(10**9), 10**9, places=2, allow_nan=False, allow_infinity=False)


def column(values):
    """How a column is read: its values, its style and its note."""
    table = read_table([[value] for value in values])
    return table.columns[0].tolist(), table.styles[0], "".join(table.notes)


def in_style(number, style):
    """A number of two places as `style` has it."""
    marks = {"1,234.5": ",.", "1.234,5": ".,", "1 234,5": "\u00a0,", "1'234.5": "'."}[style]
    return f"{number:,.2f}".translate(str.maketrans(",.", marks))


@given(FINITE)
def test_what_python_writes_is_read_exactly(number):
    assert numbers.parse(repr(number), numbers.PLAIN) == number


@given(st.lists(FINITE, min_size=1))
def test_the_quick_way_reads_what_the_grammar_reads(floats):
    found = numbers.plain_floats(["", *map(repr, floats)])
    assert found[1:].tolist() == floats
    assert math.isnan(found[0])


@given(st.lists(PLACES, min_size=1), st.sampled_from(["1,234.5", "1.234,5", "1 234,5", "1'234.5"]))
def test_every_style_is_read_exactly(decimals, style):
    texts = [in_style(number, style) for number in decimals]
    assert style in numbers.common_styles(texts) or texts == ["-0.00"]
    assert [numbers.parse(text, style) for text in texts] == list(map(float, decimals))
    values, found, _ = column(
        ["-1 234,50" if "1 " in style else in_style(Decimal("-1234.5"), style), *texts]
    )
    assert values == [-1234.5, *map(float, decimals)]
    assert found == style


@given(st.lists(st.text(max_size=12), min_size=1, max_size=8))
def test_whatever_text_raises_nothing_but_invalid_data(texts):
    try:
        values, _, _ = column(texts)
    except InvalidData:
        return
    assert len(values) == len(texts)


@given(st.text(alphabet="0123456789.,-+()%$eE_ '\u0663\u00b2inf/:TZ", max_size=10))
def test_what_is_no_number_in_ascii_digits_is_none(text):
    for style in numbers.styles_of(text):
        assert math.isfinite(float(numbers.parse(text, style))) or "e" in text.lower()
        assert not set(text) & set("_\u0663\u00b2")
    for style in moments.styles_of(text):
        assert math.isfinite(moments.parse(text, style))


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["$1,234.50", "-$5", "$(2)"], None),
        (["$1,234.50", "-$5.25", "($2.00)"], [1234.5, -5.25, -2.0]),
        (["EUR 5", "12 EUR"], [5.0, 12.0]),
        (["5 kr", "6 kr", "7 kr"], None),
        (["12-", "3", "4.5"], [-12.0, 3.0, 4.5]),
        (["12-", "13-"], None),  # marks of some kind: no number without a sign
        (["12,34,567", "1,234"], [1234567.0, 1234.0]),
        (["1\u202f234,5", "99"], [1234.5, 99.0]),
        (["1’234.50", "9.10"], [1234.5, 9.1]),
        (["\u22125", "5"], [-5.0, 5.0]),
        (["1e5", "1E-3", "+.5", "5."], [1e5, 1e-3, 0.5, 5.0]),
        (["1,5E+02", "2,5"], [150.0, 2.5]),
        (["18_25", "26_35"], None),
        (["\u0661\u0662", "\u0663"], None),
        (["192.168.1.1", "10.0.0.1"], None),
        (["0x10", "0b1"], None),
    ],
)
def test_styles(texts, expected):
    if expected is None:
        assert not numbers.common_styles(texts)
    else:
        assert column(texts)[0] == expected


@pytest.mark.parametrize(
    ("texts", "style", "first"),
    [
        (["2024-02-29", "2024-03-01"], "YYYY-MM-DD", 19782),
        (["2024/2/29 06:00", "2024/3/1 07:30:00.5"], "YYYY-MM-DD", 19782.25),
        (["2024-02-29T00:00-0600", "2024-02-29T01:00:00Z"], "YYYY-MM-DD with zone", 19782.25),
        (["29.2.2024", "01.03.2024 12:00"], "DD.MM.YYYY", 19782),
        (["29/02/2024", "01/03/2024"], "DD/MM/YYYY", 19782),
        (["02-29-2024", "03-01-2024"], "MM/DD/YYYY", 19782),
        (["07:30", "23:59:59.5"], "HH:MM:SS", 27000),
        (["7:30 AM", "12:00 am"], "HH:MM:SS", 27000),
        (["1 day, 2:00:00", "0 days 00:00:01.5"], "duration", 93600),
        (["P1DT2H", "PT1.5S"], "duration", 93600),
    ],
)
def test_dates_times_and_durations(texts, style, first):
    values, found, note = column(texts)
    assert (found, values[0]) == (style, first)
    assert f"{texts[0]!r} is read as {first:.12g}" in note


@pytest.mark.parametrize(
    "text", ["2024-02-30", "2024-13-01", "24:00", "13:00 PM", "0000-01-01", "P"]
)
def test_moments_that_there_are_not(text):
    assert not moments.styles_of(text)


def test_codes_are_text():
    values, style, note = column(["01234", "99501", "10001"])
    assert (values, style) == (["01234", "99501", "10001"], "text")
    assert "is text and no number, because '01234' begins with a zero" in note
    assert column(["0", "0.5", "-0"])[1] == numbers.PLAIN


DAYS = pd.date_range("2024-01-01", periods=3)
TYPES = {
    "category of ints": (pd.Series([3, 1, 3], dtype="category"), "text", ["3", "1", "3"]),
    "declared text": (pd.Series(["3", "1", None], dtype="string"), "text", ["3", "1", None]),
    "text of digits": (pd.Series(["3", "1", None]), "1.5", [3, 1, np.nan]),
    "nullable": (pd.Series([3, None, 1], dtype="Int64"), "1.5", [3, np.nan, 1]),
    "boolean": (pd.Series([True, None, False], dtype="boolean"), "1.5", [1, np.nan, 0]),
    "dates": (pd.Series([*DAYS[:2], pd.NaT]), "YYYY-MM-DD", [19723, 19724, np.nan]),
    "dates in a zone": (
        DAYS.tz_localize("Asia/Tokyo"), "YYYY-MM-DD", [19722.625, 19723.625, 19724.625]
    ),
    "dates as objects": ([d.date() for d in DAYS], "YYYY-MM-DD", [19723, 19724, 19725]),
    "periods": (
        pd.period_range("2024-01", periods=3, freq="M"), "YYYY-MM-DD", [19723, 19754, 19783]
    ),
    "durations": (pd.to_timedelta([1, 2, 3], unit="min"), "duration", [60, 120, 180]),
    "decimals": ([Decimal("1.5"), None, Fraction(1, 2)], "1.5", [1.5, np.nan, 0.5]),
    "complex": ([1j, 2j, 3j], "unused", [None] * 3),
    "lists": ([[1], [2], [3]], "unused", [None] * 3),
    "dictionaries": ([{"a": 1}, {}, {}], "unused", [None] * 3),
}  # fmt: skip


@pytest.mark.parametrize("name", TYPES)
def test_a_declared_type_counts_more_than_contents(name):
    values, style, expected = TYPES[name]
    table = read_table(pd.DataFrame({"c": values}))
    assert table.styles == (style,)
    found = table.columns[0]
    if found.dtype == np.float64:
        np.testing.assert_array_equal(found, expected)
    else:
        assert found.tolist() == expected
    if style not in ("text", "1.5"):
        assert "column 'c' holds" in table.notes[0]


def test_polars():
    pl = pytest.importorskip("polars")
    day = datetime.date(2024, 1, 1)
    frame = pl.DataFrame({"d": [day, None], "t": ["1", "2"], "n": [1, None], "l": [[1], [2]]})
    table = read_table(frame.with_columns(c=pl.Series(["1", "2"], dtype=pl.Categorical)))
    assert table.styles == ("YYYY-MM-DD", "1.5", "1.5", "unused", "text")
    assert table.columns[0][0] == 19723


@pytest.mark.parametrize("ending", ["parquet", "feather"])
def test_files_whose_columns_have_types(ending):
    pytest.importorskip("pyarrow")
    frame = pd.DataFrame(
        {
            "code": pd.Series([7, 8, 9, 7] * 5, dtype="category"),
            "day": pd.date_range("2024-01-01", periods=20),
            "grade": pd.Series([1.5, 2.5] * 10, dtype="category"),
        }
    )
    getattr(frame, f"to_{ending}")(f"data.{ending}")
    data = load_dataset(f"data.{ending}")
    assert data.class_names == ("1.5", "2.5")
    assert set(data.preparation.columns[0].categories) == {"7", "8", "9"}
    assert data.preparation.columns[1].style == "YYYY-MM-DD"


def test_later_rows_are_read_in_the_style_of_fitting():
    rows = [["45%", "2024-01-05", "1.234,5", "x"], ["5%", "2024-02-05", "7,25", "x"]]
    fitted = Preparation.from_json(Preparation.fit(read_table(rows)).to_json())
    later = fitted.read([["7%", "2024-03-05", "1.000,0", object()], ["", None, "0,5", 1j]])
    assert later.columns[0][0] == 7
    assert later.columns[1][0] == 19787
    assert later.columns[2].tolist() == [1000.0, 0.5]
    frame = pd.DataFrame({"x0": [7.0], "x1": pd.to_datetime(["2024-03-05"]), "x2": [1.5], "x3": 0})
    assert [column[0] for column in fitted.read(frame).columns[:3]] == [7.0, 19787.0, 1.5]
    for row, words in (
        (["7", "2024-03-05", "1,0", "x"], "'x0' holds values in the style 1.5 %, but '7' in row 1"),
        (["7%", "5.3.2024", "1,0", "x"], "style YYYY-MM-DD, but '5.3.2024'"),
        (["7%", "2024-03-05", "1.5", "x"], "style 1.234,5, but '1.5'"),
    ):
        with pytest.raises(InvalidData, match=words):
            fitted.read([row])


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        (["001", "01", "2"], ("001", "01", "2")),
        (
            ["9007199254740992", "9007199254740993", "5"],
            ("5", "9007199254740992", "9007199254740993"),
        ),
        (["1_2", "12", "3_4"], ("12", "1_2", "3_4")),
        (["10", "9", "-1"], ("-1", "9", "10")),
        (["1.00", "1.0", "2"], ("1.0", "1.00", "2")),
        (["10%", "9%", "10%"], ("10%", "9%")),
        ([2**60, 2**60 + 1, 5], ("5", "1152921504606846976", "1152921504606846977")),
        ([True, False, True], ("False", "True")),
    ],
)  # fmt: skip
def test_classes_keep_their_names(labels, names):
    target, _ = read_target(np.array(labels * 3, dtype=object), "y")
    assert target.class_names == names
    assert [target.class_names[i] for i in target.y[:3]] == list(map(str, labels))


def test_numbers_to_predict():
    assert read_numbers(np.array(["1,5", "2,25"]), "y").tolist() == [1.5, 2.25]
    assert read_numbers(np.array([1, 2.5, Decimal(3)], dtype=object), "y").tolist() == [1, 2.5, 3]
    for values, words in (
        (["1,5", None], "'y' is missing .None. in 1 of 2 rows, the first of which is row 2"),
        ([1.0, float("nan")], "'y' is missing .nan. in 1 of 2 rows"),
        ([1.0, pd.NaT], "'y' is missing .NaT."),
        (["18_25", "3"], "'y' holds text such as '18_25' in row 1"),
        ([1.0, math.inf], "infinite"),
    ):
        with pytest.raises(InvalidData, match=words):
            read_numbers(np.array(values, dtype=object), "y")


def test_numbers_to_predict_with_a_text_among_them():
    values = np.array([*map(str, range(40)), "broken"], dtype=object)
    with pytest.raises(InvalidData, match="holds numbers, but 'broken' in row 41"):
        read_target(values, "y")
