"""Predictions and scores for files as people have them; what is odd about them is told."""

import csv
import io

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.datasets import load_wine

from cellwright import MLPSpace, TrainedModel, load_dataset
from cellwright.plugins.model import evaluate, predict
from cellwright.plugins.model.readers import ImageReader
from cellwright.search_spaces import InvalidData

SPACE = MLPSpace(nodes=(8,), activations=("relu",), length=2)


def model_of(data, **options):
    params = SPACE.sample(np.random.default_rng(1))
    network = SPACE.build(params, data.input_shape, data.classes, seed=1)
    return TrainedModel.of(network, data, **options)


def written(found):
    file = io.StringIO()
    found.write(file)
    return list(csv.DictReader(io.StringIO(file.getvalue())))


@pytest.fixture
def table():
    """Rows about flats, with a gap in each column."""
    rng, rows = np.random.default_rng(0), 40
    frame = pd.DataFrame(
        {
            "size": rng.normal(50, 10, rows).round(2),
            "town": rng.choice(["Rome", "Oslo"], rows),
            "age": rng.integers(1, 80, rows).astype(float),
            "price": rng.normal(900, 50, rows).round(1),
            "kind": ["flat", "house"] * 20,
        }
    )
    frame.loc[3, "age"] = np.nan
    return frame


@pytest.fixture
def flats(table, tmp_path):
    table.to_csv(tmp_path / "flats.csv", index=False)
    return model_of(load_dataset(str(tmp_path / "flats.csv"), whole=True))


def test_rows_of_a_file_are_prepared_as_in_training(flats, table, tmp_path):
    expected = flats.predict_proba(table.drop(columns="kind"))
    table.to_parquet(tmp_path / "new.parquet")
    for file in ("flats.csv", "new.parquet"):
        found = predict(flats, [tmp_path / file])
        np.testing.assert_array_equal(found.outputs, expected)
        assert found.notes[0] == "the column 'kind' is what this model predicts, and is not read"
    rows = written(found)
    assert list(rows[0]) == ["row", "prediction", "probability", "p_flat", "p_house"]
    assert [row["row"] for row in rows] == [str(n) for n in range(1, 41)]
    assert rows[7]["prediction"] == ("flat", "house")[expected[7].argmax()]
    assert float(rows[7]["probability"]) == pytest.approx(expected[7].max(), abs=1e-6)
    assert float(rows[7]["p_house"]) == pytest.approx(expected[7, 1], abs=1e-6)


def test_columns_in_another_order_are_found_by_name(flats, table, tmp_path):
    table[["price", "age", "town", "size"]].to_csv(tmp_path / "new.csv", index=False)
    found = predict(flats, [tmp_path / "new.csv"])
    np.testing.assert_allclose(found.outputs, flats.predict_proba(table.drop(columns="kind")))


def test_what_the_training_did_not_have_is_told_with_counts(flats, table, tmp_path):
    odd = table.drop(columns=["kind", "price"]).assign(colour="red", Price=1.0)
    odd.loc[:4, "town"] = "Bern"
    odd.loc[7, "town"] = None
    odd.loc[:2, "size"] = 1e6
    odd.loc[3:8, "size"] = np.nan
    odd.to_csv(tmp_path / "odd.csv", index=False)
    notes = "\n".join(predict(flats, [tmp_path / "odd.csv"]).notes)
    assert (
        "the file lacks 1 column that the model reads, as if all cells were empty: 'price'; is"
        in notes
    )
    assert "is 'Price' meant for 'price'?" in notes
    assert "2 columns not known to the model and not read: 'colour', 'Price'" in notes
    assert "count as none of the known ones: 'town' (6, such as 'Bern')" in notes
    assert "replaced by the training's median: 'size' (6, by " in notes
    assert "'age' (1, by" in notes
    assert "numbers more than 20 standard deviations from the training's mean are cut" in notes
    assert "there: 'size' (3)" in notes
    with pytest.raises(InvalidData, match="lacks 1 column that the model reads: 'price'; is"):
        predict(flats, [tmp_path / "odd.csv"], strict=True)


