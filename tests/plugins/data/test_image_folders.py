"""Folders of images as people have them: of any size, mode, format and layout."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cellwright.plugins import Dataset, load_dataset, make_space
from cellwright.plugins.data.image_file import endings, read_size
from cellwright.plugins.model.readers import ImageReader
from cellwright.search_spaces import InvalidData, UnbuildableChild

RNG = np.random.default_rng(0)


def photo(file, size=(16, 16), mode="RGB", **how):
    """A file of noise, ``size`` being (height, width)."""
    Path(file).parent.mkdir(parents=True, exist_ok=True)
    pixels = RNG.integers(0, 256, (*size, 3), dtype=np.uint8)
    Image.fromarray(pixels).convert(mode).save(file, **how)


def folder(root="data", names=("cat", "dog"), images=2, **how):
    for name in names:
        for i in range(images):
            photo(f"{root}/{name}/{i}.png", **how)


def everything(data):
    return np.concatenate([data.x_train, data.x_val])


@pytest.mark.parametrize(
    ("given", "size"),
    [("64", (64, 64)), ("64x48", (64, 48)), ("64X48", (64, 48)), (64, (64, 64)),
     ((64, 48), (64, 48)), ([1, 4096], (1, 4096)), (None, None)],
)  # fmt: skip
def test_a_size_is_a_side_or_height_and_width(given, size):
    assert read_size(given) == size


@pytest.mark.parametrize(
    "given",
    ["", "x", "64x", "64x48x3", "-1", "0", "4097", "6.5", "64 48", 0, 6.5, True, (64, 4, 3)],
)
def test_what_is_no_size_is_refused(given):
    with pytest.raises(InvalidData, match=r"such as 64, or height x width, such as 64x48.*; got "):
        read_size(given)


def test_photos_of_all_sizes_become_one_with_their_aspect_kept():
    """A white photo of twice the width has black bars above and below, or none if it is cropped."""
    for name in "ab":
        for i, size in enumerate([(20, 40), (100, 200), (3, 6)]):
            Path(f"data/{name}").mkdir(parents=True, exist_ok=True)
            Image.new("RGB", size[::-1], "white").save(f"data/{name}/{i}.png")
    bars = np.zeros((16, 16, 3), np.float32)
    bars[4:12] = 1
    for image in everything(load_dataset("data", image_size=16)):
        np.testing.assert_array_equal(image, bars)
    for image in everything(load_dataset("data", image_size="16", image_fit="crop")):
        np.testing.assert_array_equal(image, 1)
    assert load_dataset("data", image_size="16x24").input_shape == (16, 24, 3)


def test_a_crop_is_of_the_middle():
    for name in "ab":
        for i in range(2):
            pixels = np.zeros((8, 24), np.uint8)
            pixels[:, 8:16] = 255
            Path(f"data/{name}").mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(f"data/{name}/{i}.png")
    for image in everything(load_dataset("data", image_size=8, image_fit="crop")):
        assert image[:, 1:-1].min() > 0.9


@pytest.mark.parametrize("size", [(1, 300), (300, 1), (1, 1)])
def test_the_most_slender_image_is_resized(size):
    folder(size=size)
    assert load_dataset("data", image_size=8).input_shape == (8, 8, 3)
    assert load_dataset("data", image_size=8, image_fit="crop").input_shape == (8, 8, 3)


def test_a_large_jpeg_is_the_same_image():
    """It is decoded at a fraction of its size."""
    pixels = np.zeros((1200, 800, 3), np.uint8)
    pixels[:600, :, 0] = 255
    for name in "ab":
        for i in range(2):
            Path(f"data/{name}").mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(f"data/{name}/{i}.jpg")
    for image in everything(load_dataset("data", image_size=(12, 8))):
        assert image[:5, :, 0].min() > 0.9
        assert image[7:, :, 0].max() < 0.1


MODES = {"1": "png", "L": "png", "LA": "png", "P": "gif", "RGB": "jpg", "RGBA": "png",
         "CMYK": "jpg", "I;16": "png", "YCbCr": "jpg", "LAB": "tif"}  # fmt: skip


@pytest.mark.parametrize("color", ["rgb", "gray"])
def test_every_mode_becomes_the_one_that_is_asked_for(color):
    """A field of light gray looks alike in all of them."""
    for name in "ab":
        for mode, ending in MODES.items():
            Path(f"data/{name}").mkdir(parents=True, exist_ok=True)
            if mode == "I;16":
                image = Image.fromarray(np.full((8, 8), 200 * 257, np.uint16))
            elif mode == "1":
                image = Image.fromarray(np.full((8, 8), True))
            else:
                image = Image.new("RGB", (8, 8), (200, 200, 200))
                image = (image.convert("L") if mode == "LA" else image).convert(mode)
            image.save(f"data/{name}/{mode.replace(';', '')}.{ending}")
    for options in ({}, {"image_size": 6}):
        data = load_dataset("data", color=color, **options)
        assert data.input_shape[-1] == (3 if color == "rgb" else 1)
        assert len(everything(data)) == 2 * len(MODES)
        middle = everything(data)[:, 3, 3]
        shown = np.where(middle > 0.99, 200 / 255, middle)  # of one bit
        np.testing.assert_allclose(shown, 200 / 255, atol=0.02)


def test_gray_and_colour_together_are_refused_with_the_remedy():
    folder(names=["cat"])
    folder(names=["dog"], mode="L", size=(40, 90))
    words = r"cat/0.png is \(16, 16, 3\), data/dog/0.png is \(40, 90, 1\); --image-size (16|32) .*"
    with pytest.raises(InvalidData, match=words + "--color rgb or --color gray"):
        load_dataset("data")
    assert load_dataset("data", image_size=16, color="gray").input_shape == (16, 16, 1)


def test_transparent_parts_are_white_and_said():
    for name in "ab":
        for i in range(2):
            Path(f"data/{name}").mkdir(parents=True, exist_ok=True)
            Image.new("RGBA", (8, 8), (0, 0, 0, 0)).save(f"data/{name}/{i}.png")
            Image.new("LA", (8, 8), (0, 0)).save(f"data/{name}/gray{i}.png")
    data = load_dataset("data", color="rgb")
    np.testing.assert_array_equal(everything(data), 1)
    assert data.notes == ("transparent parts of 8 files are put on white",)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photo_is_turned_as_a_viewer_turns_it(orientation):
    pixels = np.zeros((32, 16, 3), np.uint8)
    pixels[:8, :8] = 255  # the corner at the top left
    turned = Image.fromarray(pixels)
    for how in {3: [3], 6: [4], 8: [2], 2: [0], 4: [1], 5: [5], 7: [6]}.get(orientation, []):
        turned = turned.transpose(Image.Transpose(how))  # the inverse of what a viewer does
    exif = Image.Exif()
    exif[0x0112] = orientation
    for name in "ab":
        for i in range(2):
            Path(f"data/{name}").mkdir(parents=True, exist_ok=True)
            turned.save(f"data/{name}/{i}.jpg", exif=exif, quality=95)
    wanted = np.asarray(turned)
    ways = {1: wanted, 2: wanted[:, ::-1], 3: wanted[::-1, ::-1], 4: wanted[::-1],
            5: wanted.swapaxes(0, 1), 6: np.rot90(wanted, -1),
            7: np.rot90(wanted, 2).swapaxes(0, 1), 8: np.rot90(wanted)}  # fmt: skip
    for options in ({}, {"image_size": (32, 16)}):
        for image in everything(load_dataset("data", **options)):
            np.testing.assert_allclose(image, ways[orientation] / 255, atol=0.1)


def test_every_ending_that_pillow_reads_counts():
    names = {
        ".jfif",
        ".jpe",
        ".ppm",
        ".pgm",
        ".tga",
        ".avif",
        ".jp2",
        ".ico",
        ".qoi",
        ".dib",
        ".mpo",
    }
    assert names <= endings()
    # These start another program, or can only be recognised.
    assert not {".eps", ".ps", ".pdf", ".mpg", ".h5", ".wmf"} & endings()
    for name in "ab":
        photo(f"data/{name}/0.JFIF", format="jpeg")
        photo(f"data/{name}/1.jpe")
        photo(f"data/{name}/2.ppm")
        photo(f"data/{name}/3.tga")
        photo(f"data/{name}/4.jp2")
    data = load_dataset("data")
    assert len(everything(data)) == 10
    assert data.notes == ()


def test_postscript_under_the_name_of_an_image_is_not_run():
    folder()
    photo("data/cat/page.eps")
    Path("data/cat/page.eps").rename("data/cat/page.jpg")
    (note,) = load_dataset("data").notes
    assert note == "left out, as they cannot be read: 1 file: cat/page.jpg (it is no image that " \
        "Pillow reads)"  # fmt: skip


def test_what_systems_leave_is_skipped_and_all_else_is_said():
    folder()
    for name in (
        "__MACOSX/cat/._0.jpg", ".git/x", "cat/Thumbs.db", "cat/desktop.ini", "cat/.DS_Store",
        "cat/__MACOSX/x.png",
    ):  # fmt: skip
        Path("data", name).parent.mkdir(parents=True, exist_ok=True)
        Path("data", name).write_bytes(b"no image")
    assert load_dataset("data").notes == ()
    for name in ("cat/notes.txt", "dog/film.mp4", "cat/more.txt", "loose.png"):
        Path("data", name).write_bytes(b"no image")
    data = load_dataset("data")
    assert len(everything(data)) == 4
    (note,) = data.notes
    assert note.startswith("left out: 4 files that are not in the folder of a class or do not")
    assert note.endswith(": .txt (2), .png (1), .mp4 (1)")


def test_damaged_files_are_counted_and_named_or_refused():
    folder(images=3)
    whole = Path("data/cat/0.png").read_bytes()
    Path("data/cat/cut.png").write_bytes(whole[: len(whole) // 2])
    Path("data/dog/empty.jpg").write_bytes(b"")
    Path("data/dog/gone.jpg").symlink_to("nowhere.jpg")
    data = load_dataset("data")
    assert len(everything(data)) == 6
    (note,) = data.notes
    assert note.startswith("left out, as they cannot be read: 3 files: cat/cut.png (image file is")
    assert "dog/empty.jpg (it is no image that Pillow reads), dog/gone.jpg (" in note
    with pytest.raises(InvalidData, match=r"3 files: cat/cut.png.*dog/gone.jpg.*or leave strict"):
        load_dataset("data", strict=True)
    for i in range(12):
        Path(f"data/cat/{i:02}.bmp").write_bytes(b"BM")
    assert load_dataset("data").notes[0].endswith(" and 5 more")
    for file in Path("data/dog").glob("*.png"):
        file.write_bytes(b"")
    with pytest.raises(InvalidData, match="no image of class 'dog' can be read: 18 files"):
        load_dataset("data")


def test_train_val_and_test_are_used_as_such():
    for part, images in (("train", 5), ("val", 2), ("test", 3)):
        folder(f"data/{part}", images=images)
    Path("data/test/dog/0.png").write_bytes(b"never read")
    data = load_dataset("data", image_size=8)
    assert (len(data.x_train), len(data.x_val)) == (10, 4)
    assert data.y_train.tolist() == [0] * 5 + [1] * 5
    assert data.y_val.tolist() == [0] * 2 + [1] * 2
    assert data.notes == (
        "children are validated on val/",
        "test/ is left alone: no child is trained or judged on it",
    )


def test_without_a_folder_for_validation_the_training_images_are_split():
    folder("data/Training", images=5)
    folder("data/Testing", images=3)
    data = load_dataset("data")
    assert (len(data.x_train), len(data.x_val)) == (8, 2)
    assert data.notes == ("Testing/ is left alone: no child is trained or judged on it",)


@pytest.mark.parametrize("parts", [["val", "test"], ["train", "rest"], ["train", "training"]])
def test_other_layouts_are_refused(parts):
    for part in parts:
        folder(f"data/{part}")
    with pytest.raises(InvalidData, match=f"holds {', '.join(sorted(parts))}. Folders of classes"):
        load_dataset("data")


def test_classes_may_be_called_train_and_test():
    folder(names=["train", "test"])
    assert load_dataset("data").class_names == ("test", "train")


def test_a_class_of_the_validation_folder_alone_is_refused():
    folder("data/train")
    folder("data/valid", names=["cat", "fox"])
    with pytest.raises(InvalidData, match=r"labels \['fox'\] are in the validation part only"):
        load_dataset("data")


def test_options_are_for_folders():
    for source in ("digits", "wine", "data.npz"):
        for options in ({"image_size": 8}, {"color": "gray"}, {"strict": True}):
            with pytest.raises(InvalidData, match="are for folders of images"):
                load_dataset(source, **options)
    for options, words in (
        ({"color": "red"}, "color must be one of rgb, gray, got 'red'"),
        ({"image_fit": "fill"}, "image_fit must be one of pad, crop, got 'fill'"),
        ({"image_fit": "crop"}, "give an image_size too"),
        ({"image_size": "x"}, "an image size is"),
    ):
        with pytest.raises(InvalidData, match=words):
            load_dataset("data", **options)


FIRST = np.zeros((8, 3, 32, 32), np.float32)
LABELS = np.arange(8) % 2


@pytest.mark.parametrize(
    "entrance",
    [
        lambda x: np.savez("data.npz", x=x, y=LABELS) or load_dataset("data.npz"),
        lambda x: Dataset(x, LABELS, x, LABELS, ("a", "b")),
        lambda x: ImageReader.of(x),
        lambda x: ImageReader((32, 32, 3), 0, 1).transform(x),
    ],
)
def test_channels_first_is_one_error_everywhere(entrance):
    with pytest.raises(InvalidData, match=r"channels first.*\(8, 32, 32, 3\): transpose"):
        entrance(FIRST)
    entrance(np.moveaxis(FIRST, 1, -1))


@pytest.mark.parametrize("space", ["nasnet", "mnasnet", "convnet"])
def test_an_input_shape_with_channels_first_is_the_same_error(space):
    with pytest.raises(UnbuildableChild, match=r"channels first.*32, 32, 3\): transpose"):
        make_space(space).check_input((3, 32, 32), 2)
    make_space(space).check_input((32, 32, 3), 2)
