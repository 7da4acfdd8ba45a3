"""A folder of photos of mixed sizes, from `cellwright search` to `cellwright export`."""

import json

import numpy as np
import pytest
from PIL import Image


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    home, rng = tmp_path_factory.mktemp("photos"), np.random.default_rng(0)
    for part, images in (("train", 6), ("val", 3), ("test", 1)):
        for name, darkest in (("day", 150), ("night", 0)):
            (home / "mixed" / part / name).mkdir(parents=True)
            for i, ending in enumerate(["jpg", "png", "gif"] * 2):
                if i < images:
                    size = (*rng.integers(10, 40, 2), 3)
                    pixels = rng.integers(darkest, darkest + 100, size, dtype=np.uint8)
                    Image.fromarray(pixels).save(home / "mixed" / part / name / f"{i}.{ending}")
    (home / "mixed" / "train" / "day" / "broken.jpg").write_bytes(b"")
    return home


SEARCH = ["search", "--data", "mixed", "--space", "mlp", "--trials", 1, "--epochs", 1,
          "--batch-size", 4, "--strategy", "random", "--out", "run"]  # fmt: skip


def test_photos_of_mixed_sizes_are_searched_on_and_exported(home, cellwright):
    told, code = cellwright(home, *SEARCH)
    assert code == 1
    assert "--image-size 16 (in code image_size=16) resizes all of them" in told
    options = ["--image-size", "8x12", "--image-fit", "crop", "--color", "gray"]
    told, code = cellwright(home, *SEARCH, *options)
    assert code == 0, told
    assert "data: children are validated on val/" in told
    assert "data: test/ is left alone" in told
    assert "data: left out, as they cannot be read: 1 file: train/day/broken.jpg" in told
    settings = json.loads((home / "run" / "settings.json").read_text())
    assert {name: settings[name] for name in ("image_size", "image_fit", "color", "strict")} == {
        "image_size": "8x12", "image_fit": "crop", "color": "gray", "strict": False,
    }  # fmt: skip
    told, code = cellwright(home, *SEARCH, *options[2:], "--image-size", "8")
    assert code == 1
    assert "--image-size was '8x12' and is now '8'" in told
    for model in ("run", "run/best.keras"):  # its settings, or its input, say how to read a folder
        told, code = cellwright(
            home, "export", model, "--to", "keras", "--data", "mixed", "--out", f"new{len(model)}"
        )
        assert code == 0, told


def test_an_experiment_for_nni_reads_them_likewise(home, cellwright):
    options = ["--image-size", "8", "--strict", "--color", "gray", "--space", "mlp"]
    told, code = cellwright(home, "nni-init", "new", "--data", "mixed", *options)
    assert "1 file: train/day/broken.jpg" in told
    assert code == 1
    options.remove("--strict")
    told, code = cellwright(home, "nni-init", "new", "--data", "mixed", *options)
    assert code == 0, told
    assert "data: left out, as they cannot be read: 1 file: train/day/broken.jpg" in told
    script = (home / "new" / "trial.py").read_text()
    assert 'image_size="8"' in script
    assert 'color="gray"' in script
