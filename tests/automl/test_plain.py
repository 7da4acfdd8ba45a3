"""Values that an estimator saves come back as they are, and others are refused."""

from __future__ import annotations

import numpy as np
import pytest

from cellwright.automl.plain import from_plain, to_plain


@pytest.mark.parametrize(
    "value",
    [
        np.array(["a", "b"]),
        np.array([1, 2], np.int8),
        np.array([True, False]),
        np.array(["2026-11-29"], "datetime64[D]"),
        np.array([1, "a", None], object),
    ],
)
def test_arrays_come_back(value: np.ndarray) -> None:
    again = from_plain(to_plain(value))
    assert again.dtype == value.dtype
    assert again.tolist() == value.tolist()


@pytest.mark.parametrize("dtype", ["V3", "S2", "c16", "i4,i4"])
def test_arrays_of_other_kinds_are_refused(dtype: str) -> None:
    with pytest.raises(ValueError, match="an array of "):
        from_plain({"is": "array", "dtype": dtype, "shape": [1], "of": [1]})
    with pytest.raises(TypeError, match="cannot be saved"):
        to_plain(np.zeros(1, dtype))
