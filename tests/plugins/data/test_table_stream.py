"""A Parquet file that is read column by column gives what it gives when it is read at once."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("pyarrow", reason="pyarrow is not installed")
pytest.importorskip("pandas", reason="pandas is not installed")

import pandas as pd

from cellwright.plugins import Evaluation, Recipe, Stream, load_dataset
from cellwright.plugins.data import load, table_stream
from cellwright.search_spaces import InvalidData, MLPSpace

ROWS = 900


def everyday():
    """A frame with what tables hold: gaps, text, dates, numbers as text, categories, copies."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "size": rng.normal(size=ROWS),
            "number": rng.integers(0, 50, ROWS),
            "town": rng.choice(["x", "y", "z", None], ROWS),
            "when": pd.date_range("2020-01-01", periods=ROWS, freq="h"),
            "price": [f"{value:,.1f}" for value in rng.uniform(0, 9999, ROWS)],
            "kind": pd.Categorical(rng.integers(0, 4, ROWS)),
            "flag": rng.random(ROWS) > 0.5,
            "gaps": pd.array(
                np.where(rng.random(ROWS) < 0.1, None, rng.integers(0, 9, ROWS)), dtype="Int64"
            ),
            "constant": 1.0,
            "list": [[1, 2]] * ROWS,
            "name": [f"id{k}" for k in range(ROWS)],
            "label": rng.choice(["no", "yes", "maybe"], ROWS, p=[0.5, 0.3, 0.2]),
        }
    )
    frame.loc[5, "size"] = np.nan
    frame.loc[30, "label"] = None
    return pd.concat([frame, frame.iloc[40:60]], ignore_index=True)


def joined(part, size=77):
    """All examples of a part, as arrays."""
    return [np.concatenate(values) for values in zip(*part.batches(size), strict=True)]


def check_alike(stream, arrays):
    assert isinstance(stream, Stream)
    for part, whole in ((stream.train, arrays.train), (stream.held_out, arrays.held_out)):
        for found, expected in zip(joined(part), joined(whole), strict=True):
            assert np.array_equal(found, expected)
    for name in ("preparation", "class_names", "label", "target_mean", "target_scale"):
        assert getattr(stream, name) == getattr(arrays, name)
    said = set(stream.notes) - set(arrays.notes)
    assert [note.partition(" into ")[0] for note in said] == ["its features are written"]
    assert set(arrays.notes) <= set(stream.notes)


@pytest.mark.parametrize(
    "options",
    [
        {"label": "label", "balanced": True},
        {"label": "size"},
        {"label": "number", "task": "regression", "drop": ["name", "when"]},
        {"validation": 0.5, "seed": 3},
    ],
)
@pytest.mark.parametrize("rows", [100, 10_000])
def test_a_stream_is_split_and_prepared_as_arrays_are(options, rows, monkeypatch):
    monkeypatch.setattr(table_stream, "_ROWS", 250)
    everyday().drop(columns="list").to_parquet("t.parquet", row_group_size=rows)
    check_alike(
        load_dataset("t.parquet", stream=True, **options), load_dataset("t.parquet", **options)
    )


def test_indices_lists_and_text_alone_are_read_alike(monkeypatch):
    monkeypatch.setattr(table_stream, "_ROWS", 100)
    frame = everyday()
    frame["list"] = frame["list"].map(str)
    frame.set_index("when").to_parquet("named.parquet", row_group_size=300)
    frame[["price", "town", "label"]].to_parquet("text.parquet")
    frame[frame.number > 20].to_parquet("rows.parquet")  # an index without a name
    for file in ("named.parquet", "text.parquet", "rows.parquet"):
        check_alike(
            load_dataset(file, label="label", stream=True), load_dataset(file, label="label")
        )


def test_a_column_that_cannot_be_used_is_left_out_with_the_same_note():
    frame = everyday()
    frame = frame[[*frame.columns.drop("list"), "list"]].drop_duplicates("name")
    frame.to_parquet("t.parquet")
    options = {"label": "label"}
    check_alike(
        load_dataset("t.parquet", stream=True, **options), load_dataset("t.parquet", **options)
    )


def test_the_fingerprint_is_of_contents_and_split():
    frame = everyday().drop(columns="list")
    frame.to_parquet("t.parquet")
    first = load_dataset("t.parquet", label="label", stream=True).fingerprint
    assert first == load_dataset("t.parquet", label="label", stream=True).fingerprint
    assert first != load_dataset("t.parquet", label="label", seed=1, stream=True).fingerprint
    frame.loc[0, "number"] = 49 - frame.loc[0, "number"]
    frame.to_parquet("t.parquet")
    assert first != load_dataset("t.parquet", label="label", stream=True).fingerprint


def test_its_files_go_when_nobody_uses_it():
    everyday()[["size", "number", "label"]].to_parquet("t.parquet")
    data = load_dataset("t.parquet", stream=True)
    folder = Path(next(note for note in data.notes if "written into" in note).split()[5])
    assert folder.is_dir()
    del data
    assert not folder.exists()


def test_what_has_no_memory_becomes_a_stream_and_says_so(monkeypatch):
    everyday()[["size", "label"]].to_parquet("t.parquet")
    assert not isinstance(load_dataset("t.parquet"), Stream)
    monkeypatch.setattr(load, "too_large", lambda needed: f"they take {needed} bytes")
    data = load_dataset("t.parquet")
    assert isinstance(data, Stream)
    assert any("they take" in note and "--no-stream" in note for note in data.notes)
    assert not isinstance(load_dataset("t.parquet", stream=False), Stream)


@pytest.mark.parametrize(
    ("content", "options", "words"),
    [
        (b"no table", {}, "the file cannot be read as parquet"),
        (None, {"label": "gone"}, "there is no column 'gone'"),
        (None, {"image_size": 8}, "are for folders of images"),
    ],
)
def test_what_cannot_be_used_is_refused_as_arrays_are(content, options, words):
    if content is None:
        everyday()[["size", "label"]].to_parquet("t.parquet")
    else:
        Path("t.parquet").write_bytes(content)
    with pytest.raises(InvalidData, match=words):
        load_dataset("t.parquet", stream=True, **options)
    with pytest.raises(InvalidData, match="there is no such file"):
        load_dataset("gone.parquet", stream=True)


@pytest.mark.usefixtures("untraced")
def test_a_child_trained_on_it_is_that_of_the_arrays():
    everyday()[["size", "number", "town", "label"]].to_parquet("t.parquet")
    space = MLPSpace()
    params = space.decode([0] * len(space.names))
    found = [
        Evaluation(space, load_dataset("t.parquet", stream=stream), Recipe(2, 64)).run(params)[0]
        for stream in (True, False)
    ]
    assert found[0]["val_loss"] == pytest.approx(found[1]["val_loss"], rel=1e-6)
    assert 0 <= found[0]["data_wait"] <= 1
