"""A JSON file is what its dataclass says, or is named with the place and the remedy."""

from dataclasses import dataclass

import numpy as np
import pytest

from cellwright.plugins.checked import check_finite, read_as
from cellwright.plugins.files import read_npz
from cellwright.search_spaces import CorruptedState


@dataclass(frozen=True)
class Inner:
    sizes: tuple[int, ...]
    name: str | None = None


@dataclass(frozen=True)
class Outer:
    inner: list[Inner]
    share: float = 1.0


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (b"", "it is empty. Delete it"),
        (b"\0\0\0", "it is empty. Delete it"),
        (b"\xff\xfe\x00", "it is no text in UTF-8"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"inner": [', "line 1, column 12: Expecting value"),
        (b"[]", "Expected `object`, got `array`. Delete it"),
        (b'{"share": 2}', "missing required field `inner`"),
        (b'{"inner": [{"sizes": [1, "2"]}]}', r"inner\[0\].sizes\[1\]: Expected `int`, got `str`"),
        (b'{"inner": [{"sizes": [1.5]}]}', r"inner\[0\].sizes\[0\]: Expected `int`, got `float`"),
        (b'{"inner": [], "share": true}', "share: Expected `float`, got `bool`"),
    ],
)
def test_damage_is_named(tmp_path, text, told):
    file = tmp_path / "outer.json"
    file.write_bytes(text)
    with pytest.raises(CorruptedState, match=rf"outer\.json is damaged: .*{told}"):
        read_as(file, Outer, "Delete it")


def test_what_fits_is_read(tmp_path):
    file = tmp_path / "outer.json"
    file.write_text('{"inner": [{"sizes": [1, 2], "later": 1}], "share": 2}')
    assert read_as(file, Outer, "Delete it") == Outer([Inner((1, 2))], 2.0)
    with pytest.raises(CorruptedState, match=r"gone\.json.*Delete it"):
        read_as(tmp_path / "gone.json", Outer, "Delete it")
    with pytest.raises(CorruptedState, match=r"a\[1\].b: a finite number"):
        check_finite({"a": [1.0, {"b": float("nan")}]}, file, "Delete it")


@pytest.mark.parametrize("cut", [0, 1, 100, -30])
def test_a_cut_npz_file_is_one_kind_of_error(tmp_path, cut):
    file = tmp_path / "arrays.npz"
    np.savez(file, x=np.arange(1000))
    assert read_npz(file)["x"][-1] == 999
    file.write_bytes(file.read_bytes()[:cut])
    with pytest.raises(ValueError, match=r"arrays\.npz cannot be read"):
        read_npz(file)


def test_pickled_objects_are_never_read(tmp_path):
    np.savez(tmp_path / "arrays.npz", x=np.array([{}], dtype=object))
    with pytest.raises(ValueError, match="pickle"):
        read_npz(tmp_path / "arrays.npz")
