"""The folder of a model: what is saved comes back, and what is damaged is named."""

import json
import sys
import zipfile

import keras
import numpy as np
import pandas as pd
import pytest

from cellwright import TrainedModel, load_dataset
from cellwright.search_spaces import CorruptedState, InvalidData, MLPSpace

SPACE = MLPSpace(nodes=(8,), activations=("relu",), length=2)


def network(data, seed=0):
    params = SPACE.sample(np.random.default_rng(seed))
    return SPACE.build(params, data.input_shape, data.classes, seed=seed)


@pytest.fixture(scope="module")
def towns(tmp_path_factory):
    """A table of numbers and text, with gaps."""
    rng, rows = np.random.default_rng(0), 60
    frame = pd.DataFrame(
        {
            "size": rng.normal(50, 10, rows).round(2),
            "town": rng.choice(["Rome", "Oslo"], rows),
            "age": rng.integers(1, 80, rows).astype(float),
            "kind": rng.choice(["flat", "house"], rows),
        }
    )
    frame.loc[::9, "age"] = np.nan
    file = tmp_path_factory.mktemp("towns") / "towns.csv"
    frame.to_csv(file, index=False)
    return file


@pytest.fixture
def model(towns):
    data = load_dataset(str(towns), whole=True)
    return TrainedModel.of(network(data), data, made={"by": "a test", "epochs": 3})


def test_a_model_comes_back_as_it_was(model, towns, tmp_path):
    frame = pd.read_csv(towns).drop(columns="kind")
    model.save(tmp_path / "new" / "model")
    loaded = TrainedModel.load(tmp_path / "new" / "model")
    assert loaded.reader == model.reader
    assert loaded.class_names == ("flat", "house")
    assert loaded.label == "kind"
    assert loaded.made["by"] == "a test"
    assert loaded.made["versions"]["keras"] == keras.__version__
    np.testing.assert_array_equal(loaded.predict_proba(frame), model.predict_proba(frame))
    assert set(loaded.predict(frame)) <= {"flat", "house"}


def test_a_number_comes_back_in_its_own_unit(tmp_path):
    data = load_dataset("diabetes", whole=True)
    model = TrainedModel.of(network(data), data)
    model.save(tmp_path)
    loaded = TrainedModel.load(tmp_path)
    assert (loaded.target_mean, loaded.target_scale) == (data.target_mean, data.target_scale)
    found = loaded.outputs(data.x_train[:5])
    raw = np.asarray(model.network(data.x_train[:5]))[:, 0]
    np.testing.assert_allclose(found, data.target_mean + data.target_scale * raw, rtol=1e-5)
    with pytest.raises(InvalidData, match="predicts a number, which has no probability"):
        loaded.predict_proba(np.zeros((1, 10)))


def test_all_data_are_read_where_nothing_is_to_be_held_out(towns, tmp_path):
    part, whole = (load_dataset(str(towns), whole=whole) for whole in (False, True))
    assert len(whole.x_train) == len(part.x_train) + len(part.x_val) == 60
    assert len(whole.x_val) == 0
    images = np.arange(40 * 16, dtype=np.uint8).reshape(40, 4, 4)
    np.savez(tmp_path / "i.npz", x_train=images[:30], y_train=np.arange(30) % 2,
             x_val=images[30:], y_val=np.arange(10) % 2)  # fmt: skip
    whole = load_dataset(str(tmp_path / "i.npz"), whole=True)
    assert whole.x_train.shape == (40, 4, 4, 1)
    assert whole.white == 255
    np.testing.assert_allclose(whole.x_train[..., 0] * 255, images, atol=1e-4)


