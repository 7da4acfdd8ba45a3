"""CSV files as everyday programs write them: each is read right, or refused with what to do."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from cellwright.plugins import load_dataset
from cellwright.plugins.data.csv_file import read_csv
from cellwright.plugins.data.table import table_of
from cellwright.search_spaces import InvalidData


def write(text, name="data.csv", encoding="utf-8"):
    data = text.encode(encoding)
    Path(name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return name


def read(name="data.csv"):
    """Columns by name, as lists, and the notes."""
    file = read_csv(Path(name))
    table = table_of(file.names, [file.column(column) for column in file.names])
    columns = dict(zip(table.names, [values.tolist() for values in table.columns], strict=True))
    return columns, "\n".join((*file.notes, *table.notes))


def test_excel_in_german():
    write(
        "sep=;\r\nGröße;Umsatz;Anteil;Tag;Art\r\n"
        "1,82;1.234,50 €;45 %;31.01.2024;Hemd\r\n"
        "0,5;12,00 €;7,5 %;01.02.2024;Hose\r\n"
        ";1.000.000,25 €;;15.02.2024;Hemd\r\n",
        encoding="cp1252",
    )
    columns, notes = read()
    assert columns["Größe"][:2] == [1.82, 0.5]
    assert np.isnan(columns["Größe"][2])
    assert columns["Umsatz"] == [1234.5, 12.0, 1000000.25]
    assert columns["Anteil"][:2] == [45.0, 7.5]
    assert np.diff(columns["Tag"]).tolist() == [1.0, 14.0]
    assert columns["Art"] == ["Hemd", "Hose", "Hemd"]
    assert "Windows-1252" in notes
    assert "'1.234,50 €' is read as 1234.5" in notes
    assert "dates (DD.MM.YYYY), read as days since 1970: '31.01.2024' is read as 19753" in notes


def test_excel_in_us_english():
    write(
        "Date,Amount,Rate,Paid,Region\r\n"
        '1/13/2024 9:05 AM,"$1,234.50",4.5%,"(1,000)",North\r\n'
        "2/1/2024 12:30 PM,$12.00,12%,250,South\r\n"
        '1/31/2024 12:00 AM,"$9,000.00",0%,"1,750",North\r\n'
    )
    columns, notes = read()
    assert columns["Amount"] == [1234.5, 12.0, 9000.0]
    assert columns["Rate"] == [4.5, 12.0, 0.0]
    assert columns["Paid"] == [-1000.0, 250.0, 1750.0]
    assert columns["Date"] == pytest.approx(
        [19735 + (9 + 5 / 60) / 24, 19754 + 12.5 / 24, 19753.0], abs=1e-9
    )
    assert "column 'Date' holds dates (MM/DD/YYYY)" in notes


def test_sap_with_a_separator_at_each_end_and_minus_behind():
    write("Werk;Menge;Wert;Art;\n0010;1.000;12,50-;A;\n0020;12;3,00;B;\n0010;2.500;4,25;A;\n")
    columns, notes = read()
    assert list(columns) == ["Werk", "Menge", "Wert", "Art"]
    assert columns["Werk"] == ["0010", "0020", "0010"]
    assert columns["Wert"] == [-12.5, 3.0, 4.25]
    assert columns["Menge"] == [1000.0, 12.0, 2500.0]
    assert "'Menge' holds numbers in the style '1.234,5'" in notes
    assert "because other columns have ',' before their decimals" in notes
    assert "'Werk' is text and no number, because '0010' begins with a zero" in notes


@pytest.mark.parametrize("names", ['"","mpg","cyl"', '"mpg","cyl"'])  # write.csv, write.table
def test_r(names):
    write(names + '\n"Mazda RX4",21,6\n"Datsun 710",22.8,4\n"Valiant",18.1,NA\n')
    columns, notes = read()
    assert columns["mpg"] == [21.0, 22.8, 18.1]
    assert columns["cyl"][:2] == [6.0, 4.0]
    assert np.isnan(columns["cyl"][2])
    assert ("tells the rows apart" in notes) or columns["column_1"][0] == "Mazda RX4"


@pytest.mark.parametrize("name", ["", "Unnamed: 0"])
@pytest.mark.parametrize("index", [range(3), (17, 4, 9)])
def test_the_index_of_pandas(name, index):
    write(f"{name},a,b\n" + "".join(f"{i},{i * 2}.5,x\n" for i in index))
    columns, notes = read()
    assert columns["a"] == [i * 2 + 0.5 for i in index]
    assert list(columns) == ["a", "b"]
    assert "the first column has no name and numbers the rows; it is left out" in notes


def test_columns_that_pandas_numbered():
    write("0,1,2\n5.5,1,x\n6.5,2,y\n")
    assert read()[0] == {"0": [5.5, 6.5], "1": [1.0, 2.0], "2": ["x", "y"]}


def test_a_dump_of_a_database():
    write('"id","name","score"\n1,"O\'Brien, ""Pat""",NULL\n2,NULL,7.5\n3,\\N,\\N\n')
    columns, _ = read()
    assert columns["name"] == ['O\'Brien, "Pat"', None, None]
    assert np.isnan(columns["score"]).tolist() == [True, False, True]