def test_a_column_that_is_missing_counts_as_empty(flats, table, tmp_path):
    empty = table.assign(price=np.nan, town=None).drop(columns="kind")
    table.drop(columns=["price", "town"]).to_csv(tmp_path / "new.csv", index=False)
    found = predict(flats, [tmp_path / "new.csv"])
    np.testing.assert_array_equal(found.outputs, flats.predict_proba(empty))


def test_tables_that_cannot_be_meant_are_refused(flats, table, tmp_path):
    (tmp_path / "new.csv").write_text("a,b\n1,2\n")
    with pytest.raises(InvalidData, match="the file has none of the columns that the model reads"):
        predict(flats, [tmp_path / "new.csv"])
    (tmp_path / "new.csv").write_text("size,town,age,price\n50,Rome,3,cheap\n")
    with pytest.raises(InvalidData, match=r"new.csv: column 'price' holds numbers, but 'cheap' in"):
        predict(flats, [tmp_path / "new.csv"])
    with pytest.raises(InvalidData, match="there is no file"):
        predict(flats, [tmp_path / "other.csv"])
    (tmp_path / "new.png").write_bytes(b"")
    with pytest.raises(InvalidData, match=r"this model reads tables: give a \.csv"):
        predict(flats, [tmp_path / "new.png"])
    with pytest.raises(InvalidData, match="give at least one file"):
        predict(flats, [])


def test_several_tables_are_told_apart(flats, table, tmp_path):
    for name, rows in (("a.csv", table[:3]), ("b.csv", table[3:5])):
        rows.drop(columns="kind").to_csv(tmp_path / name, index=False)
    rows = written(predict(flats, [tmp_path / "a.csv", tmp_path / "b.csv"]))
    assert [(row["file"][-5:], row["row"]) for row in rows] == [
        ("a.csv", "1"), ("a.csv", "2"), ("a.csv", "3"), ("b.csv", "1"), ("b.csv", "2"),
    ]  # fmt: skip


def test_an_array_without_names_takes_a_files_columns_in_their_order(tmp_path):
    from cellwright.plugins.data.table import read_table
    from cellwright.plugins.data.tables import table_dataset
    from cellwright.plugins.data.target import Target

    wine = load_wine()
    target = Target(wine.target, ("a", "b", "c"))
    model = model_of(table_dataset(read_table(wine.data), target, validation=0))
    load_wine(as_frame=True).data.to_csv(tmp_path / "wine.csv", index=False)
    np.savez(tmp_path / "wine.npz", x=wine.data, other=np.zeros(3))
    expected = model.predict_proba(wine.data)
    for file, note in (("wine.csv", "columns are taken in their order"), ("wine.npz", "array 'x'")):
        found = predict(model, [tmp_path / file])
        np.testing.assert_array_equal(found.outputs, expected)
        assert note in found.notes[0]


def test_numbers_are_predicted_in_their_own_unit(table, tmp_path):
    table.to_csv(tmp_path / "flats.csv", index=False)
    data = load_dataset(str(tmp_path / "flats.csv"), label="price", whole=True)
    model = model_of(data)
    found = predict(model, [tmp_path / "flats.csv"])
    assert list(written(found)[0]) == ["row", "prediction"]
    scores = evaluate(model, tmp_path / "flats.csv")
    error = np.array(found.predicted) - table["price"]
    assert scores.metrics["mae"] == pytest.approx(np.abs(error).mean())
    assert scores.metrics["rmse"] == pytest.approx(np.sqrt((error**2).mean()))
    assert scores.metrics["r2"] == pytest.approx(1 - (error**2).sum() / (table["price"].var() * 39))
    assert scores.confusion is None
    table[:1].to_csv(tmp_path / "one.csv", index=False)
    one = evaluate(model, tmp_path / "one.csv")
    assert "r2" not in one.metrics
    assert "R² needs numbers that differ" in one.notes[-1]


