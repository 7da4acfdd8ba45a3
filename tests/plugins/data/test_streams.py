"""Data of a user's own as a stream: every kind that frameworks give, with the same examples."""

import keras
import numpy as np
import pytest

import cellwright
from cellwright.plugins import Dataset, Evaluation, Recipe, Stream, make_space, stream
from cellwright.search_spaces import InvalidData

NUMBER, HELD_OUT, SIDE = 50, 20, 8


def pictures(number, seed=0):
    """Bytes of pictures in which a bar's place is the class, and their classes."""
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 100, (number, SIDE, SIDE, 3), dtype=np.uint8)
    y = rng.integers(0, 4, number)
    for image, place in zip(x, y, strict=True):
        image[2 * place : 2 * place + 2] += 150
    return x, y


X, Y = pictures(NUMBER)
VX, VY = pictures(HELD_OUT, seed=1)


class Pictures:
    """Examples by number, as data sources of PyTorch, Grain and others have them."""

    def __init__(self, x, y):
        self.x, self.y = x, y

    def __len__(self):
        return len(self.y)

    def __getitem__(self, index):
        return self.x[index], self.y[index]


class Batched(keras.utils.PyDataset):
    def __init__(self, x, y, size=7):
        super().__init__()
        self.x, self.y, self.size, self.passes = x, y, size, 0

    def __len__(self):
        return -(-len(self.y) // self.size)

    def __getitem__(self, index):
        part = slice(index * self.size, (index + 1) * self.size)
        return self.x[part], self.y[part]

    def on_epoch_end(self):
        self.passes += 1


def as_tf(x, y, size=None):
    import tensorflow as tf

    data = tf.data.Dataset.from_tensor_slices((x, y))
    return data if size is None else data.batch(size)


def as_tf_of_dictionaries(x, y):
    import tensorflow as tf

    names = [f"{i}.png" for i in range(len(y))]
    given = {"image": x, "image/filename": names, "label": y}
    return tf.data.Dataset.from_tensor_slices(given)


def as_loader(x, y, **how):
    from torch.utils.data import DataLoader

    return DataLoader(Pictures(x, y), batch_size=7, **how)


def as_grain(x, y):
    grain = pytest.importorskip("grain")
    return grain.MapDataset.source(Pictures(x, y))


def as_grain_batches(x, y):
    return as_grain(x, y).to_iter_dataset().batch(7)


def as_grain_loader(x, y):
    grain = pytest.importorskip("grain")
    return grain.DataLoader(
        data_source=Pictures(x, y),
        sampler=grain.samplers.IndexSampler(len(y), shuffle=False, num_epochs=1),
        operations=[grain.transforms.Batch(7)],
    )


def as_hugging_face(x, y):
    datasets = pytest.importorskip("datasets")
    names = datasets.ClassLabel(names=["ant", "bee", "cat", "dog"])
    features = datasets.Features({"image": datasets.Image(), "label": names})
    return datasets.Dataset.from_dict({"image": list(x), "label": y}, features=features)


def as_hugging_face_stream(x, y):
    return as_hugging_face(x, y).to_iterable_dataset()


KINDS = {
    "tf.data": as_tf,
    "tf.data in batches": lambda x, y: as_tf(x, y, 7),
    "tf.data of dictionaries": as_tf_of_dictionaries,
    "PyDataset": Batched,
    "DataLoader": as_loader,
    "examples by number": Pictures,
    "Grain": as_grain,
    "Grain in batches": as_grain_batches,
    "Grain's DataLoader": as_grain_loader,
    "Hugging Face": as_hugging_face,
    "Hugging Face's stream": as_hugging_face_stream,
    "a function": lambda x, y: lambda: zip(x, y, strict=True),
}


@pytest.mark.parametrize("make", KINDS.values(), ids=KINDS)
def test_every_kind_gives_the_examples_in_batches_of_any_size(make):
    data = stream(make(X, Y), make(VX, VY), classes=4)
    assert isinstance(data, Stream)
    assert (data.input_shape, data.classes) == ((SIDE, SIDE, 3), 4)
    assert (data.train.number, data.held_out.number) == (NUMBER, HELD_OUT)
    for part, x, y in ((data.train, X, Y), (data.held_out, VX, VY)):
        for _ in range(2):  # again and again
            batches = list(part.batches(16))
            assert [len(b[0]) for b in batches] == [16] * (len(y) // 16) + [len(y) % 16]
            read = [np.concatenate(parts) for parts in zip(*batches, strict=True)]
            np.testing.assert_array_equal(read[0], x.astype(np.float32) / np.float32(255))
            np.testing.assert_array_equal(read[1], y)
            assert (read[0].dtype, read[1].dtype) == (np.float32, np.int64)
    assert len(data.some(5)[0]) == 5
    assert data.fingerprint == stream(make(X, Y), make(VX, VY), classes=4).fingerprint
    assert data.fingerprint != stream(make(VX, VY), make(X, Y), classes=4).fingerprint


def test_a_number_that_is_not_known_is_counted_and_noted():
    data = stream(lambda: zip(X, Y, strict=True), classes=4)
    assert data.train.number == NUMBER
    assert "counted 50 examples of the function in one pass" in data.notes[0]
    assert stream(as_tf(X, Y), classes=4).notes == ()
    assert stream(as_loader(X, Y), classes=4).notes == ()
    assert stream(as_loader(X, Y, drop_last=True), classes=4).train.number == 49
    assert stream(Batched(X, Y), classes=4, examples=NUMBER).notes == ()


@pytest.mark.parametrize("make", [as_hugging_face, as_hugging_face_stream])
def test_hugging_face_knows_the_names_of_classes(make):
    assert stream(make(X, Y)).class_names == ("ant", "bee", "cat", "dog")


def test_images_of_mixed_sizes_are_resized_like_those_of_a_folder():
    x = [np.full((5, 9, 3), 255, np.uint8), np.full((20, 10), 255, np.uint8)]
    mixed = [(x[i % 2], i % 2) for i in range(8)]
    with pytest.raises(InvalidData, match=r"all be of one shape, got .*image_size=64, color='rgb'"):
        stream(mixed, classes=2)
    data = stream(mixed, classes=2, image_size=16, color="rgb", image_fit="crop")
    assert data.input_shape == (16, 16, 3)
    assert data.some(8)[0].min() == 1.0


def test_a_function_is_given_the_epoch_if_it_takes_one():
    def shuffled(epoch):
        order = np.random.default_rng(epoch).permutation(NUMBER)
        return zip(X[order], Y[order], strict=True)

    data = stream(shuffled, classes=4)
    first, second = (next(data.train.batches(50, epoch))[1] for epoch in (0, 1))
    assert list(first) != list(second)
    assert sorted(first) == sorted(second)


def test_weights_and_numbers_to_predict_are_taken():
    rows = np.random.default_rng(0).normal(size=(30, 5))
    data = stream([(row, row.sum(), 2.0) for row in rows], task="regression")
    assert (data.input_shape, data.classes) == ((5,), None)
    x, y, weights = data.some(30)
    np.testing.assert_allclose(x.sum(axis=1), y, rtol=1e-5)
    assert (weights == 2).all()


def test_a_pass_with_another_number_of_examples_is_an_error():
    left = [30]

    def fewer():
        left[0] -= 10
        return zip(X[: left[0]], Y[: left[0]], strict=True)

    data = stream(fewer, classes=4)  # looks at 20, and counts 10
    with pytest.raises(InvalidData, match="gave 0 examples, and 10 were counted before"):
        list(data.train.batches(4))


def pairs():
    return zip(X, Y, strict=True)


@pytest.mark.parametrize(
    ("given", "how", "message"),
    [
        (pairs, {}, "give classes=10, or class_names, or task="),
        (pairs, {"classes": 1}, "a whole number from 2, got 1"),
        (pairs, {"classes": True}, "a whole number from 2, got True"),
        (pairs, {"classes": 3}, r"from 0 to 2, and targets run from 0 to"),
        (pairs, {"classes": 3, "class_names": "ab"}, "there are 2 names"),
        (pairs, {"class_names": ["a"]}, "at least two classes, found"),
        (pairs, {"task": "auto"}, "classification or regression, got 'aut"),
        (pairs, {"classes": 4, "threads": 0}, "whole number from 1, got 0"),
        (pairs, {"classes": 4, "task": "regression"}, "leave them out"),
        (pairs, {"classes": 4, "color": "red"}, "rgb, gray, got 'red'"),
        (lambda: iter(()), {"classes": 4}, "gives nothing"),
        (lambda: [[X[0]]], {"classes": 4}, r"must be \(inputs, targets\).*got list of 1"),
        (lambda: [{"a": X[0], "b": 1}], {"classes": 4}, "have a, b: name their inputs"),
        (lambda: [(X[0], np.eye(4)[:1])], {"classes": 4}, "look one-hot"),
        (lambda: [(X[0].transpose(2, 0, 1), 1)], {"classes": 4}, "channels"),
        (lambda: [(np.full((8, 8), np.nan), 1)], {"classes": 4}, "NaN or infinite"),
        (lambda: [("text", 1)], {"classes": 4}, "must be numbers|shape"),
        (lambda: [(X[0], 0.5)], {"classes": 4}, "classes are numbered from 0 to 3"),
        ((X, Y), {"classes": 4}, r"these are arrays: give cellwright.Dataset\("),
        (X, {"classes": 4}, r"these are arrays: give cellwright.Dataset\("),
        ({"train": X}, {"classes": 4}, r"it is a dict; give one of its members, such as data\['tr"),
        (iter([(X, Y)]), {"classes": 4}, "give the function that makes it"),
        (3, {"classes": 4}, "a int cannot be read: give a tf.data.Dataset"),
    ],
)  # fmt: skip
def test_what_no_child_can_be_trained_on_is_refused_at_once(given, how, message):
    with pytest.raises(InvalidData, match=message):
        stream(given, **how)


def test_what_never_ends_is_refused():
    with pytest.raises(InvalidData, match=r"never ends: leave repeat\(\) out"):
        stream(as_tf(X, Y).repeat(), classes=4)
    with pytest.raises(InvalidData, match=r"never ends: leave repeat\(\) out"):
        stream(as_grain(X, Y).repeat(), classes=4)


def test_tensorflow_datasets_are_taken(tmp_path):
    tfds = pytest.importorskip("tensorflow_datasets")
    from PIL import Image

    for i, (x, y) in enumerate(zip(X, Y, strict=True)):
        (tmp_path / "train" / f"c{y}").mkdir(parents=True, exist_ok=True)
        Image.fromarray(x).save(tmp_path / "train" / f"c{y}" / f"{i}.png")
    builder = tfds.ImageFolder(str(tmp_path))
    for supervised in (True, False):
        train = builder.as_dataset("train", as_supervised=supervised)
        data = stream(train, class_names=builder.info.features["label"].names)
        assert (data.train.number, data.input_shape) == (NUMBER, (SIDE, SIDE, 3))
        assert data.class_names == ("c0", "c1", "c2", "c3")
        found = np.sort(next(data.train.batches(NUMBER))[0].sum(axis=(1, 2, 3)))
        np.testing.assert_allclose(found, np.sort(X.sum(axis=(1, 2, 3)) / 255), rtol=1e-5)


def test_an_evaluation_says_how_to_wrap_what_is_no_data():
    with pytest.raises(ValueError, match=r"got Pictures: wrap .* as stream\(train, validation"):
        Evaluation(make_space("convnet"), Pictures(X, Y))


def test_a_stream_has_no_arrays_and_says_what_to_use():
    with pytest.raises(AttributeError, match=r"a stream has no x_train.*data.train.batches\(size"):
        cellwright.stream(Pictures(X, Y), classes=4).x_train  # noqa: B018


@pytest.mark.usefixtures("untraced")
class TestTraining:
    space = make_space("convnet")
    params = space.sample(np.random.default_rng(1))

    def metrics(self, data, epochs=2, **how):
        evaluation = Evaluation(
            self.space, data, recipe=Recipe(epochs, 16), options={"filters": 2}, **how
        )
        return evaluation.run(self.params)[0]

    def test_examples_by_number_train_like_arrays(self):
        arrays = Dataset(
            (X / np.float32(255)).astype(np.float32), Y,
            (VX / np.float32(255)).astype(np.float32), VY, ("a", "b", "c", "d"),
        )  # fmt: skip
        expected = self.metrics(arrays)
        found = self.metrics(stream(Pictures(X, Y), Pictures(VX, VY), classes=4))
        assert 0 <= found.pop("data_wait") <= 1
        del expected["seconds"], found["seconds"]
        assert found == expected

    def test_batches_in_turn_train_in_their_order(self):
        mine = Batched(X, Y)
        data = stream(mine, Batched(VX, VY, 5), classes=4)
        before = mine.passes
        found = self.metrics(data)
        assert {"val_accuracy", "accuracy", "data_wait"} <= found.keys()
        assert mine.passes == before + 2
        assert found["loss"] == self.metrics(data)["loss"]