def test_a_survey_of_400_questions():
    rng = np.random.default_rng(0)
    names = [f"Q{i}: agree, or not?" for i in range(400)]
    rows = rng.integers(1, 6, (60, 400)).astype(str)
    rows[rng.random(rows.shape) < 0.1] = ""
    rows[:, 399] = rng.choice(["yes", "no"], 60)
    lines = [";".join(f'"{name}"' for name in names), *map(";".join, rows)]
    data = load_dataset(write("\n".join(lines)))
    assert data.classes == 2
    assert len(data.preparation.columns) == 399


def test_the_log_of_a_sensor():
    write(
        "# logger v2.1\n# site: roof\ntime;temp;uptime;ok\n"
        "2024-01-01T00:00:00Z;-3.5;23:59:00;1\n2024-01-01T06:00:00+01:00;-2;0:01:30;0\n"
    )
    columns, notes = read()
    assert columns["time"] == pytest.approx([19723, 19723 + 5 / 24])
    assert columns["temp"] == [-3.5, -2.0]
    assert columns["uptime"] == [86340.0, 90.0]
    assert "2 comment lines before the names are left out, such as '# logger v2.1'" in notes


def test_a_header_of_numpy():
    write("# a,b,kind\n1.5,2,x\n2.5,3,y\n")
    assert read() == ({"a": [1.5, 2.5], "b": [2.0, 3.0], "kind": ["x", "y"]}, "")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_marks_and_line_ends(encoding, end):
    write(end.join(["a,é", "1,x", "", '"2"," y "', " , ", ""]), encoding=encoding)
    assert read() == ({"a": [1.0, 2.0], "é": ["x", "y"]}, "")


def test_tabs():
    write("a, in kg\tb; c\n1,5\tx\n2,25\ty\n", "data.tsv")
    columns, notes = read("data.tsv")
    assert columns == {"a, in kg": [1.5, 2.25], "b; c": ["x", "y"]}
    assert "'1,5' is read as 1.5" in notes


def test_gzip():
    rows = "".join(f"{i % 7},{i}.5,{'ab'[i % 2]}\n" for i in range(40))
    data = load_dataset(write("x,y,kind\n" + rows, "data.csv.gz"))
    assert data.input_shape == (2,)
    Path("data.csv.gz").write_bytes(b"no gzip at all")
    with pytest.raises(InvalidData, match="cannot be read as CSV"):
        load_dataset("data.csv.gz")


def test_units_below_the_names():
    write("mass,length,kind\nkg,cm,\n1.5,30,cat\n2.5,40,dog\n3,20,cat\n")
    columns, notes = read()
    assert columns["mass"] == [1.5, 2.5, 3.0]
    assert "line 2 ('kg, cm') holds units, not values, and is left out" in notes


def test_a_first_row_with_an_unknown_number_is_no_row_of_units():
    write("mass,kind\nunknown,cat\n2.5,dog\n3,cat\n4,dog\n")
    with pytest.raises(InvalidData, match=r"but 'unknown' in row 1 \(line 2 of the file\)"):
        read()