def test_scores_are_those_of_the_predictions(flats, table, tmp_path):
    found = predict(flats, [tmp_path / "flats.csv"])
    table.loc[:2, "kind"] = None
    table.to_csv(tmp_path / "new.csv", index=False)
    scores = evaluate(flats, tmp_path / "new.csv")
    truth, said = table["kind"][3:].tolist(), found.predicted[3:]
    right = np.array(truth) == np.array(said)
    assert scores.number == 37
    assert "3 of 40 rows have no label and are left out" in scores.notes
    assert scores.metrics["accuracy"] == pytest.approx(right.mean())
    shares = found.outputs[3:][np.arange(37), [("flat", "house").index(k) for k in truth]]
    assert scores.metrics["loss"] == pytest.approx(-np.log(shares).mean())
    assert not any("was trained on data of this name" in note for note in scores.notes)
    same = TrainedModel(
        flats.network, flats.reader, flats.class_names, label="kind",
        made={"data": {"name": "new.csv"}},
    )  # fmt: skip
    assert "was trained on data of this name, new.csv" in evaluate(same, "new.csv").notes[-1]
    first = scores.classes[0]
    both = sum(t == s == "flat" for t, s in zip(truth, said, strict=True))
    assert (first.name, first.number) == ("flat", truth.count("flat"))
    assert first.recall == pytest.approx(both / truth.count("flat"))
    assert scores.confusion[0, 0] == both
    assert scores.confusion.sum() == 37


def test_labels_that_are_not_the_models_are_refused(flats, table, tmp_path):
    table.loc[5:6, "kind"] = "castle"
    table.to_csv(tmp_path / "new.csv", index=False)
    with pytest.raises(InvalidData, match="'castle' in 2 of 40 rows, and the model knows the"):
        evaluate(flats, tmp_path / "new.csv")
    table.rename(columns={"kind": "sort"}).to_csv(tmp_path / "new.csv", index=False)
    with pytest.raises(InvalidData, match=r"there is no column 'kind', which holds the label"):
        evaluate(flats, tmp_path / "new.csv")
    with pytest.raises(InvalidData, match="'castle'"):
        evaluate(flats, tmp_path / "new.csv", label="sort")


@pytest.fixture
def photos(tmp_path):
    """Photos of mixed sizes and kinds in folders, and a model of those of 12 x 16 pixels."""
    rng = np.random.default_rng(0)
    for kind in ("day", "night"):
        for number in range(4):
            file = tmp_path / "photos" / kind / f"{number}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            size = (*rng.integers(10, 40, 2), 3)
            Image.fromarray(rng.integers(0, 255, size, dtype=np.uint8)).save(file)
    options = {"image_size": "12x16", "image_fit": "crop"}
    data = load_dataset(str(tmp_path / "photos"), **options, whole=True)
    return data, model_of(data, image_fit="crop")


def test_photos_are_read_as_in_training(photos, tmp_path):
    data, model = photos
    assert model.reader == ImageReader((12, 16, 3), 0.0, 1.0, "crop")
    found = predict(model, [tmp_path / "photos"])
    np.testing.assert_allclose(found.outputs, model.outputs(data.x_train), rtol=1e-6)
    names = [row["file"] for row in written(found)]
    assert names == [
        str(tmp_path / "photos" / kind / f"{n}.png") for kind in ("day", "night") for n in range(4)
    ]
    assert "8 files of other sizes or shapes are resized to 12x16 and cropped" in found.notes[0]


