"""Data: what may be searched on, and what is refused, with which words."""

import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cellwright.plugins import load_dataset
from cellwright.plugins.data.dataset import split
from cellwright.search_spaces import InvalidData

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (20, 8, 8, 3), dtype=np.uint8)
PIXELS[0, 0, 0] = (0, 128, 255)  # so that the whole scale is there
LABELS = np.arange(20) % 4


def npz(**arrays):
    np.savez("data.npz", **arrays)
    return "data.npz"


def all_images(data):
    return np.concatenate([data.x_train, data.x_val])


def picture(file, pixels):
    Path(file).parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(file)


def folders(classes=("cat", "dog"), images=3, size=(8, 8, 3)):
    for name in classes:
        for i in range(images):
            picture(f"data/{name}/{i}.png", RNG.integers(0, 256, size, dtype=np.uint8))
    return "data"


def test_digits():
    data = load_dataset("digits")
    assert data.input_shape == (8, 8, 1)
    assert data.class_names == tuple("0123456789")
    assert (len(data.x_train), len(data.x_val)) == (1438, 359)
    assert data.x_train.dtype == np.float32
    assert data.y_train.dtype == np.int64
    assert (data.x_train.min(), data.x_train.max()) == (0, 1)


def test_a_split_is_disjoint_complete_stratified_and_fixed_by_its_seed():
    x = np.arange(100, dtype=np.float32).reshape(100, 1, 1, 1)
    y = np.repeat([0, 1, 2], [50, 40, 10])
    data = split(x, y, ("a", "b", "c"), validation=0.3, seed=1)
    seen = np.concatenate([data.x_train, data.x_val]).ravel()
    assert sorted(seen) == list(range(100))
    assert np.bincount(data.y_val).tolist() == [15, 12, 3]
    for images, labels in ((data.x_train, data.y_train), (data.x_val, data.y_val)):
        assert (y[images.ravel().astype(int)] == labels).all()
    again, other = (split(x, y, ("a", "b", "c"), validation=0.3, seed=s) for s in (1, 2))
    assert (again.x_train == data.x_train).all()
    assert (other.x_train != data.x_train).any()


def test_the_smallest_class_has_an_image_in_each_part():
    for validation in (0.01, 0.99):
        data = split(
            np.zeros((4, 1, 1, 1), np.float32),
            np.array([0, 0, 1, 1]),
            ("a", "b"),
            validation=validation,
        )
        assert sorted(data.y_train) == sorted(data.y_val) == [0, 1]


@pytest.mark.parametrize("validation", [0, 1, -0.1, float("nan")])
def test_an_impossible_share_is_refused(validation):
    with pytest.raises(InvalidData, match=r"validation must be .*above 0 and below 1"):
        load_dataset("digits", validation=validation)


@pytest.mark.parametrize(
    ("images", "white"),
    [
        (PIXELS, 255),
        (PIXELS[..., 0], 255),  # gray, without an axis for channels
        (PIXELS.astype(np.int64), 255),
        (PIXELS.astype(np.uint16), 255),
        (PIXELS.astype(np.uint16) * 257, 65535),
        (PIXELS.astype(np.int32) * 257, 65535),
        (PIXELS.astype(np.float64), 255),
        (PIXELS.astype(np.float32) / 255, 1),
        (PIXELS.astype(np.float16) / 255, 1),
        (PIXELS > 127, 1),
        ((PIXELS > 127).astype(np.uint8), 1),
        (np.zeros_like(PIXELS), 1),
        (np.asfortranarray(PIXELS), 255),
    ],
    ids=lambda value: value if isinstance(value, int) else f"{value.dtype}-{value.ndim}d",
)
def test_images_of_any_kind_come_out_in_0_to_1(images, white):
    data = load_dataset(npz(x=images, y=LABELS))
    assert data.input_shape == (8, 8, 3 if images.ndim == 4 else 1)
    found = all_images(data)
    assert found.dtype == np.float32
    assert found.flags.c_contiguous
    assert found.min() >= 0
    assert found.max() <= 1
    expected = images.reshape(20, -1).astype(np.float64) / white
    given = {row.tobytes() for row in found.reshape(20, -1).astype(np.float32)}
    assert given == {row.tobytes() for row in expected.astype(np.float32)}


