"""Folders of images and ``.npz`` files that are read while children train: like arrays of them."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cellwright.plugins import Dataset, Evaluation, Recipe, Stream, load_dataset, make_space
from cellwright.plugins.data import memory
from cellwright.plugins.scoring.zero_cost import warm_start
from cellwright.plugins.training.checkpoints import Checkpoint
from cellwright.search_spaces import InvalidData

RNG = np.random.default_rng(0)


def photo(file, size=(12, 12), mode="RGB", **how):
    Path(file).parent.mkdir(parents=True, exist_ok=True)
    pixels = RNG.integers(0, 256, (*size, 3), dtype=np.uint8)
    Image.fromarray(pixels).convert(mode).save(file, **how)


def folder(images=12, **how):
    for name in ("cat", "dog"):
        for i in range(images):
            photo(f"photos/{name}/{i}.jpg", **how)


def same_examples(arrays, streamed):
    assert isinstance(arrays, Dataset)
    assert isinstance(streamed, Stream)
    assert streamed.class_names == arrays.class_names
    assert streamed.input_shape == arrays.input_shape
    for one, other in ((arrays.train, streamed.train), (arrays.held_out, streamed.held_out)):
        assert one.number == other.number
        for expected, found in zip(one.batches(5), other.batches(5), strict=True):
            for a, b in zip(expected, found, strict=True):
                assert a.dtype == b.dtype
                np.testing.assert_array_equal(a, b)
    chosen = [data.some(7, np.random.default_rng(3)) for data in (arrays, streamed)]
    np.testing.assert_array_equal(chosen[0][0], chosen[1][0])


def both(source, **how):
    return load_dataset(source, stream=False, **how), load_dataset(source, stream=True, **how)


class TestFolder:
    @pytest.mark.parametrize(
        "how", [{}, {"image_size": 8, "color": "gray"}, {"image_size": "8x6", "image_fit": "crop"}]
    )
    def test_examples_are_those_of_arrays(self, how):
        folder()
        same_examples(*both("photos", **how))

    def test_images_of_sixteen_bits_among_others(self):
        folder(mode="L")
        deep = RNG.integers(0, 65536, (12, 12), dtype=np.uint16)
        Image.fromarray(deep).save("photos/dog/deep.png")
        same_examples(*both("photos"))

    def test_a_folder_to_validate_on_is_used(self):
        for part, images in (("train", 5), ("val", 3)):
            for name in ("cat", "dog"):
                for i in range(images):
                    photo(f"data/{part}/{name}/{i}.png")
        same_examples(*both("data"))
        assert "children are validated on val/" in load_dataset("data", stream=True).notes

    def test_what_is_turned_on_its_side_has_the_shape_that_is_seen(self):
        exif = Image.Exif()
        exif[0x0112] = 6
        folder(size=(8, 12), exif=exif)
        same_examples(*both("photos"))
        assert load_dataset("photos", stream=True).input_shape == (12, 8, 3)

    def test_files_whose_header_is_damaged_are_left_out_as_in_arrays(self):
        folder()
        Path("photos/cat/bad.jpg").write_bytes(b"no image")
        os.symlink("nowhere", "photos/dog/gone.jpg")
        arrays, streamed = both("photos")
        same_examples(arrays, streamed)
        assert "left out, as they cannot be read: 2 files" in " ".join(streamed.notes)
        with pytest.raises(
            InvalidData, match=r"these cannot be read: 2 files.*or leave strict out"
        ):
            load_dataset("photos", stream=True, strict=True)

    def test_files_that_turn_out_to_be_damaged_are_left_out_with_a_warning(self):
        folder(images=200)
        torn = Path("photos/cat/7.jpg")
        torn.write_bytes(torn.read_bytes()[:-40])
        data = load_dataset("photos", stream=True)
        with pytest.warns(UserWarning, match=r"7.jpg is left out, as it cannot be read: .*trunc"):
            read = sum(len(b[0]) for p in (data.train, data.held_out) for b in p.batches(50))
        assert read == 399
        strict = load_dataset("photos", stream=True, strict=True)
        with pytest.raises(InvalidData, match=r"7.jpg cannot be read: .*Mend or remove it"):
            [batch for p in (strict.train, strict.held_out) for batch in p.batches(50)]

    @pytest.mark.parametrize("how", [{}, {"image_size": 8}, {"color": "rgb"}])
    def test_shapes_that_differ_are_refused_with_the_same_advice(self, how):
        folder()
        photo("photos/dog/other.jpg", size=(30, 30), mode="L")
        messages = []
        for stream in (False, True):
            with pytest.raises(InvalidData) as error:
                load_dataset("photos", stream=stream, **how)
            messages.append(str(error.value))
        assert messages[0] == messages[1]

    def test_the_fingerprint_tells_files_ways_to_read_them_and_parts_apart(self):
        folder()
        how = [{}, {"image_size": 8, "color": "rgb"}, {"seed": 1}, {"validation": 0.4}]
        found = [load_dataset("photos", stream=True, **each).fingerprint for each in how]
        assert found == [load_dataset("photos", stream=True, **each).fingerprint for each in how]
        photo("photos/cat/0.jpg")
        found.append(load_dataset("photos", stream=True).fingerprint)
        os.rename("photos/cat/1.jpg", "photos/cat/one.jpg")
        found.append(load_dataset("photos", stream=True).fingerprint)
        assert len(set(found)) == 6


class TestNpz:
    @pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
    @pytest.mark.parametrize(
        "images",
        [
            RNG.integers(0, 256, (30, 6, 5, 3), dtype=np.uint8),
            RNG.integers(0, 2, (30, 6, 5), dtype=np.uint8),
            RNG.integers(0, 4000, (30, 6, 5), dtype=np.uint16),
            RNG.random((30, 6, 5, 1)),
        ],
        ids=["bytes", "bits", "16 bits", "floats"],
    )
    def test_examples_are_those_of_arrays(self, save, images):
        save("x.npz", x_train=images, y_train=np.array(["a", "b", "c"] * 10))
        same_examples(*both("x.npz"))
        streamed = load_dataset("x.npz", stream=True)
        assert streamed.fingerprint == load_dataset("x.npz", stream=True).fingerprint
        packed = save is np.savez_compressed
        assert ("x_train is compressed: it is unpacked" in " ".join(streamed.notes)) == packed

    def test_a_part_to_validate_on_is_used(self):
        x = RNG.integers(0, 256, (20, 6, 5), dtype=np.uint8)
        y = np.arange(20) % 2
        np.savez("x.npz", x=x, y=y, x_val=x[:8] // 2, y_val=y[:8])
        same_examples(*both("x.npz"))

    def test_what_is_unpacked_is_deleted(self):
        x = RNG.integers(0, 256, (20, 6, 5), dtype=np.uint8)
        np.savez_compressed("x.npz", x=x, y=np.arange(20) % 2)
        data = load_dataset("x.npz", stream=True)
        there = data.train.x.file
        assert there.exists()
        del data
        assert not there.parent.exists()

    @pytest.mark.parametrize(
        ("arrays", "message"),
        [
            ({"x": np.zeros((3, 4, 4))}, "must hold x_train and y_train"),
            ({"x": np.zeros((4, 4)), "y": np.arange(4)}, "images must be numbers of shape"),
            ({"x": np.full((4, 4, 4), np.nan), "y": [0, 1] * 2}, "NaN or infinite"),
            ({"x": np.full((4, 4, 4), -1), "y": [0, 1] * 2}, "pixels run from -1 to -1"),
            ({"x": np.zeros((4, 3, 8, 8)), "y": [0, 1] * 2}, "channels"),
            ({"x": np.zeros((4, 4, 4)), "y": [0, 1]}, "4 images and 2 labels"),
            ({"x": np.zeros((4, 4, 4)), "y": [0, 0, 0, 1]}, "class '1' has too few images"),
            ({"x": np.zeros((4, 5, 6)).T, "y": [0, 1] * 3}, "numpy.ascontiguousarray"),
        ],
    )
    def test_what_cannot_be_used_is_refused(self, arrays, message):
        np.savez("x.npz", **arrays)
        with pytest.raises(InvalidData, match=message):
            load_dataset("x.npz", stream=True)

    def test_a_file_that_is_none_is_refused(self):
        Path("x.npz").write_bytes(b"no archive")
        with pytest.raises(InvalidData, match="the file cannot be read"):
            load_dataset("x.npz", stream=True)
        with pytest.raises(InvalidData, match=r"no such (file|path)"):
            load_dataset("gone.npz", stream=True)


@pytest.mark.parametrize("source", ["digits", "wine", "table.csv", "table.feather"])
def test_what_cannot_be_streamed_is_said_to_be_so(source):
    Path("table.csv").write_text("a,b\n1,2\n")
    Path("table.feather").write_bytes(b"")
    with pytest.raises(InvalidData, match=r"only a folder of images, a .npz file of images and a"):
        load_dataset(source, stream=True)
    with pytest.raises(InvalidData, match="stream must be True, False or None, got 1"):
        load_dataset(source, stream=1)


@pytest.mark.parametrize("source", ["photos", "x.npz"])
def test_what_arrays_have_no_memory_for_becomes_a_stream_and_says_so(source, monkeypatch):
    folder()
    np.savez("x.npz", x=np.zeros((20, 4, 4), np.uint8), y=np.arange(20) % 2)
    assert isinstance(load_dataset(source), Dataset)
    monkeypatch.setattr(memory, "free_memory", lambda: 5000)
    found = load_dataset(source)
    assert isinstance(found, Stream)
    assert (
        "of memory are free: they are read from their files while children tra" in found.notes[-1]
    )
    assert isinstance(load_dataset(source, stream=False), Dataset)


def test_the_memory_that_is_free_is_known_here():
    assert 10**6 < memory.free_memory() < 10**14


@pytest.mark.usefixtures("untraced")
class TestTraining:
    space = make_space("convnet")
    params = space.sample(np.random.default_rng(1))

    def run(self, data, epochs=2, checkpoint=None, **recipe):
        recipe = Recipe(epochs, 8, **recipe)
        evaluation = Evaluation(self.space, data, recipe=recipe, options={"filters": 2})
        metrics = evaluation.run(self.params, checkpoint=checkpoint)[0]
        return {n: x for n, x in metrics.items() if n not in ("seconds", "data_wait")}

    @pytest.mark.parametrize("augmentation", ["none", "shift_flip"])
    def test_a_stream_trains_like_arrays_bit_for_bit(self, augmentation):
        folder()
        arrays, streamed = both("photos")
        expected = self.run(arrays, augmentation=augmentation)
        assert self.run(streamed, augmentation=augmentation) == expected

    def test_a_training_that_was_interrupted_goes_on_bit_for_bit(self, tmp_path):
        folder()
        data = load_dataset("photos", stream=True)
        whole = self.run(data, 3)
        self.run(data, 1, Checkpoint(tmp_path / "child.npz"))
        again = load_dataset("photos", stream=True)
        found = self.run(again, 3, Checkpoint(tmp_path / "child.npz"))
        assert found["loss"] == whole["loss"]
        assert found["val_loss"] == whole["val_loss"]

    def test_zero_cost_scores_are_those_of_arrays(self):
        folder()
        scores = [
            warm_start("gradient_norm", Evaluation(self.space, data, options={"filters": 2}))
            for data in both("photos")
        ]
        assert scores[0](self.params) == scores[1](self.params)

    def test_a_damaged_file_is_counted_among_the_metrics(self):
        folder(images=200)
        torn = Path("photos/cat/7.jpg")
        torn.write_bytes(torn.read_bytes()[:-40])
        data = load_dataset("photos", stream=True)
        with pytest.warns(UserWarning, match="is left out"):
            assert self.run(data, 1)["left_out"] == 1

    def test_an_error_of_the_reading_is_the_reason_of_the_failure(self):
        folder()
        data = load_dataset("photos", stream=True, image_size=8, color="rgb", strict=True)
        for file in Path("photos/cat").iterdir():
            file.unlink()
        with pytest.raises(InvalidData, match=r"cat.*cannot be read: .*Mend or remove it"):
            self.run(data)


def test_a_stream_that_is_read_as_a_whole_holds_nothing_out(tmp_path):
    x, y = np.arange(12 * 16, dtype=np.uint8).reshape(12, 4, 4), np.arange(12) % 2
    np.savez(tmp_path / "one.npz", x=x, y=y)
    data = load_dataset(str(tmp_path / "one.npz"), stream=True, whole=True)
    assert (data.train.number, data.held_out, data.white) == (12, None, 255)
    np.savez(tmp_path / "two.npz", x_train=x[:8], y_train=y[:8], x_val=x[8:], y_val=y[8:])
    data = load_dataset(str(tmp_path / "two.npz"), stream=True, whole=True)
    arrays = load_dataset(str(tmp_path / "two.npz"), stream=False, whole=True)
    assert (data.train.number, data.held_out, data.white) == (12, None, 255)
    mixed = np.array([9, 0, 11, 7, 8])
    for streamed, expected in zip(data.train.take(mixed), arrays.train.take(mixed), strict=True):
        np.testing.assert_array_equal(streamed, expected)