def test_totals_in_the_last_line():
    write("shop,sold,price\nNorth,3,1.5\nSouth,4,2.5\nTotal:,7,4\n\n")
    columns, notes = read()
    assert columns["sold"] == [3.0, 4.0]
    assert "the last line, 'Total:,7,4', holds totals, and is left out" in notes
    write("kind,sold\nTotal,3\nSouth,4\nTotal,7\n")
    assert read()[0]["sold"] == [3.0, 4.0, 7.0]  # a category


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("5.1,3.5,setosa\n4.9,3,setosa\n", "first line, '5.1,3.5,setosa', looks like data"),
        ("1,0,1,0\n0,1,0,1\n", "looks like data, not like names: add a line of names"),
        ("1,2,setosa\n3,4,virginica\n5,6,setosa\n", "looks like data"),
        ("sunny,hot,no\nsunny,cool,yes\nrain,hot,no\n", "looks like data"),
        ("price,kind\n1,5,cat\n2,5,dog\n", "line 2 has 3 cells, the header 2. If numbers"),
        ("a;b;c\n1;2;3\n4;5;6;7\n", "line 3 has 4 cells, the header 3"),
        ("Sales of May\na;b;c\n1;2;3\n", "the header 1: 'Sales of May'. If lines before the names"),
        ("a,b\n1,x\n2,y\n\n3,z,w\n", "line 5 has 3 cells, the header 2"),
        ("d,k\n03/04/2024,a\n05/06/2024,b\n", "none tells whether the day or the month"),
        ("d,k\n13/04/2024,a\n05/26/2024,b\n2/1/2024,c\n", "'05/26/2024' in row 2"),
        ('p,k\n"1,234.50",a\n"1.234,50",b\n"2,000.75",c\n', "'1.234,50' in row 2 .line 3"),
        ("p,k\n$5,a\n6,b\n$7,c\n", r"numbers such as '\$5', but '6' in row 2"),
        (
            'p,q,r,k\n"1,234","1.5","2,5",a\n"2,345","2.5","3,5",b\n',
            "'1,234' may have a thousands or a decimal separator",
        ),
    ],
)  # fmt: skip
def test_refused_with_the_reason(text, words):
    write(text)
    with pytest.raises(InvalidData, match=words):
        read()


def test_what_is_said_in_front_of_decimals_elsewhere_decides():
    write("a;b;k\n1,234;0,5;x\n2,345;1,25;y\n")
    assert read()[0]["a"] == [1.234, 2.345]
    write('a;b;k\n"1,234";0.5;x\n"2,345";1.25;y\n')
    assert read()[0]["a"] == [1234.0, 2345.0]
    write("a;b;k\n1.234;0,5;x\n2.345;1,25;y\n")
    assert read()[0]["a"] == [1234.0, 2345.0]
    write("a;b;k\n1.234;5;x\n2.345;25;y\n")
    columns, notes = read()
    assert columns["a"] == [1.234, 2.345]
    assert "'a' holds numbers such as '1.234', read with decimals; if the point" in notes


def test_a_label_with_decimal_commas_is_a_number():
    rows = "".join(f"{i % 9};{100 + i},{i % 10}\n" for i in range(40))
    data = load_dataset(write("a;price\n" + rows))
    assert data.class_names is None
    assert 100 < data.target_mean < 140


def test_a_file_of_many_chunks_with_blank_lines_and_a_total():
    rows = [f"{i},{i % 7}.5,{'ab'[i % 2]}" for i in range(3100)]
    write("\n".join(["n,x,kind", *rows[:2000], "", " , , ", *rows[2000:], "Total,9,", "", ""]))
    columns, notes = read()
    assert columns["n"] == list(range(3100))
    assert "holds totals" in notes
    write("\n".join(["n,x,kind", *rows[:2000], "", *rows[2000:], "7,oops,a", "8,1"]))
    with pytest.raises(InvalidData, match="line 3104 has 2 cells, the header 3"):
        read()
    write("\n".join(["n,x,kind", *rows[:2000], "", *rows[2000:], "7,oops,a"]))
    with pytest.raises(InvalidData, match=r"but 'oops' in row 3101 \(line 3103 of the file\)"):
        read()