def damage(folder, change):
    document = json.loads((folder / "model.json").read_text())
    change(document)
    (folder / "model.json").write_text(json.dumps(document))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda d: d["target"].update(scale="1"), "target.scale: a number is expected, and .*'1'"),
        (lambda d: d["target"].pop("mean"), "target.mean: a number is expected, and there is None"),
        (lambda d: d.update(classes=["flat", 3]), r"classes\[1\]: text is expected, not 3"),
        (lambda d: d.update(classes=["a", "b", "c"]), "the network has 2 outputs, and 3 are"),
        (lambda d: d.update(input={}), "input.table: an object is expected"),
        (lambda d: d["input"]["table"]["columns"][0].update(mean=None), r"s\[0\].mean: "),
        (lambda d: d["input"]["table"]["columns"].pop(), "examples are prepared as"),
        (lambda d: d["input"]["table"]["columns"][1].update(position=7), r"columns\[1\].position"),
        (lambda d: d.update(format=9), "of format 9, and this version reads 1"),
        (lambda d: d.update(made=[]), "made: an object is expected"),
        (lambda d: d.update(network="0"), "is not the network that model.json beside it describes"),
    ],
)  # fmt: skip
def test_damage_is_named_with_its_file_and_place(model, tmp_path, change, told):
    model.save(tmp_path)
    damage(tmp_path, change)
    with pytest.raises(CorruptedState, match=told) as error:
        TrainedModel.load(tmp_path)
    assert str(tmp_path) in str(error.value)


def test_what_is_no_model_says_what_to_do(model, tmp_path):
    with pytest.raises(CorruptedState, match="nowhere does not exist: give the folder of a model"):
        TrainedModel.load(tmp_path / "nowhere")
    with pytest.raises(CorruptedState, match=r"holds no model.json: give the folder of a model"):
        TrainedModel.load(tmp_path)
    (tmp_path / "settings.json").write_text("{}")
    with pytest.raises(CorruptedState, match="holds no trained model, only what led to one"):
        TrainedModel.load(tmp_path)
    model.save(tmp_path)
    (tmp_path / "model.json").write_text('{"format": 1,\n "classes"}')
    with pytest.raises(CorruptedState, match=r"model.json is damaged: line 2, column 11: "):
        TrainedModel.load(tmp_path)
    model.save(tmp_path)
    (tmp_path / "model.keras").unlink()
    with pytest.raises(CorruptedState, match=r"model.keras is missing"):
        TrainedModel.load(tmp_path)


def test_made_must_be_json_and_nothing_is_written_otherwise(model, tmp_path):
    wrong = TrainedModel(model.network, model.reader, model.class_names, made={"a": object()})
    with pytest.raises(TypeError, match="JSON"):
        wrong.save(tmp_path / "model")
    assert not (tmp_path / "model").exists()


def rewritten(file, change):
    """Change the configuration in a ``.keras`` file, and take the new file for the right one."""
    with zipfile.ZipFile(file) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(parts["config.json"])
    change(config)
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in {**parts, "config.json": json.dumps(config)}.items():
            archive.writestr(name, data)
    from cellwright.search_spaces.network_file import digest_of

    damage(file.parent, lambda document: document.update(network=digest_of(file)))


def test_no_module_is_imported_that_a_file_names(model, tmp_path, monkeypatch):
    (tmp_path / "trap.py").write_text("from pathlib import Path\nPath('sprung').touch()\n")
    monkeypatch.syspath_prepend(tmp_path)
    model.save(tmp_path / "model")

    def stranger(config):
        layer = config["config"]["layers"][-1]
        layer |= {"module": "trap", "class_name": "Trap", "registered_name": "trap>Trap"}

    rewritten(tmp_path / "model" / "model.keras", stranger)
    with pytest.raises(CorruptedState, match=r"'Trap' of the module 'trap'.*in a script of yours"):
        TrainedModel.load(tmp_path / "model")
    assert "trap" not in sys.modules
    assert not (tmp_path / "sprung").exists()


def test_a_lambda_is_not_run(model, tmp_path):
    x = keras.Input((2,))
    double = keras.Model(x, keras.layers.Lambda(lambda x: x * 2)(x))
    model.save(tmp_path)
    double.save(tmp_path / "model.keras")
    rewritten(tmp_path / "model.keras", lambda config: None)
    with pytest.raises(CorruptedState, match="cannot be read as a network"):
        TrainedModel.load(tmp_path)