def test_flat_nested_and_single_files_may_be_mixed(photos, tmp_path):
    model = photos[1]
    new = tmp_path / "new"
    (new / "deep" / "er").mkdir(parents=True)
    (new / ".hidden").mkdir()
    for name in ("a.jpg", "deep/er/b.gif", ".hidden/c.png"):
        Image.new("L", (16, 12), 128).save(new / name)
    (new / "deep" / "notes.txt").write_text("x")
    (new / "broken.jpg").write_bytes(b"no image")
    alone = tmp_path / "photos" / "day" / "0.png"
    found = predict(model, [new, alone])
    assert [row["file"] for row in found.names] == [
        str(new / "a.jpg"), str(new / "deep" / "er" / "b.gif"), str(alone),
    ]  # fmt: skip
    notes = "\n".join(found.notes)
    assert "1 file in" in notes
    assert "without the name of an image left out: .txt (1)" in notes
    assert f"left out, as they cannot be read: 1 file: {new / 'broken.jpg'}" in notes
    assert "1 file of other sizes" in notes  # the single one; gray ones become coloured
    with pytest.raises(InvalidData, match=r"broken.jpg cannot be read"):
        predict(model, [new], strict=True)
    with pytest.raises(InvalidData, match=r"nothing is left to predict for; .*broken.jpg"):
        predict(model, [new / "broken.jpg"])
    with pytest.raises(InvalidData, match="this model reads images"):
        predict(model, [new / "deep" / "notes.txt"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(InvalidData, match="holds no image that Pillow reads"):
        predict(model, [tmp_path / "empty"])


def test_a_test_folder_is_scored_by_class(photos, tmp_path):
    model = photos[1]
    scores = evaluate(model, tmp_path / "photos")
    assert scores.number == 8
    assert [(row.name, row.number) for row in scores.classes] == [("day", 4), ("night", 4)]
    (tmp_path / "parts").mkdir()
    (tmp_path / "photos").rename(tmp_path / "parts" / "train")
    with pytest.raises(InvalidData, match="no test folder: give one of them itself"):
        evaluate(model, tmp_path / "parts")
    (tmp_path / "parts" / "test" / "night").mkdir(parents=True)
    Image.new("RGB", (5, 5)).save(tmp_path / "parts" / "test" / "night" / "1.png")
    scores = evaluate(model, tmp_path / "parts")
    assert (scores.number, scores.classes[0].number) == (1, 0)
    assert "the images are those in test/" in scores.notes
    (tmp_path / "parts" / "test" / "night").rename(tmp_path / "parts" / "test" / "noon")
    with pytest.raises(InvalidData, match="'noon' is none of the model's classes, 'day', 'night'"):
        evaluate(model, tmp_path / "parts")


def test_a_model_of_arrays_takes_files_in_their_scale(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (10, 6, 6), dtype=np.uint8)
    np.savez(tmp_path / "x.npz", x=x, y=np.arange(10) % 2)
    data = load_dataset(str(tmp_path / "x.npz"), whole=True)
    model = model_of(data)
    assert (model.reader.low, model.reader.high) == (0, 255)
    Image.fromarray(x[3]).save(tmp_path / "3.png")
    of_file = predict(model, [tmp_path / "3.png"])
    of_array = predict(model, [tmp_path / "x.npz"])
    np.testing.assert_allclose(of_file.outputs[0], of_array.outputs[3], rtol=1e-5)
    np.save(tmp_path / "floats.npy", x / 255)
    assert "run from 0 to 1, and those of the training from 0 to 255" in "".join(
        predict(model, [tmp_path / "floats.npy"]).notes
    )
    scores = evaluate(model, tmp_path / "x.npz")
    assert "scored on x and y" in scores.notes
    own = TrainedModel(model.network, ImageReader((6, 6, 1), 0.0, 16.0), model.class_names)
    with pytest.raises(InvalidData, match="brightest pixel is 16, which is no scale that files"):
        predict(own, [tmp_path / "3.png"])
    own = TrainedModel(model.network, ImageReader((6, 6, 1), -2.1, 2.6), model.class_names)
    with pytest.raises(InvalidData, match="in a scale of their own"):
        predict(own, [tmp_path / "3.png"])
    np.save(tmp_path / "wide.npy", np.zeros((2, 9, 9)))
    with pytest.raises(InvalidData, match=r"images of shape \(6, 6, 1\) are expected"):
        predict(model, [tmp_path / "wide.npy"])
    np.savez(tmp_path / "objects.npz", x=np.array([object()]))
    with pytest.raises(InvalidData, match="must hold one array"):
        predict(model, [tmp_path / "objects.npz"])