def test_both_parts_of_a_file_have_one_scale_and_stay_apart():
    dark = np.ones((4, 8, 8, 3), np.uint8)  # black, though alone it would pass for white
    data = load_dataset(npz(x_train=PIXELS, y_train=LABELS, x_val=dark, y_val=[3, 2, 1, 0],
                            x_test=np.full(3, None), y_test="anything"))  # fmt: skip
    np.testing.assert_array_equal(data.x_train, PIXELS.astype(np.float32) / 255)
    np.testing.assert_allclose(data.x_val, 1 / 255)
    assert data.y_train.tolist() == LABELS.tolist()
    assert data.y_val.tolist() == [3, 2, 1, 0]


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        (LABELS, "0 1 2 3"),
        (LABELS[:, None], "0 1 2 3"),
        (LABELS.astype(np.float32), "0 1 2 3"),
        (LABELS.astype(np.uint8) * 5, "0 5 10 15"),  # in the order of numbers, not of text
        (LABELS - 1, "-1 0 1 2"),
        (np.array(["ape", "bee", "cat", "dog"])[LABELS], "ape bee cat dog"),
        (np.array([b"ape", b"bee", b"cat", b"dog"])[LABELS], "ape bee cat dog"),
        (LABELS > 1, "False True"),
    ],
)
def test_labels_of_any_kind_become_classes(labels, names):
    x = np.arange(20, dtype=np.uint8)[:, None, None] * np.ones((20, 8, 8), np.uint8)
    data = load_dataset(npz(x=x, y=labels))
    assert data.class_names == tuple(names.split())
    order = np.round(all_images(data)[:, 0, 0, 0] * 255).astype(int)
    found = np.array(data.class_names)[np.concatenate([data.y_train, data.y_val])]
    given = labels.ravel()[order]
    given = given.astype(int) if given.dtype.kind == "f" else given
    assert found.tolist() == [v.decode() if isinstance(v, bytes) else str(v) for v in given]


X, Y = PIXELS, LABELS
NAN = np.where(PIXELS < 1, np.nan, PIXELS / 255)


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"x": X, "y": np.zeros(20, int)}, r"at least two classes, found 1: \['0'\]"),
        ({"x": X, "y": np.r_[1, np.zeros(19, int)]}, "class '1' has too few images .1."),
        ({"x": X, "y": np.arange(20)}, "class '0' has too few images"),
        ({"x": X, "y": Y[:19]}, "20 images and 19 labels"),
        ({"x": X[:0], "y": Y[:0]}, "0 images and 0 labels"),
        ({"x": X, "y": np.eye(4)[Y]}, "one-hot.*argmax"),
        ({"x": X, "y": Y + 0.5}, "labels must be whole numbers or text.*float64"),
        ({"x": X, "y": np.where(Y, Y, np.nan)}, "labels must be whole numbers or text"),
        ({"x": X, "y": Y.astype("datetime64[s]")}, "labels must be whole numbers or text"),
        ({"x": NAN, "y": Y}, "NaN or infinite"),
        ({"x": np.where(np.isnan(NAN), np.inf, NAN), "y": Y}, "NaN or infinite"),
        ({"x": X.reshape(20, -1), "y": Y}, r"uint8 of shape \(20, 192\)"),
        ({"x": X[..., None], "y": Y}, r"uint8 of shape \(20, 8, 8, 3, 1\)"),
        ({"x": X[:, :0], "y": Y}, r"of shape \(20, 0, 8, 3\)"),
        ({"x": np.moveaxis(X, 3, 1), "y": Y}, "channels first.*moveaxis"),
        ({"x": X.astype(complex), "y": Y}, "must be numbers.*complex"),
        ({"x": X.astype(str), "y": Y}, "must be numbers.*<U"),
        ({"x": np.float32(1), "y": np.int64(1)}, "0 images and 1 labels"),
        ({"x": X / 127.5 - 1, "y": Y}, r"from -1 to 1; give \[0, 1\]"),
        ({"x": X / 255 * 1.05, "y": Y}, "from 0 to 1.05"),
        ({"x": X.astype(int) * 1000, "y": Y}, "from 0 to 255000"),
        ({"a": X, "b": Y}, "must hold x_train and y_train, or x and y; found none"),
        ({"x": X}, r"or x and y; found \['x'\]"),
        ({"x": X, "y_train": Y}, r"found \['x', 'y_train'\]"),
        ({"x": X, "y": Y, "x_val": X}, "one of x_val and y_val; give both, or neither"),
        (
            {"x": X, "y": Y, "x_val": X, "y_val": Y + 1},
            r"labels \[4\] are in the validation part only",
        ),
        ({"x": X, "y": Y, "x_val": X, "y_val": Y.astype(str)}, "text in one part and numbers"),
        ({"x": X, "y": Y, "x_val": X, "y_val": Y[:2]}, "20 images and 2 labels"),
        ({"x": X, "y": Y, "x_val": X[:, :4], "y_val": Y}, "of one size.*20, 4, 8, 3"),
        ({"x": X, "y": Y, "x_val": X / 255, "y_val": Y}, "one kind of number.*float64"),
        ({"x": X, "y": Y * 0, "x_val": X, "y_val": Y * 0}, "at least two classes"),
    ],
    ids=lambda value: value[:24] if isinstance(value, str) else "",
)
def test_arrays_that_cannot_be_searched_on_are_refused(arrays, words):
    with pytest.raises(InvalidData, match=r"^data 'data\.npz': .*" + words):
        load_dataset(npz(**arrays))


class Bomb:
    """Its pickle, when loaded, leaves a file."""

    def __reduce__(self):
        return open, ("loaded", "w")


def test_a_pickle_is_never_loaded():
    with pytest.raises(InvalidData, match="pickled objects are never read"):
        load_dataset(npz(x=np.array([Bomb()] * 4, dtype=object), y=[0, 0, 1, 1]))
    with pytest.raises(InvalidData, match="pickled objects are never read"):
        load_dataset(npz(x=X, y=np.array([Bomb()] * 20, dtype=object)))
    Path("data.npz").write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(InvalidData, match="not a zip archive"):
        load_dataset("data.npz")
    assert not Path("loaded").exists()


def test_a_file_that_is_no_npz_is_refused():
    npz(x=X, y=Y)
    whole = Path("data.npz").read_bytes()
    middle = bytearray(whole)
    middle[len(whole) // 2] ^= 255
    np.save("array.npy", X)
    with zipfile.ZipFile("text.npz", "w") as file:
        file.writestr("x.npy", "some text")
        file.writestr("y.npy", "")
    for name, content, words in (
        ("empty.npz", b"", "not a zip archive"),
        ("text.npz", b"x,y\n1,2\n", "not a zip archive"),
        ("array.npz", Path("array.npy").read_bytes(), "not a zip archive"),
        ("cut.npz", whole[: len(whole) // 2], "not a zip archive"),
        ("flipped.npz", bytes(middle), "cannot be read: Bad CRC-32"),
        ("member.npz", Path("text.npz").read_bytes(), "must|cannot be read"),
    ):
        Path(name).write_bytes(content)
        with pytest.raises(InvalidData, match=f"data '{name}': .*({words})"):
            load_dataset(name)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("nowhere", "no such data, and no such path: give digits, fashion_mnist, cifar10, wine"),
        ("nowhere.npz", "there is no such file"),
        ("", "folder"),
        ("mnist", "no such path"),
        ("array.npy", "no such data: give digits"),
    ],
)
def test_a_source_that_is_not_there_is_refused(source, words):
    np.save("array.npy", X)
    with pytest.raises(InvalidData, match=words):
        load_dataset(source)


def test_folders_of_colour_images():
    gradient = np.zeros((6, 10, 3), np.uint8)
    gradient[0, 0], gradient[5, 9] = (255, 0, 51), (0, 255, 102)
    for name in ("zebra", "ant", "10", "9"):
        for i in range(5):
            picture(f"data/{name}/{i}.png", gradient)
    data = load_dataset("data")
    assert data.class_names == ("10", "9", "ant", "zebra")
    assert data.input_shape == (6, 10, 3)
    assert np.bincount(data.y_train).tolist() == [4] * 4
    for image in all_images(data):
        np.testing.assert_array_equal(image, gradient.astype(np.float32) / 255)


def test_folders_of_gray_images_with_8_and_16_bits():
    shallow = np.arange(64, dtype=np.uint8).reshape(8, 8)
    deep = np.arange(64, dtype=np.uint16).reshape(8, 8) * 1000
    for i in range(2):
        picture(f"data/shallow/{i}.png", shallow)
        picture(f"data/deep/{i}.png", deep)
        picture(f"data/deep/{i}.tif", deep)
    with Image.open("data/deep/0.png") as opened:
        assert opened.mode.startswith("I")
    data = load_dataset("data")
    assert data.input_shape == (8, 8, 1)
    for image, label in zip(data.x_train, data.y_train, strict=True):
        whole = shallow / 255 if data.class_names[label] == "shallow" else deep / 65535
        np.testing.assert_allclose(image[..., 0], whole, atol=1e-6)


def test_every_kind_of_image_file_is_read():
    colour = np.full((8, 8, 3), 200, np.uint8)
    for i, ending in enumerate(("png", "jpg", "JPEG", "bmp", "webp", "tiff", "gif")):
        for name in "ab":
            picture(f"data/{name}/{i}.{ending}", colour)
    alpha = np.dstack([colour, np.full((8, 8), 255, np.uint8)])
    for name in "ab":
        picture(f"data/{name}/alpha.png", alpha)
    data = load_dataset("data")
    assert len(all_images(data)) == 16
    np.testing.assert_allclose(all_images(data), 200 / 255, atol=0.02)


def test_hidden_files_and_other_files_are_passed_over():
    source = folders()
    for name in ("data/.DS_Store", "data/cat/._0.png", "data/cat/Thumbs.db", "data/readme.txt"):
        Path(name).write_bytes(b"no image")
    Path("data/.ipynb_checkpoints").mkdir()
    data = load_dataset(source)
    assert data.class_names == ("cat", "dog")
    assert len(all_images(data)) == 6


def test_folders_that_cannot_be_searched_on_are_refused():
    def refused(words):
        with pytest.raises(InvalidData, match=r"^data 'data': .*" + words):
            load_dataset("data")

    Path("data").mkdir()
    refused("at least two folders of images, one for each class; found none")
    folders(classes=["cat"])
    refused(r"at least two folders.*found \['cat'\]")
    Path("data/dog").mkdir()
    refused("class folder 'dog' holds no images .*found nothing. Add images, or remove the folder")
    picture("data/dog/0.png", np.zeros((8, 8, 3), np.uint8))
    refused("class 'dog' has too few images .1.")
    Path("data/dog/1.png").write_bytes(b"")
    refused("class 'dog' has too few images .1.*; left out.*dog/1.png .it is no image")
    whole = Path("data/dog/0.png").read_bytes()
    Path("data/dog/1.png").write_bytes(whole[: len(whole) // 2])
    refused("1 file: dog/1.png .it is no image")
    picture("data/dog/1.png", np.zeros((9, 8, 3), np.uint8))
    refused(
        r"of one size.*cat/0.png is \(8, 8, 3\), data/dog/1.png is \(9, 8, 3\); --image-size 8 "
    )
    picture("data/dog/1.png", np.zeros((8, 8), np.uint8))
    refused(r"all gray or all coloured.*data/dog/1.png is \(8, 8, 1\); --color rgb or")
    picture("data/dog/1.png", np.zeros((8, 8, 3), np.uint8))
    assert load_dataset("data").classes == 2
    picture("data/dog/more/2.png", np.zeros((8, 8, 3), np.uint8))
    refused("class folder 'dog' holds folders .more.")


def test_the_folder_above_the_classes_is_refused_with_the_right_one():
    for part in ("drawings", "photos"):
        for name in ("cat", "dog"):
            picture(f"data/{part}/{name}/0.png", np.zeros((8, 8), np.uint8))
    with pytest.raises(InvalidData, match=r"'drawings' holds folders .cat.*give data/drawings its"):
        load_dataset("data")
    with pytest.raises(InvalidData, match=r"found \['data'\] in .*the classes lie in it, give "):
        load_dataset(".")


def test_floating_point_pictures_are_refused():
    for name in "ab":
        picture(f"data/{name}/0.tif", np.zeros((8, 8), np.float32))
    with pytest.raises(InvalidData, match=r"a/0\.tif holds floating-point pixels"):
        load_dataset("data")


def test_built_in_names_come_before_folders_of_that_name():
    Path("digits").mkdir()
    assert len(all_images(load_dataset("digits"))) == 1797
